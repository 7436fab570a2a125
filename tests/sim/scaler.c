/* A launcher with the real reconciler and the real dialler, and the engine it asks: for runs with --scale.
 *
 * The engine keeps workers by index. It may be away, slow, blind for a moment after it came back, at its quota; it may answer twice or never, and its
 * workers die like all others. The launcher may die: the next one knows what it was started with and no more. Who asks the head for workers
 * asks for the load to decide between two limits, now and then for a number. Checked:
 *  S1  a worker that a list has shown to be there is not started once more by that launcher
 *  S2  a call that came while no worker was there, because none was needed, is answered, unless somebody was away meanwhile
 *  S3  the number falls by the load only when fewer were enough for the hold time after it rose
 *  S4  in the end head, launcher and engine agree; then, as nobody asks any more, the number falls to its least, and the engine has as many
 *  S5  the number stays between its limits */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "brain/dialler.h"
#include "launch/reconcile.h"
#include "sim.h"

enum { INDICES = 8, FIRST_TARGET = 1, GRACE_MS = 3000, BLIND_MS = 900, LOOK_MS = 250, TROUBLE_AFTER_S = 8 };

enum machine_state { M_NONE, M_PENDING, M_RUNNING, M_ENDING, M_FAILED };
/* A worker as the engine has it. */
struct machine {
    enum machine_state state;
    uint64_t worker;     /* the last process of it; 0: none yet */
    uint64_t due_us;     /* PENDING: it starts; ENDING: it is killed */
    bool shown;          /* a list told the present launcher that it is there, and it was all the time since */
};

struct scaler {
    bool up;             /* the launcher's process lives */
    uint64_t life;
    struct reconcile r;
    uint64_t tick_at_us;
    struct coordinator *head;
    struct dialler dialler;
    struct rng rng;      /* of the dialler */
    uint64_t stranger;   /* its present link; 0: none */
    uint64_t link_due_us; /* the dialler's deadline, as scheduled */
    uint64_t hold_us;
    struct wire_scale told;
    uint32_t said_running, said_target;
    bool over;           /* nothing is started any more: the run ends */

    struct machine at[INDICES];
    struct launcher_worker snapshot[INDICES];
    uint32_t snapshot_n;
    uint64_t away_until_us, blind_until_us, slow_until_us, full_until_us;
    bool twice, mute;    /* the next answer */

    uint64_t trouble_us; /* somebody was away last, or a person decides */
    uint64_t rose_us;    /* by the clock of the head */
    uint64_t head_life;
    uint32_t desired;
    bool known;
};

static struct reconcile_times times(void)
{
    return (struct reconcile_times){.pause_first_ms = 1000, .pause_max_ms = 5000, .stable_ms = 10000, .patience_ms = 5000, .settle_ms = 4000,
                                    .collect_ms = 100, .busy_ms = 500, .period_ms = 3000};
}

static bool is_joined(const struct scaler *x)
{
    return x->dialler.state == DIALLER_WELCOMED;
}

static bool is_alive(const struct machine *m)
{
    return m->state == M_PENDING || m->state == M_RUNNING;
}

/* ---- the engine ---- */

static void machine_becomes(struct sim *s, struct machine *m, enum machine_state state)
{
    sim_trace(s, "machine", "", (uint64_t)(m - s->scaler->at) + 1, m->state, state);
    m->state = state;
    m->shown = m->shown && is_alive(m);
    if (s->scaler->up)
        reconcile_changed(&s->scaler->r, s->now_us);
}

static void machine_starts(struct sim *s, struct machine *m)
{
    m->due_us = s->now_us + sim_between(s, 200 * SIM_MS, 3 * SIM_S);
    machine_becomes(s, m, M_PENDING);
}

