/* What must be true when the faults have stopped and time has passed. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static char reason[200];

/* Workers that live, and the actors of theirs that are ready. */
static void count_alive(const struct sim *s, uint32_t *out_workers, uint32_t *out_actors)
{
    *out_workers = *out_actors = 0;
    for (size_t i = 0; i < s->workers.n; i++) {
        const struct worker *w = s->workers.p[i];
        if (w->agent == NULL)
            continue;
        *out_workers += 1;
        for (uint32_t k = 0; k < w->actors_n; k++)
            *out_actors += w->actors[k].state == WIRE_ACTOR_READY;
    }
}

static const struct worker *worker_by_pid(const struct sim *s, uint32_t pid)
{
    const struct worker *w = table_get(&s->workers, pid);
    return w != NULL && w->agent != NULL ? w : NULL;
}

/* Every worker in the registry lives, and there are as many as live: so they are the same. */
static bool registry_is_true(struct sim *s)
{
    uint32_t workers, actors, known = 0, ready = 0;
    struct head_worker_view wv;
    struct head_actor_view av;
    count_alive(s, &workers, &actors);
    for (uint64_t from = 0; head_worker_at(s->head.head, from, s->now_us, &wv); from = wv.id + 1) {
        const struct worker *w = worker_by_pid(s, wv.pid);
        if (w == NULL || wv.node.n < strlen(w->node) || memcmp(wv.node.p, w->node, strlen(w->node)) != 0) {
            snprintf(reason, sizeof reason, "worker %.*s is in the registry and dead", STR_ARG(wv.node));
            return false;
        }
        known++;
    }
    for (uint32_t from = 0; head_actor_at(s->head.head, from, &av); from = av.id + 1)
        ready += av.state == WIRE_ACTOR_READY;
    if (known == workers && ready == actors)
        return true;
    snprintf(reason, sizeof reason, "the registry has %u workers and %u ready actors, alive are %u and %u", known, ready,
             workers, actors);
    return false;
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
