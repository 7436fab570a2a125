/* Fair queueing: within one queue the tenants share the capacity equally, each with its own jobs in order.
 *
 * Each tenant with waiting jobs has a *lane*. A lane's tag is the queue's clock at the end of its last
 * turn plus the cost of its first job. The lane with the least tag is next, and its tag becomes the clock
 * (self-clocked fair queueing). So lanes that are never empty get equal work, not equal numbers of jobs. A
 * lane that was empty has no credit and no debt, so it need not be remembered. A single job waits for
 * about its own cost in each other tenant's jobs, however many these have: beside a tenant with 1000 jobs
 * of cost 10, a job of cost 30 waits for three of them.
 *
 * Within a lane the order is arrival, shifted by priority: one step is worth priority_step_ms of waiting.
 * So no job starves: only jobs that arrive within that time after it overtake it. Any client may write a
 * priority, so it must not take from other tenants: to them, a job of high priority costs the usual. A job
 * of low priority costs more, so its tenant yields to others.
 *
 * Jobs that were sent before and lost their actor are in no lane: they have had their turn, and go first,
 * by arrival.
 *
 * Adding, removing and finding the next job cost logarithms of the numbers of lanes and of jobs in a lane.
 * Places are computed for all jobs at once, and only on request. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/policy/router.h"
#include "brain/queue/queue.h"

enum {
    ANSWER_TOKENS_GUESS = 256, /* of an answer, before one was seen */
    ANSWER_WEIGHT = 2,         /* an answer's token takes longer than a prompt's: weights as in VTC (Sheng and others, 2024) */
    LOW_WEIGHT = 8,            /* factor on the cost of low priority */
};

/* ---- pace ---- */

static const double PACE_KEEPS = 15.0 / 16; /* weight of earlier departures at each new one: about the last sixteen count */

void pace_begins(struct pace *p, uint64_t now_us)
{
    p->from_us = now_us;
}

/* Jobs that leave together, because an actor had several free slots, count as departures without time between them. */
void pace_moved(struct pace *p, uint64_t now_us)
{
    fading_add(&p->gap_s, (double)(now_us - p->from_us) / 1e6, PACE_KEEPS);
    p->from_us = now_us;
}

double pace_s(const struct pace *p)
{
    return fading_mean(&p->gap_s, 0);
}

/* ---- turns ---- */

static struct job *job_of(struct rank *turn)
{
    return list_item(turn, struct job, turn);
}

static struct lane *lane_of(struct rank *turn)
{
    return list_item(turn, struct lane, turn);
}

/* ---- the cost of a job ---- */

static double answer_tokens(const struct call *call, const struct pool *p)
{
    if (call->request->kind == REQUEST_EMBED)
        return 0;
    double most = call->request->sampling.max_tokens;
    double mean = (double)(call->tenant->answer_tokens > 0 ? call->tenant->answer_tokens : p->answer_tokens);
    double guess = mean > 0 ? mean : ANSWER_TOKENS_GUESS;
    return most > 0 && most < guess ? most : guess;
}

static uint64_t cost_of(const struct job *job)
{
    const struct call *call = job->call;
    double bytes_per_token = (double)job->pool->bytes_per_token;
    double prompt = (double)call->prompt_bytes / (bytes_per_token > 0 ? bytes_per_token : ROUTER_BYTES_PER_TOKEN);
    uint64_t cost = 1 + (uint64_t)(prompt + ANSWER_WEIGHT * answer_tokens(call, job->pool));
    return call->request->priority > 0 ? cost * LOW_WEIGHT : cost;
}

/* ---- lanes ---- */

static struct lane *lane_find(const struct head *h, const struct queue *q, const struct tenant *t)
{
    struct lane like = {.key = {q->id, t->node.id}};
    struct name_node *node = names_get(&h->lane_names, str_n((const char *)&like.key, sizeof like.key));
    return node != NULL ? id_item(node, struct lane, by_key) : NULL;
}

static struct lane *lane_new(struct head *h, struct queue *q, struct tenant *t)
{
    struct lane *lane = xalloc(sizeof *lane);
    lane->queue = q;
    lane->tenant = t;
    lane->base = q->clock;
    lane->key.queue = q->id;
    lane->key.tenant = t->node.id;
    names_add(&h->lane_names, &lane->by_key, str_n((const char *)&lane->key, sizeof lane->key));
    q->lanes_n++;
    return lane;
}

/* The lane's first job has changed: updates its tag. An empty lane is freed. */
static void lane_retag(struct head *h, struct lane *lane)
{
    struct queue *q = lane->queue;
    if (lane->jobs.first == NULL) {
        names_remove(&h->lane_names, &lane->by_key);
        q->lanes_n--;
        free(lane);
        return;
    }
    const struct job *first = job_of(lane->jobs.first);
    ranks_add(&q->lanes, &lane->turn, lane->base + first->cost, first->seq);
}