static void machine_stops(struct sim *s, struct machine *m)
{
    struct worker *w = table_get(&s->workers, m->worker);
    uint64_t until_us;
    bool runs = m->state == M_RUNNING && w->agent != NULL;
    if (m->state != M_ENDING)
        machine_becomes(s, m, runs ? M_ENDING : M_NONE);
    m->due_us = s->now_us + (GRACE_MS + 2000) * (uint64_t)SIM_MS;
    if (runs && !worker_asleep(s, w, &until_us))
        worker_feed(s, w, (struct agent_event){.kind = AGENT_DRAIN, .grace_ms = GRACE_MS, .text = str_of("SIGTERM")});
}

static void machine_looks(struct sim *s, struct machine *m)
{
    struct worker *w = table_get(&s->workers, m->worker);
    bool dead = w == NULL || w->agent == NULL;
    if (m->state == M_PENDING && s->now_us >= m->due_us) {
        char node[SIM_NODE_BYTES];
        snprintf(node, sizeof node, "worker-%d", (int)(m - s->scaler->at) + 1);
        SIM_MUST(s, dead, "the engine starts %s twice", node);
        w = worker_start(s, node);
        w->launched = true;
        m->worker = w->id;
        machine_becomes(s, m, M_RUNNING);
    } else if (m->state == M_RUNNING && dead && sim_chance(s, 25)) {
        PROBE(s, engine_gave_up);
        machine_becomes(s, m, M_FAILED);
    } else if (m->state == M_RUNNING && dead) {
        PROBE(s, engine_restarted);
        machine_starts(s, m);
    } else if (m->state == M_ENDING && dead) {
        machine_becomes(s, m, M_NONE);
    } else if (m->state == M_ENDING && s->now_us >= m->due_us) {
        worker_end(s, w, WORKER_KILLED);
    }
}

static uint64_t latency_us(struct sim *s)
{
    bool slow = s->now_us < s->scaler->slow_until_us;
    return sim_between(s, 20 * SIM_MS, slow ? 7 * (uint64_t)SIM_S : 300 * (uint64_t)SIM_MS);
}

static void snapshot_take(struct sim *s)
{
    static const enum launcher_state states[] = {[M_PENDING] = LAUNCHER_PENDING, [M_RUNNING] = LAUNCHER_RUNNING, [M_ENDING] = LAUNCHER_ENDING,
                                                 [M_FAILED] = LAUNCHER_FAILED};
    struct scaler *x = s->scaler;
    x->snapshot_n = 0;
    for (uint32_t i = 0; i < INDICES && s->now_us >= x->blind_until_us; i++)
        if (x->at[i].state != M_NONE)
            x->snapshot[x->snapshot_n++] = (struct launcher_worker){.index = i + 1, .state = states[x->at[i].state]};
}

static void engine_does(struct sim *s, enum reconcile_what what, struct launcher_range range)
{
    struct scaler *x = s->scaler;
    for (uint32_t i = range.first; what != RECONCILE_LIST && i <= range.last && i <= INDICES; i++) {
        struct machine *m = &x->at[i - 1];
        if (what == RECONCILE_STOP)
            machine_stops(s, m);
        else if (m->state == M_NONE || m->state == M_FAILED)
            machine_starts(s, m);
        else if (is_alive(m))
            PROBE(s, start_of_living); /* by a launcher that began anew, or after an answer that was lost */
    }
    if (what == RECONCILE_LIST)
        snapshot_take(s);
}

static void scaler_step(struct sim *s);

/* An operation in three words: its ticket; what, and the range; the launcher's life and how it ended. */
static uint64_t packed(const struct reconcile_action *a)
{
    return (uint64_t)a->what << 32 | a->range.first << 16 | a->range.last;
}

