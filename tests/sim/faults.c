/* What goes wrong, when, and to whom: one fault after the other, drawn from those that are switched on.
 *
 * Every fault ends by itself before the run does, so that "it settles afterwards" can be required of all of them. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

typedef void fault_fn(struct sim *s, struct worker *w);

bool faults_parse(const char *names, uint32_t *out, const char **bad)
{
    static const char *const known[] = {
#define NAME(name, text) #name,
        SIM_FAULTS(NAME)
#undef NAME
    };
    *out = 0;
    while (*names != '\0') {
        size_t n = strcspn(names, ","), minus = names[0] == '-';
        struct str name = str_n(names + minus, n - minus);
        uint32_t bits = 0;
        for (size_t i = 0; i < FAULT_COUNT; i++)
            if (str_is(name, known[i]) || str_is(name, "all"))
                bits |= 1u << i;
        if (bits == 0 && !str_is(name, "none")) {
            *bad = names;
            return false;
        }
        *out = minus ? *out & ~bits : *out | bits;
        names += n + (names[n] == ',');
    }
    return true;
}

uint64_t faults_soon(struct sim *s, uint64_t least_ms, uint64_t most_ms)
{
    uint64_t until_us = s->now_us + sim_between(s, least_ms * SIM_MS, most_ms * SIM_MS);
    return until_us < s->end_us ? until_us : s->end_us;
}

/* ---- workers ---- */

/* Extra workers and those of the launcher that were killed come back like all others, and nobody asks them to leave again: in hours a small
 * cluster would become a great one. */
static bool is_crowded(const struct sim *s)
{
    return s->living.n >= 4ull * s->opt.workers + 16;
}

static void again(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    const struct worker *dead = table_get(&s->workers, id);
    bool engines = s->scaler != NULL && dead->launched; /* its engine starts it again */
    if (!is_crowded(s) && !engines)
        worker_start(s, dead->node);
}

/* A dead worker is started again, as systemd or people do: the same node, another life. */
static void fault_kill(struct sim *s, struct worker *w)
{
    worker_end(s, w, WORKER_KILLED);
    sim_at(s, faults_soon(s, 200, 10000), again, w->id, 0, 0);
}

void worker_crash(struct sim *s, struct worker *w)
{
    fault_kill(s, w);
}

static void fault_poison(struct sim *s, struct worker *w)
{
    (void)w;
    if (sim_chance(s, 30))
        client_ask_poison(s);
}

static void dies(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct worker *w = table_get(&s->workers, id);
    if (w->agent != NULL)
        fault_kill(s, w);
}

enum { RACK = 200 }; /* workers; all of a small cluster */

static void fault_rack(struct sim *s, struct worker *w)
{
    if (!sim_chance(s, 20))
        return;
    PROBE(s, rack_died);
    for (size_t i = 0; i < s->living.n && i < RACK; i++) {
        const struct worker *x = s->living.p[(w->living_at + i) % s->living.n];
        if (sim_chance(s, 70))
            sim_in(s, sim_between(s, 0, 5 * SIM_MS), dies, x->id, 0, 0);
    }
}

static void fault_power(struct sim *s, struct worker *w)
{
    worker_end(s, w, WORKER_POWER_LOST);
    sim_at(s, faults_soon(s, 1000, 20000), again, w->id, 0, 0);
}

static void thawed(struct sim *s, uint64_t id, uint64_t link, uint64_t c)
{
    (void)c;
    const struct worker *w = table_get(&s->workers, id);
    const struct link *l = table_get(&s->links, link);
    if (w->agent == NULL || l == NULL)
        return;
    if (l->given_up)
        PROBE(s, frozen_came_back);
    else
        PROBE(s, frozen_in_time);
}

static void fault_freeze(struct sim *s, struct worker *w)
{
    w->frozen_until_us = faults_soon(s, 500, 12000);
    for (uint32_t head = 0; head < s->heads_n; head++)
        sim_at(s, w->frozen_until_us, thawed, w->id, w->ways[head].link, 0);
}

