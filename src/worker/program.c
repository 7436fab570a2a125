#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "net/supervisor.h"
#include "os/cgroup.h"
#include "worker/program.h"
#include "worker/crash_note.h"

/* The worker from start to end. Happy path: heads and models are prepared -> agent and actors
 * are started -> the loop runs -> a signal or the agent ends it. */

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    worker_feed(user_data, (struct agent_event){.kind = AGENT_TICK});
}

static void on_look(struct net_timer *t, void *user_data)
{
    deployments_look(user_data);
    net_supervisor_alive(clock_us());
    net_timer_set(t, clock_us() + DEPLOYMENTS_LOOK_MS * 1000);
}

static void on_signal(int signum, void *user_data)
{
    struct worker_program *p = user_data;
    bool again = signum == SIGHUP && p->hung_up; /* both the shell and the kernel report one hang-up */
    p->hung_up |= signum == SIGHUP;
    if (again)
        return;
    net_supervisor_say("STOPPING=1");
    if (signum != SIGINT)
        worker_feed(p, (struct agent_event){.kind = AGENT_DRAIN, .grace_ms = p->o->drain_grace_s * 1000,
                                            .text = str_of(signum == SIGHUP ? "SIGHUP" : "SIGTERM")});
    else
        worker_feed(p, (struct agent_event){.kind = AGENT_STOP});
}

static int parse_heads(struct worker_program *p, struct fault *f)
{
    struct http_address at[AGENT_HEADS_MAX];
    int err = http_parse_addresses(p->o->heads, 8470, at, AGENT_HEADS_MAX, &p->uplinks_n, f);
    for (uint32_t h = 0; err == 0 && h < p->uplinks_n; h++)
        p->uplinks[h] = (struct uplink){.program = p, .index = h, .at = at[h], .in = buf_max(WIRE_FRAME_BYTES_MAX + NET_READ_BYTES)};
    return err;
}

static void start_agent(struct worker_program *p)
{
    const struct worker_options *o = p->o;
    name_of_node(o->node, p->node);
    if (o->node[0] != '\0' && strcmp(o->node, p->node) != 0)
        log_warn("WORKER NODE STARTING", EVENT("node_renamed", KV("node", p->node)),
                 "--node: a head takes names of at most %d bytes of printable UTF-8; this one is called %s there",
                 NAME_CAP - 1, p->node);
    snprintf(p->engine, sizeof p->engine, "%s %s", p->ops->name, p->ops->version);
    uint64_t epoch = rng_at(clock_us() ^ (uint64_t)getpid() << 40, (uint64_t)clock_unix_s());
    struct agent_config cfg = agent_config_default();
    cfg.seed = epoch;
    cfg.heads_n = p->uplinks_n;
    cfg.journal_bytes_max = p->beside.kept_bytes;
    cfg.moving_bytes_max = p->beside.moving_bytes;
    cfg.hello = (struct wire_hello){
        .proto = WIRE_VERSION,
        .version = str_of(o->version),
        .role = WIRE_ROLE_WORKER,
        .token = str_of(o->join_token),
        .node = str_of(p->node),
        .epoch = epoch,
        .pid = (uint32_t)getpid(),
        .cpus = (float)deployments_threads(p),
        .memory_bytes = o->memory_bytes,
        .kept_bytes_max = p->beside.kept_bytes,
        .moving_bytes_max = p->beside.moving_bytes,
        .cpu_features = str_of(p->ops->features()),
        .engine = str_of(p->engine),
    };
    p->agent = agent_new(&cfg, net_now_us(p->loop));
}

/* Reports the death of this worker's last run, which that run could not. */
static void tell_last_run(struct worker_program *p)
{
    struct cgroup_limits limits;
    char text[300];
    cgroup_read(&limits);
    p->group_limited = limits.memory_bytes > 0;
    p->last_run = last_run_begin(p->node, limits.memory_bytes, text, sizeof text);
    last_run_engine(p->last_run, p->engine_words);
    if (text[0] != '\0')
        log_warn("WORKER NODE STARTING", EVENT("last_run", KV("node", p->node)), "%s: %s", p->node, text);
}

static int prepare(struct worker_program *p, struct fault *f)
{
    int err = parse_heads(p, f);
    err = err != 0 ? err : template_read(p, f);
    return err != 0 ? err : deployments_prepare(p, f);
}

static void fini(struct worker_program *p)
{
    net_timer_free(p->timer);
    net_timer_free(p->look);
    net_loop_free(p->loop);
    agent_free(p->agent);
    ag_effects_fini(&p->fx);
    for (uint32_t h = 0; h < p->uplinks_n; h++)
        uplink_fini(&p->uplinks[h]);
    wire_arena_fini(&p->arena);
    wire_arena_fini(&p->scratch);
    buf_fini(&p->out);
    free(p->chat_template);
}

int worker_main(const struct worker_options *o)
{
    struct worker_program p = {.o = o, .feed = worker_feed, .on_event = worker_on_event, .out = buf_max(WIRE_FRAME_BYTES_MAX)};
    struct fault f = {0};
    log_info("WORKER NODE STARTING", EVENT("joining", KV("heads", o->heads)), "joining the cluster at %s", o->heads);
    if (prepare(&p, &f) != 0) {
        log_error("WORKER NODE STARTING", EVENT("not_started", KV("code", err_name(f.err))), "cannot start the worker: %s", f.text);
        /* a missing model is as unusable as a broken one: the launcher need not try again */
        return err_exit(f.err == ERR_NOT_FOUND ? ERR_MODEL : f.err);
    }
    p.loop = net_loop_new();
    p.timer = net_timer_new(p.loop, on_timer, &p);
    net_signal(p.loop, SIGTERM, on_signal, &p);
    net_signal(p.loop, SIGINT, on_signal, &p);
    net_signal(p.loop, SIGHUP, on_signal, &p);
    p.cpu_at_us = clock_us();
    crash_note_begin();
    start_agent(&p);
    tell_last_run(&p);
    deployments_start(&p);
    p.look = net_timer_new(p.loop, on_look, &p);
    net_timer_set(p.look, clock_us() + DEPLOYMENTS_LOOK_MS * 1000);
    worker_feed(&p, (struct agent_event){.kind = AGENT_START});
    net_supervisor_say("READY=1\nSTATUS=%s, for the head at %s", p.node, o->heads); /* it joins when there is a head */
    net_loop_run(p.loop);
    net_loop_part(p.loop); /* sends the bye before waiting for the engine */
    log_flush(); /* while the signal handlers still work: for the second of two kills */

    p.stopping = true; /* from here on, closing connections only free their memory */
    last_run_end(p.last_run);
    if (!deployments_stop(&p)) {
        log_warn("WORKER NODE STOPPED", EVENT("engine_hangs"), "the engine has not come back for %d s: ending without it", ACTOR_STOP_S);
        log_flush();
        _exit(p.exit_status);
    }
    fini(&p);
    net_witness_end(); /* it is in our control group */
    return p.exit_status;
}
