#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "os/cgroup.h"
#include "os/memory.h"
#include "worker/program.h"
#include "worker/crash_note.h"

/* Feed events to the agent, and carry out its effects as frames, engine commands and log lines.
 * brain/agent/agent.c alone decides what to do. */

static void run_job(struct worker_program *p, const struct ag *ag)
{
    struct request borrowed;
    MUST(ag->key < p->deployments_n && p->deployments[ag->key].actor != NULL); /* the agent runs jobs only on ready
                                                                                  actors */
    crash_note_job(ag->ticket, ag->head, ag->msg.run.job, ag->msg.run.attempt);
    wire_run_to_request(&ag->msg.run, &borrowed, &p->scratch);
    actor_run(p->deployments[ag->key].actor, ag->ticket, request_clone(&borrowed), ag->msg.run.resume.p, ag->msg.run.resume.n,
              ag->msg.run.kv_bytes > 0);
}

static void leave(struct worker_program *p, const struct fault *why)
{
    if (why->err != 0)
        log_error("WORKER NODE STOPPED", EVENT("worker_stopped", KV("code", err_name(why->err))), "%s", why->text);
    else
        log_info("WORKER NODE STOPPED", EVENT("worker_stopped"), "left the cluster");
    if (why->err != 0)
        p->exit_status = err_exit(why->err); /* else the earlier status stays: models that cannot be loaded, or 0 */
    net_loop_stop(p->loop);
}

/* Returns true when the agent wants a beat: it is fed after this round of effects, not within
 * it. */
static bool carry_out(struct worker_program *p, struct ag *ag)
{
    switch (ag->kind) {
    case AG_DIAL: uplink_dial(&p->uplinks[ag->head]); break;
    case AG_HANG_UP: uplink_hang_up(&p->uplinks[ag->head]); break;
    case AG_SEND: uplink_send(&p->uplinks[ag->head], &ag->msg); break;
    case AG_SEND_FRAMES: uplink_send_frames(&p->uplinks[ag->head], ag->text); break;
    case AG_MEASURE: return true;
    case AG_RUN: run_job(p, ag); break;
    case AG_CANCEL: actor_cancel(p->deployments[ag->key].actor, ag->ticket); break;
    case AG_SAVE: actor_save(p->deployments[ag->key].actor, ag->ticket, ag->bytes_max); break;
    case AG_GIVE: actor_give(p->deployments[ag->key].actor, ag->ticket, &ag->carry); break;
    case AG_LOG: log_line(ag->level, ag->tag, ag->event, "%.*s", STR_ARG(ag->text)); break;
    case AG_EXIT: leave(p, &ag->fault); break;
    }
    return false;
}

/* Records this run for `manta health worker`. Called before anything is sent, so that an actor
 * known through the head is in the record, too. */
static void note_run(struct worker_program *p, bool beats)
{
    uint32_t joined = agent_joined(p->agent), ready = 0;
    for (uint32_t key = 0; key < p->deployments_n; key++)
        ready += p->deployments[key].is.state == WIRE_ACTOR_READY;
    if (!beats && (joined == 0 || (joined == p->noted_joined && ready == p->noted_ready)))
        return;
    p->noted_joined = joined;
    p->noted_ready = ready;
    last_run_note(p->last_run, p->group_limited ? cgroup_memory_used() : memory_resident_bytes(), ready);
}

static void step(struct worker_program *p, struct agent_event ev, uint32_t *out_beats)
{
    ev.now_us = net_now_us(p->loop);
    ag_effects_reset(&p->fx);
    agent_step(p->agent, &ev, &p->fx);
    note_run(p, ev.kind == AGENT_BEAT);
    for (size_t i = 0; i < p->fx.n; i++) {
        if (carry_out(p, &p->fx.ag[i]))
            *out_beats |= 1u << p->fx.ag[i].head;
    }
}

/* ---- heartbeats ---- */

static float cpu_load_since_last_beat(struct worker_program *p)
{
    uint64_t cpu = measure_cpu_us(), now = clock_us();
    float load = now > p->cpu_at_us ? (float)(cpu - p->cpu_us) / (float)(now - p->cpu_at_us) : 0.0f;
    p->cpu_us = cpu;
    p->cpu_at_us = now;
    return load;
}

static struct wire_load load_of(const struct deployment *r, uint32_t key)
{
    struct batcher_load l;
    actor_load(r->actor, &l);
    uint64_t now = clock_us();
    return (struct wire_load){
        .key = key,
        .busy = l.busy,
        .waiting = l.waiting,
        .prefill_tps = l.prefill_tps,
        .decode_tps = l.decode_tps,
        .prefixes = l.prefixes,
        .prefix_bytes = l.prefix_bytes,
        .restored = l.restored,
        .restored_tokens = l.restored_tokens,
        .token_age_ms = l.busy > 0 && now > l.last_token_us ? (uint32_t)((now - l.last_token_us) / 1000) : 0,
    };
}

static void feed_beat(struct worker_program *p, uint32_t head, uint32_t *out_beats)
{
    struct wire_load loads[AGENT_ACTORS_MAX];
    struct wire_beat beat = {.rss_bytes = memory_resident_bytes(), .cpu_load = cpu_load_since_last_beat(p),
                             .temperature_c = measure_temperature_c("/sys"), .loads = loads};
    for (uint32_t key = 0; key < p->deployments_n; key++) {
        if (p->deployments[key].is.state == WIRE_ACTOR_READY)
            loads[beat.loads_n++] = load_of(&p->deployments[key], key);
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
