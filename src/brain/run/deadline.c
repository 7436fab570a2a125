/* Deadlines: a job's time in the queue is over, or its model will not come. Reports the reason. */
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

static int nobody_fault(const struct head *h, const struct pool *p, unsigned waited_s, struct fault *f)
{
    const char *what = p->name[0] != '\0' ? p->name : p->embeds ? "any embedding model" : "any model";
    if (h->workers.n == 0 && head_scale_starting(h) > 0)
        return fault_set(f, ERR_UNAVAILABLE, "no worker was there; %u were asked for and none was ready within %u s%s%s", head_scale_starting(h), waited_s,
                         h->scale.note[0] != '\0' ? ": " : ". Check: `manta status`, and what the launcher's log says", h->scale.note);
    if (h->workers.n == 0)
        return fault_set(
            f, ERR_UNAVAILABLE,
            "no worker was there for %u s. Check: is a worker running, is the head's address that it dials "
            "right, and what does its log say?",
            waited_s);
    if (p->loading_n > 0)
        return fault_set(f, ERR_UNAVAILABLE, "'%s' is still loading after %u s on %u actors: try again later", what,
                         waited_s, p->loading_n);
    if (p->ready_n > 0)
        return fault_set(f, ERR_UNAVAILABLE, "for %u s the workers of '%s' took no new jobs: they are cordoned or drain (`manta status`)",
                         waited_s, what);
    if (p->failed_n > 0)
        return fault_set(f, ERR_UNAVAILABLE, "'%s' cannot be loaded: %s", what, p->note);
    return fault_set(
        f, ERR_UNAVAILABLE,
        "no actor of '%s' was ready for %u s. Check: has a worker with that model joined, and is its model "
        "loaded?",
        what, waited_s);
}

/* A part of the answer was delivered, so only a compatible actor could continue it. */
static void stranded_fault(const struct job *job, unsigned waited_s, struct fault *f)
{
    const struct pool *p = job->pool;
    const char *why = job->why != NULL ? job->why : "its actor was lost";
    if (!head_pool_serves(p))
        fault_set(f, ERR_UNAVAILABLE,
                  "%s, in the middle of the answer; no actor with the same model file was ready within %u s to continue", why,
                  waited_s);
    else
        fault_set(f, ERR_TIMEOUT,
                  "%s, in the middle of the answer; the %u actors with the same model file were busy for %u s", why,
                  p->ready_n, waited_s);
}

static void overdue_fault(struct head *h, const struct job *job, struct fault *f)
{
    const struct pool *p = job->pool;
    unsigned waited_s = (job->call->deadline_ms + 999) / 1000;
    if (job->same_file != NULL) {
        stranded_fault(job, waited_s, f);
    } else if (head_pool_is_other_kind(h, str_of(p->name), p->embeds)) {
        fault_set(f, ERR_UNSUPPORTED, "there is no model here that %s", head_work_text(head_request_work(job->call->request)));
    } else if (head_pool_is_unknown(h, p)) {
        struct str names = head_pool_names(h, head_request_work(job->call->request));
        fault_set(f, ERR_NOT_FOUND, "there is no model '%s'; there is: %.*s", p->name, STR_ARG(names));
    } else if (!head_pool_serves(p)) {
        nobody_fault(h, p, waited_s, f);
    } else {
        fault_set(f, ERR_TIMEOUT,
                  "no slot became free within %u s: %u actors are busy and %u requests wait; try later or add workers",
                  waited_s, p->ready_n, h->queued);
    }
}

/* The job waits for its own siblings: if bound, for one on that very actor. For embeddings, which
 * report nothing before their end, a sent sibling counts; else only a started one, as an actor that
 * other heads fill may yet refuse it. */
static bool waits_for_siblings(const struct job *job)
{
    const struct call *call = job->call;
    if (call->running == 0 || call->request->inputs_n > 0)
        return call->running > 0;
    LIST_EACH(pos, &call->jobs) {
        const struct job *other = list_item(pos, struct job, in_call);
        if (other->attempt != NULL && other->state >= JOB_STARTED && (job->bound == NULL || job->bound == other->attempt->actor))
            return true;
    }
    return false;
}

/* Deadlines limit waiting for other calls. A batch in progress does not expire by its own length: while
 * a branch runs, and for one deadline after the last progress, the branches behind it wait on. */
static uint64_t due_us(const struct head *h, const struct job *job)
{
    uint64_t patience_us = (uint64_t)job->call->deadline_ms * 1000, moved_us = job->call->moved_us;
    if (waits_for_siblings(job))
        return h->now_us + patience_us;
    return job->bound == NULL && moved_us + patience_us > job->due_us ? moved_us + patience_us : job->due_us;
}

void head_queue_overdue(struct head *h, struct job *job)
{
    struct call *call = job->call;
    if (h->now_us >= job->due_us)
        job->due_us = due_us(h, job);
    if (job->regroups) {
        head_queue_take(h, job);
        head_queue_put(h, job);
    }
    const struct pool *p = job->pool;
    bool failed = job->attempts_n == 0 && head_pool_has_failed(h, p); /* a job that had an actor waits for its file to load
                                                                      again */
    bool hope = job->same_file != NULL || (!head_pool_is_unknown(h, p) && !failed &&
                                     !head_pool_is_other_kind(h, str_of(p->name), p->embeds));
    if (h->now_us < job->due_us && hope) {
        timers_set(&h->timers, &job->timer, head_queue_look_us(h, job));
        return;
    }
    struct fault f = {0};
    overdue_fault(h, job, &f);
    bool ran = call->reported;
    LIST_EACH(pos, &call->jobs)
        ran = ran || list_item(pos, struct job, in_call)->attempt != NULL;
    if (ran)
        head_job_fail(h, job, &f);
    else
        head_call_fail(h, call, &f, f.err == ERR_NOT_FOUND || f.err == ERR_UNSUPPORTED ? 0 : head_retry_s(h, p, call->tenant));
}
