/* Orders: workers that were asked for and are on their way, and the launcher that brings them. */
#include <math.h>
#include <string.h>

#include "base/smooth.h"
#include "brain/registry/registry.h"

static const double START_GUESS_S = 30, START_MOST_S = 600; /* before one was measured; after this an order has failed */
static const double LEARN = 0.3; /* weight of the newest start */

/* The last one that joined: an older one may be a dead connection that was not noticed yet. */
const struct link *head_launcher(const struct head *h)
{
    return list_empty(&h->launchers) ? NULL : list_item(h->launchers.prev, struct link, launches);
}

static void orders_shift(struct scale *s)
{
    if (s->orders[0].workers > 0)
        return;
    s->orders_n--;
    memmove(s->orders, s->orders + 1, s->orders_n * sizeof s->orders[0]);
}

void head_orders_expire(struct head *h)
{
    struct scale *s = &h->scale;
    while (s->orders_n > 0 && h->now_us - s->orders[0].at_us > (uint64_t)(START_MOST_S * 1e6)) {
        s->orders[0].workers = 0;
        orders_shift(s);
    }
}

void head_orders_change(struct head *h, uint32_t from, uint32_t to)
{
    struct scale *s = &h->scale;
    if (to > from) {
        if (s->orders_n == SCALE_ORDERS_MAX)
            s->orders[s->orders_n - 1].workers += to - from;
        else
            s->orders[s->orders_n++] = (struct scale_order){.at_us = h->now_us, .workers = to - from};
    }
    for (uint32_t fewer = to < from ? from - to : 0; fewer > 0 && s->orders_n > 0;) {
        struct scale_order *last = &s->orders[s->orders_n - 1];
        uint32_t n = last->workers < fewer ? last->workers : fewer;
        last->workers -= n;
        fewer -= n;
        s->orders_n -= last->workers == 0;
    }
}

uint32_t head_scale_starting(const struct head *h)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->scale.orders_n; i++)
        n += h->scale.orders[i].workers;
    return n;
}

/* If one order takes longer than those before it, the next may, too. */
double head_scale_start_s(const struct head *h)
{
    const struct scale *s = &h->scale;
    double known = s->start_s > 0 ? s->start_s : START_GUESS_S;
    double waited = s->orders_n > 0 ? (double)(h->now_us - s->orders[0].at_us) / 1e6 : 0;
    return fmin(fmax(known, waited), START_MOST_S);
}

double head_scale_eta_s(const struct head *h)
{
    const struct scale *s = &h->scale;
    double waited = s->orders_n > 0 ? (double)(h->now_us - s->orders[0].at_us) / 1e6 : 0;
    return s->orders_n > 0 && s->start_s > waited ? s->start_s - waited : 0;
}

void head_scale_joined(struct head *h, struct worker *w)
{
    w->ordered = h->scale.orders_n > 0 ? ORDERED : NOT_ORDERED;
}

void head_scale_ready(struct head *h, struct actor *a)
{
    struct scale *s = &h->scale;
    if (a->worker->ordered == NOT_ORDERED)
        return;
    a->member_of[POOL_MODEL].pool->load.brought = s->brought_any = true;
    if (a->worker->ordered == ORDERED_AND_READY || s->orders_n == 0)
        return;
    double took = (double)(h->now_us - s->orders[0].at_us) / 1e6;
    s->start_s = smooth(s->start_s, took, LEARN);
    s->orders[0].workers--;
    orders_shift(s);
    a->worker->ordered = ORDERED_AND_READY;
}

bool head_launcher_brings(const struct head *h)
{
    const struct link *launcher = head_launcher(h);
    return launcher != NULL && launcher->scale_running < launcher->scale_target;
}
