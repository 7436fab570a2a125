/* The watch over a left-out model's file keeps its pace when somebody sets the machine's clock.
 *
 * The wall clock of this process is wrong by `ahead_s`, as it would be had the clock been set after it was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/nurse.h"

static time_t ahead_s;

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_REALTIME)
        t->tv_sec += ahead_s;
    return r;
}

struct told {
    struct net_loop *loop;
    bool looked;
};

static void on_event(const struct nurse_event *event, void *user_data)
{
    struct told *t = user_data;
    assert_false(event->found);
    t->looked = true;
    net_loop_stop(t->loop);
}

static void on_patience(struct net_timer *timer, void *user_data)
{
    (void)timer;
    net_loop_stop(((struct told *)user_data)->loop);
}

/* Given a file that is no model and has just changed; whatever has become of the clock meanwhile; then the nurse looks at it, and ends when it is
 * told to. */
static void nurse_whose_clock_is(time_t ahead)
{
    struct told told = {.loop = net_loop_new()};
    struct net_timer *patience = net_timer_new(told.loop, on_patience, &told);
    struct nurse_config cfg = {.ops = engine_echo(), .engine_name = "echo", .engine_words = "echo 1", .reference = "/dev/null/no.gguf",
                               .changed = true, .on_event = on_event, .user_data = &told};
    ahead_s = ahead;
    net_timer_set(patience, net_now_us(told.loop) + 60 * 1000000ull);
    struct nurse *n = nurse_start(told.loop, &cfg);
    net_loop_run(told.loop);
    bool ended = nurse_free(n);
    ahead_s = 0;
    assert_true(told.looked);
    assert_true(ended);
    net_timer_free(patience);
    net_loop_free(told.loop);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    nurse_whose_clock_is(7200);
}

static void test_clock_set_forward(void **state)
{
    (void)state;
    nurse_whose_clock_is(-7200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_clock_set_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
