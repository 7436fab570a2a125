/* Checks the invariants of head.c from scratch: for the simulator and tests, too slow for anything else. */
#include "base/must.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

static uint32_t length(const struct list *l)
{
    uint32_t n = 0;
    LIST_EACH(pos, l)
        n++;
    return n;
}

struct sums {
    uint32_t queued, fresh, running, ready, serving, loading;
    uint64_t bytes, memory, cpus_milli, resume_bytes;
    uint32_t lanes;
};

static void check_job(const struct head *h, const struct job *job, struct sums *sum)
{
    bool waits = job->state == JOB_QUEUED, flies = job->state != JOB_QUEUED && job->state != JOB_ENDED;
    MUST(waits || flies); /* H1: an ended job is not in the table */
    MUST(idtab_get(&h->calls, job->call->node.id) == &job->call->node);
    MUST(waits == list_linked(&job->queued) && waits == timer_is_set(&job->timer));
    MUST(flies == (job->attempt != NULL));
    MUST(!job->regroups || (waits && job->bound == NULL));
    MUST((job->queue != NULL) == (waits && !job->regroups));
    MUST((job->lane != NULL) == (waits && job->attempts_n == 0)); /* H14 */
    MUST(job->queue == NULL || job->queue == (job->bound != NULL ? &job->bound->bound : &job->pool->queue));
    MUST(job->forgot ? job->ids == NULL : job->said <= job->ids_cap); /* H2 */
    MUST(job->said == 0 || job->same_file != NULL);                         /* H2 */
    MUST(job->ids_cap <= 2 * HEAD_RESUME_TOKENS_MAX);                 /* H6 */
    MUST(!job->started || job->same_file != NULL);                          /* H10 */
    MUST(!job->adopts || (waits && job->bound != NULL));
    MUST(!waits || job->same_file == NULL || job->pool == job->same_file || job->pool == job->same_bits);
    if (flies) {
        const struct actor *a = job->attempt->actor;
        MUST(job->attempt->job == job && job->attempt->number == job->attempts_n);
        MUST(idtab_get(&h->actors, a->node.id) == &a->node); /* H4 */
        MUST(job->same_file == NULL || a->member_of[POOL_SAME_FILE].pool == job->same_file); /* H10 */
    }
    sum->resume_bytes += job->ids_cap * sizeof *job->ids;
    sum->queued += waits;
    sum->fresh += waits && job->attempts_n == 0;
    sum->running += flies;
}

static void check_call(const struct call *call, struct sums *sum)
{
    MUST(call->tenant->calls_n > 0 && !list_linked(&call->tenant->idle));
    MUST(call->open > 0 && call->open == length(&call->jobs)); /* H1 */
    MUST(call->open <= call->branches);
    sum->bytes += call->bytes;
}

/* H14 */
static void check_lane(const struct queue *q, const struct lane *lane, const struct job *job)
{
    const struct rank *first = lane->jobs.first;
    MUST(lane->queue == q && lane->key.queue == q->id && lane->tenant == job->call->tenant);
    MUST(lane->n > 0 && first != NULL && !rank_is_before(&job->turn, first));
    MUST(lane->turn.key == lane->base + list_item(first, struct job, turn)->cost && lane->base <= q->clock);
    MUST(!rank_is_before(&lane->turn, q->lanes.first));
}

static void check_queue(const struct queue *q, struct sums *sum)
{
    uint32_t n = 0, back = 0, firsts = 0;
    LIST_EACH(pos, &q->jobs) {
        const struct job *job = list_item(pos, struct job, queued);
        MUST(job->queue == q);
        n++;
        if (job->lane == NULL) {
            back++;
            MUST(job->attempts_n > 0 && !rank_is_before(&job->turn, q->back.first));
            continue;
        }
        check_lane(q, job->lane, job);
        firsts += job->lane->jobs.first == &job->turn;
    }
    MUST(n == q->n && firsts == q->lanes_n && (back > 0) == (q->back.first != NULL));
    sum->lanes += q->lanes_n;
}

static void check_tenants(const struct head *h)
{
    uint32_t queued = 0, requeued = 0, running = 0, calls = 0;
    uint64_t bytes = 0;
    IDTAB_EACH(node, &h->tenants) {
        const struct tenant *t = id_item(node, struct tenant, node);
        MUST(list_linked(&t->idle) == (t->calls_n == 0 && !t->labelled));
        MUST(t->calls_n > 0 || (t->queued == 0 && t->running == 0 && t->bytes == 0));
        queued += t->queued;
        requeued += t->requeued;
        running += t->running;
        calls += t->calls_n;
        bytes += t->bytes;
    }
    MUST(queued == h->queued && requeued == h->requeued && running == h->running);
    MUST(calls == h->calls.n && bytes + head_seeks_bytes(h) == h->queue_bytes);
}

