/* The reconciler beside an engine that is played in told time: one that is slow, late, answers twice or with nonsense, loses workers, refuses,
 * goes away and comes back. After every step it is checked that nothing was started twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "launch/reconcile.h"

enum { S = 1000000, MS = 1000, WORKERS = 32 };

/* An engine: workers by index, an operation under way, answers that are to come. */
struct engine {
    struct {
        bool there;
        enum launcher_state state;
        uint64_t ready_us;      /* PENDING -> RUNNING */
        uint64_t visible_us;    /* no list shows it earlier */
        unsigned starts;        /* processes begun for it, ever */
        uint64_t gone_us;       /* ENDING -> gone */
    } w[WORKERS + 1];
    uint64_t answer_us;         /* when the operation is answered; UINT64_MAX: never */
    struct reconcile_action op; /* as asked; NOTHING: none */
    uint64_t delay_us, lag_us, boot_us, drain_us; /* of an answer; until a list shows a start; until it runs; until it has ended */
    bool gone;                  /* answers everything with a fault … */
    uint32_t wait_s;            /* … and asks for so much patience with it */
    bool blank;                 /* shows an empty list */
    bool mute;                  /* does what it is told and answers nothing */
    bool twice;                 /* answers everything twice */
    bool nonsense;              /* puts impossible workers into lists */
    uint32_t quota;             /* workers it lets us have */
    unsigned lists, starts, stops, refused;
};

struct story {
    struct reconcile r;
    struct engine e;
    uint64_t now;
    unsigned doubles;           /* starts of an index that had a process */
};

static int setup(void **state)
{
    static struct story s;
    memset(&s, 0, sizeof s);
    struct reconcile_times t = reconcile_times_default();
    s.now = 1000 * (uint64_t)S;
    s.e.delay_us = 50 * MS;
    s.e.boot_us = 300 * MS;
    s.e.drain_us = 500 * MS;
    s.e.quota = WORKERS;
    reconcile_init(&s.r, &t, 0);
    *state = &s;
    return 0;
}

/* ---- the engine ---- */

static uint32_t alive(const struct engine *e)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i <= WORKERS; i++)
        n += e->w[i].there && e->w[i].state != LAUNCHER_FAILED;
    return n;
}

static void age(struct story *s)
{
    for (uint32_t i = 1; i <= WORKERS; i++) {
        if (s->e.w[i].there && s->e.w[i].state == LAUNCHER_PENDING && s->now >= s->e.w[i].ready_us)
            s->e.w[i].state = LAUNCHER_RUNNING;
        if (s->e.w[i].there && s->e.w[i].state == LAUNCHER_ENDING && s->now >= s->e.w[i].gone_us)
            s->e.w[i].there = false;
    }
}

static bool start_all(struct story *s, struct launcher_range r)
{
    for (uint32_t i = r.first; i <= r.last; i++) {
        bool is_there = s->e.w[i].there && s->e.w[i].state != LAUNCHER_FAILED;
        s->doubles += is_there;
        if (is_there)
            continue; /* idempotent; and yet the reconciler should not have asked */
        if (alive(&s->e) >= s->e.quota)
            return false;
        s->e.w[i].there = true;
        s->e.w[i].state = LAUNCHER_PENDING;
        s->e.w[i].ready_us = s->now + s->e.boot_us;
        s->e.w[i].visible_us = s->now + s->e.lag_us;
        s->e.w[i].starts++;
    }
    return true;
}

static size_t show(const struct story *s, struct launcher_worker *out)
{
    size_t n = 0;
    if (s->e.nonsense) {
        out[n++] = (struct launcher_worker){.index = 0, .state = LAUNCHER_RUNNING};
        out[n++] = (struct launcher_worker){.index = 4000000000u, .state = LAUNCHER_RUNNING};
        out[n++] = (struct launcher_worker){.index = 1, .state = (enum launcher_state)77};
    }
    for (uint32_t i = 1; i <= WORKERS && !s->e.blank; i++) {
        if (!s->e.w[i].there || s->now < s->e.w[i].visible_us)
            continue;
        out[n] = (struct launcher_worker){.index = i, .state = s->e.w[i].state};
        if (s->e.w[i].state == LAUNCHER_FAILED)
            snprintf(out[n].reason, sizeof out[n].reason, "OutOfMemory");
        if (s->e.w[i].state == LAUNCHER_PENDING)
            snprintf(out[n].reason, sizeof out[n].reason, "(Resources)");
        n++;
    }
    return n;
}

