#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "os/memory.h"
#include "worker/program.h"

#define TAG "MODEL DEPLOYMENT"

/* Handle the events of actors: loading, loaded, failed, and the results of their engines. */

/* Returns the type of the KV cache if it can migrate, else "". Engine and processor are in
 * hello, file and context in the actor. */
static struct str kv_words(const struct worker_program *p, const struct deployment *r, const struct engine_info *info)
{
    static const char *const names[] = {[ENGINE_KV_F16] = "f16", [ENGINE_KV_Q8_0] = "q8_0", [ENGINE_KV_F32] = "f32"};
    bool can = p->ops->seq_save != NULL && p->ops->seq_load != NULL && info->kind != REQUEST_EMBED;
    return str_of(!can ? "" : names[r->load.exact ? ENGINE_KV_Q8_0 : r->load.kv]);
}

/* Returns the number of prompt tokens that the cache beside the slots can hold. */
static uint64_t prefix_tokens(const struct engine_info *info, uint64_t bytes)
{
    uint64_t tokens = (uint64_t)info->slots * info->context, each = tokens > 0 ? info->memory.kv_bytes / tokens : 0;
    return bytes / (each + sizeof(int32_t));
}

static void on_loaded(struct worker_program *p, struct deployment *r, const struct engine_info *info)
{
    struct wire_actor *a = &r->is;
    const struct engine_needs *m = &info->memory;
    deployment_prove(p, r);
    deployment_measured(p, r, info);
    last_run_loaded(p->last_run, r->model.digest, true);
    r->served = true;
    r->fault = (struct fault){0};
    a->note = str_of("");
    a->state = WIRE_ACTOR_READY;
    a->progress = 1.0f;
    a->slots = info->slots;
    a->context = info->context;
    a->has_template = info->has_template;
    a->ranks = info->ranks;
    memcpy(r->family, info->family, sizeof r->family);
    memcpy(r->quantization, info->quantization, sizeof r->quantization);
    a->family = str_of(r->family);
    a->quantization = str_of(r->quantization);
    a->parameters = info->parameters;
    a->kv = kv_words(p, r, info);
    a->weights_bytes = m->weights_bytes;
    a->repack_bytes = m->repack_bytes;
    a->kv_bytes = m->kv_bytes;
    a->compute_bytes = m->compute_bytes;
    a->prefix_bytes_max = r->prefix_bytes;
    a->prefix_tokens = prefix_tokens(info, r->prefix_bytes);
    log_info(TAG, EVENT("actor_created", KV("model", r->model.name), KV("slots", info->slots), KV("context", info->context), KV("threads", r->load.threads),
                        KV("weights_bytes", m->weights_bytes), KV("repack_bytes", m->repack_bytes), KV("kv_bytes", m->kv_bytes),
                        KV("compute_bytes", m->compute_bytes), KV("prefix_bytes", r->prefix_bytes)),
             "created actor for model: %s (%s, %u slots of %u tokens, %u threads; weights %.0f MiB + %.0f MiB repacked, KV cache %.0f MiB, "
             "compute %.0f MiB, prefix cache up to %.0f MiB)",
             r->model.name, info->describe, info->slots, info->context, r->load.threads, mib(m->weights_bytes), mib(m->repack_bytes),
             mib(m->kv_bytes), mib(m->compute_bytes), mib(r->prefix_bytes));
    if (r->load.context > 0 && info->context != r->load.context)
        log_warn(TAG, EVENT("context_rounded", KV("model", r->model.name), KV("context", info->context)),
                 "%s: each stream may have %u tokens, not %u (--context): the engine rounds up", r->model.name, info->context, r->load.context);
    if (m->repack_bytes > 0)
        log_info(TAG, EVENT("weights_repacked", KV("model", r->model.name), KV("bytes", m->repack_bytes)),
                 "%s: %.0f MiB of weights were repacked for speed and are not shared with other workers; --repack=off shares them",
                 r->model.name, mib(m->repack_bytes));
    deployment_tell(p, r);
}

/* The likely tokens of an event, in two arrays as on the wire. Most events have one token, few
 * have several. */
struct top_lists {
    int32_t *ids;    /* owned */
    float *logprobs; /* owned */
};

static struct top_lists split_top(const struct batcher_event *e, uint32_t n)
{
    struct top_lists lists = {xalloc_array(n + 1, sizeof *lists.ids), xalloc_array(n + 1, sizeof *lists.logprobs)};
    for (uint32_t i = 0; i < n; i++) {
        lists.ids[i] = e->top[i].token;
        lists.logprobs[i] = e->top[i].logprob;
    }
    return lists;
}