static void check_memberships(const struct actor *a)
{
    bool ready = a->state == WIRE_ACTOR_READY, open = head_actor_is_open(a);
    for (int s = 0; s < POOL_KINDS; s++) { /* H9 */
        const struct membership *at = &a->member_of[s];
        bool sits = at->pool != NULL, may = s < POOL_SAME_FILE || (ready && (s == POOL_SAME_FILE || a->exact));
        MUST(sits == may && (!sits || at->pool->kind == s));
        if (!sits)
            continue;
        MUST(ready == (at->ready_at != NOT_LISTED) && open == (at->open_at != NOT_LISTED));
        MUST(!ready || at->pool->ready[at->ready_at] == a);
        MUST(!open || at->pool->open[at->open_at] == a);
    }
}

static void check_actor(const struct head *h, const struct actor *a, struct sums *sum)
{
    const struct worker *w = a->worker;
    MUST(idtab_get(&h->workers, w->node.id) == &w->node && w->actors[a->key] == a);
    MUST(a->in_flight == length(&a->attempts) + length(&a->orphans));
    MUST(a->state != WIRE_ACTOR_READY || a->in_flight <= a->slots); /* H3 */
    MUST(a->state == WIRE_ACTOR_READY || a->in_flight == 0);        /* H4 */
    uint64_t waiting_bytes = 0, fresh_bytes = 0;
    LIST_EACH(pos, &a->attempts) {
        const struct attempt *f = list_item(pos, struct attempt, in_actor);
        MUST(f->actor == a && f->job != NULL && f->job->attempt == f); /* H4 */
        waiting_bytes += f->prompt_bytes;
        fresh_bytes += f->fresh_bytes;
    }
    LIST_EACH(pos, &a->orphans) {
        waiting_bytes += list_item(pos, struct attempt, in_actor)->prompt_bytes;
        fresh_bytes += list_item(pos, struct attempt, in_actor)->fresh_bytes;
    }
    MUST(waiting_bytes == a->waiting_bytes);
    MUST(fresh_bytes == a->fresh_bytes);
    MUST(!head_actor_is_open(a) || queue_is_empty(&a->bound)); /* H8 */
    MUST(!head_actor_takes_quarantined(a));                      /* H8 */
    MUST(a->quarantined == NULL || (a->quarantined->bound == a && (a->quarantined->state != JOB_QUEUED || a->serves)));
    MUST(head_actor_health(a) != ACTOR_PROBED || a->in_flight == 0 || !head_actor_is_open(a));
    check_queue(&a->bound, sum);
    check_memberships(a);
    const struct pool *p = a->member_of[POOL_MODEL].pool;
    MUST(a->digest[0] == '\0' || p->digest[0] == '\0' || strcmp(a->digest, p->digest) == 0); /* H11 */
    sum->ready += a->state == WIRE_ACTOR_READY;
    MUST(a->serves == (a->state == WIRE_ACTOR_READY && !head_worker_is_off(w)));
    MUST(a->serves || queue_is_empty(&a->bound)); /* H12 */
    sum->serving += a->serves;
    sum->loading += a->loads;
}

static void check_worker(const struct head *h, const struct worker *w, struct sums *sum)
{
    MUST(w->link->worker == w && w->link->state == LINK_WORKER); /* H7 */
    MUST(idtab_get(&h->links, w->link->node.id) == &w->link->node);
    MUST(timer_is_set(&w->timer));
    sum->memory += w->memory_bytes;
    sum->cpus_milli += head_cpus_milli(w);
}

static void check_pool(const struct pool *p, struct sums *sum)
{
    MUST(p->open_n == 0 || queue_is_empty(&p->queue)); /* H8 */
    MUST(p->open_n <= p->ready_n && p->ready_n <= p->actors_n);
    MUST(!list_linked(&p->dirty));
    LIST_EACH(pos, &p->queue.jobs) {
        const struct job *job = list_item(pos, struct job, queued);
        MUST(job->pool == p && job->bound == NULL);
    }
    check_queue(&p->queue, sum);
}