static void healed(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    const struct worker *w = table_get(&s->workers, id);
    if (w->agent != NULL)
        PROBE(s, partition_healed);
}

static void fault_partition(struct sim *s, struct worker *w)
{
    w->cut_until_us = faults_soon(s, 500, 15000);
    sim_at(s, w->cut_until_us, healed, w->id, 0, 0);
}

static void fault_slow(struct sim *s, struct worker *w)
{
    w->slow_until_us = faults_soon(s, 2000, 20000);
}

/* A head's clock never falls (it is monotonic); it leaps when its machine was suspended. */
static void head_leaps(struct sim *s)
{
    struct coordinator *c = coordinator_any(s);
    if (c == NULL)
        return;
    PROBE(s, head_leapt);
    c->leapt_us = s->now_us;
    c->clock_us += sim_between(s, 0, 30 * (uint64_t)SIM_S);
    c->tick_at_us = SIM_NEVER; /* the timer was set by the clock */
    coordinator_feed(s, c, (struct head_event){.kind = HEAD_TICK});
}

static void fault_clock(struct sim *s, struct worker *w)
{
    if (sim_chance(s, 10)) {
        head_leaps(s);
        return;
    }
    int64_t leap_us = (int64_t)sim_between(s, 0, 60 * (uint64_t)SIM_S) - 30 * (int64_t)SIM_S;
    w->clock_us += leap_us;
    w->leapt_us = leap_us > 0 ? s->now_us : w->leapt_us;
    w->tick_at_us = SIM_NEVER; /* the timer was set by the clock */
    if (leap_us > 0)
        PROBE(s, clock_forward);
    else
        PROBE(s, clock_backward);
    worker_feed(s, w, (struct agent_event){.kind = AGENT_TICK});
}

/* ---- ways between workers and heads ---- */

static void fault_split(struct sim *s, struct worker *w)
{
    uint32_t percent = (uint32_t)sim_between(s, 1, 100);
    uint64_t head = sim_between(s, 0, s->heads_n - 1), until_us = faults_soon(s, 500, 15000);
    if (!sim_chance(s, 25))
        return;
    if (percent >= 50 && s->heads_n > 1)
        PROBE(s, head_cut_off);
    for (size_t i = 0; i < s->living.n; i++) {
        struct way *way = &((struct worker *)s->living.p[i])->ways[head];
        if (s->living.p[i] == w || sim_chance(s, percent))
            way->cut_until_us[TO_HEAD] = way->cut_until_us[TO_DIALLER] = until_us;
    }
}

static void fault_oneway(struct sim *s, struct worker *w)
{
    uint64_t head = sim_between(s, 0, s->heads_n - 1), dir = sim_between(s, TO_HEAD, TO_DIALLER);
    w->ways[head].cut_until_us[dir] = faults_soon(s, 500, 15000);
}

static void fault_delay(struct sim *s, struct worker *w)
{
    struct way *way = &w->ways[sim_between(s, 0, s->heads_n - 1)];
    struct link *l = table_get(&s->links, way->link);
    if (l == NULL)
        return;
    PROBE(s, link_stuck);
    if (sim_chance(s, 50)) {
        l->stuck_until_us = faults_soon(s, 500, 9000);
        return;
    }
    way->next_is_late = true;
    link_break(s, l);
}

/* ---- messages ---- */

