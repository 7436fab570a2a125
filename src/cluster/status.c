/* What people are shown: the two status lines of the log, and views of workers, actors and totals. */
#include "cluster/head_state.h"

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
    *out = (struct head_worker_view){
        .id = w->node.id,
        .node = str_of(w->name),
        .address = str_of(w->address),
        .version = str_of(w->version),
        .engine = str_of(w->engine),
        .cpu_features = str_of(w->cpu_features),
        .state = w->state,
        .reason = str_of(w->reason),
        .duty = w->duty,
        .pid = w->pid,
        .cpus = w->cpus,
        .cpu_load = w->cpu_load,
        .memory_bytes = w->memory_bytes,
        .rss_bytes = w->rss_bytes,
        .kept = w->kept,
        .moving = w->carried,
        .temperature_c = w->temperature_c,
        .rtt_us = w->rtt_us,
        .actors = ready_actors(w),
        .joined_us = w->joined_us,
        .beat_age_us = now_us > w->beat_us ? now_us - w->beat_us : 0,
    };
    return true;
}

bool head_actor_at(const struct head *h, uint32_t from, struct head_actor_view *out)
{
    struct id_node *node = idtab_from(&h->actors, from);
    if (node == NULL)
        return false;
    const struct actor *a = id_item(node, struct actor, node);
    *out = (struct head_actor_view){
        .id = (uint32_t)a->node.id,
        .worker = a->worker->node.id,
        .node = str_of(a->worker->name),
        .address = str_of(a->worker->address),
        .model = str_of(a->seats[SEAT_MODEL].pool->name),
        .digest = str_of(a->digest),
        .note = str_of(a->note),
        .setup = str_of(a->setup),
        .state = a->state,
        .kind = a->kind,
        .exact = a->exact,
        .has_template = a->has_template,
        .slots = a->slots,
        .context = a->context,
        .health = head_actor_health(a),
        .failures = a->failures,
        .trouble = str_of(a->failures > 0 ? a->trouble : ""),
        .worker_state = a->worker->state,
        .worker_reason = str_of(a->worker->reason),
        .in_flight = a->in_flight,
        .token_age_ms = a->token_age_ms,
        .progress = a->progress,
        .prefill_tps = a->prefill_tps,
        .decode_tps = a->decode_tps,
        .weights_bytes = a->weights_bytes,
        .repack_bytes = a->repack_bytes,
        .kv_bytes = a->kv_bytes,
        .compute_bytes = a->compute_bytes,
        .jobs_done = a->jobs_done,
        .jobs_failed = a->jobs_failed,
        .tokens = a->tokens,
    };
    return true;
}

void head_totals(const struct head *h, struct head_totals *out)
{
    *out = (struct head_totals){
        .tenants = (uint32_t)h->tenants.n,
        .links = (uint32_t)h->links.n,
        .workers = (uint32_t)h->workers.n,
        .actors_ready = h->actors_ready,
        .actors_serving = h->actors_serving,
        .queued = h->queued,
        .running = h->running,
        .calls = (uint32_t)h->calls.n,
        .cpus = (float)h->cpus_milli / 1000,
        .memory_bytes = h->memory_bytes,
        .queue_bytes = h->queue_bytes,
        .calls_total = h->calls_total,
        .calls_failed = h->calls_failed,
        .jobs_rerouted = h->jobs_rerouted,
        .jobs_resumed = h->jobs_resumed,
        .jobs_moved = h->jobs_moved,
        .moved_bytes = h->moved_bytes,
        .jobs_rebalanced = h->jobs_rebalanced,
        .resume_bytes = h->resume_bytes,
        .prompt_tokens = h->prompt_tokens,
        .cached_tokens = h->cached_tokens,
        .answer_tokens = h->answer_tokens,
    };
}