/* Arrival, shifted by priority. Jobs of one call keep the order of their branches. */
static uint64_t rank_of(const struct head *h, const struct call *call)
{
    return call->created_us + (uint64_t)(call->request->priority + REQUEST_PRIORITY_MAX) * h->cfg.priority_step_ms * 1000;
}

static void lane_add(struct head *h, struct queue *q, struct job *job)
{
    struct lane *lane = lane_find(h, q, job->call->tenant);
    if (lane != NULL)
        ranks_remove(&q->lanes, &lane->turn);
    else
        lane = lane_new(h, q, job->call->tenant);
    job->lane = lane;
    job->cost = cost_of(job);
    ranks_add(&lane->jobs, &job->turn, rank_of(h, job->call), job->node.id);
    lane->n++;
    lane_retag(h, lane);
}

static void lane_remove(struct head *h, struct job *job, bool served)
{
    struct lane *lane = job->lane;
    struct queue *q = lane->queue;
    uint64_t tag = lane->turn.key;
    ranks_remove(&q->lanes, &lane->turn);
    ranks_remove(&lane->jobs, &job->turn);
    lane->n--;
    if (served) {
        q->clock = tag > q->clock ? tag : q->clock;
        lane->base = q->clock;
    }
    job->lane = NULL;
    lane_retag(h, lane);
}

/* ---- queues ---- */

void queue_init(struct head *h, struct queue *q)
{
    *q = (struct queue){.id = ++h->next_queue};
    list_init(&q->jobs);
}

void queue_add(struct head *h, struct queue *q, struct job *job)
{
    MUST(job->queue == NULL);
    if (q->n++ == 0)
        pace_begins(&q->pace, h->now_us);
    list_push(&q->jobs, &job->queued);
    job->queue = q;
    job->place = 0;
    if (job->attempts_n > 0)
        ranks_add(&q->back, &job->turn, job->seq, job->node.id);
    else
        lane_add(h, q, job);
}

void queue_remove(struct head *h, struct job *job, bool served)
{
    struct queue *q = job->queue;
    if (served && job->put_us < h->now_us)
        pace_moved(&q->pace, h->now_us);
    if (job->lane != NULL)
        lane_remove(h, job, served);
    else
        ranks_remove(&q->back, &job->turn);
    list_remove(&job->queued);
    job->queue = NULL;
    q->n--;
}

struct job *queue_first(const struct queue *q)
{
    if (q->back.first != NULL)
        return job_of(q->back.first);
    return q->lanes.first != NULL ? job_of(lane_of(q->lanes.first)->jobs.first) : NULL;
}

bool queue_goes_first(const struct job *a, const struct job *b)
{
    if (a->lane == NULL || b->lane == NULL)
        return b->lane != NULL || (a->lane == NULL && a->seq < b->seq);
    const struct tenant *x = a->lane->tenant, *y = b->lane->tenant;
    if (x->since != y->since)
        return x->since < y->since;
    return a->turn.key != b->turn.key ? a->turn.key < b->turn.key : a->seq < b->seq;
}

/* ---- places ---- */

struct placed {
    struct job *job;
    uint64_t tag; /* 0: before all lanes */
    uint64_t lane;
};

static int by_lane(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    return rank_is_before(&x->job->turn, &y->job->turn) ? -1 : 1;
}

static int by_tag(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    if (x->lane != y->lane && x->job->seq != y->job->seq)
        return x->job->seq < y->job->seq ? -1 : 1;
    return rank_is_before(&x->job->turn, &y->job->turn) ? -1 : 1;
}

void queue_work_out_places(struct head *h, struct queue *q)
{
    if (q->places_at == h->steps || q->n == 0)
        return;
    struct placed *all = xalloc_array(q->n, sizeof *all);
    uint32_t n = 0;
    LIST_EACH(pos, &q->jobs) {
        struct job *job = list_item(pos, struct job, queued);
        all[n++] = (struct placed){.job = job, .lane = job->lane != NULL ? job->lane->tenant->node.id : 0};
    }
    qsort(all, n, sizeof *all, by_lane);
    for (uint32_t i = 0; i < n; i++) {
        const struct lane *lane = all[i].job->lane;
        bool follows = i > 0 && all[i - 1].job->lane == lane;
        if (lane != NULL)
            all[i].tag = (follows ? all[i - 1].tag : lane->base) + all[i].job->cost;
    }
    qsort(all, n, sizeof *all, by_tag);
    for (uint32_t i = 0; i < n; i++)
        all[i].job->place = i + 1;
    free(all);
    q->places_at = h->steps;
}

uint32_t queue_place_guess(const struct head *h, const struct queue *q, const struct tenant *t)
{
    const struct lane *lane = lane_find(h, q, t);
    uint32_t before = lane != NULL ? lane->n * q->lanes_n : q->lanes_n;
    return before < q->n ? before : q->n;
}