static void ask(struct story *s);

static void answer(struct story *s)
{
    struct launcher_worker list[WORKERS + 4];
    struct fault f = {0};
    struct reconcile_action op = s->e.op;
    s->e.op.what = RECONCILE_NOTHING;
    s->e.answer_us = UINT64_MAX;
    if (s->e.gone)
        fault_set(&f, ERR_UNAVAILABLE, "cannot connect to the engine's daemon");
    else if (op.what == RECONCILE_START && !start_all(s, op.range))
        fault_set(&f, ERR_FORBIDDEN, "QOSMaxSubmitJobPerUserLimit");
    else if (op.what == RECONCILE_STOP) {
        for (uint32_t i = op.range.first; i <= op.range.last && i <= WORKERS; i++) {
            s->e.w[i].state = LAUNCHER_ENDING;
            s->e.w[i].gone_us = s->now + s->e.drain_us;
        }
    }
    f.wait_s = f.err != 0 ? s->e.wait_s : 0;
    s->e.refused += f.err != 0;
    for (int times = s->e.mute ? 0 : s->e.twice ? 2 : 1; times > 0; times--) {
        if (op.what == RECONCILE_LIST && f.err == 0)
            reconcile_listed(&s->r, s->now, op.ticket, list, show(s, list));
        else
            reconcile_done(&s->r, s->now, op.ticket, &f);
        ask(s); /* so the second answer comes while something else is under way */
    }
}

/* ---- time ---- */

static void ask(struct story *s)
{
    struct reconcile_action a;
    while ((a = reconcile_next(&s->r, s->now)).what != RECONCILE_NOTHING) {
        assert_int_equal(s->e.op.what, RECONCILE_NOTHING); /* R1; but see a_late_answer */
        s->e.op = a;
        s->e.answer_us = s->now + s->e.delay_us;
        s->e.lists += a.what == RECONCILE_LIST;
        s->e.starts += a.what == RECONCILE_START;
        s->e.stops += a.what == RECONCILE_STOP;
    }
}

static void run(struct story *s, uint64_t for_us)
{
    uint64_t end = s->now + for_us;
    unsigned turns = 0;
    ask(s);
    while (s->now < end) {
        uint64_t next = reconcile_deadline(&s->r);
        next = s->e.op.what != RECONCILE_NOTHING && s->e.answer_us < next ? s->e.answer_us : next;
        s->now = next > end ? end : next > s->now ? next : s->now + 1;
        age(s);
        if (s->e.op.what != RECONCILE_NOTHING && s->now >= s->e.answer_us)
            answer(s);
        ask(s);
        assert_true(++turns < 100000); /* never a loop that turns without time passing */
    }
    assert_int_equal(s->doubles, 0);
}

static void want(struct story *s, uint32_t n)
{
    reconcile_want(&s->r, s->now, n);
}

static void assert_runs(const struct story *s, uint32_t n)
{
    for (uint32_t i = 1; i <= WORKERS; i++) {
        assert_int_equal(s->e.w[i].there, i <= n);
        assert_true(i > n || s->e.w[i].state == LAUNCHER_RUNNING);
    }
    assert_int_equal(s->r.running, n);
    assert_true(reconcile_is_settled(&s->r));
}

/* ---- stories ---- */