static struct wire_msg nonsense(struct sim *s)
{
    static const int32_t ids[] = {1, 2, 3};
    uint64_t job = sim_between(s, 1, 1000000);
    switch (sim_between(s, 0, 6)) {
    case 0:
        return (struct wire_msg){.type = WIRE_actor, .actor = {.key = (uint32_t)rng_next(&s->rng), .slots = 1}};
    case 1:
        return (struct wire_msg){
            .type = WIRE_actor,
            .actor = {.state = (uint8_t)sim_between(s, WIRE_ACTOR_GONE + 1, 255), .kind = 9, .slots = UINT32_MAX}};
    case 2:
        return (struct wire_msg){.type = WIRE_hello, .hello = {.proto = WIRE_VERSION, .role = WIRE_ROLE_WORKER}};
    case 3:
        return (struct wire_msg){.type = WIRE_run, .run = {.job = job}};
    case 4:
        return (struct wire_msg){.type = WIRE_welcome};
    case 5:
        return (struct wire_msg){.type = WIRE_tokens,
                                 .tokens = {.job = UINT64_MAX, .attempt = 1, .first = 7, .ids = {ids, 3}}};
    default:
        return (struct wire_msg){.type = WIRE_scale_state, .scale_state = {.running = UINT32_MAX}};
    }
}

/* It speaks of a job that runs somewhere else: the head may believe only the worker it gave the job to. */
static struct wire_msg forged(struct sim *s, const struct worker *w, const struct coordinator *to)
{
    static const int32_t ids[] = {1, 2, 3};
    for (int tries = 0; tries < 50 && s->calls.n > 0; tries++) {
        uint64_t recent = s->calls.n > 100 ? s->calls.n - 100 : 1;
        const struct call *c = table_get(&s->calls, sim_between(s, recent, s->calls.n));
        if (c->state != CALL_OPEN || c->asking == NULL || c->head != to || c->runs_n == 0 || c->runs[0].worker == w->id || c->asking->seeks)
            continue; /* what it ran as at another head says nothing of jobs here */
        PROBE(s, forged_job);
        const struct run_seen *r = &c->runs[0];
        if (sim_chance(s, 50))
            return (struct wire_msg){.type = WIRE_done,
                                     .done = {.job = r->job, .attempt = r->attempt, .finish = FINISH_STOP}};
        return (struct wire_msg){.type = WIRE_tokens,
                                 .tokens = {.job = r->job, .attempt = r->attempt, .ids = {ids, 3}}};
    }
    return (struct wire_msg){.type = WIRE_done, .done = {.job = UINT64_MAX, .attempt = 1, .finish = FINISH_STOP}};
}

/* It repeats tokens of a job that is its own, or leaves some out: the head may believe neither. */
static bool stutter(struct sim *s, const struct worker *w, const struct coordinator *to, struct wire_msg *out)
{
    static const int32_t ids[] = {1, 2, 3};
    for (uint64_t id = s->calls.n > 200 ? s->calls.n - 200 : 1; id <= s->calls.n; id++) {
        const struct call *c = table_get(&s->calls, id);
        const struct branch *b = c->branches;
        bool here = c->state == CALL_OPEN && c->asking != NULL && !c->asking->seeks && c->head == to;
        if (!here || b->run == NULL || b->done || b->run->worker != w->id || b->tokens == 0)
            continue;
        PROBE(s, stuttered);
        *out = (struct wire_msg){.type = WIRE_tokens,
                                 .tokens = {.job = b->run->job, .attempt = b->run->attempt, .ids = {ids, 3}}};
        out->tokens.first = sim_chance(s, 50) ? b->tokens - 1 : b->tokens + 200;
        return true;
    }
    return false;
}

/* A frame of a real worker with one byte changed: it may well decode, and then lies. So only its header is broken. */
static void broken_frame(struct sim *s, struct link *l)
{
    char bytes[] = {4, 0, 0, 0, 99, 99, 1, 2};
    link_send_bytes(s, l, TO_HEAD, bytes, sizeof bytes);
}

