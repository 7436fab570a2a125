/* Heartbeats: finds workers that are silent, hang although they beat, or compute slowly.
 *
 *            silent > 2.5 beats        silent > lost_after
 *      OK ─────────────────────▶ SLOW ────────────────────▶ LOST (link closed)
 *      ▲ ◀───────────────────────┘ beat
 *      ├──▶ SLOW while an actor is far slower (SLOW_BELOW) than another of its model, until it keeps up or rests
 *      ├──▶ CORDONED, DRAINING while it takes no new jobs (availability.c)
 *      └──▶ HUNG while one of its actors is busy without a token for too long by its own measure */
#include <math.h>

#include "brain/links/links.h"
#include "brain/policy/router.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "WORKER HEALTH"

enum {
    STALL_STEPS = 20, /* an actor hangs after this many times the duration of a step: a busy machine does not suffice */
};

/* ---- silence ---- */

void head_worker_overdue(struct head *h, struct worker *w, uint64_t due_us)
{
    /* If this timer itself is late, the head was not running (a suspended laptop, a stopped
     * process), and the worker's messages are still in the socket. Time in which the head did not
     * listen is no silence. */
    uint64_t late_us = h->now_us - due_us;
    if (late_us > (uint64_t)h->cfg.beat_ms * 1000 && w->heard_us + late_us <= h->now_us)
        w->heard_us += late_us;
    uint64_t silent_us = h->now_us - w->heard_us;
    if (silent_us >= head_lost_after_us(h)) {
        w->left_cleanly = true;
        head_link_close(h, w->link, LOG_WARN, head_text(h, "no sign of life for %u ms", h->cfg.lost_after_ms));
        return;
    }
    if (silent_us >= head_slow_after_us(h) && !w->silent) {
        w->silent = true;
        head_worker_refresh(h, w);
        head_worker_is(h, w, WORKER_SLOW, "no heartbeat for %u ms", (unsigned)(silent_us / 1000));
        head_log(h, LOG_WARN, TAG, EVENT("worker_silent", KV("node", w->name), KV("silent_ms", silent_us / 1000)), "slow: %s", w->reason);
    }
    head_worker_watch(h, w);
}

/* ---- hanging ---- */

/* Returns how long an actor may be busy without a token: many times the predicted duration of its next
 * step, at least token_floor_ms, at most token_stall_ms. token_stall_ms also applies to actors of
 * unknown speed, and to those that work for other heads, too, whose prompts this head does not know. A
 * long prompt gives no token for a while, so prompts add twice the time that they should take. */
static uint64_t stall_ms(const struct head *h, const struct actor *a)
{
    double ms = h->cfg.token_stall_ms;
    if (a->decode_tps > 0 && a->other_heads == 0)
        ms = STALL_STEPS * 1000.0 * (a->in_flight + 1) / (double)a->decode_tps;
    ms = ms < h->cfg.token_floor_ms ? h->cfg.token_floor_ms : ms;
    ms = ms > h->cfg.token_stall_ms ? h->cfg.token_stall_ms : ms;
    double tokens = (double)a->waiting_bytes / ROUTER_BYTES_PER_TOKEN;
    double tps = a->prefill_tps > 1 ? (double)a->prefill_tps : 50;
    return (uint64_t)(ms + 2000 * tokens / tps);
}

static void actor_hangs(struct head *h, struct actor *a, const struct wire_load *load)
{
    struct worker *w = a->worker;
    struct fault f = {0};
    fault_set(&f, ERR_WORKER_LOST, "actor %u on worker '%s' hangs: busy without a token for %u ms",
              (unsigned)a->node.id, w->name, load->token_age_ms);
    head_log(h, LOG_WARN, TAG, EVENT("actor_hung", KV("actor", a->node.id), KV("node", w->name), KV("token_age_ms", load->token_age_ms)), "%s",
             f.text);
    a->hung = true;
    head_actor_refresh(h, a);
    if (a->member_of[POOL_SAME_BITS].pool != NULL)
        head_compatible_left(h, a->member_of[POOL_SAME_BITS].pool);
    head_actor_evacuate(h, a, LEAVE_HUNG, &f);
}

static void actor_recovers(struct head *h, struct actor *a)
{
    head_log(h, LOG_INFO, TAG, EVENT("actor_works_again", KV("actor", a->node.id), KV("node", a->worker->name)),
             "actor %u works again", (unsigned)a->node.id);
    a->hung = false;
    head_actor_refresh(h, a);
}

/* ---- computing slowly: the machine is hot, throttled or has other work. Shown in status and log; routing
 * follows the measured speeds.
 *
 * Compares only actors measured at the same time: busy at their last two heartbeats. An idle actor
 * reports the speed of another moment, alone or beside others; and the speed of very short steps,
 * as of a scripted engine, is noise. ---- */

static const float SLOW_BELOW = 0.4f, WELL_ABOVE = 0.5f;
static const float TOO_QUICK = 2000; /* tokens/s of one stream: half a millisecond a step */
enum { SLOW_BEATS = 3 };             /* in a row before it is logged: a speed is an average, and takes a moment to follow */

