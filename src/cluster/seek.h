/* Find the worker that has a stream whose head is gone, and go on with it here. For the files of the head's brain. */
#ifndef MANTA_CLUSTER_SEEK_H
#define MANTA_CLUSTER_SEEK_H

#include "cluster/head.h"

struct timer;
struct worker;

void head_resume(struct head *h, const struct head_event *ev);
/* The client that looked for it has gone. False: no such call is looking for anything. */
bool head_seek_gone(struct head *h, uint64_t call);
/* A worker has joined: it is asked what others were asked. */
void head_seek_ask(struct head *h, struct worker *w);
/* It has left without an answer. */
void head_seek_lost(struct head *h, const struct worker *w);
void head_held(struct head *h, struct worker *w, const struct wire_held *m);
void head_seek_overdue(struct head *h, struct timer *timer);
void head_seeks_free(struct head *h);
/* What they hold of queue_bytes. */
uint64_t head_seeks_bytes(const struct head *h);

#endif
