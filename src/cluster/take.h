/* A call that another process had goes on here. For the files of the head's brain. */
#ifndef MANTA_CLUSTER_TAKE_H
#define MANTA_CLUSTER_TAKE_H

#include "cluster/head.h"

struct call;
struct job;
struct worker;

/* job.c: a branch that another process had, as that told of it. */
struct job *head_job_taken(struct head *h, struct call *call, const struct wire_moved_job *m);
/* kin.c: only kin of the actor that it ran on there may go on with it, by the names of their pools. */
void head_kin_rejoin(struct head *h, struct job *job, struct str kin, struct str twins);

void head_take(struct head *h, const struct head_event *ev);
/* A worker has joined: what does it have of the calls that came? */
void head_take_ask(struct head *h, struct worker *w);
/* It has something of a stream that nobody seeks: of one that was taken? */
void head_take_held(struct head *h, struct worker *w, const struct wire_held *m);
/* It has answered a question: are all back? */
void head_take_look(struct head *h, const struct worker *w);
/* Who is not back by now is not awaited any longer. */
void head_take_overdue(struct head *h);

#endif
