/* Pools: one per model name, with its actors and the jobs that wait for them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"

struct pool *head_pool_find_exact(const struct head *h, struct str name, bool embeds)
{
    struct name_node *node = names_get(&h->pool_names[embeds], name);
    return node != NULL ? id_item(node, struct pool, by_name) : NULL;
}

struct str head_pool_model_of(struct str name, struct str *out_digits)
{
    size_t at = name.n;
    *out_digits = str_n("", 0);
    while (at > 0 && name.p[at - 1] != '@')
        at--;
    if (at <= 1 || name.n - at < ALIAS_DIGITS_MIN)
        return str_n(NULL, 0);
    *out_digits = str_n(name.p + at, name.n - at);
    return str_n(name.p, at - 1);
}

bool head_pool_begins_with(const char *digest, struct str first)
{
    return strncmp(digest, first.p, first.n) == 0;
}

static struct pool *find_by_digits(const struct head *h, struct str name, bool embeds)
{
    struct str first, model = head_pool_model_of(name, &first);
    struct pool *p = model.n > 0 ? head_pool_find_exact(h, model, embeds) : NULL;
    return p != NULL && head_pool_begins_with(p->digest, first) ? p : NULL;
}

struct pool *head_pool_find(const struct head *h, struct str name, bool embeds)
{
    if (name.n == 0)
        return h->any[embeds];
    struct pool *p = head_pool_find_exact(h, name, embeds);
    return p != NULL ? p : find_by_digits(h, name, embeds);
}

/* A text becomes a vector by one model and is ranked by another; both are of the same kind. */
static struct pool *of_purpose(const struct head *h, bool ranks)
{
    struct pool *found = NULL;
    bool mixed = false;
    LIST_EACH(pos, &h->pools) {
        struct pool *p = list_item(pos, struct pool, order);
        if (!p->embeds || p->actors_n == 0)
            continue;
        mixed |= p->ranks != ranks;
        if (p->ranks == ranks && (found == NULL || (found->ready_n == 0 && p->ready_n > 0)))
            found = p;
    }
    return mixed && found != NULL ? found : h->any[true];
}

struct pool *head_pool_for(const struct head *h, const struct request *r)
{
    bool embeds = r->kind == REQUEST_EMBED;
    return embeds && r->model.n == 0 ? of_purpose(h, request_ranks(r)) : head_pool_find(h, r->model, embeds);
}

bool head_pool_is_unknown(const struct head *h, const struct pool *p)
{
    if (p != NULL && (p->kind == POOL_ANY || p->registered))
        return false;
    return h->workers.n > 0 && h->next_actor > 0 && h->now_us >= head_settled_us(h);
}

bool head_pool_serves(const struct pool *p)
{
    for (uint32_t i = 0; i < p->ready_n; i++) {
        if (p->ready[i]->serves)
            return true;
    }
    return false;
}

bool head_pool_is_other_kind(const struct head *h, struct str name, bool embeds)
{
    const struct pool *p = head_pool_find(h, name, embeds), *other = head_pool_find(h, name, !embeds);
    if (name.n > 0)
        return (p == NULL || !p->registered) && other != NULL && other->registered;
    return p->actors_n == 0 && !p->was_ready && other->ready_n > 0 && h->now_us >= head_settled_us(h);
}

bool head_pool_has_failed(const struct head *h, const struct pool *p)
{
    bool hope = p->away_n > 0 || p->ready_n > 0 || p->loading_n > 0 || p->failed_n == 0 || head_launcher_brings(h);
    return !hope && h->now_us >= head_settled_us(h);
}

void head_pool_came(struct pool *p)
{
    p->away_n -= p->away_n > 0;
}

static bool in_use(const struct pool *p)
{
    return p->actors_n > 0 || p->jobs_n > 0 || !queue_is_empty(&p->queue) || !list_empty(&p->regroup);
}

void head_pool_digest(struct pool *p, struct str digest)
{
    free(p->digest);
    p->digest = xstr_dup(digest);
}

void head_pool_drop(struct head *h, struct pool *p)
{
    bool compatible = p->kind >= POOL_SAME_FILE;
    list_remove(&p->order);
    list_remove(&p->dirty);
    names_remove(compatible ? &h->compatible_names : &h->pool_names[p->embeds], &p->by_name);
    h->pools_n -= !compatible;
    head_bury(h, &p->grave, head_pool_free);
}

/* Pools are kept so that a model whose worker restarts is waited for, not unknown; but not without limit. */
static void forget_oldest(struct head *h)
{
    LIST_EACH(pos, &h->pools) {
        struct pool *p = list_item(pos, struct pool, order);
        if (in_use(p))
            continue;
        head_pool_drop(h, p);
        return;
    }
}

static struct pool *pool_new(struct head *h, struct str name, bool embeds, int kind)
{
    struct pool *p = xalloc(sizeof *p);
    p->name = xstr_dup(name);
    p->note = xstrdup("");
    p->digest = xstrdup("");
    p->embeds = embeds;
    p->kind = kind;
    queue_init(h, &p->queue);
    list_init(&p->regroup);
    return p;
}

struct pool *head_compatible_pool(struct head *h, struct str name, bool embeds, int kind)
{
    struct name_node *node = names_get(&h->compatible_names, name);
    if (node != NULL)
        return id_item(node, struct pool, by_name);
    struct pool *p = pool_new(h, name, embeds, kind);
    p->registered = p->was_ready = true; /* one of its actors was there and may return */
    list_push(&h->compatible_pools, &p->order);
    names_add(&h->compatible_names, &p->by_name, str_of(p->name));
    return p;
}

