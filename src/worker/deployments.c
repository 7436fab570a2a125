#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/program.h"

#define TAG "MODEL DEPLOYMENT"

/* The life of a deployment: it starts, its file may change, its load may hang, and a model that was
 * left out comes back.
 *
 *     LOADING ──▶ READY ──file changed──▶ (its jobs end) ──▶ LEFT OUT ──its file changes, and is whole──▶ LOADING
 *        └─ no progress, crashes in a tryout, is no model ───────▲
 *
 * While a deployment is left out a nurse watches its file (nurse.h). Another file under the same
 * reference is another actor: heads are told that the old one is gone. */

static void start_nurse(struct worker_program *p, struct deployment *r)
{
    if (r->nurse != NULL || p->scripted)
        return; /* a script of the echo engine is not a file */
    struct nurse_config cfg = {.key = r->is.key, .ops = p->ops, .engine_name = p->o->engine, .engine_words = p->engine_words,
                               .reference = r->reference, .seen = r->seen, .changed = r->lost, .load = r->load,
                               .memory_bytes = p->o->memory_bytes, .stall_s = p->o->load_stall_s, .on_event = deployment_on_nurse, .user_data = p};
    snprintf(cfg.path, sizeof cfg.path, "%s", r->model.path);
    cfg.load.memory_bytes = deployments_share(p, r);
    r->nurse = nurse_start(p->loop, &cfg);
}

void deployment_tell(struct worker_program *p, struct deployment *r)
{
    worker_feed(p, (struct agent_event){.kind = AGENT_ACTOR, .actor = &r->is});
}

static void leave_out(struct worker_program *p, struct deployment *r, const struct fault *why)
{
    r->fault = *why;
    r->is.state = WIRE_ACTOR_FAILED;
    r->is.note = str_of(r->fault.text);
    deployment_tell(p, r);
    if (r->actor == NULL)
        start_nurse(p, r);
}

static bool any_hope(const struct worker_program *p)
{
    for (uint32_t key = 0; key < p->deployments_n; key++) {
        const struct deployment *r = &p->deployments[key];
        if (r->is.state != WIRE_ACTOR_FAILED || r->served || p->o->patient)
            return true;
    }
    return false;
}

/* A failed model among several is left out, and the others continue. A worker that can load none
 * of its models has nothing to offer: it reports that to the heads, then ends. */
void deployment_failed(struct worker_program *p, struct deployment *r, const struct fault *why)
{
    leave_out(p, r, why);
    if (any_hope(p))
        return;
    p->exit_status = err_exit(p->deployments[0].fault.err);
    worker_feed(p, (struct agent_event){.kind = AGENT_STOP});
}

/* ---- its actor ---- */

static bool is_anything_loading(const struct worker_program *p)
{
    for (uint32_t key = 0; key < p->deployments_n; key++)
        if (p->deployments[key].is.state == WIRE_ACTOR_LOADING && p->deployments[key].actor != NULL)
            return true;
    return false;
}

/* A file whose load has ended this worker once is loaded when no other load is running, so that
 * a second death is clearly its own; it is not loaded a third time. */
static bool waits_or_is_out(struct worker_program *p, struct deployment *r)
{
    uint32_t deaths = last_run_deaths(p->last_run, r->model.digest);
    if (deaths >= LOAD_DEATHS_MAX) {
        struct fault f = {0};
        fault_set(&f, ERR_MODEL, "model '%s' is left out: this worker died %u times in a row while it loaded it, by a crash or for its memory; it is "
                  "tried again when its file or the engine is another one", r->model.name, deaths);
        log_error(TAG, EVENT("model_left_out", KV("model", r->model.name), KV("code", err_name(f.err))), "%s", f.text);
        deployment_failed(p, r, &f);
        return true;
    }
    r->waits = deaths > 0 && is_anything_loading(p);
    r->untried = r->untried || (deaths > 0 && !p->scripted);
    if (r->waits)
        deployment_tell(p, r);
    return r->waits;
}

static void start(struct worker_program *p, struct deployment *r)
{
    if (waits_or_is_out(p, r))
        return;
    last_run_loads(p->last_run, r->model.digest);
    struct actor_config cfg = {.key = r->is.key, .ops = p->ops, .load = r->load, .step_ms = p->o->step_ms,
                               .prefix_bytes = r->prefix_bytes, .thread_budget = &p->thread_budget, .untried = r->untried ? p->o->engine : NULL,
                               .try_bytes = p->o->memory_bytes, .stall_s = p->o->load_stall_s,
                               .on_event = p->on_event, .user_data = p};
    log_info(TAG, EVENT("model_loading", KV("model", r->model.name), KV("path", r->model.path)),
             "creating model instances: loading %s from %s", r->model.name, r->model.path);
    r->fault = (struct fault){0};
    r->lost = r->ended = false;
    r->quiet_looks = 0;
    r->is.state = WIRE_ACTOR_LOADING;
    r->is.progress = 0;
    r->is.note = str_of("");
    r->moved_us = clock_us();
    p->thread_budget.actors += !r->counted;
    r->counted = true;
    r->actor = actor_start(p->loop, &cfg);
    deployment_tell(p, r);
}