/* Returns NULL when the event has no parts; the caller frees. */
static struct wire_part *parts_to_wire(const struct batcher_event *e)
{
    struct wire_part *parts = e->parts_n > 0 ? xalloc_array(e->parts_n, sizeof *parts) : NULL;
    for (uint32_t i = 0; i < e->parts_n; i++)
        parts[i] = (struct wire_part){.kind = e->parts[i].kind, .call = e->parts[i].call, .bytes = e->parts[i].bytes};
    return parts;
}

static void feed_tokens(struct worker_program *p, const struct batcher_event *e)
{
    uint32_t top_n = e->ids_n * e->top_n;
    struct top_lists top = split_top(e, top_n);
    struct wire_part *parts = parts_to_wire(e);
    struct wire_tokens tokens = {
        .of_prompt = e->of_prompt,
        .first = e->first,
        .text = e->text,
        .parts = parts,
        .parts_n = e->parts_n,
        .ids = {e->ids, e->ids_n},
        .logprobs = {e->logprobs, e->logprobs != NULL ? e->ids_n : 0},
        .top_ids = {top.ids, top_n},
        .top_logprobs = {top.logprobs, top_n},
        .pieces = {e->pieces, e->pieces != NULL ? e->ids_n + top_n : 0},
    };
    worker_feed(p, (struct agent_event){.kind = AGENT_TOKENS, .ticket = e->ticket, .tokens = &tokens});
    free(parts);
    free(top.ids);
    free(top.logprobs);
}

static void on_engine_event(struct worker_program *p, const struct batcher_event *e)
{
    struct agent_event ev = {.ticket = e->ticket};
    struct wire_progress progress;
    struct wire_prefilled prefilled;
    struct wire_done done;
    switch (e->kind) {
    case BATCHER_PROGRESS:
        progress = (struct wire_progress){.prompt_tokens = e->prompt_tokens, .cached_tokens = e->cached_tokens, .done_tokens = e->done_tokens,
                                          .prefill_ms = e->prefill_ms};
        ev.kind = AGENT_PROGRESS;
        ev.progress = &progress;
        break;
    case BATCHER_PREFILLED:
        prefilled = (struct wire_prefilled){.prompt_tokens = e->prompt_tokens, .cached_tokens = e->cached_tokens,
                                            .queue_ms = e->queue_ms, .prefill_ms = e->prefill_ms,
                                            .ids = {e->prompt_ids, e->prompt_ids != NULL ? e->prompt_tokens : 0}, .text = e->text};
        ev.kind = AGENT_PREFILLED;
        ev.prefilled = &prefilled;
        break;
    case BATCHER_TOKENS:
        feed_tokens(p, e);
        return;
    case BATCHER_DONE:
        done = (struct wire_done){.finish = e->finish, .error = (uint16_t)-e->fault.err, .message = str_of(e->fault.text),
                                  .count = e->fault.count, .limit = e->fault.limit, .prompt_tokens = e->prompt_tokens, .cached_tokens = e->cached_tokens,
                                  .completion_tokens = e->completion_tokens, .reasoning_tokens = e->reasoning_tokens, .prefill_ms = e->prefill_ms,
                                  .decode_ms = e->decode_ms, .logprob_sum = e->logprob_sum,
                                  .embedding = {e->embedding, e->embedding_n}, .stop = e->stop};
        ev.kind = AGENT_DONE;
        ev.done = &done;
        break;
    }
    worker_feed(p, ev);
}

void worker_on_event(const struct actor_event *n, void *user_data)
{
    struct worker_program *p = user_data;
    struct deployment *r = &p->deployments[n->key];
    switch (n->kind) {
    case ACTOR_LOADING:
        if (r->is.state != WIRE_ACTOR_LOADING)
            break; /* the load was given up */
        r->is.progress = n->progress;
        r->moved_us = clock_us();
        deployment_tell(p, r);
        break;
    case ACTOR_LOADED: on_loaded(p, r, &n->info); break;
    case ACTOR_LOST: deployment_lost(p, r, n); break;
    case ACTOR_FAILED:
        r->ended = true;
        last_run_loaded(p->last_run, r->model.digest, false);
        r->seen = n->seen;
        log_error(TAG, EVENT("model_not_loaded", KV("model", r->model.name), KV("code", err_name(n->fault.err))),
                  "cannot load model '%s': %s", r->model.name, n->fault.text);
        deployment_failed(p, r, &n->fault);
        break;
    case ACTOR_EVENT: on_engine_event(p, n->event); break;
    case ACTOR_SAVED:
        worker_feed(p, (struct agent_event){.kind = AGENT_SAVED, .ticket = n->ticket, .carry = n->carry, .text = str_of(n->fault.text)});
        break;
    }
}
