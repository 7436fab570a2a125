#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "os/memory.h"
#include "worker/program.h"
#include "worker/scribe.h"

#define TAG "MODEL DEPLOYMENT"

/* Turn the list of models into deployments that can be started. Happy path: each reference is
 * resolved -> the minimum and maximum of its memory is probed -> the memory limit is shared out. It
 * can fail by: a reference that leads nowhere, a file that is no model, no room in the memory
 * limit. Then that deployment gets a fault and the others continue; without any there is no worker.
 *
 * Threads: the actors that compute at the moment share those of the worker (actor.h, struct
 * actor_thread_budget). */

/* ---- memory ---- */

static int probe(const struct worker_program *p, const struct deployment *r, uint64_t memory_bytes, struct engine_needs *out, struct fault *f)
{
    struct engine_load load = r->load;
    load.memory_bytes = memory_bytes;
    return p->ops->probe(&load, out, f);
}

/* One --context is for all models of a worker; a model trained for less keeps its own. */
static bool has_shorter_context(const struct worker_program *p, struct deployment *r)
{
    if (p->deployments_n == 1 || r->load.context == 0 || r->fault.err != ERR_INVALID)
        return false;
    log_info(TAG, EVENT("context_shorter", KV("model", r->model.name)),
             "%s: its context is shorter than --context %u, it gets what it was made for", r->model.name, r->load.context);
    r->load.context = 0;
    r->fault = (struct fault){0};
    return true;
}

/* Probes without a limit for the maximum, and with a limit that nothing fits in for the minimum. */
static struct share needs_of(const struct worker_program *p, struct deployment *r)
{
    struct engine_needs least = {0}, most = {0};
    struct fault too_little;
    if (r->fault.err != 0)
        return (struct share){0};
    int err = probe(p, r, 0, &most, &r->fault);
    if (err != 0 && has_shorter_context(p, r))
        err = probe(p, r, 0, &most, &r->fault);
    if (err != 0)
        return (struct share){0};
    probe(p, r, 1, &least, &too_little);
    r->is.kind = most.kind;
    r->is.ranks = most.ranks;
    template_digest(p, r);
    return (struct share){.least = engine_needs_bytes(&least), .want = engine_needs_bytes(&most)};
}

