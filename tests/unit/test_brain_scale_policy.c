/* The autoscaler's arithmetic: how many workers a load needs, and how the number follows the need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "brain/scale_policy.h"

static const struct scale_limits limits = {.mode = SCALE_AUTO, .min = 0, .max = 40};

/* So many jobs a second, for so long, each in a slot for service_s. */
static void ask(struct demand *d, double rate, int seconds, double service_s)
{
    for (int i = 0; i < seconds; i++) {
        d->arrivals += rate;
        for (int job = 0; job < (int)rate; job++)
            demand_served(d, service_s);
        demand_tick(d, 1);
    }
}

/* Given eight jobs a second of four seconds each, and workers of four slots; then the need is 32 slots and what the rule of the square
 * root adds. */
static void a_steady_load_needs_its_slots(void **state)
{
    (void)state;
    struct demand d = {.slots_each = 4};
    ask(&d, 8, 600, 4);
    struct scale_need n = scale_need(&d, &(struct scale_seen){.busy = 32, .slots = 40, .desired_slots = 40}, 10);
    assert_true(fabs(n.rate - 8) < 0.1 && fabs(n.workers - (32 + sqrt(32)) / 4) < 0.1);
    assert_int_equal(n.reason, SCALE_RATE);
    assert_true(n.wait_s <= 0);
}

/* Given a load that rises by one job a second every ten seconds; when a worker takes 30 s to start; then the need is that of the rate
 * in 30 s, not of the present one. */
static void a_ramp_is_met_before_it_is_there(void **state)
{
    (void)state;
    struct demand d = {.slots_each = 4};
    ask(&d, 5, 300, 2);
    for (int i = 0; i < 100; i++)
        ask(&d, 5 + i / 10.0, 1, 2);
    struct scale_need soon = scale_need(&d, &(struct scale_seen){0}, 1), later = scale_need(&d, &(struct scale_seen){0}, 30);
    assert_true(fabs(soon.rate - 15) < 1.5);
    assert_true(fabs(later.rate - 18) < 2);
}

/* Given a queue that those who are ready empty before another one could start; then it is no reason for one. A longer one asks for as many
 * as empty what is left of it by then, 97 jobs of 2 s each, within half a minute, beside the two slots of the load. */
static void a_queue_that_ends_by_itself_starts_nobody(void **state)
{
    (void)state;
    struct demand d = {.slots_each = 4};
    ask(&d, 1, 300, 2);
    const struct scale_seen seen = {.busy = 8, .waiting = 20, .slots = 8, .desired_slots = 8};
    assert_true(scale_need(&d, &seen, 20).reason == SCALE_RATE && scale_need(&d, &seen, 20).wait_s <= 0);
    const struct scale_seen more = {.busy = 8, .waiting = 100, .slots = 8, .desired_slots = 8};
    assert_int_equal(scale_need(&d, &more, 20).reason, SCALE_QUEUE);
    assert_true(fabs(scale_need(&d, &more, 1).workers - (2 + 97 * 2 / 30.0) / 4) < 0.1);
}

/* Given needs by chance for ten hours; then the number stays within its limits, is not for long below what is needed, decreases come no closer
 * together than they may, and none follows an increase before its time. */
static void it_never_flaps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng rng = {.seed = seed};
        struct scale_policy p;
        double start_s = 2 + (double)(rng_next(&rng) % 60), level = 5, up_s = 0, down_s = 0;
        uint32_t desired = 3, downs = 0;
        scale_policy_init(&p, 0);
        for (double now = 1; now <= 36000; now++) {
            if (rng_next(&rng) % 40 == 0)
                level = (double)(rng_next(&rng) % 50);
            struct scale_input in = {.now_s = now, .start_s = start_s, .workers = level, .demand = level > 0, .desired = desired, .reason = SCALE_RATE};
            enum scale_reason reason = SCALE_NONE;
            uint32_t to = scale_next(&p, &limits, &in, &reason);
            assert_true(to <= 40 && (to >= fmin(level, 40) - 0.2 || now - up_s <= SCALE_UP_EVERY_S)); /* increases come together */
            assert_int_equal(reason != SCALE_NONE, to != desired);
            if (to < desired) {
                double hold_s = scale_hold_s(&p, &limits, start_s, 0);
                assert_true(now - down_s >= scale_cool_s(hold_s, start_s) && now - up_s >= hold_s);
                down_s = now;
                downs++;
            }
            if (to > desired)
                up_s = now;
            desired = to;
        }
        assert_true(downs > 0 && downs <= 36000 / scale_cool_s(scale_hold_s(&p, &limits, start_s, 0), start_s) + 1);
    }
}