static void engine_answers(struct sim *s, uint64_t ticket, uint64_t op, uint64_t c)
{
    struct scaler *x = s->scaler;
    struct fault f = {0};
    if (c / 2 != x->life || !x->up)
        return;
    if (c % 2 != 0)
        fault_set(&f, ERR_UNAVAILABLE, "the engine is away, or full");
    if (op >> 32 != RECONCILE_LIST || f.err != 0) {
        reconcile_done(&x->r, s->now_us, ticket, &f);
    } else {
        bool counts = ticket == x->r.flight.ticket;
        reconcile_listed(&x->r, s->now_us, ticket, x->snapshot, x->snapshot_n);
        for (uint32_t i = 0; i < x->snapshot_n && counts; i++) {
            struct machine *m = &x->at[x->snapshot[i].index - 1];
            m->shown = is_alive(m) && x->snapshot[i].state <= LAUNCHER_RUNNING;
        }
    }
    scaler_step(s);
}

static void engine_acts(struct sim *s, uint64_t ticket, uint64_t op, uint64_t life)
{
    struct scaler *x = s->scaler;
    enum reconcile_what what = (enum reconcile_what)(op >> 32);
    struct launcher_range range = {.first = (uint32_t)(op >> 16) & 0xffff, .last = (uint32_t)op & 0xffff};
    bool refuses = s->now_us < x->away_until_us || (what == RECONCILE_START && s->now_us < x->full_until_us), mute = x->mute, twice = x->twice;
    x->mute = x->twice = false;
    if (!refuses && !x->over)
        engine_does(s, what, range);
    sim_trace(s, "engine does", refuses ? "not" : "", what, range.first, range.last);
    if (mute)
        return;
    sim_in(s, latency_us(s), engine_answers, ticket, op, life * 2 + refuses);
    if (twice)
        sim_in(s, latency_us(s), engine_answers, ticket, op, life * 2 + refuses);
}

/* ---- the launcher ---- */

static void scaler_says(struct sim *s)
{
    struct scaler *x = s->scaler;
    x->said_running = x->r.running;
    x->said_target = x->r.desired;
    if (is_joined(x))
        stranger_say(s, x->stranger, (struct wire_msg){.type = WIRE_scale_state,
                                                       .scale_state = {.running = x->r.running, .target = x->r.desired, .policy = x->told.policy,
                                                                       .min = x->told.min, .max = x->told.max, .note = str_of(reconcile_note(&x->r))}});
}

static void check_start(struct sim *s, struct launcher_range range)
{
    for (uint32_t i = range.first; i <= range.last && i <= INDICES; i++)
        SIM_MUST(s, !s->scaler->at[i - 1].shown, "S1: worker-%u is there and is started once more", i);
}

static void scaler_tick(struct sim *s, uint64_t life, uint64_t at_us, uint64_t c)
{
    (void)c;
    if (life != s->scaler->life || at_us != s->scaler->tick_at_us)
        return;
    s->scaler->tick_at_us = SIM_NEVER;
    scaler_step(s);
}

static void scaler_step(struct sim *s)
{
    struct scaler *x = s->scaler;
    struct reconcile_action a;
    if (!x->up)
        return;
    x->r.holds = x->hold_us > s->now_us;
    while ((a = reconcile_next(&x->r, s->now_us)).what != RECONCILE_NOTHING) {
        if (a.what == RECONCILE_START)
            check_start(s, a.range);
        sim_trace(s, "asks engine", "", a.what, a.range.first, a.range.last);
        sim_in(s, latency_us(s), engine_acts, a.ticket, packed(&a), x->life);
    }
    if (x->r.running != x->said_running || x->r.desired != x->said_target)
        scaler_says(s);
    uint64_t at_us = reconcile_deadline(&x->r);
    at_us = x->r.holds && x->hold_us < at_us ? x->hold_us : at_us;
    at_us = at_us <= s->now_us ? s->now_us + SIM_MS : at_us;
    if (at_us < x->tick_at_us) {
        x->tick_at_us = at_us;
        sim_at(s, at_us, scaler_tick, x->life, at_us, 0);
    }
}

/* ---- its link to a head ---- */

static void link_looks(struct sim *s, uint64_t life, uint64_t due_us, uint64_t c);

