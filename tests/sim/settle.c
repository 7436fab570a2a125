/* What must be true when the faults have stopped and time has passed. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static char reason[200];

static uint32_t actors_ready(const struct worker *w)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->actors_n; k++)
        n += w->actors[k].state == WIRE_ACTOR_READY;
    return n;
}

static uint32_t actors_known(const struct sim *s, uint64_t worker)
{
    struct head_actor_view v;
    uint32_t n = 0;
    for (uint32_t from = 0; head_actor_at(s->head.head, from, &v); from = v.id + 1)
        n += v.worker == worker && v.state == WIRE_ACTOR_READY;
    return n;
}

static uint32_t slots_taken(const struct sim *s, uint64_t worker)
{
    struct head_actor_view v;
    uint32_t n = 0;
    for (uint32_t from = 0; head_actor_at(s->head.head, from, &v); from = v.id + 1)
        n += v.worker == worker ? v.in_flight : 0;
    return n;
}

static uint32_t workers_alive(const struct sim *s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s->workers.n; i++)
        n += ((const struct worker *)s->workers.p[i])->agent != NULL;
    return n;
}

/* What the registry says of one worker; its pid is our number for it. */
static bool worker_is_true(struct sim *s, const struct head_worker_view *v)
{
    const struct worker *w = table_get(&s->workers, v->pid);
    if (w == NULL || w->agent == NULL || v->node.n < strlen(w->node) ||
        memcmp(v->node.p, w->node, strlen(w->node)) != 0) {
        snprintf(reason, sizeof reason, "worker %.*s is in the registry and dead", STR_ARG(v->node));
        return false;
    }
    if (slots_taken(s, v->id) != 0) {
        snprintf(reason, sizeof reason, "worker %.*s does nothing, the head counts %u slots of it as taken",
                 STR_ARG(v->node), slots_taken(s, v->id));
        return false;
    }
    if (actors_known(s, v->id) == actors_ready(w))
        return true;
    snprintf(reason, sizeof reason, "worker %.*s (%u) has %u ready actors, the head knows %u", STR_ARG(v->node), v->pid,
             actors_ready(w), actors_known(s, v->id));
    return false;
}

/* Every worker in the registry lives, and there are as many as live: so they are the same. */
static bool registry_is_true(struct sim *s)
{
    uint32_t known = 0, alive = workers_alive(s);
    struct head_worker_view v;
    for (uint64_t from = 0; head_worker_at(s->head.head, from, s->now_us, &v); from = v.id + 1, known++)
        if (!worker_is_true(s, &v))
            return false;
    snprintf(reason, sizeof reason, "the registry has %u workers, alive are %u", known, alive);
    return known == alive;
}

static const struct call *call_open(const struct sim *s)
{
    for (size_t i = 0; i < s->calls.n; i++) {
        const struct call *c = s->calls.p[i];
        if (c->state == CALL_OPEN)
            return c;
    }
    return NULL;
}

bool settled(struct sim *s, const char **why_not)
{
    struct head_totals t;
    const struct call *c = call_open(s);
    *why_not = reason;
    if (s->head.head == NULL) {
        snprintf(reason, sizeof reason, "the head is down");
        return false;
    }
    if (c != NULL) {
        snprintf(reason, sizeof reason, "call %llu is still open", (unsigned long long)c->id);
        return false;
    }
    head_check(s->head.head, s->now_us);
    head_totals(s->head.head, &t);
    if (t.calls != 0 || t.queued != 0 || t.queue_bytes != 0 || t.running != 0) {
        snprintf(reason, sizeof reason, "the head still counts %u calls, %u queued, %u running, %llu bytes", t.calls,
                 t.queued, t.running, (unsigned long long)t.queue_bytes);
        return false;
    }
    return registry_is_true(s);
}
