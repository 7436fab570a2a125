/* Measures the demand for each model and the workers it needs: once a second, in mode AUTO.
 *
 * Workers count as alike: a new one brings every model that an ordered one has brought before. So
 * the number is the largest need of any model. A model that only manually started workers have
 * gains nothing from more of the others, and is left out. */
#include <math.h>

#include "brain/scale/scale.h"

enum { UNMANAGED_AFTER_MS = 30000 };

/* ---- the present state ---- */

static bool takes_jobs(const struct actor *a)
{
    return a->serves && !a->worker->silent && !a->hung;
}

static void see(struct pool *p, uint32_t workers)
{
    struct scale_seen s = {.waiting = p->queue.n};
    double of = 0;
    for (uint32_t i = 0; i < p->ready_n; i++) {
        const struct actor *a = p->ready[i];
        if (!takes_jobs(a))
            continue;
        s.slots += a->slots;
        s.busy += a->in_flight + a->other_heads;
        of++;
    }
    if (of > 0)
        p->load.demand.slots_each = s.slots / of;
    s.desired_slots = p->load.demand.slots_each * workers;
    p->load.seen = s;
}

/* Workers that no launcher of ours started: recounted only after a quiet while, as the launcher's may be restarting. */
static void count_unmanaged(struct head *h)
{
    struct scale *s = &h->scale;
    const struct link *l = head_launcher(h);
    uint32_t serving = 0;
    IDTAB_EACH(n, &h->workers)
        serving += id_item(n, struct worker, node)->availability == WIRE_SERVING;
    bool quiet = l != NULL && !l->scale_unseen && s->orders_n == 0 && l->scale_running == s->desired && serving >= l->scale_running;
    uint32_t now = quiet ? serving - l->scale_running : s->unmanaged;
    if (!quiet || now == s->unmanaged || now != s->unmanaged_seen)
        s->unmanaged_since_us = h->now_us;
    s->unmanaged_seen = now;
    if (h->now_us - s->unmanaged_since_us >= UNMANAGED_AFTER_MS * 1000ull)
        s->unmanaged = now;
    s->unmanaged = s->unmanaged < serving ? s->unmanaged : serving;
}

/* ---- requests that name no model ---- */

static double weight_of(const struct pool *p, bool by_slots)
{
    return by_slots ? p->load.seen.slots : p->registered && p->was_ready;
}

static double weigh(const struct head *h, bool embeds, bool by_slots)
{
    double sum = 0;
    LIST_EACH(pos, &h->pools) {
        const struct pool *p = list_item(pos, struct pool, order);
        sum += p->embeds == embeds ? weight_of(p, by_slots) : 0;
    }
    return sum;
}

/* Distributes them over the models by their room. False: no model could take them. */
static bool share_out(struct head *h, struct pool *any)
{
    bool by_slots = weigh(h, any->embeds, true) > 0;
    double sum = weigh(h, any->embeds, by_slots);
    if (sum <= 0)
        return false;
    LIST_EACH(pos, &h->pools) {
        struct pool *p = list_item(pos, struct pool, order);
        double part = p->embeds == any->embeds ? weight_of(p, by_slots) / sum : 0;
        p->load.demand.arrivals += any->load.demand.arrivals * part;
        p->load.seen.waiting += any->queue.n * part;
    }
    any->load.demand.arrivals = 0;
    return true;
}

/* ---- all of it ---- */

static bool gains(const struct head *h, const struct pool *p)
{
    return p->load.brought || !h->scale.brought_any;
}

static void count_in(struct head *h, struct pool *p, double s, struct scale_input *in)
{
    struct model_load *l = &p->load;
    double start_s = in->start_s;
    demand_tick(&l->demand, s);
    l->need = scale_need(&l->demand, &l->seen, start_s);
    if (!gains(h, p))
        return;
    if (l->need.workers > in->workers) {
        in->workers = l->need.workers;
        in->reason = l->need.reason;
        in->service_s = demand_service_s(&l->demand);
        h->scale.busiest = p;
    }
    in->floor = fmax(in->floor, l->need.floor);
    h->scale.wait_s = fmax(h->scale.wait_s, l->need.wait_s);
}

struct scale_input head_scale_measure(struct head *h, double s)
{
    struct scale_input in = {.now_s = (double)h->now_us / 1e6, .start_s = head_scale_start_s(h), .reason = SCALE_RATE, .desired = h->scale.desired};
    h->scale.busiest = NULL;
    h->scale.wait_s = 0;
    count_unmanaged(h);
    bool came = h->queued + h->running > 0 || h->any[false]->load.demand.arrivals > 0 || h->any[true]->load.demand.arrivals > 0;
    LIST_EACH(pos, &h->pools) {
        struct pool *p = list_item(pos, struct pool, order);
        see(p, h->scale.desired + h->scale.unmanaged);
        came = came || p->load.demand.arrivals > 0;
    }
    h->scale.quiet_us = came ? h->now_us : h->scale.quiet_us;
    in.quiet_s = (double)(h->now_us - h->scale.quiet_us) / 1e6;
    for (int embeds = 0; embeds < 2; embeds++) {
        struct pool *any = h->any[embeds];
        any->load.seen = (struct scale_seen){.waiting = any->queue.n};
        if (!share_out(h, any) && (any->queue.n > 0 || any->load.demand.arrivals > 0 || any->load.demand.slow > 0))
            count_in(h, any, s, &in);
    }
    LIST_EACH(pos, &h->pools)
        count_in(h, list_item(pos, struct pool, order), s, &in);
    in.workers = fmax(in.workers - h->scale.unmanaged, 0);
    in.floor = fmax(in.floor - h->scale.unmanaged, 0);
    in.demand = h->queued + h->running > 0 && h->scale.unmanaged == 0;
    return in;
}

uint32_t head_scale_models(const struct head *h, struct head_scale_model *out, uint32_t most)
{
    uint32_t n = 0;
    LIST_EACH(pos, &h->pools) {
        const struct pool *p = list_item(pos, struct pool, order);
        const struct model_load *l = &p->load;
        if (n == most || !p->registered)
            continue;
        out[n++] = (struct head_scale_model){
            .name = str_of(p->name),
            .rate = l->need.rate,
            .service_s = l->demand.served_s.n > 0 ? demand_service_s(&l->demand) : 0,
            .busy = l->seen.busy,
            .waiting = l->seen.waiting,
            .slots = l->seen.slots,
            .workers = l->need.workers,
            .gains = gains(h, p),
        };
    }
    return n;
}
