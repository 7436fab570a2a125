/* What must be true when the faults have stopped and time has passed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

static char reason[200];

static uint32_t actors_ready(const struct worker *w)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->actors_n; k++)
        n += w->actors[k].state == WIRE_ACTOR_READY;
    return n;
}

/* What a head's registry says of one worker. */
struct entry {
    uint64_t id;  /* the head's number for it */
    uint64_t pid; /* our number for it */
    uint32_t ready, taken;
    char node[SIM_NODE_BYTES + 8];
};
struct registry {
    struct entry *e; /* owned, by id */
    size_t n;
};

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static struct registry registry_read(const struct sim *s, const struct coordinator *c)
{
    struct head_totals t;
    head_totals(c->head, &t);
    struct registry r = {.e = xalloc_array(t.workers + 1, sizeof *r.e)};
    struct head_worker_view w;
    for (uint64_t from = 0; head_worker_at(c->head, from, coordinator_now(s, c), &w); from = w.id + 1) {
        struct entry *e = &r.e[r.n++];
        *e = (struct entry){.id = w.id, .pid = w.pid};
        snprintf(e->node, sizeof e->node, "%.*s", STR_ARG(w.node));
    }
    struct head_actor_view a;
    for (uint32_t from = 0; head_actor_at(c->head, from, &a); from = a.id + 1) {
        struct entry *e = bsearch(&(struct entry){.id = a.worker}, r.e, r.n, sizeof *r.e, by_id);
        e->ready += a.state == WIRE_ACTOR_READY;
        e->taken += a.in_flight;
    }
    return r;
}

static bool entry_is_true(const struct sim *s, const struct coordinator *c, const struct entry *e)
{
    const struct worker *w = table_get(&s->workers, e->pid);
    if (w == NULL || w->agent == NULL || strncmp(e->node, w->node, strlen(w->node)) != 0) {
        snprintf(reason, sizeof reason, "worker %s is in the registry of head %u and dead", e->node, c->no);
        return false;
    }
    if (e->taken != 0) {
        snprintf(reason, sizeof reason, "worker %s does nothing, head %u counts %u slots of it as taken", e->node, c->no,
                 e->taken);
        return false;
    }
    if (e->ready == actors_ready(w))
        return true;
    snprintf(reason, sizeof reason, "worker %s (%llu) has %u ready actors, head %u knows %u", e->node,
             (unsigned long long)e->pid, actors_ready(w), c->no, e->ready);
    return false;
}

/* Every worker in the registry lives, and there are as many as live: so they are the same. */
static bool registry_is_true(const struct sim *s, const struct coordinator *c)
{
    struct registry r = registry_read(s, c);
    bool ok = true;
    for (size_t i = 0; i < r.n && ok; i++)
        ok = entry_is_true(s, c, &r.e[i]);
    if (ok && r.n != s->living.n) {
        snprintf(reason, sizeof reason, "the registry of head %u has %zu workers, alive are %zu", c->no, r.n, s->living.n);
        ok = false;
    }
    free(r.e);
    return ok;
}

static bool head_is_settled(const struct sim *s, const struct coordinator *c)
{
    struct head_totals t;
    if (c->head == NULL) {
        snprintf(reason, sizeof reason, "head %u is down", c->no);
        return false;
    }
    if (!list_empty(&c->askings)) {
        const struct asking *k = list_item(c->askings.next, struct asking, in_head);
        snprintf(reason, sizeof reason, "call %llu is still open at head %u%s", (unsigned long long)k->call->id, c->no,
                 k->call->asking == k ? "" : ", its client came again elsewhere");
        return false;
    }
    head_check(c->head, coordinator_now(s, c));
    head_totals(c->head, &t);
    if (t.calls != 0 || t.queued != 0 || t.queue_bytes != 0 || t.running != 0) {
        snprintf(reason, sizeof reason, "head %u still counts %u calls, %u queued, %u running, %llu bytes", c->no, t.calls,
                 t.queued, t.running, (unsigned long long)t.queue_bytes);
        return false;
    }
    return registry_is_true(s, c);
}

bool settled(struct sim *s, const char **why_not)
{
    *why_not = reason;
    if (!scaler_settled(s, false, reason, sizeof reason))
        return false;
    snprintf(reason, sizeof reason, "%llu clients have not come again", (unsigned long long)s->away);
    if (s->away > 0)
        return false;
    for (uint32_t i = 0; i < s->heads_n; i++)
        if (!head_is_settled(s, &s->heads[i]))
            return false;
    return true;
}
