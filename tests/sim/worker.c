/* The program around struct agent: one process on one machine, with its clock, its network and its engines. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim.h"

enum { AGENT_CHECK_STEPS = 10 }; /* of all workers together, per so many; rarer where there are thousands of them */

static void worker_tick(struct sim *s, uint64_t id, uint64_t at_us, uint64_t c);

static void worker_wake(struct sim *s, struct worker *w)
{
    uint64_t due = agent_deadline(w->agent);
    if (due == SIM_NEVER)
        return;
    uint64_t due_us = (uint64_t)((int64_t)due - w->clock_us);
    due_us = due_us < s->now_us ? s->now_us : due_us;
    if (due_us >= w->tick_at_us)
        return;
    w->tick_at_us = due_us;
    sim_at(s, due_us, worker_tick, w->id, due_us, 0);
}

bool worker_asleep(const struct sim *s, const struct worker *w, uint64_t *until_us)
{
    *until_us = w->frozen_until_us;
    return *until_us > s->now_us;
}

uint64_t worker_cut_until(const struct worker *w, const struct coordinator *c, enum link_dir dir)
{
    uint64_t way_us = w->ways[c->no].cut_until_us[dir];
    return way_us > w->cut_until_us ? way_us : w->cut_until_us;
}

bool worker_was_late(const struct sim *s, const struct worker *w, const struct coordinator *c, uint64_t since_us)
{
    const struct link *l = table_get(&s->links, w->ways[c->no].link);
    bool way = l != NULL && (l->stuck_until_us > since_us || l->late_until_us > since_us || l->latency_us > SIM_S);
    return way || w->frozen_until_us > since_us || w->slow_until_us > since_us || worker_cut_until(w, c, TO_DIALLER) > since_us ||
           worker_cut_until(w, c, TO_HEAD) > since_us || c->stalled_until_us > since_us;
}

static void worker_tick(struct sim *s, uint64_t id, uint64_t at_us, uint64_t c)
{
    (void)c;
    struct worker *w = table_get(&s->workers, id);
    uint64_t until_us;
    if (w->agent == NULL || w->tick_at_us != at_us)
        return;
    if (worker_asleep(s, w, &until_us)) {
        w->tick_at_us = until_us;
        sim_at(s, until_us, worker_tick, id, until_us, 0);
        return;
    }
    w->tick_at_us = SIM_NEVER;
    worker_feed(s, w, (struct agent_event){.kind = AGENT_TICK});
}

/* ---- effects ---- */

static void joined_probe(struct sim *s, struct worker *w, struct link *l)
{
    if (l->welcomed)
        return;
    l->welcomed = true;
    l->welcomed_us = s->now_us;
    if (w->was_joined)
        PROBE(s, worker_rejoined);
    w->was_joined = true;
    PROBE(s, worker_joined);
}

static void hang_up_probe(struct sim *s, const struct link *l)
{
    if (s->ag.ag[s->ag.n - 1].kind == AG_EXIT)
        return; /* on its way out */
    if (l->welcomed)
        PROBE(s, head_silent);
    else
        PROBE(s, dial_gave_up);
}

/* Few jobs move in a small cluster, and some of them must be damaged on the way: every second part is. */
static void send(struct sim *s, struct link *l, const struct wire_msg *msg)
{
    if (msg->type != WIRE_kv_part || msg->kv_part.bytes.n == 0 || !sim_chance(s, 50)) {
        link_send(s, l, TO_HEAD, msg);
        return;
    }
    struct buf damaged = buf_max(WIRE_KV_PART_BYTES);
    struct wire_msg copy = *msg;
    buf_add_str(&damaged, msg->kv_part.bytes);
    damaged.p[sim_between(s, 0, damaged.n - 1)] ^= (char)(1 << sim_between(s, 0, 7));
    copy.kv_part.bytes = buf_str(&damaged);
    link_send(s, l, TO_HEAD, &copy);
    buf_fini(&damaged);
}

