/* Links of the head's brain: who may join, who may say what, and what becomes of it. */
#ifndef MANTA_BRAIN_LINKS_LINKS_H
#define MANTA_BRAIN_LINKS_LINKS_H

#include "brain/step/step.h"

/* ---- link.c: begin and end ---- */
/* Somebody dialled: a newcomer, who must say hello in time. */
void head_link_open(struct head *h, uint64_t id, struct str peer, uint64_t origin);
/* It has said hello and is no newcomer any more. */
void head_link_known(struct head *h, struct link *link);
/* The link is gone, and its worker with it. Harmless for a link that is not known. */
void head_link_closed(struct head *h, uint64_t id, struct str why);
/* No hello in time. */
void head_link_overdue(struct head *h, struct link *link);
/* Tells the other side why, closes, and loses the worker with all that hangs on it. The caller returns at once. `final`: dialling
 * again will not help. */
void head_link_refuse(struct head *h, struct link *link, int err, bool final, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Closes without a word to the other side. The worker goes first: what it loses may still be told to others, not to this link. */
void head_link_close(struct head *h, struct link *link, enum log_level level, struct str why);
/* NULL: not known, or gone. */
struct link *head_link_find(const struct head *h, uint64_t id);
/* Frees it; nothing MUST hang on it. */
void head_link_free(struct link *link);

/* ---- messages.c ---- */
/* A message came over that link: the one place that knows who reads it. */
void head_link_msg(struct head *h, uint64_t id, const struct wire_msg *msg);

/* ---- hello.c ---- */
/* The first message: the link becomes a worker's or a launcher's, or is refused. */
void head_hello(struct head *h, struct link *link, const struct wire_hello *hello);

/* ---- what workers say; 0, or the fault for which the link is refused ---- */
/* register.c: of an actor. */
int head_actor_msg(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* beat.c: of its load. */
int head_beat(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* duty.c: whether it takes new jobs. */
int head_duty(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* done.c: a job has ended. */
int head_done(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);

/* register.c: takes an actor off the registry; its flights MUST have been taken off it. */
void head_actor_drop(struct head *h, struct actor *a);
/* beat.c: a worker's timer rang: has it fallen silent, or is it lost? due_us: when it should have. */
void head_worker_overdue(struct head *h, struct worker *w, uint64_t due_us);
/* duty.c: HEAD_DUTY: somebody wants a worker to serve, be cordoned, or drain; answered by head_answer(). */
void head_duty_ask(struct head *h, const struct head_event *ev);

#endif