static void fault_garbage(struct sim *s, struct worker *w)
{
    struct link *l = table_get(&s->links, w->ways[sim_between(s, 0, s->heads_n - 1)].link);
    uint64_t dice = sim_between(s, 0, 5);
    struct wire_msg msg;
    if (dice == 0 || l == NULL || !l->near_up || !l->welcomed) {
        stranger_start_nonsense(s);
    } else if (dice == 1) {
        broken_frame(s, l);
    } else if (dice == 2) {
        msg = nonsense(s);
        PROBE(s, nonsense_message);
        link_send(s, l, TO_HEAD, &msg);
    } else if (dice == 3 && stutter(s, w, l->far, &msg)) {
        link_send(s, l, TO_HEAD, &msg);
    } else if (dice == 4) {
        link_send_noise(s, l);
    } else {
        msg = forged(s, w, l->far);
        link_send(s, l, TO_HEAD, &msg);
    }
}

/* ---- engines ---- */

static void fault_hang(struct sim *s, struct worker *w)
{
    struct engine_sim *e = &w->actors[sim_between(s, 0, w->actors_n - 1)];
    if (e->busy > 0)
        PROBE(s, engine_hung);
    e->stuck_until_us = faults_soon(s, 3000, 20000);
}

static void fault_engine(struct sim *s, struct worker *w)
{
    engine_break(s, w, (uint32_t)sim_between(s, 0, w->actors_n - 1), sim_chance(s, 30));
}

/* ---- the head ---- */

static void head_returns(struct sim *s, uint64_t no, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    if (s->heads[no].head == NULL)
        coordinator_start(s, &s->heads[no]);
}

static void head_falls(struct sim *s, struct coordinator *c)
{
    PROBE(s, head_restarted);
    coordinator_dies(s, c);
    sim_at(s, faults_soon(s, 50, 6000), head_returns, c->no, 0, 0);
}

static void fault_head(struct sim *s, struct worker *w)
{
    (void)w;
    struct coordinator *c = &s->heads[sim_between(s, 0, s->heads_n - 1)];
    if (c->head != NULL && sim_chance(s, 20))
        head_falls(s, c);
}

static void fault_both(struct sim *s, struct worker *w)
{
    struct coordinator *c = &s->heads[sim_between(s, 0, s->heads_n - 1)];
    if (c->head == NULL || !sim_chance(s, 10))
        return;
    if (worker_jobs(w) > 0)
        PROBE(s, both_died);
    head_falls(s, c);
    fault_kill(s, w);
}

static void fault_stall(struct sim *s, struct worker *w)
{
    (void)w;
    if (!sim_chance(s, 10))
        return;
    PROBE(s, head_stalled);
    s->heads[sim_between(s, 0, s->heads_n - 1)].stalled_until_us = faults_soon(s, 200, 8000);
}

/* ---- joining, leaving, scaling ---- */

static void leaves(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    struct worker *w = table_get(&s->workers, id);
    uint64_t until_us;
    if (w->agent == NULL)
        return;
    if (worker_asleep(s, w, &until_us))
        sim_at(s, until_us, leaves, id, 0, 0);
    else
        worker_feed(s, w, (struct agent_event){.kind = AGENT_STOP});
}

/* Somebody new, who leaves again; sometimes under the name of somebody who is there. */
static void fault_join(struct sim *s, struct worker *w)
{
    bool same_name = sim_chance(s, 30);
    if (same_name)
        PROBE(s, duplicate_node);
    if (sim_chance(s, 30)) {
        leaves(s, w->id, 0, 0);
        sim_at(s, faults_soon(s, 200, 10000), again, w->id, 0, 0);
        return;
    }
    struct worker *extra = worker_start(s, same_name && !(s->scaler != NULL && w->launched) ? w->node : NULL);
    sim_at(s, faults_soon(s, 5000, 30000), leaves, extra->id, 0, 0);
}

/* ---- availability ---- */

static void drain_again(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    const struct worker *w = table_get(&s->workers, id);
    if (w->agent == NULL)
        again(s, id, 0, 0);
    else
        sim_in(s, SIM_S, drain_again, id, 0, 0); /* it still ends what it has */
}