static void link_timer(struct sim *s)
{
    struct scaler *x = s->scaler;
    uint64_t due_us = dialler_deadline(&x->dialler);
    if (due_us != SIM_NEVER && due_us != x->link_due_us)
        sim_at(s, due_us < s->now_us ? s->now_us : due_us, link_looks, x->life, due_us, 0);
    x->link_due_us = due_us;
}

static void scaler_dials(struct sim *s)
{
    struct scaler *x = s->scaler;
    dialler_start(&x->dialler, &DIALLER_TIMES, s->now_us);
    x->stranger = stranger_dial_scaler(s, x->head);
}

static void scaler_hangs_up(struct sim *s)
{
    struct scaler *x = s->scaler;
    dialler_hung_up(&x->dialler, &DIALLER_TIMES, s->now_us);
    stranger_hang_up(s, x->stranger);
}

static void link_looks(struct sim *s, uint64_t life, uint64_t due_us, uint64_t c)
{
    (void)c;
    struct scaler *x = s->scaler;
    const char *why;
    if (!x->up || life != x->life || due_us != x->link_due_us)
        return;
    bool silent = is_joined(x);
    switch (dialler_tick(&x->dialler, s->now_us, &why)) {
    case DIALLER_NOTHING: break;
    case DIALLER_DIAL: scaler_dials(s); break;
    case DIALLER_BEAT: stranger_say(s, x->stranger, (struct wire_msg){.type = WIRE_beat, .beat = {.sent_us = s->now_us}}); break;
    case DIALLER_HANG_UP:
        if (silent)
            PROBE(s, launcher_silence);
        scaler_hangs_up(s);
        break;
    }
    link_timer(s);
}

bool scaler_linked(struct sim *s, uint64_t stranger)
{
    struct scaler *x = s->scaler;
    return x->up && stranger == x->stranger && dialler_linked(&x->dialler);
}

static void scaler_begins(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    struct scaler *x = s->scaler;
    x->up = true;
    x->life++;
    x->dialler = (struct dialler){0};
    x->rng = (struct rng){.seed = rng_next(&s->rng)};
    x->hold_us = x->tick_at_us = x->link_due_us = SIM_NEVER;
    x->told = (struct wire_scale){0};
    reconcile_init(&x->r, &(struct reconcile_times){0}, FIRST_TARGET);
    x->r.times = times();
    for (uint32_t i = 0; i < INDICES; i++)
        x->at[i].shown = false;
    if (sim_chance(s, 50)) /* the engine was restarted with it */
        x->blind_until_us = s->now_us + BLIND_MS * (uint64_t)SIM_MS;
    scaler_dials(s);
    link_timer(s);
    scaler_step(s);
}

static void scaler_dies(struct sim *s)
{
    struct scaler *x = s->scaler;
    PROBE(s, launcher_died);
    sim_trace(s, "launcher dies", "", x->life, 0, 0);
    x->up = false;
    if (x->stranger != 0)
        stranger_orphan(s, x->stranger);
    x->stranger = 0;
    x->dialler = (struct dialler){0};
    sim_at(s, faults_soon(s, 100, 8000), scaler_begins, 0, 0, 0);
}

void scaler_heard(struct sim *s, uint64_t stranger, const struct wire_msg *msg)
{
    struct scaler *x = s->scaler;
    if (!x->up || stranger != x->stranger)
        return;
    x->dialler.heard_us = s->now_us;
    if (msg->type == WIRE_refuse) {
        SIM_MUST(s, !msg->refuse.final, "the launcher is refused for good: %.*s", STR_ARG(msg->refuse.message));
        scaler_hangs_up(s);
    } else if (msg->type == WIRE_welcome) {
        dialler_welcomed(&x->dialler, &msg->welcome, s->now_us);
        if (x->hold_us == SIM_NEVER)
            x->hold_us = s->now_us + SIM_S;
        scaler_says(s);
    } else if (msg->type == WIRE_scale) {
        x->told = msg->scale;
        x->hold_us = 0;
        reconcile_want(&x->r, s->now_us, msg->scale.workers);
        sim_trace(s, "launcher is told", "", msg->scale.workers, msg->scale.min, msg->scale.max);
    }
    link_timer(s);
    scaler_step(s);
}