static void carry_out(struct sim *s, struct worker *w, struct ag *ag)
{
    struct way *way = &w->ways[ag->head];
    struct link *l = table_get(&s->links, way->link);
    switch (ag->kind) {
    case AG_DIAL:
        SIM_MUST(s, l == NULL, "%s dials while its link %llu is there", w->node, (unsigned long long)way->link);
        way->link = link_dial(s, &s->heads[ag->head], w->id, 0);
        sim_trace(s, "dials", w->node, w->id, way->link, ag->head);
        break;
    case AG_HANG_UP:
        SIM_MUST(s, l != NULL, "%s hangs up on nobody", w->node);
        sim_trace(s, "hangs up", w->node, w->id, way->link, ag->head);
        hang_up_probe(s, l);
        link_hang_up(s, l);
        break;
    case AG_SEND:
        SIM_MUST(s, l != NULL && l->near_up, "%s sends %s to nobody", w->node, wire_name(ag->msg.type));
        send(s, l, &ag->msg);
        if (ag->msg.type == WIRE_kv_ack && ag->msg.kv_ack.refused)
            PROBE(s, moved_damaged);
        if (ag->msg.type == WIRE_actor)
            joined_probe(s, w, l);
        if (ag->msg.type == WIRE_done && ag->msg.done.finish == FINISH_ERROR)
            s->refused_job = ag->msg.done.job, s->refused_link = way->link;
        if (ag->msg.type == WIRE_availability)
            w->availability = ag->msg.availability.availability;
        if (ag->msg.type == WIRE_done && ag->msg.done.error == -ERR_UNAVAILABLE && w->availability != WIRE_SERVING)
            PROBE(s, run_crossed);
        break;
    case AG_SEND_FRAMES:
        SIM_MUST(s, l != NULL && l->near_up, "%s sends frames to nobody", w->node);
        for (size_t at = 0, n; at < ag->text.n; at += n) {
            SIM_MUST(s, wire_frame(str_n(ag->text.p + at, ag->text.n - at), WIRE_FRAME_BYTES_MAX, &n) == 0 && n > 0,
                     "%s sends what is no frame", w->node);
            link_send_bytes(s, l, TO_HEAD, ag->text.p + at, n);
        }
        break;
    case AG_MEASURE:
        break; /* worker_feed() does it when all else is done */
    case AG_RUN:
        SIM_MUST(s, w->availability == WIRE_SERVING, "%s runs a job although it said that it takes none", w->node);
        engine_run(s, w, way->link, ag->key, ag->ticket, &ag->msg.run);
        break;
    case AG_CANCEL:
        engine_cancel(s, w, ag->key, ag->ticket);
        break;
    case AG_SAVE:
        engine_save(s, w, ag->ticket);
        break;
    case AG_GIVE:
        engine_give(s, w, ag->ticket, &ag->carry);
        buf_fini(&ag->carry);
        break;
    case AG_LOG:
        sim_trace(s, "worker logs", ag->tag, w->id, 0, 0);
        if (s->opt.trace)
            sim_say(ag->tag, ag->text);
        break;
    case AG_EXIT:
        SIM_MUST(s, ag->fault.err == 0, "%s was refused for good: %s", w->node, ag->fault.text);
        w->exited = true;
        break;
    }
}

/* Returns the heads that want a beat, a bit each. */
static uint32_t worker_step(struct sim *s, struct worker *w, struct agent_event ev)
{
    uint32_t beats = 0;
    ev.now_us = (uint64_t)((int64_t)s->now_us + w->clock_us);
    ag_effects_reset(&s->ag);
    agent_step(w->agent, &ev, &s->ag);
    for (size_t i = 0; i < s->ag.n; i++) {
        struct ag *ag = &s->ag.ag[i];
        carry_out(s, w, ag);
        beats |= ag->kind == AG_MEASURE ? 1u << ag->head : 0;
    }
    return beats;
}

bool worker_was_silent(const struct sim *s)
{
    return s->ag.n == 0;
}

static void worker_beats(struct sim *s, struct worker *w, uint32_t head)
{
    struct wire_load loads[SIM_ACTORS_MAX];
    struct wire_beat beat = {.rss_bytes = 500u << 20, .cpu_load = 1.5f, .loads = loads};
    for (uint32_t i = 0; i < w->actors_n; i++) {
        const struct engine_sim *e = &w->actors[i];
        if (e->state != WIRE_ACTOR_READY)
            continue;
        loads[beat.loads_n++] = (struct wire_load){
            .key = e->key,
            .busy = e->busy,
            .waiting = e->waiting,
            .prefill_tps = e->prefill_tps,
            .decode_tps = e->decode_tps,
            .token_age_ms = e->busy == 0 ? 0 : (uint32_t)((s->now_us - e->last_token_us) / SIM_MS),
        };
    }
    worker_step(s, w, (struct agent_event){.kind = AGENT_BEAT, .head = head, .beat = &beat});
}

