/* The head's brain: one event in, effects out.
 *
 * Invariants; head_check() compares the state with each of them (brain/head/check.c):
 *   H1 every accepted job ends exactly once: begun = ended + those in the table; a call's open branches are its jobs
 *   H2 token indexes of a job have no gap and never repeat, over all its attempts: the next index is the number of
 *      delivered tokens, and all their ids are kept unless there were too many
 *   H3 an actor has at most as many attempts as slots
 *   H4 no attempt is on a dead worker: its actor is ready and registered, its worker's link is up and points back
 *   H5 every queue is within its limit: the counter equals the waiting jobs of all lists, and at most queue_jobs_max of
 *      them were never sent
 *   H6 memory is within the budget: the counted bytes of requests are right and at most queue_bytes_max; kept ids are at
 *      most HEAD_RESUME_TOKENS_MAX per job, and over all jobs as counted and at most resume_bytes_max
 *   H7 the registry equals the live links: each worker has its link and vice versa, and no timer that was due at the last
 *      tick is still set (so: no silent worker, no link without hello)
 *   H8 no job waits beside a free slot: a pool with an open actor has an empty queue, an open actor has no bound jobs
 *      (jobs that lost their actor a moment ago are in no queue: they regroup)
 *   H9 pools hold exactly the actors they should: ready and open lists agree with the actors' state
 *   H10 an answer that has begun waits for and runs on a compatible actor only: one in the job's same_file pool
 *   H11 the actors of a model's pool have the same model file
 *   H12 no job waits for one actor alone while that actor's worker takes no new jobs
 *   H13 a KV cache migrates only while its job runs: at the source (saving) or at the target (moving); at most one from and
 *      one to each worker, kv_moves_max in all; and at most one rebalancing job per model file
 *   H14 a waiting job that was never sent is in its tenant's lane; a lane belongs to one tenant in one queue, is never
 *      empty, and its tag is its base plus its first job's cost; the counters of each tenant are right, and tenants are
 *      at most tenants_max
 *   H15 the desired number of workers and its limits are at most HEAD_SCALE_MAX, the policy's timer is set exactly in mode
 *      AUTO, and ordered workers are at most the desired number */
#include "brain/head.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "brain/head/status.h"
#include "brain/links/links.h"
#include "brain/policy/prefix.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"
#include "brain/scale/scale.h"

struct head_config head_config_default(void)
{
#define C(type, name, value) .name = value,
    return (struct head_config){HEAD_CONFIG(C)};
#undef C
}

/* ---- life ---- */

struct head *head_new(const struct head_config *cfg, uint64_t now_us)
{
    struct head *h = xalloc(sizeof *h);
    h->cfg = *cfg;
    h->now_us = h->ticked_us = h->began_us = now_us;
    h->rng.seed = cfg->seed;
    idtab_init(&h->links);
    crowd_init(&h->newcomers, rng_mix(cfg->seed));
    idtab_init(&h->workers);
    idtab_init(&h->actors);
    idtab_init(&h->calls);
    idtab_init(&h->jobs);
    idtab_init(&h->seeks);
    h->worker_names.seed = h->worker_lives.seed = h->compatible_names.seed = rng_mix(cfg->seed);
    h->pool_names[0].seed = h->pool_names[1].seed = rng_mix(cfg->seed);
    list_init(&h->launchers);
    h->tenant_names.seed = h->lane_names.seed = h->stream_names.seed = rng_mix(cfg->seed);
    idtab_init(&h->tenants);
    list_init(&h->tenants_idle);
    list_init(&h->pools);
    list_init(&h->compatible_pools);
    list_init(&h->dirty_pools);
    list_init(&h->dirty_actors);
    list_init(&h->movers);
    list_init(&h->migrations);
    for (int embeds = 0; embeds < 2; embeds++)
        h->any[embeds] = head_pool_new(h, str_n("", 0), embeds != 0);
    h->prefix = prefix_new();
    h->sessions = prefix_new();
    h->next_worker = h->next_job = h->next_seq = h->next_seek = h->next_tenant = 1;
    h->epoch = rng_mix(cfg->seed ^ now_us);
    h->common = head_tenant_of(h, str_n("", 0));
    h->status.kind = TIMER_STATUS;
    h->handoff.kind = TIMER_HANDOFF;
    if (cfg->status_every_ms > 0)
        timers_set(&h->timers, &h->status, head_after_ms(h, cfg->status_every_ms));
    head_scale_begin(h);
    return h;
}