/* Given 0 -> 3 -> 5 -> 1: each is one START or STOP of a range, and then only lists, fifteen seconds apart. */
static void up_and_down(void **state)
{
    struct story *s = *state;
    want(s, 3);
    run(s, 5 * S);
    assert_runs(s, 3);
    assert_int_equal(s->e.starts, 1);
    want(s, 5);
    run(s, 5 * S);
    assert_runs(s, 5);
    want(s, 1);
    run(s, 5 * S);
    assert_runs(s, 1);
    assert_int_equal(s->e.starts, 2);
    assert_int_equal(s->e.stops, 1);
    unsigned lists = s->e.lists;
    run(s, 60 * S);
    assert_int_equal(s->e.lists - lists, 4);
}

/* Given workers of a launcher that died, the next one finds them, starts what is lacking in the middle and ends what is too much. */
static void finds_what_is_there(void **state)
{
    struct story *s = *state;
    start_all(s, (struct launcher_range){1, 2});
    start_all(s, (struct launcher_range){4, 6});
    want(s, 4);
    run(s, 10 * S);
    assert_runs(s, 4);
    assert_int_equal(s->e.w[1].starts, 1);
    assert_int_equal(s->e.w[3].starts, 1);
}

/* Given an engine whose lists show a start ten seconds late, the worker is not started again meanwhile. */
static void lists_that_lag(void **state)
{
    struct story *s = *state;
    s->e.lag_us = 10 * (uint64_t)S;
    want(s, 4);
    run(s, 30 * S);
    assert_runs(s, 4);
    assert_int_equal(s->e.starts, 1);
}

/* Given an engine that says everything twice and lists workers that cannot be, the second answer and those workers count for nothing. */
static void twice_and_nonsense(void **state)
{
    struct story *s = *state;
    s->e.twice = s->e.nonsense = true;
    want(s, 2);
    run(s, 10 * S);
    assert_runs(s, 2);
    assert_true(s->r.ignored > 6);
}

/* Given an operation that is never answered, it is given up after its time; the answer that comes at last, with its old ticket, changes nothing, and
 * what the engine did meanwhile is found by a list. */
static void a_late_answer(void **state)
{
    struct story *s = *state;
    run(s, 2 * S);
    want(s, 2);
    while (s->e.op.what != RECONCILE_START)
        run(s, MS);
    struct reconcile_action late = s->e.op;
    s->e.mute = true;            /* it starts them and never says so */
    run(s, 10 * S);
    s->e.mute = false;
    assert_int_equal(alive(&s->e), 2);
    run(s, 140 * S);
    assert_runs(s, 2);
    assert_int_equal(s->e.w[1].starts, 1);
    uint64_t ignored = s->r.ignored;
    struct fault f;
    fault_set(&f, ERR_FAILED, "too late");
    reconcile_done(&s->r, s->now, late.ticket, &f);
    reconcile_listed(&s->r, s->now, late.ticket, NULL, 0);
    assert_int_equal(s->r.ignored, ignored + 2);
    assert_runs(s, 2);
    assert_string_equal(reconcile_note(&s->r), "");
}

/* Given a worker that vanishes, it is back within seconds; and when it vanishes again and again, after growing pauses. */
static void a_worker_vanishes(void **state)
{
    struct story *s = *state;
    want(s, 3);
    run(s, 5 * S);
    s->e.w[2].there = false;
    reconcile_changed(&s->r, s->now);
    run(s, 4 * S);
    assert_runs(s, 3);
    assert_int_equal(s->e.w[2].starts, 2);
    for (int i = 0; i < 600; i++) { /* ten minutes of dying at once */
        s->e.w[2].there = false;
        reconcile_changed(&s->r, s->now);
        run(s, S);
    }
    assert_in_range(s->e.w[2].starts, 8, 20);
    assert_int_equal(s->e.w[1].starts, 1);
}

/* Given a worker that the engine calls failed, it is started anew after a pause, and people are told the engine's reason. */
static void a_worker_fails(void **state)
{
    struct story *s = *state;
    want(s, 2);
    run(s, 90 * S);
    s->e.w[1].state = LAUNCHER_FAILED;
    reconcile_changed(&s->r, s->now);
    run(s, S);
    assert_string_equal(reconcile_note(&s->r), "worker-1 failed: OutOfMemory: it is started again after a pause of 1 s");
    run(s, 5 * S);
    assert_runs(s, 2);
    assert_string_equal(reconcile_note(&s->r), "");
}

