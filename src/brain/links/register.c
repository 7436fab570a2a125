/* Registers actors: checks the workers' messages about them.
 *
 *      first word      loaded
 *    (none) ──▶ LOADING ─────▶ READY          any state ──▶ GONE: forgotten
 *                  │  ▲          │
 *                  ▼  │ again    │
 *                 FAILED ◀───────┘
 *
 * Model, kind and (once known) digest are fixed for an actor's life; slots, context and exactness
 * while it is ready. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/kit/text.h"
#include "brain/links/links.h"
#include "brain/policy/router.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

#define TAG "ACTOR REGISTRATION"

/* ---- checks ---- */

static int check_values(const struct wire_actor *m, struct fault *f)
{
    if (m->key >= HEAD_WORKER_ACTORS_MAX)
        return fault_set(f, ERR_PROTOCOL, "actor key %u: a worker has at most %d actors, keys from 0", m->key,
                         HEAD_WORKER_ACTORS_MAX);
    if (m->state < WIRE_ACTOR_LOADING || m->state > WIRE_ACTOR_GONE)
        return fault_set(f, ERR_PROTOCOL, "actor %u: unknown state %u", m->key, m->state);
    if (m->state == WIRE_ACTOR_GONE)
        return 0; /* no other field matters */
    if (m->kind != REQUEST_CHAT && m->kind != REQUEST_EMBED)
        return fault_set(f, ERR_PROTOCOL, "actor %u: kind %u is neither chat (%d) nor embedding (%d)", m->key, m->kind,
                         REQUEST_CHAT, REQUEST_EMBED);
    if (!text_is_name(m->model, HEAD_NAME_BYTES_MAX))
        return fault_set(f, ERR_PROTOCOL, "actor %u: the model name must have 1 to %d bytes of printable UTF-8", m->key,
                         HEAD_NAME_BYTES_MAX);
    if (!text_is_line(m->digest, HEAD_DIGEST_BYTES_MAX))
        return fault_set(f, ERR_PROTOCOL, "actor %u: the digest must have at most %d bytes of printable UTF-8", m->key,
                         HEAD_DIGEST_BYTES_MAX);
    if (m->state != WIRE_ACTOR_READY)
        return 0; /* slots and context are known once it is loaded */
    if (!text_is_line(m->setup, HEAD_NAME_BYTES_MAX))
        return fault_set(f, ERR_PROTOCOL, "actor %u: the set-up must have at most %d printable bytes", m->key, HEAD_NAME_BYTES_MAX);
    if (m->slots == 0 || m->slots > HEAD_SLOTS_MAX)
        return fault_set(f, ERR_PROTOCOL, "actor %u is ready with %u slots: 1 to %d can be", m->key, m->slots,
                         HEAD_SLOTS_MAX);
    if (m->context == 0 || m->context > HEAD_CONTEXT_MAX)
        return fault_set(f, ERR_PROTOCOL, "actor %u is ready with a context of %u tokens: 1 to %d can be", m->key,
                         m->context, HEAD_CONTEXT_MAX);
    return 0;
}

/* An actor is exact only with a set-up that it measured itself. */
static bool is_exact(const struct wire_actor *m)
{
    return m->exact != 0 && m->setup.n > 0;
}

static int check_change(const struct actor *a, const struct wire_actor *m, struct fault *f)
{
    if (m->state == WIRE_ACTOR_GONE)
        return 0;
    if (!str_is(m->model, a->model) || m->kind != a->kind)
        return fault_set(f, ERR_PROTOCOL, "actor %u has model '%s': another model or kind is another actor", m->key, a->model);
    if (m->digest.n > 0 && a->digest[0] != '\0' && !str_is(m->digest, a->digest))
        return fault_set(f, ERR_PROTOCOL, "actor %u changed its model's digest", m->key);
    const char *here = a->member_of[POOL_MODEL].pool->digest; /* digest of the other actors of that name */
    if (m->digest.n > 0 && here[0] != '\0' && !str_is(m->digest, here))
        return fault_set(f, ERR_PROTOCOL, "actor %u tells its digest late, and '%s' is another file: tell it from the first", m->key, a->model);
    if (a->state != WIRE_ACTOR_READY || m->state != WIRE_ACTOR_READY)
        return 0;
    if (m->slots != a->slots || m->context != a->context || is_exact(m) != a->exact || !str_is(m->setup, a->setup))
        return fault_set(f, ERR_PROTOCOL, "actor %u changed slots, context, exactness or its set-up while ready", m->key);
    return 0;
}

