/* A job leaves the actor that has it: why, and what that means for it. */
#ifndef MANTA_CLUSTER_FAILOVER_H
#define MANTA_CLUSTER_FAILOVER_H

#include "cluster/head_state.h"

/* Why a job leaves the actor that has it; what that means is in leave_rules[]. */
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
/* A ready actor that takes jobs and that no other branch of the call has; NULL: there is none. */
struct actor *head_job_other_actor(const struct job *job);
/* Jobs that wait for it alone wait for another one. */
void head_actor_unbind(struct head *h, struct actor *a, const struct fault *why);

#endif