/* Given a quota of 3 and an order for 5, three run; the rest is asked for at growing intervals, with the engine's words as the note; a higher
 * quota and a new order end that at once. */
static void quota_exceeded(void **state)
{
    struct story *s = *state;
    s->e.quota = 3;
    want(s, 5);
    run(s, 5 * S);
    assert_int_equal(alive(&s->e), 3);
    assert_string_equal(reconcile_note(&s->r), "QOSMaxSubmitJobPerUserLimit");
    s->e.refused = 0;
    run(s, 600 * S);
    assert_in_range(s->e.refused, 7, 16); /* 30, 30, …, 60, 60 s */
    s->e.quota = 8;
    want(s, 6);
    run(s, 35 * S);
    assert_runs(s, 6);
    assert_string_equal(reconcile_note(&s->r), "");
}

static void engine_gone_and_back(void **state)
{
    struct story *s = *state;
    want(s, 3);
    run(s, 5 * S);
    s->e.gone = true;
    want(s, 4);
    run(s, 300 * S);
    assert_string_equal(reconcile_note(&s->r), "cannot connect to the engine's daemon");
    assert_in_range(s->e.refused, 6, 14);
    assert_int_equal(alive(&s->e), 3); /* what ran continues */
    s->e.gone = false;
    run(s, 62 * S);
    assert_runs(s, 4);
    assert_int_equal(s->e.w[1].starts, 1);
}

/* Given an engine that has just come back and shows nothing yet, its one empty list starts nothing. */
static void one_blank_list(void **state)
{
    struct story *s = *state;
    want(s, 3);
    run(s, 5 * S);
    s->e.blank = true;
    reconcile_changed(&s->r, s->now);
    run(s, S / 2);
    s->e.blank = false;
    run(s, 10 * S);
    assert_runs(s, 3);
    assert_int_equal(s->e.starts, 1);
}

/* … nor does a new order in that moment. */
static void an_order_at_a_blank_list(void **state)
{
    struct story *s = *state;
    want(s, 3);
    run(s, 5 * S);
    s->e.blank = true;
    reconcile_changed(&s->r, s->now);
    run(s, 400 * MS);
    want(s, 4);
    run(s, 300 * MS);
    s->e.blank = false;
    run(s, 10 * S);
    assert_runs(s, 4);
    assert_int_equal(s->e.w[1].starts, 1);
}

/* Given an order that changes while START is under way, its answer is waited for, then the surplus goes. */
static void a_change_of_mind(void **state)
{
    struct story *s = *state;
    s->e.delay_us = 2 * (uint64_t)S;
    want(s, 6);
    run(s, 3 * S); /* START is in flight */
    want(s, 1);
    run(s, 20 * S);
    assert_runs(s, 1);
    want(s, 3);    /* some are perhaps still ending */
    run(s, 20 * S);
    assert_runs(s, 3);
}

/* Given a worker wanted again while it drains for a minute, it is started when it has gone, and not before. */
static void wanted_again_while_ending(void **state)
{
    struct story *s = *state;
    s->e.drain_us = 60 * (uint64_t)S;
    want(s, 2);
    run(s, 5 * S);
    want(s, 1);
    run(s, 5 * S);
    want(s, 2);
    run(s, 30 * S);
    assert_int_equal(s->e.w[2].starts, 1);
    run(s, 60 * S);
    assert_runs(s, 2);
    assert_int_equal(s->e.w[2].starts, 2);
}

