/* Jobs that cannot continue where they are: they fail over, migrate, are quarantined, or come from another head. */
#ifndef MANTA_BRAIN_RECOVER_RECOVER_H
#define MANTA_BRAIN_RECOVER_RECOVER_H

#include "brain/run/run.h"

/* ---- failover.c: a job leaves its actor ---- */
/* Why a job leaves; leave_rules[] has the consequences for job and actor. */
enum leave_reason {
    LEAVE_CRASHED,      /* the worker's link ended without `bye` */
    LEAVE_LEFT,         /* the worker said `bye`, or fell silent: no job caused that */
    LEAVE_UNLOADED,     /* the actor is gone or failed, its worker stays */
    LEAVE_HUNG,         /* the actor brought no token for too long */
    LEAVE_FAILED,       /* the job ended with an error that another actor may not have */
    LEAVE_FULL,         /* the worker had no room: other heads use it, too */
    LEAVE_CROSSED,      /* the worker had stopped taking jobs, or had dropped the journal, when the job arrived */
    LEAVE_RECOMPUTED,   /* its worker drains, or another actor is better, and recomputes it */
    LEAVE_MIGRATED,     /* likewise, but with its KV cache */
    LEAVE_NOT_MIGRATED, /* it was saved for a migration, but no actor could take it */
    LEAVE_REASONS,
};
/* The job leaves its attempt: to `to`, which is open, at once; NULL: to the front of the queue, or,
 * after too many attempts, to its end with that fault. The only way from an attempt back to the queue. */
void head_job_leave(struct head *h, struct job *job, enum leave_reason reason, const struct fault *why, struct actor *to);
/* All jobs leave an actor that can no longer be counted on, and jobs bound to it wait for another one. */
void head_actor_evacuate(struct head *h, struct actor *a, enum leave_reason reason, const struct fault *why);
/* Jobs bound to that actor wait for another one. */
void head_actor_unbind(struct head *h, struct actor *a, const struct fault *why);
/* A ready actor that takes jobs and has no other branch of the call; NULL: none. */
struct actor *head_job_other_actor(const struct job *job);

/* ---- poison.c: requests that crash the workers that compute them ---- */
/* A worker's last words: a job that it was computing when it crashed. Returns 0, or the fault for
 * which the link is refused. */
int head_crashed(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* The evidence suffices: no actor gets the call any more. */
bool head_call_is_poison(const struct call *call);
/* Fills in the fault for the client of such a call. */
void head_poison_fault(const struct call *call, struct fault *f);
/* Ends the call's jobs with that fault, except `but` and those on workers that are being lost. */
void head_call_reject(struct head *h, struct call *call, const struct job *but);
/* Binds a suspect that lost its actor to a quiet one, which will run it alone. False: no suspect, or no such actor. */
bool head_job_quarantine(struct head *h, struct job *job);

/* ---- migrate.c: a job leaves a worker with its KV cache ---- */
/* A worker wants its jobs elsewhere, or no longer. */
void head_moves(struct head *h, struct worker *w, bool moves);
/* Moves jobs that can move now, one at a time from each such worker. Called after waiting jobs have
 * got the free slots. */
void head_migration_more(struct head *h);
/* Both actors have the same KV cache layout and compute alike: one can continue the other's cache. */
bool head_migration_alike(const struct actor *a, const struct actor *b);
/* Predicts the job's pause in seconds on its way to that actor, by migration or recomputation, whichever is quicker. */
double head_migration_pause_s(const struct head *h, const struct job *job, const struct actor *to);
/* Sends the job there by the quicker way. `to` is open and alike; no migration goes to its worker
 * or leaves this one. */
void head_migration_start(struct head *h, struct job *job, struct actor *to, bool rebalances);
/* The worker is lost: drops its migrations. Their jobs are handled elsewhere. */
void head_migration_lost(struct head *h, struct worker *w);
/* Nothing moved for kv_stall_ms: drops the migration, and the job is computed. */
void head_migration_overdue(struct head *h, struct migration *mig);
/* The source has stopped the job and saved its KV cache. Returns 0, or the fault for which the link is refused. */
int head_kv_saved(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* Forwards a part of the cache to the target. Returns likewise. */
int head_kv_part(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* The target has received that much. Returns likewise. */
int head_kv_ack(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);

/* ---- rebalance.c ---- */
/* A heartbeat of that worker came: one of its jobs may be better off elsewhere. */
void head_rebalance(struct head *h, struct worker *w);

/* ---- seek.c: streams of heads that are gone ---- */
/* HEAD_RESUME: a client brings the name of a stream. */
void head_resume(struct head *h, const struct head_event *ev);
/* The client of a seek has gone. False: that call seeks nothing. */
bool head_seek_gone(struct head *h, uint64_t call);
/* A worker has joined: asks it for all sought streams. */
void head_seek_ask(struct head *h, struct worker *w);
/* A worker has left without answering. */
void head_seek_lost(struct head *h, const struct worker *w);
/* A worker has a copy of a stream, or no more copies. Returns 0, or the fault for which the link is refused. */
int head_held(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f);
/* A seek's timer rang: it ends, or stops waiting for further copies. */
void head_seek_overdue(struct head *h, struct timer *timer);
/* Frees all seeks at the head's end. */
void head_seeks_free(struct head *h);
/* Their part of queue_bytes. */
uint64_t head_seeks_bytes(const struct head *h);

/* ---- handoff.c: calls of a head whose place this one takes ---- */
/* HEAD_HANDOFF: a call of the former head continues here. */
void head_handoff(struct head *h, const struct head_event *ev);
/* A worker has joined: asks it for streams of those calls. */
void head_handoff_ask(struct head *h, struct worker *w);
/* The worker has a stream that no seek wants: perhaps one of those calls'. */
void head_handoff_held(struct head *h, struct worker *w, const struct wire_held *m);
/* The worker has answered a question: ends the handoff if all are back. */
void head_handoff_look(struct head *h, const struct worker *w);
/* Stops waiting for workers that are not back. */
void head_handoff_overdue(struct head *h);

#endif