/* Docker stops it, or somebody drains it; then it is started anew. */
static void fault_drain(struct sim *s, struct worker *w)
{
    uint32_t grace_ms = (uint32_t)sim_between(s, 0, 6000);
    w->drains_jobs = worker_jobs(w) > 0;
    for (int i = 0; i < 4; i++)
        client_ask(s, sim_between(s, 0, s->heads_n - 1)); /* somebody's prompt is on its way to it, perhaps */
    if (sim_chance(s, 50))
        worker_feed(s, w, (struct agent_event){.kind = AGENT_DRAIN, .grace_ms = grace_ms, .text = str_of("SIGTERM")});
    else if (!client_availability(s, w, WIRE_DRAINING, grace_ms))
        return;
    sim_at(s, faults_soon(s, 200, 10000), drain_again, w->id, 0, 0);
}

/* Until it has heard: its link may be down, its head may be new. */
static void uncordons(struct sim *s, uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    const struct worker *w = table_get(&s->workers, id);
    if (w->agent == NULL || w->availability != WIRE_CORDONED) {
        PROBE(s, uncordoned);
        return;
    }
    if (!client_availability(s, w, WIRE_SERVING, 0))
        PROBE(s, availability_of_nobody);
    sim_in(s, SIM_S, uncordons, id, 0, 0);
}

static void fault_cordon(struct sim *s, struct worker *w)
{
    if (!client_availability(s, w, WIRE_CORDONED, 0))
        return;
    if (worker_jobs(w) > 0)
        PROBE(s, cordoned);
    sim_at(s, faults_soon(s, 500, 15000), uncordons, w->id, 0, 0);
}

static void fault_launcher(struct sim *s, struct worker *w)
{
    (void)w;
    struct coordinator *c = coordinator_any(s);
    if (c == NULL || s->scaler != NULL)
        return;
    client_scale(s, c, (uint32_t)sim_between(s, 0, 5));
    if (s->launcher == 0)
        stranger_start_launcher(s, c);
}

static void fault_hop(struct sim *s, struct worker *w)
{
    (void)w;
    for (int tries = 0; tries < 50 && s->calls.n > 0; tries++) {
        uint64_t recent = s->calls.n > 100 ? s->calls.n - 100 : 1;
        struct call *c = table_get(&s->calls, sim_between(s, recent, s->calls.n));
        if (c->state != CALL_OPEN || c->asking == NULL || c->asking->seeks || c->stream == 0)
            continue;
        client_hops(s, c);
        return;
    }
}

static void fault_burst(struct sim *s, struct worker *w)
{
    (void)w;
    if (sim_chance(s, 3))
        client_crowd(s, (uint32_t)sim_between(s, 0, s->heads_n - 1));
}

/* ---- when ---- */

static fault_fn *const faults[] = {
#define FN(name, text) fault_##name,
    SIM_FAULTS(FN)
#undef FN
};

static const char *const fault_names[] = {
#define NAME(name, text) #name,
    SIM_FAULTS(NAME)
#undef NAME
};

enum { PACE = 14 }; /* kinds of faults that share mood.fault_every_ms */

static void fault_strikes(struct sim *s, uint64_t kind, uint64_t no, uint64_t c)
{
    (void)c;
    uint64_t until_us, most_us = 2ull * PACE * s->mood.fault_every_ms * SIM_MS;
    if (s->now_us + SIM_S >= s->end_us)
        return;
    struct worker *w = no > 0 ? worker_any(s) : NULL;
    if (w != NULL && !worker_asleep(s, w, &until_us)) {
        sim_trace(s, "FAULT", fault_names[kind], w->id, 0, 0);
        faults[kind](s, w);
    }
    sim_in(s, 1 + rng_at(s->opt.seed + kind, no) % most_us, fault_strikes, kind, no + 1, 0);
}

void faults_start(struct sim *s)
{
    for (uint64_t kind = 0; kind < FAULT_COUNT; kind++)
        if ((s->opt.faults & (1u << kind)) != 0)
            sim_in(s, SIM_S, fault_strikes, kind, 0, 0);
}