static void check_migrations(const struct head *h)
{
    uint32_t n = 0;
    LIST_EACH(pos, &h->migrations) { /* H13 */
        const struct migration *mig = list_item(pos, struct migration, link);
        const struct job *job = mig->job;
        MUST(job->migration == mig && idtab_get(&h->jobs, job->node.id) == &job->node && job->attempt != NULL);
        MUST(mig->from->kv_out == mig && idtab_get(&h->workers, mig->from->node.id) == &mig->from->node);
        MUST((mig->state == MIGRATION_MOVING) == (mig->to != NULL));
        MUST(job->attempt->actor->worker == (mig->to != NULL ? mig->to : mig->from));
        MUST(mig->to == NULL || mig->to->kv_in == mig);
        MUST(mig->to != NULL || job->attempts_n == mig->from_attempt);
        MUST(mig->acked <= mig->came && mig->came <= mig->bytes && mig->pulled - mig->acked <= MIGRATION_WINDOW * (uint64_t)WIRE_KV_PART_BYTES);
        MUST(timer_is_set(&mig->timer));
        MUST(!mig->rebalances || head_compatible_of(job->attempt->actor)->rebalancing == job->node.id);
        n++;
    }
    MUST(n == h->migrations_n && n <= h->cfg.kv_moves_max);
}

static void check_links(const struct head *h)
{
    IDTAB_EACH(n, &h->links) {
        const struct link *link = id_item(n, struct link, node);
        MUST((link->state == LINK_WORKER) == (link->worker != NULL)); /* H7 */
        MUST((link->state == LINK_NEW) == timer_is_set(&link->timer));
        MUST((link->state == LINK_NEW) == (link->seat.group != NULL));
        MUST((link->state == LINK_LAUNCHER) == list_linked(&link->launches));
    }
}

static void check_scale(const struct head *h)
{
    const struct scale *s = &h->scale;
    MUST(timer_is_set(&s->timer) == (s->limits.mode == SCALE_AUTO) && s->limits.min <= s->limits.max && s->limits.max <= HEAD_SCALE_MAX); /* H15 */
    MUST(s->desired <= HEAD_SCALE_MAX && (s->known || s->desired == 0) && (s->known || !s->own));
    MUST(s->orders_n <= SCALE_ORDERS_MAX && head_scale_starting(h) <= s->desired);
    for (uint32_t i = 0; i < s->orders_n; i++)
        MUST(s->orders[i].workers > 0);
}

static void check_tables(const struct head *h, struct sums *sum)
{
    IDTAB_EACH(n, &h->jobs)
        check_job(h, id_item(n, struct job, node), sum);
    IDTAB_EACH(n, &h->calls)
        check_call(id_item(n, struct call, node), sum);
    IDTAB_EACH(n, &h->actors)
        check_actor(h, id_item(n, struct actor, node), sum);
    IDTAB_EACH(n, &h->workers)
        check_worker(h, id_item(n, struct worker, node), sum);
    check_links(h);
    check_migrations(h);
    LIST_EACH(pos, &h->pools)
        check_pool(list_item(pos, struct pool, order), sum);
    LIST_EACH(pos, &h->compatible_pools) {
        const struct pool *p = list_item(pos, struct pool, order);
        check_pool(p, sum);
        MUST(p->actors_n > 0 || p->jobs_n > 0);
        MUST(p->kind == POOL_SAME_FILE || p->ready_n > 0 || queue_is_empty(&p->queue)); /* H10 */
    }
    check_pool(h->any[0], sum);
    check_pool(h->any[1], sum);
    check_tenants(h);
    check_scale(h);
}

void head_check(const struct head *h, uint64_t now_us)
{
    struct sums sum = {0};
    check_tables(h, &sum);
    MUST(h->jobs_begun == h->jobs_ended + h->jobs.n); /* H1 */
    MUST(sum.queued == h->queued && sum.queued - sum.fresh == h->requeued);
    MUST(sum.fresh <= h->cfg.queue_jobs_max); /* H5 */
    MUST(sum.lanes == h->lane_names.n && h->tenants.n <= h->cfg.tenants_max); /* H14 */
    MUST(sum.running == h->running && sum.ready == h->actors_ready && sum.serving == h->actors_serving && sum.loading == h->actors_loading);
    MUST(sum.bytes + head_seeks_bytes(h) == h->queue_bytes && h->queue_bytes <= h->cfg.queue_bytes_max); /* H6 */
    MUST(sum.resume_bytes == h->resume_bytes && h->resume_bytes <= h->cfg.resume_bytes_max); /* H6 */
    MUST(sum.memory == h->memory_bytes && sum.cpus_milli == h->cpus_milli);
    MUST(h->pools_n <= HEAD_MODELS_MAX + h->actors.n + h->jobs.n); /* H6 */
    MUST(timers_first(&h->timers) == NULL || timers_first(&h->timers)->due_us > h->ticked_us || h->ticked_us == 0); /* H7 */
    MUST(h->now_us <= now_us);
}
