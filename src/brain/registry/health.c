/* Health of workers and actors: the worst condition is the worker's state; actors that fail jobs rest,
 * are ejected and probed. */
#include <stdlib.h>

#include "brain/kit/text.h"
#include "brain/registry/registry.h"

#define TAG "WORKER HEALTH"

/* Worst first: a hung actor, taking no jobs, a slow actor. */
void head_worker_judge(struct head *h, struct worker *w)
{
    if (w->silent)
        return; /* silence is worse, until a message comes */
    const struct actor *hung = NULL, *slow = NULL;
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        const struct actor *a = w->actors[key];
        if (a != NULL && a->hung && hung == NULL)
            hung = a;
        if (a != NULL && a->slow && slow == NULL)
            slow = a;
    }
    if (hung != NULL)
        head_worker_is(h, w, WORKER_HUNG, "actor %u is busy without a token", (unsigned)hung->node.id);
    else if (head_worker_is_off(w))
        head_worker_is(h, w, w->availability == WIRE_DRAINING ? WORKER_DRAINING : WORKER_CORDONED, "%s", w->availability_reason);
    else if (slow != NULL)
        head_worker_is(h, w, WORKER_SLOW, "actor %u makes %.1f tokens/s, another of its model %.1f at the same time",
                       (unsigned)slow->node.id, (double)slow->decode_tps, (double)head_pool_pace(h, slow->member_of[POOL_MODEL].pool));
    else if (w->state != WORKER_OK)
        head_worker_is(h, w, WORKER_OK, "%s", "");
}

/* ---- failing: an actor that fails jobs at once is always free, and would draw all of them ----
 *
 *            fails: rests             time
 *      WELL ───────────────▶ RESTING ──────▶ WELL                    HEAD_EJECT_AFTER failures in a row:
 *        ▲                      │ fails again, HEAD_EJECT_AFTER times in a row
 *        │ a job ends well      ▼            time
 *        └──────── PROBED ◀── EJECTED        one job at a time; if it fails: EJECTED, for longer
 *
 * Only failures of the actor count, not faults of the job itself, nor a worker that left or had no room
 * (other heads send jobs, too). */

static uint64_t rest_ms(const struct actor *a)
{
    uint64_t ms = HEAD_REST_FIRST_MS;
    for (uint32_t i = 1; i < a->failures && ms < HEAD_REST_MAX_MS; i++)
        ms *= 2;
    return ms < HEAD_REST_MAX_MS ? ms : HEAD_REST_MAX_MS;
}

void head_actor_rest(struct head *h, struct actor *a)
{
    timers_set(&h->timers, &a->rest, head_after_ms(h, HEAD_REST_FIRST_MS));
    head_actor_refresh(h, a);
}

void head_actor_fails(struct head *h, struct actor *a, const char *how)
{
    if (timer_is_set(&a->rest))
        return; /* further jobs of the same failure */
    a->failures++;
    free(a->trouble);
    a->trouble = text_line_dup(str_of(how), HEAD_LINE_BYTES_MAX);
    timers_set(&h->timers, &a->rest, head_after_ms(h, rest_ms(a)));
    head_actor_refresh(h, a);
    if (a->failures >= HEAD_EJECT_AFTER)
        head_log(h, LOG_WARN, TAG, EVENT("actor_ejected", KV("actor", a->node.id), KV("node", a->worker->name), KV("failures", a->failures),
                       KV("rest_ms", rest_ms(a))),
                 "actor %u is ejected after %u failures in a row: %s; in %llu ms it gets one job, to see", (unsigned)a->node.id, a->failures, a->trouble,
                 (unsigned long long)rest_ms(a));
}

void head_actor_succeeds(struct head *h, struct actor *a)
{
    bool ejected = a->failures >= HEAD_EJECT_AFTER;
    a->failures = 0;
    if (!ejected)
        return;
    timers_clear(&h->timers, &a->rest); /* that job may be from before the ejection */
    head_actor_refresh(h, a);
    head_log(h, LOG_INFO, TAG, EVENT("actor_back", KV("actor", a->node.id), KV("node", a->worker->name)),
             "actor %u is back: a job ended well there", (unsigned)a->node.id);
}
