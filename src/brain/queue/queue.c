/* Jobs that wait for a slot: one queue per model, and one per actor for branches bound to that actor.
 *
 * So a full model never blocks another one. fair.c orders the jobs within a queue. A job that returns
 * from a lost worker goes to the front: before all jobs that were never sent, and in order of arrival
 * among those that were. */
#include "base/must.h"
#include "brain/queue/queue.h"

/* At its deadline, or earlier when the head has settled: by then its model may prove missing. The
 * deadline of a job that found no room may have passed meanwhile. */
uint64_t head_queue_look_us(const struct head *h, const struct job *job)
{
    uint64_t settled_us = head_settled_us(h), due_us = job->due_us > h->now_us ? job->due_us : h->now_us + 1;
    return settled_us > h->now_us && settled_us < due_us ? settled_us : due_us;
}

/* ---- the pool of a job ---- */

/* Jobs do not count on an actor that hangs or whose worker takes no jobs: it may never return. */
static bool has_well(const struct pool *p)
{
    for (uint32_t i = 0; i < p->ready_n; i++) {
        if (!p->ready[i]->hung && p->ready[i]->serves)
            return true;
    }
    return false;
}

struct pool *head_job_pool(const struct job *job)
{
    if (job->same_file == NULL)
        return job->call->pool;
    return job->same_bits != NULL && has_well(job->same_bits) ? job->same_bits : job->same_file;
}

/* ---- in and out ---- */

/* With no desired worker, a new job makes the scaling policy look at once. */
static void wake_scaling(struct head *h)
{
    h->scale.due = h->scale.due || (h->scale.limits.mode == SCALE_AUTO && h->scale.known && h->scale.desired == 0);
}

static void count_in(struct head *h, struct job *job)
{
    struct tenant *t = job->call->tenant;
    MUST(job->state == JOB_QUEUED && !list_linked(&job->queued));
    if (h->queued++ == 0)
        pace_begins(&h->pace, h->now_us);
    if (t->queued++ == 0)
        t->since = h->picks;
    h->requeued += job->attempts_n > 0;
    t->requeued += job->attempts_n > 0;
    job->put_us = h->now_us;
    job->pool = head_job_pool(job);
    wake_scaling(h);
    if (!job->found_full)
        job->due_us = head_after_ms(h, job->call->deadline_ms);
}

void head_queue_put(struct head *h, struct job *job)
{
    count_in(h, job);
    struct pool *p = job->pool;
    queue_add(h, job->bound != NULL ? &job->bound->bound : &p->queue, job);
    timers_set(&h->timers, &job->timer, head_queue_look_us(h, job));
    if (job->bound == NULL && !list_linked(&p->dirty))
        list_push(&h->dirty_pools, &p->dirty);
    if (job->bound != NULL && !list_linked(&job->bound->dirty))
        list_push(&h->dirty_actors, &job->bound->dirty);
}

/* When a rack of workers dies, or the head resumes after a pause, links end one by one within
 * milliseconds. A job that continued at once would try workers that are just as dead, and use up
 * its attempts. A job bound to an actor goes at once: it has no other choice. */
void head_queue_regroup(struct head *h, struct job *job)
{
    if (h->cfg.regroup_ms == 0 || job->bound != NULL) {
        head_queue_put(h, job);
        return;
    }
    count_in(h, job);
    job->regroups = true;
    list_push(&job->pool->regroup, &job->queued);
    timers_set(&h->timers, &job->timer, head_after_ms(h, h->cfg.regroup_ms));
}

void head_queue_merge(struct head *h, struct pool *from, struct pool *to)
{
    LIST_EACH_SAFE(pos, nxt, &from->queue.jobs) {
        struct job *job = list_item(pos, struct job, queued);
        queue_remove(h, job, false);
        queue_add(h, &to->queue, job);
    }
    LIST_EACH_SAFE(pos, nxt, &from->regroup) {
        list_remove(pos);
        list_push(&to->regroup, pos);
    }
    if (!queue_is_empty(&to->queue) && !list_linked(&to->dirty))
        list_push(&h->dirty_pools, &to->dirty);
}

static void take(struct head *h, struct job *job, bool served)
{
    struct tenant *t = job->call->tenant;
    MUST(list_linked(&job->queued));
    if (job->queue != NULL)
        queue_remove(h, job, served);
    else
        list_remove(&job->queued);
    job->regroups = false;
    timers_clear(&h->timers, &job->timer);
    h->queued--;
    t->queued--;
    h->requeued -= job->attempts_n > 0;
    t->requeued -= job->attempts_n > 0;
}

void head_queue_take(struct head *h, struct job *job)
{
    take(h, job, false);
}

/* Jobs that did not wait are no evidence of the queue's pace. */
void head_queue_serve(struct head *h, struct job *job)
{
    if (job->put_us < h->now_us)
        pace_moved(&h->pace, h->now_us);
    take(h, job, true);
}

/* Jobs that waited for the same bits now wait for any actor of the file, with the old deadline. */
void head_compatible_left(struct head *h, struct pool *same_bits)
{
    while (!queue_is_empty(&same_bits->queue) && !has_well(same_bits)) {
        struct job *job = queue_first(&same_bits->queue);
        uint64_t due_us = job->due_us;
        head_queue_take(h, job);
        head_queue_put(h, job);
        job->due_us = due_us;
        timers_set(&h->timers, &job->timer, due_us > h->now_us ? due_us : h->now_us + 1);
    }
}