void scaler_lost(struct sim *s, uint64_t stranger)
{
    struct scaler *x = s->scaler;
    if (!x->up || stranger != x->stranger)
        return;
    x->stranger = 0;
    x->head = &s->heads[(x->head->no + 1) % s->heads_n];
    dialler_lost(&x->dialler, &DIALLER_TIMES, s->now_us, &x->rng);
    link_timer(s);
}

/* ---- what is seen from outside ---- */

static bool has_troubles(const struct sim *s, const struct head_scale_view *v)
{
    const struct scaler *x = s->scaler;
    uint64_t most_us = x->away_until_us > x->slow_until_us ? x->away_until_us : x->slow_until_us;
    most_us = x->full_until_us > most_us ? x->full_until_us : most_us;
    return !x->up || !is_joined(x) || s->now_us < most_us || v == NULL || v->limits.mode == SCALE_FIXED;
}

/* S3, S5 */
static void number_check(struct sim *s, const struct coordinator *c, const struct head_scale_view *v)
{
    struct scaler *x = s->scaler;
    uint64_t now_us = coordinator_now(s, c), idle_us = v->limits.idle_s * (uint64_t)SIM_S;
    bool by_load = v->limits.mode == SCALE_AUTO && x->known && x->head_life == (c->life << 8 | c->no);
    if (by_load && v->desired < x->desired && v->reason == SCALE_IDLE) {
        PROBE(s, scaled_down);
        SIM_MUST(s, now_us + LOOK_MS * (uint64_t)SIM_MS >= x->rose_us + idle_us, "S3: %u workers after %u, %.1f s after it rose", v->desired, x->desired,
                 (double)(now_us - x->rose_us) / SIM_S);
    }
    if (by_load && v->desired > x->desired) {
        PROBE(s, scaled_up);
        x->rose_us = now_us;
    }
    if (!by_load)
        x->rose_us = 0;
    if (v->known && v->limits.mode == SCALE_AUTO && v->reason != SCALE_TAUGHT && v->reason != SCALE_NONE)
        SIM_MUST(s, v->desired >= v->limits.min && v->desired <= v->limits.max, "S5: %u workers are not from %u to %u", v->desired, v->limits.min,
                 v->limits.max);
    x->known = v->known;
    x->desired = v->desired;
    x->head_life = c->life << 8 | c->no;
}

static void scaler_looks(struct sim *s, uint64_t a, uint64_t b, uint64_t e)
{
    (void)a, (void)b, (void)e;
    struct scaler *x = s->scaler;
    const struct coordinator *c = x->head;
    struct head_scale_view v;
    if (c->head != NULL)
        head_scale_view(c->head, &v);
    if (has_troubles(s, c->head != NULL ? &v : NULL))
        x->trouble_us = s->now_us;
    if (c->head != NULL && is_joined(x))
        number_check(s, c, &v);
    if (x->known && x->desired == 0)
        PROBE(s, scaled_to_none);
    for (uint32_t i = 0; i < INDICES && !x->over; i++)
        machine_looks(s, &x->at[i]);
    sim_in(s, LOOK_MS * SIM_MS, scaler_looks, 0, 0, 0);
}

/* S2 */
bool scaler_may_fail(const struct sim *s, const struct call *c)
{
    const struct scaler *x = s->scaler;
    return x == NULL || !c->held || c->deadline_ms != 0 || c->returns > 0 || x->trouble_us + TROUBLE_AFTER_S * (uint64_t)SIM_S >= c->born_us;
}

void scaler_call_comes(const struct sim *s, struct call *c, const struct coordinator *at)
{
    struct head_scale_view v;
    if (s->scaler == NULL || at != s->scaler->head)
        return;
    head_scale_view(at->head, &v);
    c->held = v.sleeps;
}

