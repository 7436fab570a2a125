/* The worker's brain: one step per event. Links are in uplink.c, actors in actor.c, jobs in job.c.
 *
 * Invariants, checked by agent_check():
 *   1. A job runs for a head that has welcomed us; or it is adrift: its head is gone, its journal grows; or it is an
 *      orphan: cancelled, and reported to no head.
 *   2. Every other job is found by (head, job, attempt), exactly once.
 *   3. There are at most AGENT_JOBS_MAX jobs, orphans counted.
 *   4. A ticket is given once.
 *   5. A link that waits for something has a deadline; one that waits for nothing has none.
 *   6. Ids of actors end with the link they were given on.
 *   7. After AG_EXIT no link is up or wanted, and every job is an orphan.
 *   8. A worker has a deadline exactly while it drains.
 *   9. Journals take at most journal_bytes_max, as counted; moving KV caches at most moving_bytes_max.
 *   10. A journal that no head reads is forgotten in time: its job runs for a head, or it expires.
 *   11. KV caches are kept for, or come from, heads that have welcomed us, at most AGENT_CARRIES_MAX each
 * way. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/agent/state.h"

struct agent_config agent_config_default(void)
{
    return (struct agent_config){
        .seed = 1, .heads_n = 1, .times = DIALLER_TIMES,
        .adrift_ms = 60000, .told_ms = 600000, .journal_bytes_max = 32u << 20, .moving_bytes_max = WIRE_KV_BYTES_MAX};
}

struct agent *agent_new(const struct agent_config *cfg, uint64_t now_us)
{
    MUST(cfg->heads_n >= 1 && cfg->heads_n <= AGENT_HEADS_MAX);
    MUST(cfg->times.redial_first_ms > 0 && cfg->times.redial_first_ms <= cfg->times.redial_max_ms);
    struct agent *a = xalloc(sizeof *a);
    a->cfg = *cfg;
    a->rng.seed = cfg->seed;
    a->now_us = now_us;
    a->drain_us = AGENT_NEVER;
    idtab_init(&a->jobs);
    list_init(&a->journals);
    list_init(&a->expiring);
    list_init(&a->told);
    list_init(&a->carries);
    list_init(&a->spent);
    return a;
}

void agent_free(struct agent *a)
{
    if (a == NULL)
        return;
    agent_journal_free_all(a);
    agent_kv_free(a);
    agent_jobs_free(a);
    agent_actors_free(a);
    wire_arena_fini(&a->arena);
    agent_texts_free(a);
    free(a);
}

/* Our time stands still while the program's clock falls. A leap of the clock, or a pause of the
 * process, is no silence of the head: only time in which we could listen counts. */
static void agent_time(struct agent *a, uint64_t program_us)
{
    if (program_us + a->shift_us < a->now_us)
        a->shift_us = a->now_us - program_us;
    uint64_t gap_us = program_us + a->shift_us - a->now_us;
    a->now_us += gap_us;
    for (uint32_t h = 0; h < a->cfg.heads_n; h++) {
        struct dialler *d = &a->uplinks[h].dialler;
        if (d->state == DIALLER_WELCOMED && gap_us > 2000ull * d->beat_ms)
            d->heard_us += gap_us;
    }
}

/* Says goodbye to all heads, with the reason, and asks the program to exit. */
static void agent_leave(struct agent *a, const char *why)
{
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        uplink_leave(a, h, why);
    agent_jobs_orphan(a);
    agent_add(a, AG_EXIT);
    a->left = true;
}

static void agent_event_handle(struct agent *a, const struct agent_event *ev)
{
    switch (ev->kind) {
    case AGENT_START:
        for (uint32_t h = 0; h < a->cfg.heads_n; h++)
            uplink_start(a, h);
        break;
    case AGENT_TICK:
        break; /* every event handles what is due */
    case AGENT_LINKED:
        uplink_linked(a, ev->head);
        break;
    case AGENT_LINK_LOST:
        uplink_lost(a, ev->head, ev->text);
        break;
    case AGENT_LINK_MSG:
        uplink_msg(a, ev->head, ev->msg);
        break;
    case AGENT_ACTOR:
        agent_actor_is(a, ev->actor);
        break;
    case AGENT_PROGRESS:
    case AGENT_PREFILLED:
    case AGENT_TOKENS:
    case AGENT_DONE:
        agent_job_event(a, ev);
        break;
    case AGENT_SAVED:
        agent_kv_saved(a, ev->ticket, ev->carry, ev->text);
        break;
    case AGENT_BEAT:
        uplink_beat(a, ev->head, ev->beat);
        break;
    case AGENT_DRAIN:
        agent_drain(a, ev->grace_ms, false, true, ev->text);
        break;
    case AGENT_STOP:
        agent_leave(a, "the worker was asked to stop");
        break;
    }
}

void agent_step(struct agent *a, const struct agent_event *ev, struct ag_effects *fx)
{
    MUST(ev->head < a->cfg.heads_n);
    agent_texts_free(a);
    agent_kv_clear(a);
    a->fx = fx;
    agent_time(a, ev->now_us);
    if (!a->left || ev->kind == AGENT_DONE) /* after AG_EXIT only the ends of tickets matter */
        agent_event_handle(a, ev);
    if (!a->left)
        agent_availability_tick(a);
    if (!a->left)
        agent_journal_tick(a);
    if (!a->left)
        agent_kv_tick(a);
    const char *drained = agent_drain_tick(a);
    if (drained != NULL)
        agent_leave(a, drained);
    for (uint32_t h = 0; h < a->cfg.heads_n && !a->left; h++)
        uplink_tick(a, h);
    a->fx = NULL;
}

uint64_t agent_deadline(const struct agent *a)
{
    uint64_t due = AGENT_NEVER, own[] = {agent_availability_deadline(a), agent_journal_deadline(a), agent_kv_deadline(a)};
    for (size_t i = 0; i < sizeof own / sizeof *own && !a->left; i++)
        due = own[i] < due ? own[i] : due;
    for (uint32_t h = 0; h < a->cfg.heads_n; h++) {
        uint64_t d = dialler_deadline(&a->uplinks[h].dialler);
        due = d < due ? d : due;
    }
    if (due == AGENT_NEVER)
        return due;
    return due > a->shift_us ? due - a->shift_us : 0;
}

void agent_check(const struct agent *a)
{
    agent_jobs_check(a); /* 1, 2, 3, 4 */
    MUST((a->availability == WIRE_DRAINING) == (a->drain_us != AGENT_NEVER)); /* 8 */
    agent_journal_check(a);                                                 /* 9, 10 */
    agent_kv_check(a);                                                   /* 11 */
    for (uint32_t h = 0; h < a->cfg.heads_n; h++) {
        const struct dialler *d = &a->uplinks[h].dialler;
        bool waits = d->state != DIALLER_IDLE && d->state != DIALLER_CLOSING;
        MUST(waits == (dialler_deadline(d) != AGENT_NEVER)); /* 5 */
        for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
            MUST(!a->actors[i].acked[h] || (a->actors[i].used && uplink_is_welcomed(a, h))); /* 6 */
        MUST(!a->left || d->state == DIALLER_IDLE);                                          /* 7 */
    }
}