struct pool *head_pool_new(struct head *h, struct str name, bool embeds)
{
    struct pool *p = pool_new(h, name, embeds, name.n == 0 ? POOL_ANY : POOL_MODEL);
    if (name.n == 0)
        return p;
    if (h->pools_n >= HEAD_MODELS_MAX)
        forget_oldest(h);
    list_push(&h->pools, &p->order);
    names_add(&h->pool_names[embeds], &p->by_name, str_of(p->name));
    h->pools_n++;
    return p;
}

void head_pool_tidy(struct head *h, struct pool *p)
{
    bool kept = p->kind == POOL_ANY || (p->kind == POOL_MODEL && p->registered);
    if (!kept && !in_use(p))
        head_pool_drop(h, p);
}

void head_pool_free(struct grave *g)
{
    struct pool *p = list_item(g, struct pool, grave);
    free(p->name);
    free(p->note);
    free(p->digest);
    free(p->ready);
    free(p->open);
    free(p);
}

/* ---- waiting jobs ---- */

void head_queue_hurry(struct head *h, struct pool *p)
{
    if (!head_pool_has_failed(h, p))
        return;
    LIST_EACH(pos, &p->queue.jobs) {
        struct job *job = list_item(pos, struct job, queued);
        timers_set(&h->timers, &job->timer, h->now_us + 1); /* after this step, which may still change things */
    }
}

void head_queues_hurry(struct head *h)
{
    LIST_EACH(pos, &h->pools)
        head_queue_hurry(h, list_item(pos, struct pool, order));
    for (int embeds = 0; embeds < 2; embeds++)
        head_queue_hurry(h, h->any[embeds]);
}

/* ---- the ready and the open list: unordered arrays, so that a member leaves in constant time ---- */

static void array_add(struct actor ***items, uint32_t *n, uint32_t *cap, struct actor *a)
{
    if (*n == *cap) {
        *cap = *cap == 0 ? 4 : *cap * 2;
        *items = xrealloc(*items, *cap * sizeof(struct actor *));
    }
    (*items)[(*n)++] = a;
}

static void ready_set(struct pool *p, struct actor *a, bool ready)
{
    struct membership *at = &a->member_of[p->kind];
    if (ready && at->ready_at == NOT_LISTED) {
        at->ready_at = p->ready_n;
        p->was_ready = true;
        array_add(&p->ready, &p->ready_n, &p->ready_cap, a);
    } else if (!ready && at->ready_at != NOT_LISTED) {
        struct actor *last = p->ready[--p->ready_n];
        p->ready[at->ready_at] = last;
        last->member_of[p->kind].ready_at = at->ready_at;
        at->ready_at = NOT_LISTED;
    }
}

static void open_set(struct pool *p, struct actor *a, bool open)
{
    struct membership *at = &a->member_of[p->kind];
    if (open && at->open_at == NOT_LISTED) {
        at->open_at = p->open_n;
        array_add(&p->open, &p->open_n, &p->open_cap, a);
    } else if (!open && at->open_at != NOT_LISTED) {
        struct actor *last = p->open[--p->open_n];
        p->open[at->open_at] = last;
        last->member_of[p->kind].open_at = at->open_at;
        at->open_at = NOT_LISTED;
    }
}

void head_pool_set(struct actor *a, int kind, bool ready, bool open)
{
    if (a->member_of[kind].pool == NULL)
        return;
    ready_set(a->member_of[kind].pool, a, ready);
    open_set(a->member_of[kind].pool, a, open);
}

/* ---- present speeds: kept from heartbeats, so that no walk over the actors is needed ---- */

static void pace_ages(const struct head *h, struct pool *p)
{
    uint64_t span_us = (uint64_t)h->cfg.beat_ms * 1500, age_us = h->now_us - p->pace_us; /* each actor beats within this time */
    if (age_us < span_us)
        return;
    p->pace[1] = age_us < 2 * span_us ? p->pace[0] : 0;
    p->pace[0] = 0;
    p->pace_us = h->now_us;
}

float head_pool_pace(const struct head *h, struct pool *p)
{
    pace_ages(h, p);
    return p->pace[0] > p->pace[1] ? p->pace[0] : p->pace[1];
}

void head_pool_paced(const struct head *h, struct pool *p, float decode_tps)
{
    pace_ages(h, p);
    if (decode_tps > p->pace[0])
        p->pace[0] = decode_tps;
}

/* ---- for people ---- */

enum pool_work head_request_work(const struct request *r)
{
    return r->kind != REQUEST_EMBED ? WORK_TEXT : request_ranks(r) ? WORK_RANKS : WORK_VECTORS;
}

enum pool_work head_pool_work(const struct pool *p)
{
    return !p->embeds ? WORK_TEXT : p->ranks ? WORK_RANKS : WORK_VECTORS;
}

const char *head_work_text(enum pool_work work)
{
    return work == WORK_TEXT ? "generates text" : work == WORK_RANKS ? "ranks texts" : "makes embeddings";
}

struct str head_pool_names(struct head *h, unsigned works)
{
    char text[320];
    struct buf names = buf_max(sizeof text - 1);
    uint32_t left = 0;
    LIST_EACH(pos, &h->pools) {
        const struct pool *p = list_item(pos, struct pool, order);
        if (!p->registered || (head_pool_work(p) & works) == 0)
            continue;
        if (left > 0 || buf_printf(&names, "%s'%s'", names.n > 0 ? ", " : "", p->name) != 0)
            left++;
    }
    snprintf(text, sizeof text, "%s", buf_cstr(&names));
    buf_fini(&names);
    return left > 0 ? head_text(h, "%s and %u more", text, left) : head_text(h, "%s", text);
}