void head_free(struct head *h)
{
    if (h == NULL)
        return;
    head_graves_clear(h);
    head_seeks_free(h);
    IDTAB_EACH(j, &h->jobs) {
        struct job *job = id_item(j, struct job, node);
        if (job->queue != NULL)
            queue_remove(h, job, false); /* removes the lane with its last job */
    }
    LIST_EACH_SAFE(at, next, &h->migrations)
        free(list_item(at, struct migration, link));
    IDTAB_EACH(n, &h->calls)
        head_call_free(&id_item(n, struct call, node)->grave);
    IDTAB_EACH(n, &h->actors)
        head_actor_free(&id_item(n, struct actor, node)->grave);
    IDTAB_EACH(n, &h->workers)
        head_worker_free(&id_item(n, struct worker, node)->grave);
    IDTAB_EACH(n, &h->links)
        head_link_free(id_item(n, struct link, node));
    LIST_EACH_SAFE(pos, nxt, &h->pools)
        head_pool_free(&list_item(pos, struct pool, order)->grave);
    LIST_EACH_SAFE(pos, after, &h->compatible_pools)
        head_pool_free(&list_item(pos, struct pool, order)->grave);
    head_pool_free(&h->any[0]->grave);
    head_pool_free(&h->any[1]->grave);
    IDTAB_EACH(t, &h->tenants)
        head_tenant_free(&id_item(t, struct tenant, node)->grave);
    idtab_fini(&h->links);
    crowd_fini(&h->newcomers);
    idtab_fini(&h->workers);
    idtab_fini(&h->actors);
    idtab_fini(&h->calls);
    idtab_fini(&h->jobs);
    idtab_fini(&h->tenants);
    names_fini(&h->tenant_names);
    names_fini(&h->lane_names);
    names_fini(&h->stream_names);
    names_fini(&h->worker_names);
    names_fini(&h->worker_lives);
    names_fini(&h->pool_names[0]);
    names_fini(&h->pool_names[1]);
    names_fini(&h->compatible_names);
    prefix_free(h->prefix);
    prefix_free(h->sessions);
    free(h);
}

/* ---- time ---- */

static void timer_rings(struct head *h, struct timer *t)
{
    switch ((enum timer_kind)t->kind) {
    case TIMER_HELLO: head_link_overdue(h, list_item(t, struct link, timer)); break;
    case TIMER_WORKER: head_worker_overdue(h, list_item(t, struct worker, timer), t->due_us); break;
    case TIMER_REST: head_actor_refresh(h, list_item(t, struct actor, rest)); break;
    case TIMER_SEEK: head_seek_overdue(h, t); break;
    case TIMER_HANDOFF: head_handoff_overdue(h); break;
    case TIMER_SCALE: head_scale_overdue(h); break;
    case TIMER_JOB: head_queue_overdue(h, list_item(t, struct job, timer)); break;
    case TIMER_MIGRATION: head_migration_overdue(h, list_item(t, struct migration, timer)); break;
    case TIMER_STATUS:
        timers_set(&h->timers, t, head_after_ms(h, h->cfg.status_every_ms));
        h->status_due = true;
        break;
    }
}

static void tick(struct head *h)
{
    h->ticked_us = h->now_us;
    for (struct timer *t; (t = timers_first(&h->timers)) != NULL && t->due_us <= h->now_us;) {
        timers_clear(&h->timers, t);
        timer_rings(h, t);
    }
}

uint64_t head_deadline(const struct head *h)
{
    const struct timer *t = timers_first(&h->timers);
    return t != NULL ? t->due_us : UINT64_MAX;
}

void head_step(struct head *h, const struct head_event *ev, struct effects *fx)
{
    head_graves_clear(h);
    h->fx = fx;
    h->steps++;
    if (ev->now_us > h->now_us)
        h->now_us = ev->now_us;
    switch (ev->kind) {
    case HEAD_TICK: tick(h); break;
    case HEAD_LINK_OPEN: head_link_open(h, ev->link, ev->peer, ev->origin); break;
    case HEAD_LINK_MSG: head_link_msg(h, ev->link, ev->msg); break;
    case HEAD_LINK_CLOSED: head_link_closed(h, ev->link, ev->text); break;
    case HEAD_PROMPT: head_prompt(h, ev); break;
    case HEAD_RESUME: head_resume(h, ev); break;
    case HEAD_HANDOFF: head_handoff(h, ev); break;
    case HEAD_CALL_GONE:
        if (!head_call_gone(h, ev->call))
            head_seek_gone(h, ev->call);
        break;
    case HEAD_SCALE: head_scale(h, ev); break;
    case HEAD_AVAILABILITY: head_availability_ask(h, ev); break;
    }
    head_dispatch(h);
    head_migration_more(h); /* after waiting jobs have got the free slots */
    head_dispatch(h);
    head_scale_look(h);
    head_status_lines(h, h->status_due);
    h->status_due = false;
    h->fx = NULL;
}