void worker_feed(struct sim *s, struct worker *w, struct agent_event ev)
{
    uint32_t beats = worker_step(s, w, ev);
    for (uint32_t head = 0; head < s->heads_n && beats != 0 && !w->exited; head++)
        if ((beats & (1u << head)) != 0)
            worker_beats(s, w, head);
    if (w->exited) {
        worker_end(s, w, WORKER_EXITED);
        return;
    }
    if (++s->worker_steps % (AGENT_CHECK_STEPS + s->living.n / 16) == 0)
        agent_check(w->agent);
    worker_wake(s, w);
}

/* ---- life and death ---- */

static void worker_begins(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct worker *w = table_get(&s->workers, id);
    if (w->agent == NULL)
        return;
    worker_feed(s, w, (struct agent_event){.kind = AGENT_START});
    for (uint32_t key = 0; key < w->actors_n; key++)
        engine_load(s, w, key);
}

struct worker *worker_start(struct sim *s, const char *node)
{
    struct worker *w = xalloc(sizeof *w);
    w->id = table_add(&s->workers, w);
    w->living_at = table_add(&s->living, w) - 1;
    if (node != NULL)
        snprintf(w->node, sizeof w->node, "%s", node);
    else
        snprintf(w->node, sizeof w->node, "w%u", ++s->nodes);
    w->clock_us = (int64_t)sim_between(s, 0, 1000 * (uint64_t)SIM_S) - 500 * (int64_t)SIM_S;
    w->tick_at_us = SIM_NEVER;
    w->actors_n = s->opt.scale ? SIM_ACTORS_MAX : sim_chance(s, 70) ? 1 : (uint32_t)sim_between(s, 2, SIM_ACTORS_MAX);
    struct agent_config cfg = agent_config_default();
    cfg.heads_n = s->heads_n;
    cfg.seed = rng_next(&s->rng);
    cfg.hello = (struct wire_hello){
        .proto = WIRE_VERSION,
        .version = str_of("sim"),
        .role = WIRE_ROLE_WORKER,
        .token = s->heads[0].cfg.join_token,
        .node = str_of(w->node),
        .epoch = rng_next(&s->rng),
        .pid = (uint32_t)w->id,
        .cpus = 2,
        .memory_bytes = (uint64_t)2 << 30,
        .engine = str_of("sim"),
    };
    w->agent = agent_new(&cfg, (uint64_t)((int64_t)s->now_us + w->clock_us));
    sim_trace(s, "worker starts", "", w->id, 0, 0);
    sim_in(s, 1, worker_begins, w->id, 0, 0); /* not from inside the step of somebody else */
    return w;
}

uint32_t worker_jobs(const struct worker *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->actors_n; i++)
        n += w->actors[i].busy;
    return n;
}

static void leave_the_living(struct sim *s, struct worker *w)
{
    struct worker *last = s->living.p[--s->living.n];
    s->living.p[w->living_at] = last;
    last->living_at = w->living_at;
}

void worker_end(struct sim *s, struct worker *w, enum worker_end how)
{
    sim_trace(s, "worker ends", how == WORKER_EXITED ? "exit" : how == WORKER_KILLED ? "kill" : "power", w->id, 0, 0);
    if (how == WORKER_KILLED && worker_jobs(w) > 0)
        PROBE(s, lost_by_close);
    if (how == WORKER_EXITED && worker_jobs(w) > 0)
        PROBE(s, left_politely);
    if (how == WORKER_EXITED && w->drains_jobs && worker_jobs(w) > 0)
        PROBE(s, drained_late);
    else if (how == WORKER_EXITED && w->drains_jobs)
        PROBE(s, drained);
    w->power_lost = how == WORKER_POWER_LOST;
    for (uint32_t head = 0; head < s->heads_n; head++) {
        struct link *l = table_get(&s->links, w->ways[head].link);
        if (l != NULL && l->near_up)
            link_orphan(s, l, how != WORKER_POWER_LOST);
        w->ways[head].link = 0;
    }
    agent_free(w->agent);
    w->agent = NULL;
    leave_the_living(s, w);
    free(w->given);
    w->given = NULL;
    w->given_n = w->given_cap = 0;
    for (uint32_t i = 0; i < w->actors_n; i++)
        engine_free(&w->actors[i]);
}

struct worker *worker_any(struct sim *s)
{
    return s->living.n > 0 ? s->living.p[sim_between(s, 0, s->living.n - 1)] : NULL;
}

void worker_free(struct worker *w)
{
    agent_free(w->agent);
    for (uint32_t i = 0; i < w->actors_n; i++)
        engine_free(&w->actors[i]);
    free(w->given);
    free(w);
}