static void a_double_is_told(void **state)
{
    struct story *s = *state;
    want(s, 1);
    struct reconcile_action a = reconcile_next(&s->r, s->now);
    const struct launcher_worker two[] = {{.index = 1, .state = LAUNCHER_RUNNING}, {.index = 1, .state = LAUNCHER_PENDING}};
    assert_int_equal(a.what, RECONCILE_LIST);
    reconcile_listed(&s->r, s->now, a.ticket, two, 2);
    assert_string_equal(reconcile_note(&s->r), "worker-1 is there twice: end one of them by the engine's own means");
    assert_int_equal(reconcile_next(&s->r, s->now).what, RECONCILE_NOTHING);
}

/* Given an engine that refuses and asks for 40 s of patience, or for a year; then it is asked nothing for 40 s, or for five minutes, also where
 * another number is wanted meanwhile; then all is as it should be. */
static void an_engine_that_asks_for_patience(void **state)
{
    struct story *s = *state;
    static const uint32_t waits[] = {40, 365 * 86400}, honoured[] = {40, RECONCILE_WAIT_S_MAX};
    for (int i = 0; i < 2; i++) {
        s->e.wait_s = waits[i];
        s->e.gone = true;
        want(s, 2 + (uint32_t)i);
        run(s, 20 * (uint64_t)S); /* within the period of a list it is asked something */
        unsigned lists = s->e.lists, refused = s->e.refused;
        s->e.gone = false;
        assert_int_equal(refused, i + 1);
        run(s, (honoured[i] - 22) * (uint64_t)S);
        want(s, 4);
        assert_int_equal(s->e.lists, lists);
        run(s, 30 * (uint64_t)S);
        assert_runs(s, 4);
    }
}

/* A hundred engines, each with its own faults and orders by chance for some minutes: nothing starts twice, and once the faults stop all is as desired. */
static void by_chance(void **state)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        setup(state);
        struct story *s = *state;
        for (uint64_t i = 0; i < 120; i++) {
            uint64_t dice = rng_at(seed, i);
            uint32_t who = 1 + (uint32_t)(dice >> 32) % WORKERS;
            s->e.delay_us = (dice >> 8) % 7 == 0 ? 3 * (uint64_t)S : 50 * MS;
            s->e.twice = (dice >> 12) % 3 == 0;
            s->e.nonsense = (dice >> 14) % 3 == 0;
            s->e.gone = (dice >> 16) % 9 == 0;
            s->e.blank = (dice >> 20) % 40 == 0;
            s->e.lag_us = (dice >> 22) % 2 * 4 * (uint64_t)S;
            s->e.quota = (dice >> 24) % 5 == 0 ? 4 : WORKERS;
            if (dice % 5 == 0)
                want(s, (uint32_t)(dice >> 40) % 12);
            if (dice % 7 == 0 && s->e.w[who].there && s->e.w[who].state == LAUNCHER_RUNNING)
                s->e.w[who].state = LAUNCHER_FAILED;
            run(s, 200 * MS);
            s->e.blank = false;
            run(s, 4 * (uint64_t)S);
        }
        s->e.gone = s->e.twice = s->e.nonsense = false;
        s->e.quota = WORKERS;
        run(s, 200 * (uint64_t)S);
        assert_runs(s, s->r.desired);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(up_and_down, setup),
        cmocka_unit_test_setup(finds_what_is_there, setup),
        cmocka_unit_test_setup(lists_that_lag, setup),
        cmocka_unit_test_setup(twice_and_nonsense, setup),
        cmocka_unit_test_setup(a_late_answer, setup),
        cmocka_unit_test_setup(a_worker_vanishes, setup),
        cmocka_unit_test_setup(a_worker_fails, setup),
        cmocka_unit_test_setup(quota_exceeded, setup),
        cmocka_unit_test_setup(engine_gone_and_back, setup),
        cmocka_unit_test_setup(one_blank_list, setup),
        cmocka_unit_test_setup(an_order_at_a_blank_list, setup),
        cmocka_unit_test_setup(a_change_of_mind, setup),
        cmocka_unit_test_setup(wanted_again_while_ending, setup),
        cmocka_unit_test_setup(a_double_is_told, setup),
        cmocka_unit_test_setup(an_engine_that_asks_for_patience, setup),
        cmocka_unit_test_setup(by_chance, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