static struct beside most_beside(void)
{
    struct agent_config most = agent_config_default();
    return (struct beside){most.journal_bytes_max, most.moving_bytes_max, SCRIBE_LONG_MEMORY};
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t for_models(const struct worker_program *p)
{
    return p->o->memory_bytes - p->beside.kept_bytes - p->beside.moving_bytes - p->beside.prompt_bytes;
}

uint64_t deployments_share(const struct worker_program *p, const struct deployment *r)
{
    if (p->o->memory_bytes == 0)
        return 0;
    uint64_t left = for_models(p);
    for (uint32_t i = 0; i < p->deployments_n; i++) {
        const struct deployment *other = &p->deployments[i];
        if (other != r && other->fault.err == 0)
            left -= least_of(other->load.memory_bytes + other->prefix_bytes, left);
    }
    return left > 0 ? left : 1;
}

/* A quarter of the remaining memory stays free, because engines round and estimate, and a
 * process is more than its engines. While a model is left out, half of the rest is reserved for
 * its return. */
uint64_t deployments_prefix(const struct worker_program *p, const struct deployment *r)
{
    uint64_t chats = 0, out = 0;
    for (uint32_t i = 0; i < p->deployments_n; i++) {
        bool is_in = &p->deployments[i] == r || p->deployments[i].fault.err == 0;
        out += !is_in;
        chats += is_in && p->deployments[i].is.kind != REQUEST_EMBED;
    }
    if (r->is.kind == REQUEST_EMBED || p->ops->seq_save == NULL || chats == 0)
        return 0;
    uint64_t part = p->o->prefix_bytes / chats, taken = engine_needs_bytes(&r->needs);
    if (p->o->memory_bytes == 0)
        return part;
    uint64_t share = deployments_share(p, r), left = share > taken ? share - taken : 0;
    return least_of(part, left / 4 * 3 / (out > 0 ? 2 : 1));
}

/* Sets the fault of a deployment that does not fit: it names the memory that is left, the need,
 * and the total that would fit. */
static void refuse(const struct worker_program *p, struct deployment *r, uint64_t taken)
{
    struct engine_needs needs = {0};
    uint64_t budget = for_models(p), left = budget > taken ? budget - taken : 1;
    struct fault aside;
    if (probe(p, r, left, &needs, &aside) == 0)
        return;
    r->load.advised_bytes = share_whole(taken + engine_needs_bytes(&needs), most_beside());
    probe(p, r, left, &needs, &r->fault);
    fault_set(&r->fault, r->fault.err, "%s; that is what %skept streams (%.0f MiB), moving answers (%.0f MiB) and long prompts (%.0f MiB) leave of "
              "%.0f MiB", r->fault.text, taken > 0 ? "the models before it, " : "", mib(p->beside.kept_bytes), mib(p->beside.moving_bytes),
              mib(p->beside.prompt_bytes), mib(p->o->memory_bytes));
}

/* Contexts come in steps: the unused rest of one share goes to the next deployment. */
static void plan(struct worker_program *p)
{
    struct share shares[AGENT_ACTORS_MAX];
    uint64_t budget = for_models(p), taken = 0, spare = 0;
    for (uint32_t i = 0; i < p->deployments_n; i++)
        shares[i] = needs_of(p, &p->deployments[i]);
    if (p->o->memory_bytes == 0)
        return;
    share_out(shares, p->deployments_n, budget);
    for (uint32_t i = 0; i < p->deployments_n; i++) {
        struct deployment *r = &p->deployments[i];
        if (r->fault.err == 0 && shares[i].given == 0)
            refuse(p, r, taken);
        if (r->fault.err != 0 || probe(p, r, shares[i].given + spare, &r->needs, &r->fault) != 0)
            continue;
        r->load.memory_bytes = engine_needs_bytes(&r->needs);
        spare = shares[i].given + spare - r->load.memory_bytes;
        taken += shares[i].least;
    }
}

/* Gives the memory that no model takes to prompts that lost their slots. */
static void share_prefixes(struct worker_program *p)
{
    for (uint32_t i = 0; i < p->deployments_n; i++)
        if (p->deployments[i].fault.err == 0)
            p->deployments[i].prefix_bytes = deployments_prefix(p, &p->deployments[i]);
}

/* ---- from the options to deployments ---- */

uint32_t deployments_threads(const struct worker_program *p)
{
    return p->o->threads != 0 ? p->o->threads : measure_cpus();
}

static void fill(struct worker_program *p, struct deployment *r, uint32_t key)
{
    const struct worker_options *o = p->o;
    r->reference = o->models[key];
    r->is = (struct wire_actor){.key = key, .state = WIRE_ACTOR_LOADING, .kind = REQUEST_CHAT, .slots = o->slots, .exact = o->exact};
    r->seen = file_mark_of(r->reference);
    deployment_resolve(p, r);
    if (r->model.path[0] != '\0')
        r->seen = file_mark_of(r->model.path);
    r->is.model = str_of(r->model.name);
    template_digest(p, r);
    r->load = (struct engine_load){.path = r->model.path, .slots = o->slots, .context = o->context, .threads = deployments_threads(p),
                                   .kv = o->kv, .exact = o->exact, .repack = o->repack, .chat_template = p->chat_template,
                                   .memory_bytes = o->memory_bytes};
}

/* Logs the deployments that have failed since the last call. Fails when none is left. */
static int sort_out(const struct worker_program *p, bool already_out[AGENT_ACTORS_MAX], struct fault *f)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < p->deployments_n; i++) {
        const struct deployment *r = &p->deployments[i];
        left += r->fault.err == 0;
        if (r->fault.err != 0 && !already_out[i])
            log_error(TAG, EVENT("model_not_loaded", KV("model", r->model.name), KV("code", err_name(r->fault.err))),
                      "cannot load model '%s': %s", r->model.name, r->fault.text);
        already_out[i] = r->fault.err != 0;
    }
    return left > 0 ? 0 : fault_set(f, p->deployments[0].fault.err, "%s", p->deployments[0].fault.text);
}

/* An engine that is missing, broken or of another version is so at the next try, too: as unusable as
 * such a model. */
static int open_engine(struct worker_program *p, struct fault *f)
{
    int err = engine_open(p->o->engine, &p->ops, f);
    if (err != 0)
        err = f->err = ERR_MODEL;
    return err;
}

int deployments_prepare(struct worker_program *p, struct fault *f)
{
    bool out[AGENT_ACTORS_MAX] = {false};
    for (p->deployments_n = 0; p->deployments_n < p->o->models_n && p->deployments_n < AGENT_ACTORS_MAX; p->deployments_n++)
        fill(p, &p->deployments[p->deployments_n], p->deployments_n);
    int none = sort_out(p, out, f), err = none != 0 && !p->o->patient ? none : open_engine(p, f);
    if (err != 0)
        return err;
    p->ops = file_hold_guard(engine_throttle(p->ops, p->o->throttle, p->o->pace));
    p->scripted = strcmp(p->o->engine, "echo") == 0;
    snprintf(p->engine_words, sizeof p->engine_words, "%s %s %.120s", p->ops->name, p->ops->version, p->ops->features());
    for (uint32_t i = 0; i < p->deployments_n; i++)
        deployment_look(p, &p->deployments[i]);
    p->beside = share_beside(p->o->memory_bytes, most_beside());
    plan(p);
    share_prefixes(p);
    none = sort_out(p, out, f);
    return p->o->patient ? 0 : none;
}