static int check_new(const struct head *h, const struct wire_actor *m, struct fault *f)
{
    if (m->state == WIRE_ACTOR_GONE)
        return fault_set(f, ERR_PROTOCOL, "actor %u is gone, but was never registered", m->key);
    if (h->actors.n >= h->cfg.actors_max)
        return fault_set(f, ERR_BUSY, "this head has its %u actors already (actors_max)", h->cfg.actors_max);
    return 0;
}

/* ---- records ---- */

/* Takes over everything that may change. */
static void actor_set(struct actor *a, const struct wire_actor *m)
{
    text_set(&a->note, text_line_dup(m->note, HEAD_LINE_BYTES_MAX));
    text_set(&a->family, text_line_dup(m->family, HEAD_NAME_BYTES_MAX));
    text_set(&a->quantization, text_line_dup(m->quantization, HEAD_NAME_BYTES_MAX));
    text_set(&a->kv, text_line_dup(m->kv, HEAD_NAME_BYTES_MAX));
    text_set(&a->setup, text_line_dup(m->setup, HEAD_NAME_BYTES_MAX));
    head_actor_is(a, m->state);
    if (m->digest.n > 0)
        text_set(&a->digest, xstr_dup(m->digest));
    if (a->member_of[POOL_MODEL].pool->digest[0] == '\0')
        head_pool_digest(a->member_of[POOL_MODEL].pool, m->digest);
    a->slots = m->slots;
    a->context = m->context;
    a->exact = is_exact(m);
    a->has_template = m->has_template != 0;
    a->member_of[POOL_MODEL].pool->ranks = m->ranks != 0;
    a->parameters = m->parameters;
    a->weights_bytes = m->weights_bytes;
    a->repack_bytes = m->repack_bytes;
    a->kv_bytes = m->kv_bytes;
    a->compute_bytes = m->compute_bytes;
    a->prefix_bytes_max = m->prefix_bytes_max;
    a->prefix_tokens = m->prefix_tokens < HEAD_PREFIX_TOKENS_MAX ? m->prefix_tokens : HEAD_PREFIX_TOKENS_MAX;
    a->progress = isfinite(m->progress) ? fminf(fmaxf(m->progress, 0), 1) : 0;
    a->prefill_tps = router_speed(m->prefill_tps, HEAD_PREFILL_TPS_MAX);
    a->decode_tps = router_speed(m->decode_tps, HEAD_DECODE_TPS_MAX);
}

static struct actor *actor_new(struct head *h, struct worker *w, const struct wire_actor *m)
{
    struct actor *a = xalloc(sizeof *a);
    struct pool *pool = head_alias_pool(h, w, m);
    pool->registered = true;
    a->worker = w;
    a->key = m->key;
    a->kind = m->kind;
    a->model = xstr_dup(m->model);
    a->digest = xstrdup("");
    a->family = xstrdup("");
    a->quantization = xstrdup("");
    a->kv = xstrdup("");
    a->setup = xstrdup("");
    a->note = xstrdup("");
    a->member_of[POOL_MODEL] = (struct membership){pool, NOT_LISTED, NOT_LISTED};
    a->member_of[POOL_ANY] = (struct membership){h->any[m->kind == REQUEST_EMBED], NOT_LISTED, NOT_LISTED};
    for (int s = POOL_MODEL; s <= POOL_ANY; s++) {
        a->member_of[s].pool->actors_n++;
        head_pool_came(a->member_of[s].pool); /* presumably an actor that was away */
    }
    list_init(&a->attempts);
    list_init(&a->orphans);
    queue_init(h, &a->bound);
    a->rest.kind = TIMER_REST;
    idtab_add(&h->actors, &a->node, h->next_actor++);
    w->actors[m->key] = a;
    w->keys_known |= 1u << m->key;
    w->actors_n++;
    return a;
}

