#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/must.h"
#include "base/rng.h"
#include "engine/echo.h"
#include "worker/program.h"

/* The edges of the worker: news of the actor, messages of heads, timers and signals become agent events; the agent's
 * effects become frames, engine commands and log lines. What to do is decided in cluster/agent.c alone. */

/* ---- effects ---- */

static void run_job(struct worker_program *p, const struct ag *ag)
{
    struct request borrowed;
    wire_run_to_request(&ag->msg.run, &borrowed, &p->scratch);
    actor_run(p->actor, ag->ticket, request_clone(&borrowed), ag->msg.run.resume.p, ag->msg.run.resume.n);
}

static void leave(struct worker_program *p, const struct fault *why)
{
    if (why->err != 0)
        log_error("WORKER NODE STOPPED", "%s", why->text);
    else
        log_info("WORKER NODE STOPPED", "left the cluster");
    if (why->err != 0)
        p->exit_status = err_exit(why->err); /* else it stays what made us leave: a model that cannot be loaded, or 0 */
    net_loop_stop(p->loop);
}

/* True when a beat is wanted: it is fed after this round of effects, not within it. */
static bool carry_out(struct worker_program *p, const struct ag *ag)
{
    switch (ag->kind) {
    case AG_DIAL: uplink_dial(&p->uplinks[ag->head]); break;
    case AG_HANG_UP: uplink_hang_up(&p->uplinks[ag->head]); break;
    case AG_SEND: uplink_send(&p->uplinks[ag->head], &ag->msg); break;
    case AG_MEASURE: return true;
    case AG_RUN: run_job(p, ag); break;
    case AG_CANCEL: actor_cancel(p->actor, ag->ticket); break;
    case AG_LOG: log_line(ag->level, ag->tag, "%.*s", STR_ARG(ag->text)); break;
    case AG_EXIT: leave(p, &ag->fault); break;
    }
    return false;
}

static float cpu_load_since_last_beat(struct worker_program *p)
{
    uint64_t cpu = measure_cpu_us(), now = clock_us();
    float load = now > p->cpu_at_us ? (float)(cpu - p->cpu_us) / (float)(now - p->cpu_at_us) : 0.0f;
    p->cpu_us = cpu;
    p->cpu_at_us = now;
    return load;
}

static void step(struct worker_program *p, struct agent_event ev, uint32_t *out_beats)
{
    ev.now_us = net_now_us(p->loop);
    ag_effects_reset(&p->fx);
    agent_step(p->agent, &ev, &p->fx);
    for (size_t i = 0; i < p->fx.n; i++) {
        if (carry_out(p, &p->fx.ag[i]))
            *out_beats |= 1u << p->fx.ag[i].head;
    }
}

static void feed_beat(struct worker_program *p, uint32_t head, uint32_t *out_beats)
{
    struct wire_load load = {.key = 0};
    struct wire_beat beat = {.rss_bytes = memory_resident_bytes(), .cpu_load = cpu_load_since_last_beat(p),
                             .temperature_c = measure_temperature_c("/sys")};
    last_run_note(p->last_run, p->group_limited ? cgroup_memory_used() : beat.rss_bytes);
    if (p->actor_state.state == WIRE_ACTOR_READY) {
        struct batcher_load l;
        actor_load(p->actor, &l);
        uint64_t now = clock_us();
        load = (struct wire_load){
            .busy = l.busy,
            .waiting = l.waiting,
            .prefill_tps = l.prefill_tps,
            .decode_tps = l.decode_tps,
            .token_age_ms = l.busy > 0 && now > l.last_token_us ? (uint32_t)((now - l.last_token_us) / 1000) : 0,
        };
        beat.loads = &load;
        beat.loads_n = 1;
    }
    step(p, (struct agent_event){.kind = AGENT_BEAT, .head = head, .beat = &beat}, out_beats);
}

void worker_feed(struct worker_program *p, struct agent_event ev)
{
    if (p->stopping)
        return;
    MUST(!p->feeding);
    p->feeding = true;
    uint32_t beats = 0;
    step(p, ev, &beats);
    for (uint32_t h = 0; h < p->uplinks_n; h++) {
        if ((beats & (1u << h)) != 0)
            feed_beat(p, h, &beats);
    }
    p->feeding = false;
    net_timer_set(p->timer, agent_deadline(p->agent));
}