void deployments_start(struct worker_program *p)
{
    p->thread_budget.threads = deployments_threads(p);
    p->thread_budget.prompt_bytes = p->beside.prompt_bytes;
    pthread_mutex_init(&p->thread_budget.long_turn, NULL);
    for (uint32_t key = 0; key < p->deployments_n; key++)
        p->thread_budget.actors += p->deployments[key].counted = p->deployments[key].fault.err == 0;
    for (uint32_t key = 0; key < p->deployments_n; key++) {
        struct deployment *r = &p->deployments[key];
        if (r->fault.err != 0)
            deployment_failed(p, r, &r->fault);
        else
            start(p, r);
    }
}

void deployment_lost(struct worker_program *p, struct deployment *r, const struct actor_event *n)
{
    log_warn(TAG, EVENT("model_lost", KV("model", r->model.name), KV("code", err_name(n->fault.err))), "%s", n->fault.text);
    r->lost = true;
    r->seen = n->seen;
    r->quiet_looks = 0;
    deployment_failed(p, r, &n->fault);
}

/* Ends the actor of a deployment that is left out when it has no jobs any more: heads have
 * cancelled them, and its engine fails them. */
static void end_actor(struct worker_program *p, struct deployment *r)
{
    struct batcher_load l;
    actor_load(r->actor, &l);
    r->quiet_looks = l.busy + l.waiting == 0 ? r->quiet_looks + 1 : 0;
    if (r->quiet_looks < 2)
        return; /* a last mail may be under way */
    if (!actor_free(r->actor))
        return; /* stuck in a call: tried again at the next look */
    r->actor = NULL;
    start_nurse(p, r);
}

/* ---- coming back ---- */

static bool is_another(const struct deployment *r, const struct nurse_event *n)
{
    return strcmp(r->model.name, n->model.name) != 0 || strcmp(r->model.digest, n->model.digest) != 0 || r->is.kind != n->needs.kind;
}

void deployment_on_nurse(const struct nurse_event *n, void *user_data)
{
    struct worker_program *p = user_data;
    struct deployment *r = &p->deployments[n->key];
    if (!n->found) {
        log_warn(TAG, EVENT("model_stays_out", KV("model", r->model.name), KV("code", err_name(n->fault.err))),
                 "'%s' stays left out: %s", r->model.name, n->fault.text);
        leave_out(p, r, &n->fault);
        return;
    }
    struct nurse *nurse = r->nurse;
    r->nurse = NULL;
    nurse_free(nurse); /* its thread has ended with this event */
    log_info(TAG, EVENT("model_whole", KV("model", r->model.name)), "'%s' is whole again, or for the first time", r->model.name);
    if (is_another(r, n)) {
        r->is.state = WIRE_ACTOR_GONE;
        deployment_tell(p, r);
    }
    r->model = n->model;
    r->needs = n->needs;
    r->untried = n->untried;
    r->is.model = str_of(r->model.name);
    r->is.kind = n->needs.kind;
    r->is.ranks = n->needs.ranks;
    template_digest(p, r);
    r->load.path = r->model.path;
    deployment_recall_setup(p, r);
    r->prefix_bytes = 0;
    r->load.memory_bytes = p->o->memory_bytes > 0 ? deployments_share(p, r) : 0;
    r->prefix_bytes = deployments_prefix(p, r);
    start(p, r);
}

/* ---- regular looks ---- */

static bool hangs(const struct worker_program *p, const struct deployment *r)
{
    return r->is.state == WIRE_ACTOR_LOADING && r->actor != NULL && clock_us() - r->moved_us > p->o->load_stall_s * (uint64_t)1000000;
}

static void give_up_loading(struct worker_program *p, struct deployment *r)
{
    struct fault f = {0};
    fault_set(&f, ERR_TIMEOUT, "model '%s' is left out: its loading made no progress for %u s (--load-stall-s)", r->model.name, p->o->load_stall_s);
    log_error(TAG, EVENT("model_failed", KV("model", r->model.name), KV("code", err_name(f.err))), "%s", f.text);
    deployment_failed(p, r, &f);
}

void deployments_look(struct worker_program *p)
{
    for (uint32_t key = 0; key < p->deployments_n; key++) {
        struct deployment *r = &p->deployments[key];
        if ((r->lost || r->ended) && r->actor != NULL)
            end_actor(p, r);
        else if (r->waits)
            start(p, r);
        else if (hangs(p, r))
            give_up_loading(p, r);
    }
}

bool deployments_stop(struct worker_program *p)
{
    for (uint32_t key = 0; key < p->deployments_n; key++)
        actor_stop(p->deployments[key].actor);
    for (uint32_t key = 0; key < p->deployments_n; key++) {
        if (!actor_free(p->deployments[key].actor) || !nurse_free(p->deployments[key].nurse))
            return false;
    }
    return true;
}
