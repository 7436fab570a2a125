/* A flight that cannot go on: another actor takes the job, or its client is told.
 *
 * The happy path is: the actor is lost -> the job waits for regroup_ms, takes its old place in the queue, which is the
 * front -> the next open actor (once the client has heard something of the answer: of its kin, kin.c) gets it with
 * attempt + 1 and the ids that were delivered, and goes on after them. It can fail by: attempts_max attempts in a row
 * brought no token (those on workers that left or fell silent do not count: no prompt does that), moves_max were made in
 * all, or more tokens were delivered than are kept. An attempt that is refused for want of room is none: other heads fill the
 * workers, too, for as long as they like, and what bounds such attempts is the deadline, which goes on meanwhile. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "cluster/handover.h"
#include "cluster/head_state.h"
#include "cluster/poison.h"

#define TAG "FAILOVER"

/* ---- branches that want an actor each ---- */

static bool used_by_sibling(const struct job *job, const struct actor *a)
{
    LIST_EACH(pos, &job->call->jobs) {
        const struct job *other = list_item(pos, struct job, in_call);
        if (other != job && (other->bound == a || (other->flight != NULL && other->flight->actor == a)))
            return true;
    }
    return false;
}

/* At most fanout_max of them are taken, so the walk is short. Without one it will share one, whichever is free first. */
struct actor *head_job_other_actor(const struct job *job)
{
    const struct pool *p = head_job_pool(job);
    for (uint32_t i = 0; i < p->ready_n; i++) {
        if (p->ready[i] != job->bound && p->ready[i]->serves && !used_by_sibling(job, p->ready[i]))
            return p->ready[i];
    }
    return NULL;
}

/* ---- one job ---- */

static void fail_with(struct head *h, struct job *job, const struct fault *why, const char *and)
{
    struct fault f = {0};
    fault_set(&f, why->err, "%s%s", why->text, and);
    head_job_fail(h, job, &f);
}

static void condemn(struct head *h, struct job *job)
{
    struct fault f = {0};
    head_poison_fault(job->call, &f);
    head_log(h, LOG_ERROR, TAG, EVENT("call_refused", KV("call", job->call->node.id), KV("code", err_name(f.err))),
             "call %llu: %s", (unsigned long long)job->call->node.id, f.text);
    head_call_condemn(h, job->call, job);
    head_job_fail(h, job, &f);
}

static bool may_go_on(struct head *h, struct job *job, const struct fault *why)
{
    if (head_call_is_poison(job->call)) {
        condemn(h, job);
        return false;
    }
    if (job->forgot) {
        fail_with(h, job, why, ", and the answer was too long to be kept for another one (resume_tokens_max)");
        return false;
    }
    if (job->in_vain >= h->cfg.attempts_max) {
        fail_with(h, job, why, "; no actor is left to try (attempts_max)");
        return false;
    }
    if (job->moves >= h->cfg.moves_max) {
        fail_with(h, job, why, "; the answer was moved too often (moves_max)");
        return false;
    }
    if (!head_job_quarantine(h, job) && job->bound != NULL)
        job->bound = job->adopts ? NULL : head_job_other_actor(job);
    job->adopts = false;
    return true;
}

void head_job_failover(struct head *h, struct job *job, const struct fault *why)
{
    MUST(job->flight == NULL && job->state != JOB_QUEUED);
    head_handover_drop(h, job);
    if (!may_go_on(h, job, why))
        return;
    head_job_move(job, JOB_QUEUED);
    free(job->why);
    job->why = xstrdup(why->text);
    h->jobs_rerouted++;
    head_queue_regroup(h, job);
}

/* ---- a whole actor ---- */

static void move_bound(struct head *h, struct job *job, const struct fault *why)
{
    if (!may_go_on(h, job, why)) /* which binds it to another actor */
        return;
    head_queue_take(h, job);
    head_queue_put(h, job);
}

void head_actor_unbind(struct head *h, struct actor *a, const struct fault *why)
{
    while (!queue_is_empty(&a->bound))
        move_bound(h, list_item(a->bound.jobs.prev, struct job, queued), why);
}

void head_actor_evacuate(struct head *h, struct actor *a, bool link_alive, const struct fault *why)
{
    MUST(!head_actor_is_open(a));
    uint64_t before = h->jobs_rerouted;
    while (!list_empty(&a->flights)) {
        struct flight *f = list_item(a->flights.prev, struct flight, in_actor);
        struct job *job = f->job;
        job->avoid = (uint32_t)a->node.id;
        job->in_vain -= a->worker->blameless && job->in_vain > 0;
        if (link_alive)
            head_job_abandon(h, job);
        else
            head_flight_end(h, f);
        head_job_failover(h, job, why);
    }
    while (!link_alive && !list_empty(&a->orphans))
        head_flight_end(h, list_item(a->orphans.prev, struct flight, in_actor));
    head_actor_unbind(h, a, why);
    if (h->jobs_rerouted > before)
        head_log(h, LOG_WARN, TAG, EVENT("jobs_rerouted", KV("jobs", h->jobs_rerouted - before), KV("actor", a->node.id), KV("code", err_name(why->err))),
                 "%llu jobs of actor %u go to other actors: %s", (unsigned long long)(h->jobs_rerouted - before), (unsigned)a->node.id, why->text);
}