/* ---- news of the actor ---- */

static void feed_actor_state(struct worker_program *p)
{
    worker_feed(p, (struct agent_event){.kind = AGENT_ACTOR, .actor = &p->actor_state});
}

static void on_loaded(struct worker_program *p, const struct engine_info *info)
{
    struct wire_actor *a = &p->actor_state;
    a->state = WIRE_ACTOR_READY;
    a->progress = 1.0f;
    a->kind = info->kind;
    a->slots = info->slots;
    a->context = info->context;
    a->has_template = info->has_template;
    a->weights_bytes = info->memory.weights_bytes;
    a->private_bytes = info->memory.kv_bytes + info->memory.compute_bytes + info->memory.repack_bytes;
    log_info("MODEL DEPLOYMENT", "created actor for model: %s (%s, %u slots of %u tokens, weights %.0f MB, KV cache and buffers %.0f MB)",
             p->model.name, info->describe, info->slots, info->context, (double)a->weights_bytes / 1e6,
             (double)a->private_bytes / 1e6);
    feed_actor_state(p);
}

/* A worker whose only model cannot be loaded has nothing to offer: it says so to the heads, then ends. */
static void on_failed(struct worker_program *p, const struct fault *f)
{
    p->actor_fault = *f;
    p->actor_state.state = WIRE_ACTOR_FAILED;
    p->actor_state.note = str_of(p->actor_fault.text);
    log_error("MODEL DEPLOYMENT", "cannot load model '%s': %s", p->model.name, f->text);
    feed_actor_state(p);
    p->exit_status = err_exit(f->err);
    worker_feed(p, (struct agent_event){.kind = AGENT_STOP});
}

/* The likely tokens of an event as the wire has them, in two arrays. One token per event is the rule, several are few. */
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

static void feed_tokens(struct worker_program *p, const struct batcher_event *e)
{
    uint32_t top_n = e->ids_n * e->top_n;
    struct top_lists top = split_top(e, top_n);
    struct wire_tokens tokens = {
        .first = e->first,
        .text = e->text,
        .ids = {e->ids, e->ids_n},
        .logprobs = {e->logprobs, e->logprobs != NULL ? e->ids_n : 0},
        .top_ids = {top.ids, top_n},
        .top_logprobs = {top.logprobs, top_n},
        .pieces = {e->pieces, e->pieces != NULL ? e->ids_n + top_n : 0},
    };
    worker_feed(p, (struct agent_event){.kind = AGENT_TOKENS, .ticket = e->ticket, .tokens = &tokens});
    free(top.ids);
    free(top.logprobs);
}

static void on_engine_event(struct worker_program *p, const struct batcher_event *e)
{
    struct agent_event ev = {.ticket = e->ticket};
    struct wire_prefilled prefilled;
    struct wire_done done;
    switch (e->kind) {
    case BATCHER_PREFILLED:
        prefilled = (struct wire_prefilled){.prompt_tokens = e->prompt_tokens, .cached_tokens = e->cached_tokens,
                                            .queue_ms = e->queue_ms, .prefill_ms = e->prefill_ms,
                                            .ids = {e->prompt_ids, e->prompt_ids != NULL ? e->prompt_tokens : 0}};
        ev.kind = AGENT_PREFILLED;
        ev.prefilled = &prefilled;
        break;
    case BATCHER_TOKENS:
        feed_tokens(p, e);
        return;
    case BATCHER_DONE:
        done = (struct wire_done){.finish = e->finish, .error = (uint16_t)-e->fault.err, .message = str_of(e->fault.text),
                                  .prompt_tokens = e->prompt_tokens, .cached_tokens = e->cached_tokens,
                                  .completion_tokens = e->completion_tokens, .prefill_ms = e->prefill_ms,
                                  .decode_ms = e->decode_ms, .logprob_sum = e->logprob_sum,
                                  .embedding = {e->embedding, e->embedding_n}};
        ev.kind = AGENT_DONE;
        ev.done = &done;
        break;
    }
    worker_feed(p, ev);
}

