/* Virtual time: a heap of things to happen, and the course of one run. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim.h"

uint64_t table_add(struct table *t, void *item)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->p = xrealloc(t->p, t->cap * sizeof *t->p);
    }
    t->p[t->n++] = item;
    return t->n;
}

void *table_get(const struct table *t, uint64_t id)
{
    return id >= 1 && id <= t->n ? t->p[id - 1] : NULL;
}

/* ---- the heap ---- */

static bool before(const struct sim_event *x, const struct sim_event *y)
{
    return x->at_us != y->at_us ? x->at_us < y->at_us : x->no < y->no;
}

void sim_at(struct sim *s, uint64_t at_us, sim_fn *fn, uint64_t a, uint64_t b, uint64_t c)
{
    if (s->heap_n == s->heap_cap) {
        s->heap_cap = s->heap_cap == 0 ? 1024 : s->heap_cap * 2;
        s->heap = xrealloc(s->heap, s->heap_cap * sizeof *s->heap);
    }
    struct sim_event ev = {at_us < s->now_us ? s->now_us : at_us, s->events++, fn, a, b, c};
    size_t i = s->heap_n++;
    for (; i > 0 && before(&ev, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = ev;
}

void sim_in(struct sim *s, uint64_t in_us, sim_fn *fn, uint64_t a, uint64_t b, uint64_t c)
{
    sim_at(s, s->now_us + in_us, fn, a, b, c);
}

static struct sim_event heap_pop(struct sim *s)
{
    struct sim_event first = s->heap[0], last = s->heap[--s->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < s->heap_n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (child >= s->heap_n || before(&last, &s->heap[child]))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

uint64_t sim_between(struct sim *s, uint64_t least, uint64_t most)
{
    return least + rng_below(&s->rng, most - least + 1);
}

bool sim_chance(struct sim *s, uint32_t percent)
{
    return rng_below(&s->rng, 100) < percent;
}

/* ---- one run ---- */

enum { EVENTS_AT_ONCE_MAX = 1000000 }; /* more in one microsecond: something feeds itself */

static void run_until(struct sim *s, uint64_t until_us)
{
    uint64_t at_once = 0;
    while (s->heap_n > 0 && s->heap[0].at_us <= until_us) {
        struct sim_event ev = heap_pop(s);
        at_once = ev.at_us == s->now_us ? at_once + 1 : 0;
        SIM_MUST(s, at_once < EVENTS_AT_ONCE_MAX, "time stands still");
        s->now_us = ev.at_us;
        ev.fn(s, ev.a, ev.b, ev.c);
    }
    s->now_us = until_us;
}

static void worker_arrives(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    worker_start(s, NULL);
}

static struct mood mood_of(struct sim *s)
{
    static const uint32_t calls[] = {15, 30, 60}, deadlines[] = {3000, 10000, 20000};
    if (s->opt.scale)
        return (struct mood){.calls_per_s = (uint32_t)sim_between(s, 1, 6), .cancel_percent = 5, .deadline_ms = 60000,
                             .fault_every_ms = (uint32_t)sim_between(s, 1000, 6000)};
    return (struct mood){
        .calls_per_s = calls[sim_between(s, 0, 2)],
        .cancel_percent = (uint32_t)sim_between(s, 0, 10),
        .fault_every_ms = (uint32_t)sim_between(s, 100, 600),
        .deadline_ms = deadlines[sim_between(s, 0, 2)],
        .token = sim_chance(s, 50),
    };
}

/* After the faults: everything ends and each head knows who is there, within this. A frozen worker may first have to
 * come back, be found lost and redial; a job may have to wait out its deadline and a stalled token. */
enum { SETTLE_S = 120, LEAVE_S = 10 };

static void settle(struct sim *s)
{
    const char *why_not = "";
    char least[200] = "";
    uint64_t limit_us = s->now_us + (uint64_t)SETTLE_S * SIM_S;
    s->ended = true;
    while (!settled(s, &why_not)) {
        SIM_MUST(s, s->now_us < limit_us, "not settled %d s after the last fault: %s", SETTLE_S, why_not);
        run_until(s, s->now_us + SIM_S);
    }
    /* Nobody asks any more: in the end only as many are there as shall be at the least. */
    limit_us = s->now_us + (uint64_t)SETTLE_S * SIM_S;
    while (!settled(s, &why_not) || !scaler_settled(s, true, least, sizeof least)) {
        SIM_MUST(s, s->now_us < limit_us, "S4: not at the least %d s after the last call: %s", SETTLE_S, least);
        run_until(s, s->now_us + SIM_S);
    }
    scaler_over(s);
    /* All leave: the registries must be empty at once, not after a timeout. */
    while (s->living.n > 0)
        worker_feed(s, s->living.p[0], (struct agent_event){.kind = AGENT_STOP});
    run_until(s, s->now_us + (uint64_t)LEAVE_S * SIM_S);
    SIM_MUST(s, settled(s, &why_not), "all workers have left, but %s", why_not);
}

static void sim_fini(struct sim *s)
{
    for (uint32_t i = 0; i < s->heads_n; i++)
        coordinator_fini(&s->heads[i]);
    ag_effects_fini(&s->ag);
    for (size_t i = 0; i < s->workers.n; i++)
        worker_free(s->workers.p[i]);
    for (size_t i = 0; i < s->links.n; i++)
        link_free(s, s->links.p[i]);
    packets_free(s);
    for (size_t i = 0; i < s->calls.n; i++)
        call_free(s->calls.p[i]);
    for (size_t i = 0; i < s->askings.n; i++)
        free(s->askings.p[i]);
    free(s->scaler);
    for (size_t i = 0; i < s->strangers.n; i++)
        stranger_free(s->strangers.p[i]);
    free(s->workers.p);
    free(s->links.p);
    free(s->arrivals.p);
    free(s->living.p);
    free(s->calls.p);
    free(s->askings.p);
    free(s->strangers.p);
    free(s->heap);
    wire_arena_fini(&s->arena);
    buf_fini(&s->bytes);
}

struct sim_result sim_run(const struct sim_options *opt)
{
    struct sim s = {.opt = *opt, .heads_n = opt->heads, .rng = {.seed = opt->seed}, .bytes = buf_max(WIRE_FRAME_BYTES_MAX)};
    s.now_us = (uint64_t)1000 * SIM_S; /* so that clocks have room to fall */
    s.end_us = s.now_us + (uint64_t)llround(opt->minutes * 60 * SIM_S);
    s.mood = mood_of(&s);
    sim_trace(&s, "begin", "", opt->seed, opt->workers, opt->faults);
    for (uint32_t i = 0; i < s.heads_n; i++)
        coordinator_start(&s, &s.heads[i]);
    for (uint32_t i = 0; i < opt->workers; i++)
        sim_in(&s, sim_between(&s, 500 * SIM_MS, 8 * SIM_S), worker_arrives, 0, 0, 0);
    if (opt->scale)
        scaler_start(&s);
    client_start(&s);
    faults_start(&s);
    run_until(&s, s.end_us);
    settle(&s);
    struct sim_result r = {s.trace.hash, s.events, s.calls.n, s.calls_answered, s.tokens};
    sim_fini(&s);
    return r;
}
