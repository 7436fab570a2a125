/* Jobs that cannot continue where they are: they leave, move with their KV cache, are quarantined, or come from another head. */
#ifndef MANTA_BRAIN_RECOVER_RECOVER_H
#define MANTA_BRAIN_RECOVER_RECOVER_H

#include "brain/run/run.h"

/* ---- failover.c: a job leaves the actor that has it ---- */
/* Why; what each means for the job and the actor is in leave_rules[]. */
enum leave_reason {
    LEAVE_CRASHED,      /* the worker's link ended without a goodbye */
    LEAVE_LEFT,         /* the worker said goodbye, or fell silent: no job can have killed it */
    LEAVE_UNLOADED,     /* the actor is gone or failed, its worker stays */
    LEAVE_HUNG,         /* the actor has brought no token for too long */
    LEAVE_FAILED,       /* the job ended there with an error that another actor may not have */
    LEAVE_FULL,         /* the worker had no room: other heads fill it, too */
    LEAVE_CROSSED,      /* the worker had stopped taking jobs, or had forgotten the stream, when the job arrived */
    LEAVE_RECOMPUTED,   /* its worker drains, or another actor is better: it is computed there from the beginning */
    LEAVE_MIGRATED,     /* the same, and its KV cache comes along */
    LEAVE_NOT_MIGRATED, /* it was saved for that, and then nobody could take it */
    LEAVE_REASONS,
};
/* It leaves: for `to` at once, which is open; NULL: to the front of the queue, or to its end with that fault when there were too
 * many attempts. The only way from a flight back to the queue. */
void head_job_leave(struct head *h, struct job *job, enum leave_reason reason, const struct fault *why, struct actor *to);
/* All jobs of an actor that nobody may wait for any longer leave it, and those that are bound to it wait for another one. */
void head_actor_evacuate(struct head *h, struct actor *a, enum leave_reason reason, const struct fault *why);
/* Jobs that wait for that actor alone wait for another one. */
void head_actor_unbind(struct head *h, struct actor *a, const struct fault *why);
/* A ready actor that takes jobs and that no other branch of the call has; NULL: there is none. */
struct actor *head_job_other_actor(const struct job *job);

/* ---- poison.c: requests that crash the workers that compute them ---- */
/* Last words of a worker: what it was computing when it crashed. 0, or the fault for which the link is refused. */
int head_crashed(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* There is evidence enough: it is given to nobody any more. */
bool head_call_is_poison(const struct call *call);
/* What its client is told then. */
void head_poison_fault(const struct call *call, struct fault *f);
/* Ends its jobs with that fault, but this one, and those on workers that are being lost. */
void head_call_reject(struct head *h, struct call *call, const struct job *but);
/* A suspect that lost its actor is bound to a quiet one, which runs nothing else. False: it is none, or there is no such actor. */
bool head_job_quarantine(struct head *h, struct job *job);

/* ---- migrate.c: a job leaves a worker with what is computed of it ---- */
/* A worker wants its jobs elsewhere, or no longer. */
void head_moves(struct head *h, struct worker *w, bool moves);
/* Moves what can move now, one at a time from each such worker; after those who wait have got what became free. */
void head_migration_more(struct head *h);
/* Both have the same bits to continue. */
bool head_migration_alike(const struct actor *a, const struct actor *b);
/* How long the job would pause on its way to that actor, in seconds, moved or computed again, whichever is quicker. */
double head_migration_pause_s(const struct head *h, const struct job *job, const struct actor *to);
/* Sends it there, one way or the other. `to` is open, alike, and nothing moves to its worker or from this one. */
void head_migration_start(struct head *h, struct job *job, struct actor *to, bool rebalances);
/* The worker is lost; its jobs are taken care of elsewhere. */
void head_migration_lost(struct head *h, struct worker *w);
/* Nothing moved for kv_stall_ms: it is computed instead. */
void head_migration_overdue(struct head *h, struct migration *mig);
/* The worker it leaves has stopped it, and has what is computed. 0, or the fault for which the link is refused. */
int head_kv_saved(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* A part of that, which continues to the other worker; the same. */
int head_kv_part(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* So much has come there; the same. */
int head_kv_ack(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);

/* ---- rebalance.c ---- */
/* That worker was heard of: one of its jobs may be better off elsewhere. */
void head_rebalance(struct head *h, struct worker *w);

/* ---- seek.c: which worker has the stream of a head that is gone? ---- */
/* HEAD_RESUME: a client comes with the name of a stream. */
void head_resume(struct head *h, const struct head_event *ev);
/* The client that looked for it has gone. False: no such call is looking for anything. */
bool head_seek_gone(struct head *h, uint64_t call);
/* A worker has joined: it is asked what others were asked. */
void head_seek_ask(struct head *h, struct worker *w);
/* It has left without an answer. */
void head_seek_lost(struct head *h, const struct worker *w);
/* A worker has something of a stream, or no more of it. 0, or the fault for which the link is refused. */
int head_held(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* A stream was looked for long enough, or waited for others long enough. */
void head_seek_overdue(struct head *h, struct timer *timer);
/* The head's end. */
void head_seeks_free(struct head *h);
/* What they hold of queue_bytes. */
uint64_t head_seeks_bytes(const struct head *h);

/* ---- handoff.c: the calls of a head whose place this one takes ---- */
/* HEAD_TAKE: a call that another process had continues here. */
void head_handoff(struct head *h, const struct head_event *ev);
/* A worker has joined: what does it have of the calls that came? */
void head_handoff_ask(struct head *h, struct worker *w);
/* It has something of a stream that nobody seeks: of one that was taken? */
void head_handoff_held(struct head *h, struct worker *w, const struct wire_held *m);
/* It has answered a question: are all back? */
void head_handoff_look(struct head *h, const struct worker *w);
/* Who is not back by now is not awaited any longer. */
void head_handoff_overdue(struct head *h);

#endif