static void on_news(const struct actor_news *n, void *user_data)
{
    struct worker_program *p = user_data;
    switch (n->kind) {
    case ACTOR_LOADING:
        p->actor_state.progress = n->progress;
        feed_actor_state(p);
        break;
    case ACTOR_LOADED: on_loaded(p, &n->info); break;
    case ACTOR_FAILED: on_failed(p, &n->fault); break;
    case ACTOR_EVENT: on_engine_event(p, n->event); break;
    }
}

/* ---- start and end ---- */

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    worker_feed(user_data, (struct agent_event){.kind = AGENT_TICK});
}

static void on_signal(int signum, void *user_data)
{
    (void)signum;
    worker_feed(user_data, (struct agent_event){.kind = AGENT_STOP});
}

static int parse_heads(struct worker_program *p, struct fault *f)
{
    char list[1024];
    if (snprintf(list, sizeof list, "%s", p->o->heads) >= (int)sizeof list)
        return fault_set(f, ERR_USAGE, "--head: the list of heads is too long");
    char *save = NULL;
    for (char *word = strtok_r(list, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        if (p->uplinks_n == AGENT_HEADS_MAX)
            return fault_set(f, ERR_USAGE, "--head: at most %d heads", AGENT_HEADS_MAX);
        struct uplink *u = &p->uplinks[p->uplinks_n];
        *u = (struct uplink){.program = p, .index = p->uplinks_n, .in = buf_max(WIRE_FRAME_BYTES_MAX + NET_READ_BYTES)};
        int err = http_parse_address(word, 8470, u->host, sizeof u->host, &u->port, f);
        if (err != 0)
            return err;
        p->uplinks_n++;
    }
    return p->uplinks_n > 0 ? 0 : fault_set(f, ERR_USAGE, "--head: no address given, expected host:port");
}

/* A download in lines: what happens at once, how far it is every ten seconds. */
static void on_pull(const struct models_progress *progress, void *user_data)
{
    char text[700];
    uint64_t *said_us = user_data, now = clock_us();
    if (progress->kind == MODELS_LOADING && now - *said_us < 10000000)
        return;
    *said_us = now;
    log_info("MODEL DOWNLOAD", "%s", models_progress_text(progress, text, sizeof text));
}

static int obtain_model(const struct worker_options *o, const char *reference, struct model_file *out, struct fault *f)
{
    uint64_t said_us = 0;
    struct models_pull how = o->pull;
    how.on_progress = on_pull;
    how.user_data = &said_us;
    return models_obtain(reference, &how, out, f);
}

/* What the model will do is registered before it is loaded. A file that cannot be used says so when it is. */
static uint8_t kind_of(const struct engine_ops *ops, const struct engine_load *load)
{
    struct engine_needs needs = {0};
    ops->probe(load, &needs, NULL);
    return needs.kind == REQUEST_EMBED ? REQUEST_EMBED : REQUEST_CHAT;
}

/* With the echo engine the reference is its script, and the digest is of what its answers depend on. */
static int resolve_model(struct worker_program *p, struct fault *f)
{
    if (strcmp(p->o->engine, "echo") != 0)
        return obtain_model(p->o, p->o->model, &p->model, f);
    snprintf(p->model.name, sizeof p->model.name, "%s", "echo");
    snprintf(p->model.path, sizeof p->model.path, "%s", p->o->model);
    snprintf(p->model.digest, sizeof p->model.digest, "echo%016llx", (unsigned long long)echo_digest(p->o->model));
    return 0;
}

static uint32_t threads_of(const struct worker_options *o)
{
    return o->threads != 0 ? o->threads : measure_cpus();
}

static void start_agent(struct worker_program *p)
{
    const struct worker_options *o = p->o;
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    snprintf(p->node, sizeof p->node, "%s%s", o->node[0] != '\0' ? o->node : "worker-", o->node[0] != '\0' ? "" : host);
    snprintf(p->engine, sizeof p->engine, "%s %s", p->ops->name, p->ops->version);
    uint64_t epoch = rng_at(clock_us() ^ (uint64_t)getpid() << 40, (uint64_t)clock_unix_s());
    struct agent_config cfg = agent_config_default();
    cfg.seed = epoch;
    cfg.heads_n = p->uplinks_n;
    cfg.hello = (struct wire_hello){
        .proto = WIRE_VERSION,
        .version = str_of(o->version),
        .role = WIRE_ROLE_WORKER,
        .token = str_of(o->join_token),
        .node = str_of(p->node),
        .epoch = epoch,
        .pid = (uint32_t)getpid(),
        .cpus = (float)threads_of(o),
        .memory_bytes = o->memory_bytes,
        .cpu_features = str_of(p->ops->features()),
        .engine = str_of(p->engine),
    };
    p->agent = agent_new(&cfg, net_now_us(p->loop));
}

/* What killed the last run of this worker could not be told by itself. */
static void tell_last_run(struct worker_program *p)
{
    struct cgroup_limits limits;
    char text[300];
    cgroup_read(&limits);
    p->group_limited = limits.memory_bytes > 0;
    p->last_run = last_run_begin(p->node, limits.memory_bytes, text, sizeof text);
    if (text[0] != '\0')
        log_warn("WORKER NODE STARTING", "%s: %s", p->node, text);
}

static void start_actor(struct worker_program *p)
{
    const struct worker_options *o = p->o;
    struct actor_config cfg = {
        .key = 0,
        .ops = p->ops,
        .load = {.path = p->model.path, .slots = o->slots, .context = o->context, .threads = threads_of(o), .kv = o->kv,
                 .exact = o->exact, .repack = o->repack, .memory_bytes = o->memory_bytes},
        .step_ms = o->step_ms,
        .on_news = on_news,
        .user_data = p,
    };
    p->actor_state = (struct wire_actor){
        .key = 0,
        .state = WIRE_ACTOR_LOADING,
        .kind = kind_of(p->ops, &cfg.load),
        .model = str_of(p->model.name),
        .digest = str_of(p->model.digest),
        .slots = o->slots,
        .exact = o->exact,
    };
    log_info("MODEL DEPLOYMENT", "creating model instances: loading %s from %s", p->model.name, p->model.path);
    p->actor = actor_start(p->loop, &cfg);
    feed_actor_state(p);
}

static int prepare(struct worker_program *p, struct fault *f)
{
    int err = parse_heads(p, f);
    if (err == 0)
        err = resolve_model(p, f);
    if (err == 0)
        err = engine_open(p->o->engine, &p->ops, f);
    if (err == 0)
        p->ops = engine_throttle(p->ops, p->o->throttle);
    return err;
}

int worker_main(const struct worker_options *o)
{
    struct worker_program p = {.o = o, .out = buf_max(WIRE_FRAME_BYTES_MAX)};
    struct fault f = {0};
    log_info("WORKER NODE STARTING", "joining the cluster at %s", o->heads);
    if (prepare(&p, &f) != 0) {
        log_error("WORKER NODE STARTING", "cannot start the worker: %s", f.text);
        /* a model or an engine that is not there is as unusable as a broken one: who started us need not try again */
        return err_exit(f.err == ERR_NOT_FOUND ? ERR_MODEL : f.err);
    }
    p.loop = net_loop_new();
    p.timer = net_timer_new(p.loop, on_timer, &p);
    net_signal(p.loop, SIGTERM, on_signal, &p);
    net_signal(p.loop, SIGINT, on_signal, &p);
    p.cpu_at_us = clock_us();
    start_agent(&p);
    tell_last_run(&p);
    start_actor(&p);
    worker_feed(&p, (struct agent_event){.kind = AGENT_START});
    net_loop_run(p.loop);

    p.stopping = true; /* from here on, closing connections only free what is theirs */
    last_run_end(p.last_run);
    if (!actor_free(p.actor)) {
        log_warn("WORKER NODE STOPPED", "the engine has not come back for %d s: ending without it", ACTOR_STOP_S);
        _exit(p.exit_status);
    }
    net_timer_free(p.timer);
    net_loop_free(p.loop);
    agent_free(p.agent);
    ag_effects_fini(&p.fx);
    for (uint32_t h = 0; h < p.uplinks_n; h++)
        uplink_fini(&p.uplinks[h]);
    wire_arena_fini(&p.arena);
    wire_arena_fini(&p.scratch);
    buf_fini(&p.out);
    return p.exit_status;
}