void head_actor_drop(struct head *h, struct actor *a)
{
    MUST(list_empty(&a->attempts) && queue_is_empty(&a->bound) && a->quarantined == NULL);
    head_actor_is(a, WIRE_ACTOR_GONE);
    head_actor_refresh(h, a);
    head_compatible_remove(h, a);
    timers_clear(&h->timers, &a->rest);
    list_remove(&a->dirty);
    idtab_remove(&h->actors, &a->node);
    a->worker->actors[a->key] = NULL;
    a->worker->actors_n--;
    a->member_of[POOL_MODEL].pool->actors_n--;
    a->member_of[POOL_ANY].pool->actors_n--;
    head_alias_inherit(h, a->member_of[POOL_MODEL].pool);
    head_queue_hurry(h, a->member_of[POOL_MODEL].pool); /* the remaining actors may all have failed */
    head_queue_hurry(h, a->member_of[POOL_ANY].pool);
    head_bury(h, &a->grave, head_actor_free);
}

/* ---- the message ---- */

static void say_state(struct head *h, const struct actor *a, const char *verb)
{
    bool failed = a->state == WIRE_ACTOR_FAILED;
    const char *model = a->member_of[POOL_MODEL].pool->name;
    head_log(h, failed ? LOG_WARN : LOG_INFO, TAG,
             EVENT("actor_state", KV("actor", a->node.id), KV("state", actor_state_name(a->state)), KV("model", model), KV("node", a->worker->name),
                   KV("slots", a->slots), KV("context", a->context)),
             "%sactor %u (%s) %s%s%s", verb, (unsigned)a->node.id, model, actor_state_name(a->state), failed ? ": " : "", failed ? a->note : "");
}

static void actor_registers(struct head *h, struct worker *w, const struct wire_actor *m)
{
    struct actor *a = actor_new(h, w, m);
    actor_set(a, m);
    head_send(h, w->link, WIRE_actor_ack)->actor_ack =
        (struct wire_actor_ack){.key = m->key, .id = (uint32_t)a->node.id};
    say_state(h, a, "registered ");
    if (a->state == WIRE_ACTOR_READY)
        head_compatible_add(h, a);
    head_actor_refresh(h, a);
}

/* Updates an actor. One that is no longer ready gives its jobs back. */
static void actor_changes(struct head *h, struct actor *a, const struct wire_actor *m)
{
    bool leaves = a->state == WIRE_ACTOR_READY && m->state != WIRE_ACTOR_READY, moves = a->state != m->state;
    if (m->state == WIRE_ACTOR_GONE)
        head_actor_is(a, WIRE_ACTOR_GONE);
    else
        actor_set(a, m);
    if (a->state == WIRE_ACTOR_READY)
        head_compatible_add(h, a);
    head_actor_refresh(h, a);
    if (leaves)
        head_compatible_remove(h, a);
    if (moves)
        say_state(h, a, "");
    if (leaves) {
        struct fault f = {0};
        fault_set(&f, ERR_WORKER_LOST, "actor %u of worker '%s' is %s", (unsigned)a->node.id, a->worker->name,
                  actor_state_name(m->state));
        /* The actor's next life, with the same key, would take a `run` that is still on its way. */
        LIST_EACH(pos, &a->attempts)
            head_attempt_cancel(h, list_item(pos, struct attempt, in_actor));
        head_actor_evacuate(h, a, LEAVE_UNLOADED, &f);
    }
    if (m->state == WIRE_ACTOR_GONE)
        head_actor_drop(h, a);
}

int head_actor_msg(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_actor *m = &msg->actor;
    int err = check_values(m, f);
    struct actor *a = err == 0 ? w->actors[m->key] : NULL;
    if (err == 0)
        err = a != NULL ? check_change(a, m, f) : check_new(h, m, f);
    if (err != 0)
        return err;
    if (a != NULL)
        actor_changes(h, a, m);
    else
        actor_registers(h, w, m);
    if (m->state == WIRE_ACTOR_FAILED && (a = w->actors[m->key]) != NULL) {
        head_alias_inherit(h, a->member_of[POOL_MODEL].pool);
        head_queue_hurry(h, a->member_of[POOL_MODEL].pool);
        head_queue_hurry(h, a->member_of[POOL_ANY].pool);
    }
    return 0;
}
