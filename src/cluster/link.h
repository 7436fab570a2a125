/* Links of the head's brain: who may say what on one, and how it ends. For the brain's own files. */
#ifndef MANTA_CLUSTER_LINK_H
#define MANTA_CLUSTER_LINK_H

#include "cluster/head_state.h"

void head_link_open(struct head *h, uint64_t id, struct str peer, uint64_t origin);
void head_link_known(struct head *h, struct link *link);   /* no newcomer any more */
void head_link_msg(struct head *h, uint64_t id, const struct wire_msg *msg); /* messages.c */
void head_link_closed(struct head *h, uint64_t id, struct str why);
void head_link_overdue(struct head *h, struct link *link); /* no hello in time */
/* Tells the other side why, closes, and loses the worker with all that hangs on it. The caller returns at once. */
void head_link_refuse(struct head *h, struct link *link, int err, bool final, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Closes without a word to the other side. The worker goes first: what it loses may still be told to others, not to this link. */
void head_link_close(struct head *h, struct link *link, enum log_level level, struct str why);
struct link *head_link_find(const struct head *h, uint64_t id); /* NULL: unknown */
void head_hello(struct head *h, struct link *link, const struct wire_hello *hello);
void head_link_free(struct link *link);

#endif
