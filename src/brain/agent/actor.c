/* Our actors, and what each head knows of them. A head hears of all actors after its welcome, and of every change. */
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/agent/state.h"

#define TAG "ACTOR REGISTRATION"

static struct agent_actor *actor_find(struct agent *a, uint32_t key)
{
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        if (a->actors[i].used && a->actors[i].is.key == key)
            return &a->actors[i];
    return NULL;
}

const struct agent_actor *agent_actor_find(const struct agent *a, uint32_t key)
{
    return actor_find((struct agent *)a, key);
}

static struct agent_actor *actor_new(struct agent *a)
{
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        if (!a->actors[i].used) {
            a->actors[i] = (struct agent_actor){.used = true};
            return &a->actors[i];
        }
    return NULL;
}

static void actor_free(struct agent_actor *actor)
{
    free(actor->text);
    *actor = (struct agent_actor){0};
}

static struct str put(char **at, struct str s)
{
    char *p = *at;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return str_n(p, s.n);
}

/* Keeps a copy of `is`, text included. */
static void actor_set(struct agent_actor *actor, const struct wire_actor *is)
{
    char *text = xalloc(is->model.n + is->digest.n + is->family.n + is->quantization.n + is->kv.n + is->setup.n + is->note.n + 1);
    char *at = text;
    actor->is = *is;
    actor->is.model = put(&at, is->model);
    actor->is.digest = put(&at, is->digest);
    actor->is.family = put(&at, is->family);
    actor->is.quantization = put(&at, is->quantization);
    actor->is.kv = put(&at, is->kv);
    actor->is.setup = put(&at, is->setup);
    actor->is.note = put(&at, is->note);
    free(actor->text);
    actor->text = text;
}

static uint32_t actors_count(const struct agent *a)
{
    uint32_t n = 0;
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        n += a->actors[i].used;
    return n;
}

static uint32_t actors_acked(const struct agent *a, uint32_t head)
{
    uint32_t n = 0;
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        n += a->actors[i].used && a->actors[i].acked[head];
    return n;
}

/* Every actor that can still become ready is ready, and this head has acknowledged it. */
static bool actors_ready(const struct agent *a, uint32_t head)
{
    uint32_t ready = 0;
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++) {
        const struct agent_actor *actor = &a->actors[i];
        if (!actor->used || actor->is.state == WIRE_ACTOR_FAILED)
            continue;
        if (!actor->acked[head] || actor->is.state != WIRE_ACTOR_READY)
            return false;
        ready++;
    }
    return ready > 0;
}

static void say_when_ready(struct agent *a, uint32_t head)
{
    bool ready = actors_ready(a, head);
    if (ready && !a->uplinks[head].ready)
        agent_log(a, LOG_INFO, "WORKER NODE READY", EVENT("worker_ready", KV("head", head)), "active and waiting for tasks");
    a->uplinks[head].ready = ready;
}

void agent_actors_register(struct agent *a, uint32_t head)
{
    uint32_t n = actors_count(a);
    if (n > 0)
        agent_log(a, LOG_INFO, TAG, EVENT("registering", KV("actors", n)), "found coordinator, registering %u actors", n);
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        if (a->actors[i].used)
            agent_send(a, head, WIRE_actor)->actor = a->actors[i].is;
}

/* Sends the actor to every head that welcomed us; `is` outlives the step's effects. */
static void actor_tell(struct agent *a, const struct wire_actor *is)
{
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        if (uplink_is_welcomed(a, h))
            agent_send(a, h, WIRE_actor)->actor = *is;
}

uint32_t agent_joined(const struct agent *a)
{
    uint32_t n = 0;
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        n += uplink_is_welcomed(a, h);
    return n;
}

void agent_actor_is(struct agent *a, const struct wire_actor *is)
{
    struct agent_actor *actor = actor_find(a, is->key);
    if (is->state == WIRE_ACTOR_GONE) {
        if (actor == NULL)
            return;
        actor_tell(a, is); /* with the event's text: ours is freed now */
        actor_free(actor);
        return;
    }
    bool fresh = actor == NULL;
    if (fresh && (actor = actor_new(a)) == NULL) {
        agent_log(a, LOG_ERROR, TAG, EVENT("actor_not_registered", KV("actor", is->key)),
                  "cannot register actor %u: a worker has at most %d", is->key, AGENT_ACTORS_MAX);
        return;
    }
    actor_set(actor, is);
    if (fresh && agent_joined(a) > 0)
        agent_log(a, LOG_INFO, TAG, EVENT("registering", KV("actors", 1)), "found coordinator, registering 1 actors");
    actor_tell(a, &actor->is);
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        if (uplink_is_welcomed(a, h))
            say_when_ready(a, h);
}

void agent_actor_acked(struct agent *a, uint32_t head, const struct wire_actor_ack *ack)
{
    struct agent_actor *actor = actor_find(a, ack->key);
    if (actor == NULL)
        return; /* unloaded meanwhile */
    bool known = actor->acked[head] && actor->id[head] == ack->id;
    actor->acked[head] = true;
    actor->id[head] = ack->id;
    if (known)
        return;
    uint32_t n = actors_count(a), acked = actors_acked(a, head);
    agent_log(a, LOG_INFO, TAG, EVENT("actor_registered", KV("actor", ack->id)), "registered actor %u/%u with ID: %u", acked, n, ack->id);
    if (acked == n)
        agent_log(a, LOG_INFO, TAG, EVENT("all_registered", KV("actors", n)), "all actors registered");
    say_when_ready(a, head);
}

void agent_actors_forget_acks(struct agent *a, uint32_t head)
{
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        a->actors[i].acked[head] = false;
}

void agent_actors_free(struct agent *a)
{
    for (size_t i = 0; i < AGENT_ACTORS_MAX; i++)
        actor_free(&a->actors[i]);
}
