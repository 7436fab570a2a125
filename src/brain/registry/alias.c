/* Aliases: two model files under one name both stay, and are told apart.
 *
 * The name belongs to the file that had it first, as long as an actor of that file is there. Other files
 * of that name are called `name@` and the first digits of their digest; a client may also name the first
 * file in this way. When the last actor of the name's file leaves, or all of them fail to load, the name
 * passes to the oldest of the other files, with all jobs that wait for either: so an upgrade of a model,
 * worker by worker, never leaves the plain name unanswered. A client that names a file by its digits
 * gets it under any name: after a head was restarted or replaced, the plain name may belong to another
 * file than before. */
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"

#define TAG "ACTOR REGISTRATION"

/* The name is free for this file, or already its own. */
static bool may_have(const struct pool *p, struct str digest)
{
    return p->actors_n == 0 || p->digest[0] == '\0' || digest.n == 0 || str_is(digest, p->digest);
}

static struct str digits(struct str digest, size_t n)
{
    return str_n(digest.p, digest.n < n ? digest.n : n);
}

/* Returns the pool of the first name that no other file has: gpt2@8d1f02ab; gpt2@8d1f02ab#2 if another
 * model has that name, or two digests begin alike. */
static struct pool *apart_pool(struct head *h, struct str model, struct str digest, bool embeds)
{
    struct str first = digits(digest, ALIAS_DIGITS);
    for (unsigned i = 1;; i++) {
        struct str name = i == 1 ? head_text(h, "%.*s@%.*s", STR_ARG(model), STR_ARG(first))
                                 : head_text(h, "%.*s@%.*s#%u", STR_ARG(model), STR_ARG(first), i);
        struct pool *p = head_pool_find_exact(h, name, embeds);
        if (p == NULL)
            p = head_pool_new(h, name, embeds);
        if (!may_have(p, digest))
            continue;
        p->plain_n = model.n;
        return p;
    }
}

/* Actors that fail to load do not keep the name from others: they move to an alias. */
static void failed_yield(struct head *h, struct pool *p)
{
    struct pool *q = apart_pool(h, str_of(p->name), str_of(p->digest), p->embeds);
    q->registered = true;
    head_pool_digest(q, str_of(p->digest));
    free(q->note);
    q->note = xstrdup(p->note);
    IDTAB_EACH(n, &h->actors) {
        struct actor *a = id_item(n, struct actor, node);
        if (a->member_of[POOL_MODEL].pool == p)
            head_actor_move_pool(h, a, q);
    }
}

static bool all_failed(const struct pool *p)
{
    return p->actors_n > 0 && p->actors_n == p->failed_n && p->digest[0] != '\0';
}

/* Moves all actors, calls and jobs of q to p. */
static void merge(struct head *h, struct pool *q, struct pool *p)
{
    IDTAB_EACH(n, &h->actors) {
        struct actor *a = id_item(n, struct actor, node);
        if (a->member_of[POOL_MODEL].pool == q)
            head_actor_move_pool(h, a, p);
    }
    IDTAB_EACH(n, &h->calls) {
        struct call *call = id_item(n, struct call, node);
        if (call->pool == q)
            call->pool = p;
    }
    IDTAB_EACH(n, &h->jobs) {
        struct job *job = id_item(n, struct job, node);
        if (job->pool == q)
            job->pool = p;
    }
    head_queue_merge(h, q, p);
    head_pool_drop(h, q);
}

/* Jobs that named p's file by its digest before it came now wait in p, whatever its name. */
static void merge_waiting(struct head *h, struct pool *p, struct str model)
{
    LIST_EACH_SAFE(pos, nxt, &h->pools) {
        struct pool *q = list_item(pos, struct pool, order);
        struct str first, of = head_pool_model_of(str_of(q->name), &first);
        bool waits = q != p && q->actors_n == 0 && q->embeds == p->embeds;
        if (waits && first.n > 0 && str_eq(of, model) && head_pool_begins_with(p->digest, first))
            merge(h, q, p);
    }
}

struct pool *head_alias_pool(struct head *h, const struct worker *w, const struct wire_actor *m)
{
    bool embeds = m->kind == REQUEST_EMBED;
    struct pool *p = head_pool_find_exact(h, m->model, embeds);
    if (p == NULL)
        p = head_pool_new(h, m->model, embeds);
    if (!may_have(p, m->digest)) {
        struct pool *other = p;
        struct str here = digits(head_text(h, "%s", p->digest), 12), there = digits(m->digest, 12);
        if (all_failed(p))
            failed_yield(h, p);
        else
            other = apart_pool(h, m->model, m->digest, embeds);
        head_log(h, LOG_WARN, TAG, EVENT("model_aliased", KV("model", p->name), KV("alias", other->name), KV("node", w->name)),
                 "'%s' is another file here than on the workers before: digest %.*s, not %.*s; it is served as '%s'", p->name, STR_ARG(there), STR_ARG(here),
                 other->name);
        p = other;
    }
    if (p->actors_n == 0 || p->digest[0] == '\0')
        head_pool_digest(p, m->digest);
    if (p->actors_n == 0)
        merge_waiting(h, p, m->model);
    return p;
}

/* ---- passing the name on ---- */

static bool is_alias(const struct pool *q, const struct pool *p)
{
    return q->actors_n > 0 && q->embeds == p->embeds && q->plain_n > 0 && str_is(str_n(q->name, q->plain_n), p->name);
}

static struct pool *oldest_alias(const struct head *h, const struct pool *p)
{
    struct pool *failed = NULL;
    LIST_EACH(pos, &h->pools) {
        struct pool *q = list_item(pos, struct pool, order);
        if (is_alias(q, p) && !all_failed(q))
            return q;
        if (is_alias(q, p) && failed == NULL)
            failed = q;
    }
    return failed;
}

void head_alias_inherit(struct head *h, struct pool *p)
{
    if (p->plain_n > 0 || p->kind != POOL_MODEL || (p->actors_n > 0 && !all_failed(p)))
        return;
    struct pool *q = oldest_alias(h, p);
    if (q == NULL || (p->actors_n > 0 && all_failed(q)))
        return;
    head_log(h, LOG_INFO, TAG, EVENT("model_renamed", KV("model", p->name), KV("alias", q->name)),
             "'%s' is from now on what was '%s': no actor of the other file is left", p->name, q->name);
    if (p->actors_n > 0)
        failed_yield(h, p);
    head_pool_digest(p, str_of(q->digest));
    merge(h, q, p);
}
