/* Failover: a job leaves an attempt that cannot continue; another actor takes it, or its client is told.
 *
 * The happy path: the actor is lost -> the job waits for regroup_ms, then takes its old place at the
 * front of the queue -> the next open actor (a compatible one once the client has a part of the answer,
 * compatible.c) gets it with attempt + 1 and the delivered ids, and continues after them. It can fail
 * by: attempts_max attempts in a row brought no token (those on workers that left or fell silent do not
 * count: no prompt causes that), moves_max attempts were made in all, or more tokens were delivered than
 * are kept. An attempt refused for want of room does not count: other heads fill the workers, too, for
 * as long as they like; the deadline, which runs on meanwhile, bounds such attempts. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "FAILOVER"

/* ---- branches with an actor each ---- */

static bool used_by_sibling(const struct job *job, const struct actor *a)
{
    LIST_EACH(pos, &job->call->jobs) {
        const struct job *other = list_item(pos, struct job, in_call);
        if (other != job && (other->bound == a || (other->attempt != NULL && other->attempt->actor == a)))
            return true;
    }
    return false;
}

/* Siblings hold at most fanout_max actors, so the walk is short. Without a free actor the job will share one. */
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

static void reject(struct head *h, struct job *job)
{
    struct fault f = {0};
    head_poison_fault(job->call, &f);
    head_log(h, LOG_ERROR, TAG, EVENT("call_refused", KV("call", job->call->node.id), KV("code", err_name(f.err))),
             "call %llu: %s", (unsigned long long)job->call->node.id, f.text);
    head_call_reject(h, job->call, job);
    head_job_fail(h, job, &f);
}

static bool may_go_on(struct head *h, struct job *job, const struct fault *why)
{
    if (head_call_is_poison(job->call)) {
        reject(h, job);
        return false;
    }
    if (job->forgot) {
        fail_with(h, job, why, ", and the answer was too long to be kept for another one (resume_tokens_max)");
        return false;
    }
    if (job->barren_attempts >= h->cfg.attempts_max) {
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

enum leave_rest { REST_NONE, REST_PAUSE, REST_FAILED };

struct leave_rule {
    bool attempt;         /* counts towards attempts_max */
    bool move;            /* counts towards moves_max */
    bool clock_runs;      /* its deadline in the queue runs on */
    bool avoid;           /* prefers another actor next; this one is named if the job fails */
    enum leave_rest rest; /* the actor gets jobs as before, after a pause, or after a pause that grows with its failures */
    bool kv;              /* its KV cache comes along */
    bool cancel;          /* the worker still runs it and is told to stop; its slot stays taken until `done` */
};

static const struct leave_rule leave_rules[LEAVE_REASONS] = {
    /*                      attempt  move   clock  avoid  rest         kv     cancel */
    [LEAVE_CRASHED]      = {true,  true,  false, true,  REST_NONE,   false, false},
    [LEAVE_LEFT]         = {false, true,  false, true,  REST_NONE,   false, false},
    [LEAVE_UNLOADED]     = {true,  true,  false, true,  REST_NONE,   false, false},
    [LEAVE_HUNG]         = {true,  true,  false, true,  REST_NONE,   false, true},
    [LEAVE_FAILED]       = {true,  true,  false, true,  REST_FAILED, false, false},
    [LEAVE_FULL]         = {false, false, true,  true,  REST_PAUSE,  false, false},
    [LEAVE_CROSSED]      = {false, false, true,  false, REST_NONE,   false, false},
    [LEAVE_RECOMPUTED]   = {false, true,  false, false, REST_NONE,   false, true},
    [LEAVE_MIGRATED]     = {false, true,  false, false, REST_NONE,   true,  false},
    [LEAVE_NOT_MIGRATED] = {false, true,  false, false, REST_NONE,   false, false},
};

static const char *const leave_words[LEAVE_REASONS] = {
    [LEAVE_CRASHED] = "crashed",   [LEAVE_LEFT] = "left",           [LEAVE_UNLOADED] = "unloaded",     [LEAVE_HUNG] = "hung",
    [LEAVE_FAILED] = "failed",     [LEAVE_FULL] = "full",           [LEAVE_CROSSED] = "crossed",       [LEAVE_RECOMPUTED] = "moved",
    [LEAVE_MIGRATED] = "migrated", [LEAVE_NOT_MIGRATED] = "not migrated",
};

void head_job_leave(struct head *h, struct job *job, enum leave_reason reason, const struct fault *why, struct actor *to)
{
    const struct leave_rule *rule = &leave_rules[reason];
    struct actor *a = job->attempt->actor;
    head_account_left(h, job, leave_words[reason], why != NULL ? why->text : "");
    MUST(rule->kv == (to != NULL && job->migration != NULL));
    MUST(rule->rest == REST_NONE || (a->state == WIRE_ACTOR_READY && a->worker->state != WORKER_LOST));
    MUST(!rule->clock_runs || to == NULL);
    job->barren_attempts -= !rule->attempt && job->barren_attempts > 0;
    job->moves -= !rule->move;
    job->found_full = rule->clock_runs;
    if (rule->avoid)
        job->avoid = (uint32_t)a->node.id;
    if (rule->rest == REST_PAUSE)
        head_actor_rest(h, a);
    else if (rule->rest == REST_FAILED)
        head_actor_fails(h, a, why->text);
    if (rule->cancel)
        head_job_abandon(h, job);
    else
        head_attempt_end(h, job->attempt);
    if (!rule->kv)
        head_migration_drop(h, job);
    if (to == NULL && !may_go_on(h, job, why))
        return;
    head_job_move(job, JOB_QUEUED);
    h->jobs_rerouted++;
    if (to != NULL) {
        head_queue_put(h, job);
        head_job_send(h, job, to);
        return;
    }
    free(job->why);
    job->why = xstrdup(why->text);
    head_queue_regroup(h, job);
}

/* ---- a whole actor ---- */

static void move_bound(struct head *h, struct job *job, const struct fault *why)
{
    if (!may_go_on(h, job, why)) /* binds it to another actor */
        return;
    head_queue_take(h, job);
    head_queue_put(h, job);
}

void head_actor_unbind(struct head *h, struct actor *a, const struct fault *why)
{
    while (!queue_is_empty(&a->bound))
        move_bound(h, list_item(a->bound.jobs.prev, struct job, queued), why);
}

void head_actor_evacuate(struct head *h, struct actor *a, enum leave_reason reason, const struct fault *why)
{
    MUST(!head_actor_is_open(a));
    uint64_t before = h->jobs_rerouted;
    while (!list_empty(&a->attempts))
        head_job_leave(h, list_item(a->attempts.prev, struct attempt, in_actor)->job, reason, why, NULL);
    while (!leave_rules[reason].cancel && !list_empty(&a->orphans))
        head_attempt_end(h, list_item(a->orphans.prev, struct attempt, in_actor));
    head_actor_unbind(h, a, why);
    if (h->jobs_rerouted > before)
        head_log(h, LOG_WARN, TAG, EVENT("jobs_rerouted", KV("jobs", h->jobs_rerouted - before), KV("actor", a->node.id), KV("code", err_name(why->err))),
                 "%llu jobs of actor %u go to other actors: %s", (unsigned long long)(h->jobs_rerouted - before), (unsigned)a->node.id, why->text);
}
