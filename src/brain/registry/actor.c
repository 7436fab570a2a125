/* Actors: whether they are ready and open, and their pools.
 *
 * An actor is *ready* while it is loaded and its worker is there, and *open* while it may get a job now.
 * head_actor_refresh() recomputes both after each change of their conditions; pools list both kinds. */
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/kit/text.h"
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"

void head_actor_is(struct actor *a, uint8_t state)
{
    for (int s = POOL_MODEL; s <= POOL_ANY; s++) {
        struct pool *p = a->member_of[s].pool;
        p->loading_n = p->loading_n + (state == WIRE_ACTOR_LOADING) - (a->state == WIRE_ACTOR_LOADING);
        p->failed_n = p->failed_n + (state == WIRE_ACTOR_FAILED) - (a->state == WIRE_ACTOR_FAILED);
        if (state == WIRE_ACTOR_FAILED)
            text_set(&p->note, xstrdup(a->note));
    }
    a->state = state;
}

void head_actor_free(struct grave *g)
{
    struct actor *a = list_item(g, struct actor, grave);
    struct list *lists[] = {&a->attempts, &a->orphans};
    for (size_t i = 0; i < 2; i++) {
        LIST_EACH_SAFE(pos, nxt, lists[i])
            free(list_item(pos, struct attempt, in_actor));
    }
    free(a->model);
    free(a->digest);
    free(a->family);
    free(a->quantization);
    free(a->kv);
    free(a->setup);
    free(a->note);
    free(a->trouble);
    free(a);
}

enum actor_health head_actor_health(const struct actor *a)
{
    bool ejected = a->failures >= HEAD_EJECT_AFTER, rests = timer_is_set(&a->rest);
    if (rests)
        return ejected ? ACTOR_EJECTED : ACTOR_RESTING;
    return ejected ? ACTOR_PROBED : ACTOR_WELL;
}

/* Could take a job if no quarantined job occupied it. */
static bool is_able(const struct actor *a)
{
    enum worker_state w = a->worker->state; /* HUNG: perhaps because of another actor */
    bool worker_well = !a->worker->silent && w != WORKER_LOST;
    uint32_t most = head_actor_health(a) == ACTOR_PROBED ? 1 : a->slots;
    return a->state == WIRE_ACTOR_READY && worker_well && !head_worker_is_off(a->worker) && a->worker->replies_due == 0 && !a->hung &&
           !timer_is_set(&a->rest) &&
           a->in_flight < most;
}

bool head_actor_is_open(const struct actor *a)
{
    return a->quarantined == NULL && is_able(a);
}

bool head_actor_takes_quarantined(const struct actor *a)
{
    return a->quarantined != NULL && a->quarantined->state == JOB_QUEUED && a->in_flight == 0 && is_able(a);
}

/* A failed actor does not return by itself; one whose worker left may. */
static void count_away(struct actor *a, bool was_ready, bool ready)
{
    bool leaves = was_ready && !ready && (a->state == WIRE_ACTOR_READY || a->state == WIRE_ACTOR_GONE), comes = ready && a->missed;
    for (int s = POOL_MODEL; s <= POOL_ANY; s++) {
        if (leaves)
            a->member_of[s].pool->away_n++;
        else if (comes)
            head_pool_came(a->member_of[s].pool);
    }
    a->missed = leaves || (a->missed && !comes);
}

void head_actor_refresh(struct head *h, struct actor *a)
{
    bool was_ready = a->member_of[POOL_MODEL].ready_at != NOT_LISTED, was_open = a->member_of[POOL_MODEL].open_at != NOT_LISTED;
    bool ready = a->state == WIRE_ACTOR_READY && a->worker->state != WORKER_LOST, open = head_actor_is_open(a);
    for (int s = 0; s < POOL_KINDS; s++)
        head_pool_set(a, s, ready, open);
    count_away(a, was_ready, ready);
    if (was_ready && !ready && a->member_of[POOL_SAME_BITS].pool != NULL)
        head_compatible_left(h, a->member_of[POOL_SAME_BITS].pool);
    struct pool *plain = ready && !was_ready ? head_pool_find_exact(h, str_of(a->model), a->kind == REQUEST_EMBED) : NULL;
    if (plain != NULL)
        plain->was_ready = true; /* even if another file has the plain name now: this one will get it back */
    if (ready && !was_ready)
        head_scale_ready(h, a);
    h->actors_ready = h->actors_ready + ready - was_ready;
    bool serves = ready && !head_worker_is_off(a->worker);
    h->actors_serving = h->actors_serving + serves - a->serves;
    a->serves = serves;
    bool loads = a->state == WIRE_ACTOR_LOADING && a->worker->state != WORKER_LOST;
    h->actors_loading = h->actors_loading + loads - a->loads;
    a->loads = loads;
    if (((open && !was_open) || head_actor_takes_quarantined(a)) && !list_linked(&a->dirty))
        list_push(&h->dirty_actors, &a->dirty);
}

void head_actor_move_pool(struct head *h, struct actor *a, struct pool *to)
{
    struct pool *from = a->member_of[POOL_MODEL].pool;
    uint8_t state = a->state;
    bool ready = a->member_of[POOL_MODEL].ready_at != NOT_LISTED, open = a->member_of[POOL_MODEL].open_at != NOT_LISTED;
    head_pool_set(a, POOL_MODEL, false, false);
    from->actors_n--;
    from->loading_n -= state == WIRE_ACTOR_LOADING;
    from->failed_n -= state == WIRE_ACTOR_FAILED;
    a->member_of[POOL_MODEL] = (struct membership){to, NOT_LISTED, NOT_LISTED};
    to->actors_n++;
    to->loading_n += state == WIRE_ACTOR_LOADING;
    to->failed_n += state == WIRE_ACTOR_FAILED;
    head_pool_set(a, POOL_MODEL, ready, open);
    if (open && !list_linked(&a->dirty))
        list_push(&h->dirty_actors, &a->dirty); /* jobs of the new pool may wait */
}