/* Tells the need of so many seconds; returns how often the number changed. */
static uint32_t pass(struct scale_policy *p, double *now, int seconds, double workers, uint32_t *desired)
{
    uint32_t changes = 0;
    for (int i = 0; i < seconds; i++) {
        struct scale_input in = {.now_s = ++*now, .start_s = 12, .workers = workers, .demand = workers > 0, .desired = *desired, .reason = SCALE_RATE};
        enum scale_reason reason = SCALE_NONE;
        uint32_t to = scale_next(p, &limits, &in, &reason);
        changes += to != *desired;
        *desired = to;
    }
    return changes;
}

/* Given a burst of a minute every six; when the workers were given back after the first and the second one came at once; then they are
 * kept from one burst to the next, until there was no burst for a quarter of an hour. */
static void bursts_are_learned(void **state)
{
    (void)state;
    struct scale_policy p;
    double now = 0;
    uint32_t desired = 1, changes = 0;
    scale_policy_init(&p, 0);
    pass(&p, &now, 60, 6, &desired);
    pass(&p, &now, 240, 1, &desired);
    assert_int_equal(desired, 1);
    pass(&p, &now, 60, 6, &desired);
    assert_true(scale_hold_s(&p, &limits, 12, 0) == 300);
    for (int burst = 0; burst < 2; burst++) {
        changes += pass(&p, &now, 240, 1, &desired);
        changes += pass(&p, &now, 60, 6, &desired);
    }
    assert_true(changes == 0 && desired == 6);
    pass(&p, &now, 1000, 1, &desired);
    assert_true(desired == 1 && scale_hold_s(&p, &limits, 12, 0) == 180);
}

/* Given what an average still remembers of a load; when nobody asked for all of the hold time; then the last worker goes, and is not asked for again
 * by that memory. */
static void silence_is_believed(void **state)
{
    (void)state;
    struct scale_policy p;
    enum scale_reason reason = SCALE_NONE;
    uint32_t desired = 2;
    scale_policy_init(&p, 0);
    for (double now = 1; now <= 400; now++) {
        struct scale_input in = {.now_s = now, .start_s = 12, .workers = 0.6, .quiet_s = now, .desired = desired, .reason = SCALE_RATE};
        desired = scale_next(&p, &limits, &in, &reason);
        assert_true(now < 180 ? desired == 2 : desired == 0);
    }
    assert_int_equal(reason, SCALE_IDLE);
}

/* Given a load that becomes ten times as much at once; when it is looked at again and again; then nobody takes the jump for a ramp that continues. */
static void a_jump_is_no_ramp(void **state)
{
    (void)state;
    struct demand d = {.slots_each = 4};
    double most = 0;
    ask(&d, 1, 300, 4);
    for (int i = 0; i < 120; i++) {
        ask(&d, 10, 1, 4);
        most = fmax(most, scale_need(&d, &(struct scale_seen){0}, 12).rate);
    }
    assert_true(most < 10 * 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_load_needs_its_slots),
        cmocka_unit_test(a_ramp_is_met_before_it_is_there),
        cmocka_unit_test(a_queue_that_ends_by_itself_starts_nobody),
        cmocka_unit_test(it_never_flaps),
        cmocka_unit_test(bursts_are_learned),
        cmocka_unit_test(silence_is_believed),
        cmocka_unit_test(a_jump_is_no_ramp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