/* ---- what happens to them ---- */

static void asks(struct sim *s, const struct head_scale_ask *ask)
{
    struct scaler *x = s->scaler;
    uint64_t until_us;
    if (is_joined(x) && x->head->head != NULL && !coordinator_asleep(s, x->head, &until_us))
        client_scale_ask(s, x->head, ask);
}

static void asks_auto(struct sim *s)
{
    uint32_t min = sim_chance(s, 70) ? 0 : (uint32_t)sim_between(s, 1, 2);
    asks(s, &(struct head_scale_ask){.mode = SCALE_AUTO, .min = min, .max = (uint32_t)sim_between(s, 3, INDICES)});
}

static void strikes(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    struct scaler *x = s->scaler;
    if (s->now_us + SIM_S >= s->end_us)
        return;
    switch (sim_between(s, 0, 11)) {
    case 0:
        if (x->up)
            scaler_dies(s);
        break;
    case 1:
        if (is_joined(x) && sim_chance(s, 50))
            stranger_break(s, x->stranger);
        else if (is_joined(x))
            stranger_stuck(s, x->stranger, faults_soon(s, 1000, 12000));
        break;
    case 2:
        x->away_until_us = sim_chance(s, 50) ? faults_soon(s, 500, 6000) : s->now_us; /* or it is back at once */
        x->blind_until_us = x->away_until_us + sim_between(s, BLIND_MS / 2, BLIND_MS) * SIM_MS;
        reconcile_changed(&x->r, s->now_us);
        break;
    case 3: x->slow_until_us = faults_soon(s, 3000, 12000); break;
    case 4: x->full_until_us = faults_soon(s, 3000, 12000); break;
    case 5: x->twice = true; break;
    case 6: x->mute = true; break;
    case 7: asks(s, &(struct head_scale_ask){.mode = SCALE_FIXED, .workers = (uint32_t)sim_between(s, 0, 5)}); break;
    case 8: asks_auto(s); break;
    default: /* nobody asks for a while */
        asks_auto(s);
        s->lull_until_us = faults_soon(s, 20000, 60000);
    }
    sim_in(s, sim_between(s, 5 * SIM_S, 40 * SIM_S), strikes, 0, 0, 0);
}

void scaler_start(struct sim *s)
{
    s->scaler = xalloc(sizeof *s->scaler);
    *s->scaler = (struct scaler){.head = &s->heads[0]};
    scaler_begins(s, 0, 0, 0);
    sim_in(s, SIM_S, scaler_looks, 0, 0, 0);
    sim_in(s, 2 * SIM_S, strikes, 0, 0, 0);
}

/* S4 */
bool scaler_settled(const struct sim *s, bool at_the_least, char *why, size_t cap)
{
    const struct scaler *x = s->scaler;
    struct head_scale_view v;
    uint32_t alive = 0, other = 0;
    for (uint32_t i = 0; x != NULL && i < INDICES; i++) {
        alive += x->at[i].state == M_RUNNING && i < x->r.desired;
        other += x->at[i].state != M_NONE;
    }
    if (x == NULL || x->over)
        return true;
    snprintf(why, cap, "the launcher is away");
    if (!x->up || !is_joined(x) || x->head->head == NULL)
        return false;
    head_scale_view(x->head->head, &v);
    snprintf(why, cap, "the head wants %u workers (from %u), the launcher %u, the engine has %u of them and %u in all: %s", v.desired, v.limits.min,
             x->r.desired, alive, other, reconcile_note(&x->r));
    bool least = !at_the_least || v.limits.mode == SCALE_FIXED || v.desired == v.limits.min;
    return v.known && v.desired == x->r.desired && alive == v.desired && other == alive && least;
}

void scaler_over(struct sim *s)
{
    if (s->scaler != NULL)
        s->scaler->over = true;
}
