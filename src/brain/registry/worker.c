/* Registered workers: one per link that was welcomed as a worker's. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/registry/registry.h"

#define TAG "CLUSTER CONNECTION"

/* Identifies one life of a node: its name, and the number that its process drew at its start. */
static struct str life_text(const struct wire_hello *m, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%016llx %.*s", (unsigned long long)m->epoch, STR_ARG(m->node));
    MUST(n > 0 && (size_t)n < cap);
    return str_n(out, (size_t)n);
}

struct worker *head_worker_by_life(const struct head *h, const struct wire_hello *m)
{
    char text[HEAD_NAME_BYTES_MAX + 32];
    struct name_node *node = names_get(&h->worker_lives, life_text(m, text, sizeof text));
    return node != NULL ? id_item(node, struct worker, by_life) : NULL;
}

/* The reported name; if another worker has it: laptop#2, laptop#3, … Beyond a few, the number is
 * drawn, as a search in order would take longer with each worker of that name. */
static char *unique_name(struct head *h, struct str said)
{
    enum { IN_ORDER = 16 };
    char name[HEAD_NAME_BYTES_MAX + 32];
    snprintf(name, sizeof name, "%.*s", STR_ARG(said));
    for (uint64_t i = 2; names_get(&h->worker_names, str_of(name)) != NULL; i++) {
        uint64_t no = i <= IN_ORDER ? i : IN_ORDER + 1 + rng_below(&h->rng, 4 * (h->workers.n + 1));
        snprintf(name, sizeof name, "%.*s#%llu", STR_ARG(said), (unsigned long long)no);
    }
    return xstrdup(name);
}

/* Drops the port of "10.0.0.7:4312" and "[::1]:4312": people know a node by its host. */
static char *address_of(const struct wire_hello *m, const char *peer)
{
    if (m->address.n > 0)
        return xstr_dup(m->address);
    const char *colon = strrchr(peer, ':');
    return xstr_dup(colon != NULL ? str_n(peer, (size_t)(colon - peer)) : str_of(peer));
}

struct worker *head_worker_new(struct head *h, struct link *link, const struct wire_hello *m)
{
    char life[HEAD_NAME_BYTES_MAX + 32];
    struct worker *w = xalloc(sizeof *w);
    w->link = link;
    w->name = unique_name(h, m->node);
    w->life = xstr_dup(life_text(m, life, sizeof life));
    w->address = address_of(m, link->peer);
    w->version = xstr_dup(m->version);
    w->engine = xstr_dup(m->engine);
    w->cpu_features = xstr_dup(m->cpu_features);
    w->pid = m->pid;
    w->cpus = m->cpus;
    w->memory_bytes = m->memory_bytes;
    w->kept.bytes_max = m->kept_bytes_max;
    w->carried.bytes_max = m->moving_bytes_max;
    w->joined_us = w->beat_us = w->heard_us = h->now_us;
    w->timer.kind = TIMER_WORKER;
    idtab_add(&h->workers, &w->node, h->next_worker++);
    names_add(&h->worker_names, &w->by_name, str_of(w->name));
    names_add(&h->worker_lives, &w->by_life, str_of(w->life));
    h->memory_bytes += w->memory_bytes;
    h->cpus_milli += head_cpus_milli(w);
    head_worker_watch(h, w);
    return w;
}

void head_worker_free(struct grave *g)
{
    struct worker *w = list_item(g, struct worker, grave);
    free(w->name);
    free(w->life);
    free(w->address);
    free(w->version);
    free(w->engine);
    free(w->cpu_features);
    free(w);
}

void head_worker_refresh(struct head *h, struct worker *w)
{
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        if (w->actors[key] != NULL)
            head_actor_refresh(h, w->actors[key]);
    }
}

void head_worker_is(struct head *h, struct worker *w, enum worker_state state, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->reason, sizeof w->reason, fmt, ap);
    va_end(ap);
    if (w->state == state)
        return;
    w->state = state;
    head_worker_refresh(h, w);
}

/* ---- its timer ---- */

uint64_t head_lost_after_us(const struct head *h)
{
    return (uint64_t)h->cfg.lost_after_ms * 1000;
}

uint64_t head_slow_after_us(const struct head *h)
{
    uint64_t slow_us = (uint64_t)h->cfg.beat_ms * 2500;
    return slow_us < head_lost_after_us(h) ? slow_us : head_lost_after_us(h);
}

void head_worker_watch(struct head *h, struct worker *w)
{
    timers_set(&h->timers, &w->timer, w->heard_us + (w->silent ? head_lost_after_us(h) : head_slow_after_us(h)));
}