static void is_slow(struct head *h, struct actor *a, float best)
{
    a->slow = true;
    head_log(h, LOG_WARN, TAG, EVENT("actor_slow", KV("actor", a->node.id), KV("node", a->worker->name), KV("decode_tps", a->decode_tps), KV("best_tps", best)),
             "slow: actor %u makes %.1f tokens/s, another of its model %.1f at the same time", (unsigned)a->node.id, (double)a->decode_tps, (double)best);
}

static void is_slow_no_more(struct head *h, struct actor *a, const char *why)
{
    if (!a->slow)
        return;
    a->slow = false;
    head_log(h, LOG_INFO, TAG, EVENT("actor_slow_no_more", KV("actor", a->node.id), KV("node", a->worker->name), KV("decode_tps", a->decode_tps)),
             "actor %u is no longer slow: %s, %.1f tokens/s", (unsigned)a->node.id, why, (double)a->decode_tps);
}

static void actor_speed(struct head *h, struct actor *a, bool busy)
{
    a->busy_beats = busy ? a->busy_beats + 1 : 0;
    if (!busy)
        is_slow_no_more(h, a, "it rests");
    if (a->busy_beats < 2 || a->decode_tps <= 0 || a->decode_tps > TOO_QUICK) {
        a->slow_beats = 0;
        return;
    }
    head_pool_paced(h, a->member_of[POOL_MODEL].pool, a->decode_tps);
    float best = head_pool_pace(h, a->member_of[POOL_MODEL].pool);
    a->slow_beats = a->decode_tps < best * SLOW_BELOW ? a->slow_beats + 1 : 0;
    if (!a->slow && a->slow_beats >= SLOW_BEATS)
        is_slow(h, a, best);
    else if (a->decode_tps > best * WELL_ABOVE)
        is_slow_no_more(h, a, "it keeps up");
}

/* ---- the beat ---- */

static float measured(float said, float before, float most)
{
    float now = router_speed(said, most);
    return now > 0 ? now : before;
}

/* False when the worker lost track of our jobs: only a new link brings both sides into agreement. */
static bool load_says(struct head *h, struct actor *a, const struct wire_load *load)
{
    a->prefill_tps = measured(load->prefill_tps, a->prefill_tps, HEAD_PREFILL_TPS_MAX);
    a->decode_tps = measured(load->decode_tps, a->decode_tps, HEAD_DECODE_TPS_MAX);
    a->prefixes = load->prefixes;
    a->prefix_bytes = load->prefix_bytes;
    a->restored = load->restored;
    a->restored_tokens = load->restored_tokens;
    a->token_age_ms = load->busy > 0 ? load->token_age_ms : 0;
    actor_speed(h, a, load->busy > 0);
    uint64_t there = (uint64_t)load->busy + load->waiting;
    a->other_heads = there > a->in_flight && there <= HEAD_SLOTS_MAX ? (uint32_t)there - a->in_flight : 0;
    uint64_t patience_ms = stall_ms(h, a);
    bool hangs = load->busy > 0 && load->token_age_ms >= patience_ms;
    if (hangs && !a->hung)
        actor_hangs(h, a, load);
    else if (!hangs && a->hung)
        actor_recovers(h, a);
    return there > 0 || a->in_flight == 0 || h->now_us - a->progress_us < patience_ms * 1000;
}

static int check_loads(const struct worker *w, const struct wire_beat *m, struct fault *f)
{
    if (m->loads_n > HEAD_WORKER_ACTORS_MAX)
        return fault_set(f, ERR_PROTOCOL, "a beat with %u loads: a worker has at most %d actors", m->loads_n,
                         HEAD_WORKER_ACTORS_MAX);
    for (uint32_t i = 0; i < m->loads_n; i++) {
        uint32_t key = m->loads[i].key;
        if (key >= HEAD_WORKER_ACTORS_MAX || (w->keys_known & (1u << key)) == 0)
            return fault_set(f, ERR_PROTOCOL, "a beat with the load of actor %u, which was never registered", key);
    }
    return 0;
}

int head_beat(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_beat *m = &msg->beat;
    if (check_loads(w, m, f) != 0)
        return f->err;
    w->beat_us = h->now_us;
    w->rtt_us = m->rtt_us;
    w->rss_bytes = m->rss_bytes;
    w->kept.bytes = m->kept_bytes;
    w->carried.bytes = m->moving_bytes;
    w->cpu_load = isfinite(m->cpu_load) && m->cpu_load > 0 ? m->cpu_load : 0;
    w->temperature_c = isfinite(m->temperature_c) && m->temperature_c > 0 ? m->temperature_c : 0;
    head_send(h, w->link, WIRE_beat_ack)->beat_ack.sent_us = m->sent_us;
    for (uint32_t i = 0; i < m->loads_n; i++) {
        struct actor *a = w->actors[m->loads[i].key]; /* NULL: unloaded since the measurement */
        if (a == NULL || a->state != WIRE_ACTOR_READY || load_says(h, a, &m->loads[i]))
            continue;
        return fault_set(f, ERR_PROTOCOL, "actor %u says that it is idle, but has not ended the jobs it was sent", (unsigned)a->node.id);
    }
    if (w->silent) {
        w->silent = false;
        head_log(h, LOG_INFO, TAG, EVENT("worker_heard_again", KV("node", w->name)), "heartbeats again");
        head_worker_refresh(h, w);
    }
    head_worker_judge(h, w);
    head_rebalance(h, w);
    return 0;
}
