/* Sends queued jobs to open actors at the end of every step.
 *
 * Before a step no job waits beside a free slot (H8). So only two changes matter, both recorded
 * during the step: jobs that came into a pool's queue, and actors that opened. Only those are
 * visited, so a step's cost does not depend on the numbers of workers and jobs. */
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

static void start(struct head *h, struct job *job, struct actor *a)
{
    if (job->call->spread_pending)
        head_call_spread(h, job, a);
    else
        head_job_send(h, job, a);
}

static void pool_drain(struct head *h, struct pool *p)
{
    for (struct job *job; p->open_n > 0 && (job = queue_first(&p->queue)) != NULL;)
        start(h, job, head_pick(h, job));
    h->choice = NULL;
}

/* The next job for the actor, from its own queue and those of its pools: of the tenant longest
 * without a turn, and of one tenant the job first in its order. */
static struct job *first_for(struct actor *a)
{
    struct job *first = queue_first(&a->bound);
    for (int s = 0; s < POOL_KINDS; s++) {
        struct pool *p = a->member_of[s].pool;
        struct job *job = p != NULL ? queue_first(&p->queue) : NULL;
        if (job != NULL && (first == NULL || queue_goes_first(job, first)))
            first = job;
    }
    return first;
}

static void actor_fill(struct head *h, struct actor *a)
{
    if (head_actor_takes_quarantined(a))
        head_job_send(h, a->quarantined, a);
    for (struct job *job; head_actor_is_open(a) && (job = first_for(a)) != NULL;)
        start(h, job, a);
}

void head_dispatch(struct head *h)
{
    while (!list_empty(&h->dirty_pools) || !list_empty(&h->dirty_actors)) {
        /* Pools first: there the router chooses among all open actors; filling an actor considers only that one. */
        if (!list_empty(&h->dirty_pools)) {
            struct pool *p = list_item(h->dirty_pools.next, struct pool, dirty);
            list_remove(&p->dirty);
            pool_drain(h, p);
        } else {
            struct actor *a = list_item(h->dirty_actors.next, struct actor, dirty);
            list_remove(&a->dirty);
            actor_fill(h, a);
        }
    }
}
