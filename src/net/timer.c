/* One-shot timers at a moment of the monotonic clock. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "net/loop.h"

struct net_timer {
    struct net_object object; /* first */
    uv_timer_t uv;
    uint64_t at_us;           /* when it is due; UINT64_MAX: disarmed */
    net_timer_fn *fn;
    void *user_data;          /* borrowed */
};

static void arm(struct net_timer *t);

/* libuv counts whole milliseconds from the start of the turn, so a timer may fire a little
 * early: rearm it then. */
static void on_timer(uv_timer_t *uv)
{
    struct net_timer *t = uv->data;
    if (clock_us() < t->at_us) {
        arm(t);
        return;
    }
    t->at_us = UINT64_MAX;
    t->fn(t, t->user_data);
}

static void arm(struct net_timer *t)
{
    uint64_t now_us = clock_us();
    uint64_t wait_us = t->at_us > now_us ? t->at_us - now_us : 0;
    uint64_t wait_ms = wait_us / 1000 + (wait_us % 1000 != 0);
    /* libuv's time stands still while it calls timers: a timer due now would fire in this turn
     * again and again. */
    if (wait_ms == 0 && net_turn_spent(loop_of((uv_handle_t *)&t->uv)))
        wait_ms = 1;
    MUST(uv_timer_start(&t->uv, on_timer, wait_ms, 0) == 0);
}

static void end_timer(struct net_object *o)
{
    struct net_timer *t = (struct net_timer *)o;
    if (!uv_is_closing((uv_handle_t *)&t->uv))
        uv_close((uv_handle_t *)&t->uv, loop_free_data);
}

struct net_timer *net_timer_new(struct net_loop *l, net_timer_fn *fn, void *user_data)
{
    struct net_timer *t = xalloc(sizeof *t);
    *t = (struct net_timer){.object.end = end_timer, .at_us = UINT64_MAX, .fn = fn, .user_data = user_data};
    MUST(uv_timer_init(&l->uv, &t->uv) == 0);
    t->uv.data = t;
    return t;
}

void net_timer_set(struct net_timer *t, uint64_t at_us)
{
    MUST(!uv_is_closing((uv_handle_t *)&t->uv));
    t->at_us = at_us;
    if (at_us == UINT64_MAX)
        uv_timer_stop(&t->uv);
    else
        arm(t);
}

void net_timer_free(struct net_timer *t)
{
    if (t != NULL)
        end_timer(&t->object);
}
