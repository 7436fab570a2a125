/* From the queue to the actors: the end of every step.
 *
 * Before a step nobody waits beside a free slot (H8). So only two kinds of change matter, and both were noted down
 * while the step ran: jobs that came into a pool's queue, and actors that opened. Work is done for those alone, which
 * keeps a step's cost independent of how many workers and jobs there are. */
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

/* Its own queue and those of its pools may feed an actor: the tenant that had no turn for longest goes first, of one tenant
 * the job that is first in its order. */
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
        /* Pools first: the router chooses among all that are open, where filling an actor knows only that one. */
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
