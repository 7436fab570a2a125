/* The two status lines of the log, and the views of workers, actors and totals. */
#include "brain/head/status.h"
#include "brain/registry/registry.h"

/* ---- lines: on change, and every status_every_ms ---- */

void head_status_lines(struct head *h, bool periodic)
{
    if (periodic || h->actors_ready != h->status_actors)
        head_log(h, LOG_INFO, "ACTOR STATUS", EVENT("actors", KV("actors", h->actors_ready)), "Available inference actors: %u", h->actors_ready);
    bool resources = h->cpus_milli != h->status_cpus_milli || h->memory_bytes != h->status_memory;
    if (periodic || resources || h->actors_ready != h->status_actors)
        head_log(h, LOG_INFO, "CLUSTER STATUS", EVENT("resources", KV("cpus", (double)h->cpus_milli / 1000), KV("memory_bytes", h->memory_bytes)),
                 "Resources: {'CPU': %.1f, 'memory': %.1f}",
                 (double)h->cpus_milli / 1000, (double)h->memory_bytes);
    h->status_actors = h->actors_ready;
    h->status_cpus_milli = h->cpus_milli;
    h->status_memory = h->memory_bytes;
}

/* ---- views ---- */

#define F(type, name, value, key, form) .name = value,

static uint32_t ready_actors(const struct worker *w)
{
    uint32_t n = 0;
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++)
        n += w->actors[key] != NULL && w->actors[key]->state == WIRE_ACTOR_READY;
    return n;
}

bool head_worker_at(const struct head *h, uint64_t from, uint64_t now_us, struct head_worker_view *out)
{
    struct id_node *node = idtab_from(&h->workers, from);
    if (node == NULL)
        return false;
    const struct worker *w = id_item(node, struct worker, node);
    *out = (struct head_worker_view){HEAD_WORKER_FIELDS(F)};
    return true;
}

bool head_actor_at(const struct head *h, uint32_t from, struct head_actor_view *out)
{
    struct id_node *node = idtab_from(&h->actors, from);
    if (node == NULL)
        return false;
    const struct actor *a = id_item(node, struct actor, node);
    *out = (struct head_actor_view){HEAD_ACTOR_FIELDS(F)};
    return true;
}

void head_totals(const struct head *h, struct head_totals *out)
{
    *out = (struct head_totals){HEAD_TOTALS(F)};
}
