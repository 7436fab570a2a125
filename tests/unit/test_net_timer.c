/* Timers: order, disarming, freeing, precision, and what keeps a loop running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/net.h"

struct story {
    struct net_loop *loop;
    char order[8];
    size_t n;
    uint64_t due_us;
    uint64_t fired_us;
    struct net_timer *other;
};

static int setup(void **state)
{
    static struct story s;
    s = (struct story){.loop = net_loop_new()};
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    net_loop_free(s->loop);
    return 0;
}

static void note_a(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    s->order[s->n++] = 'a';
}

static void note_b(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    s->order[s->n++] = 'b';
}

static struct net_timer *in_ms(struct story *s, net_timer_fn *fn, unsigned ms)
{
    struct net_timer *t = net_timer_new(s->loop, fn, s);
    net_timer_set(t, net_now_us(s->loop) + ms * 1000u);
    return t;
}

/* Armed later, due earlier: the due time decides. The loop ends by itself when no timer is armed any more. */
static void test_earlier_comes_first(void **state)
{
    struct story *s = *state;
    in_ms(s, note_b, 30);
    in_ms(s, note_a, 10);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "ab");
}

static void test_disarmed_does_not_fire(void **state)
{
    struct story *s = *state;
    struct net_timer *a = in_ms(s, note_a, 5);
    in_ms(s, note_b, 15);
    net_timer_set(a, UINT64_MAX);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "b");
}

static void test_rearming_moves_it(void **state)
{
    struct story *s = *state;
    struct net_timer *a = in_ms(s, note_a, 5);
    in_ms(s, note_b, 15);
    net_timer_set(a, net_now_us(s->loop) + 25000);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "ba");
}

static void free_both(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    s->order[s->n++] = 'f';
    net_timer_free(t);
    net_timer_free(s->other);
}

/* A callback frees its own timer and an armed one: neither is heard of again. */
static void test_free_inside_callback(void **state)
{
    struct story *s = *state;
    in_ms(s, free_both, 5);
    s->other = in_ms(s, note_a, 6);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "f");
}

static void note_time(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    s->fired_us = net_now_us(s->loop);
}

/* Never early, whatever the microsecond it was set at. */
static void test_never_early(void **state)
{
    struct story *s = *state;
    struct net_timer *t = net_timer_new(s->loop, note_time, s);
    for (unsigned us = 100; us < 4000; us += 370) {
        s->due_us = net_now_us(s->loop) + us;
        net_timer_set(t, s->due_us);
        net_loop_run(s->loop);
        assert_true(s->fired_us >= s->due_us);
    }
}

static void again(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    s->order[s->n++] = 'x';
    if (s->n < 3)
        net_timer_set(t, 0); /* long gone: in the next turn */
}

static void test_a_time_gone_by_is_the_next_turn(void **state)
{
    struct story *s = *state;
    in_ms(s, again, 0);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "xxx");
}

static void stop(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    net_loop_stop(s->loop);
}

/* A stopped loop keeps its timers, and continues where it was when it is run again. */
static void test_stop_and_go_on(void **state)
{
    struct story *s = *state;
    in_ms(s, stop, 5);
    in_ms(s, note_a, 20);
    net_loop_run(s->loop);
    assert_int_equal(s->n, 0);
    net_loop_run(s->loop);
    assert_string_equal(s->order, "a");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_earlier_comes_first),
        STORY(test_disarmed_does_not_fire),
        STORY(test_rearming_moves_it),
        STORY(test_free_inside_callback),
        STORY(test_never_early),
        STORY(test_a_time_gone_by_is_the_next_turn),
        STORY(test_stop_and_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
