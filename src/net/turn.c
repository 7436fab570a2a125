/* Measure the turns of the loop: how long each computes, and whether one has computed enough.
 *
 * A turn is everything between two sleeps. The prepare handle runs last before each sleep, so the
 * processor time between two of its calls is the time of one turn. Reading the thread's own clock
 * is a system call of half a microsecond; the wall clock is much cheaper and never behind it, so
 * net_turn_spent() reads the wall clock first. */
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/conn.h"

static const uint64_t bounds_us[NET_TURN_BOUNDS] = {100, 500, 1000, 5000, 10000, 20000, NET_TURN_LONG_US, 100000, 250000, 1000000};

static uint64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void count(struct net_turns *t, uint64_t us)
{
    int i = 0;
    while (i < NET_TURN_BOUNDS && us > bounds_us[i])
        i++;
    t->counts[i]++;
    t->n++;
    t->sum_us += us;
    t->over += us > NET_TURN_LONG_US;
    if (us > t->max_us)
        t->max_us = us;
}

static void on_turn_end(uv_prepare_t *h)
{
    struct net_loop *l = loop_of((uv_handle_t *)h);
    uint64_t now = cpu_us();
    count(&l->turns, now - l->turn_cpu_us);
    l->turn_cpu_us = now;
    l->turn_wall_us = 0;
    l->turn_spent = false;
    l->turn++;
}

void turns_init(struct net_loop *l)
{
    l->turn = 1; /* a new connection, whose turn is 0, may read at once */
    l->turns.bounds_us = bounds_us;
    MUST(uv_prepare_init(&l->uv, &l->turn_end) == 0);
    MUST(uv_prepare_start(&l->turn_end, on_turn_end) == 0);
    uv_unref((uv_handle_t *)&l->turn_end);
}

void turns_begin(struct net_loop *l)
{
    l->turn_cpu_us = cpu_us();
}

void loop_flush_soon(struct net_loop *l)
{
    if (!uv_is_active((uv_handle_t *)&l->flush))
        MUST(uv_idle_start(&l->flush, l->on_flush) == 0);
}

bool net_turn_spent(struct net_loop *l)
{
    if (l->turn_spent)
        return true;
    uint64_t now = clock_us();
    if (l->turn_wall_us == 0)
        l->turn_wall_us = now;
    if (now - l->turn_wall_us >= NET_TURN_US)
        l->turn_spent = cpu_us() - l->turn_cpu_us >= NET_TURN_US;
    return l->turn_spent;
}

const struct net_turns *net_turns(const struct net_loop *l)
{
    return &l->turns;
}
