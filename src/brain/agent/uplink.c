/* The link to one head: dial, hello, welcome, heartbeats, and dial again when it breaks.
 *
 * The happy path is drawn in state.h. It can fail by: the dial fails or no welcome comes in time
 * (back-off, dial again), the head falls silent (hang up, dial again), the head refuses us (final: the
 * worker exits with the head's words; otherwise back-off), the head sends nonsense (hang up, back-off). */
#include "base/states.h"
#include "brain/agent/state.h"

#define TAG "CLUSTER CONNECTION"
#define MS  1000u /* microseconds */
static const struct state uplink_states[] = {
    [UPLINK_IDLE] = {"IDLE", TO(UPLINK_DIALLING)},
    [UPLINK_DIALLING] = {"DIALLING", TO(UPLINK_HELLO) | TO(UPLINK_CLOSING) | TO(UPLINK_WAITING) | TO(UPLINK_IDLE)},
    [UPLINK_HELLO] = {"HELLO", TO(UPLINK_WELCOMED) | TO(UPLINK_CLOSING) | TO(UPLINK_WAITING) | TO(UPLINK_IDLE)},
    [UPLINK_WELCOMED] = {"WELCOMED", TO(UPLINK_CLOSING) | TO(UPLINK_WAITING) | TO(UPLINK_IDLE)},
    [UPLINK_CLOSING] = {"CLOSING", TO(UPLINK_WAITING) | TO(UPLINK_IDLE)},
    [UPLINK_WAITING] = {"WAITING", TO(UPLINK_DIALLING) | TO(UPLINK_IDLE)},
};

static void uplink_move(struct uplink *u, enum uplink_state to, uint64_t due_us)
{
    u->state = state_next(uplink_states, "uplink", u->state, to);
    u->due_us = due_us;
}

void uplink_start(struct agent *a, uint32_t head)
{
    struct uplink *u = &a->uplinks[head];
    uplink_move(u, UPLINK_DIALLING, a->now_us + (uint64_t)a->cfg.dial_ms * MS);
    u->tries++;
    agent_add(a, AG_DIAL)->head = head;
}

/* Doubles from redial_first_ms to redial_max_ms, and draws from the upper half, so that a thousand
 * workers that lost one head do not come back in the same millisecond. */
static uint32_t backoff_ms(struct agent *a, uint32_t tries)
{
    uint64_t ms = a->cfg.redial_first_ms;
    for (uint32_t i = 1; i < tries && ms < a->cfg.redial_max_ms; i++)
        ms *= 2;
    if (ms > a->cfg.redial_max_ms)
        ms = a->cfg.redial_max_ms;
    return (uint32_t)(ms - rng_below(&a->rng, ms / 2 + 1));
}

/* Logs tries 1, 2, 4, 8, …: a head that stays away for an hour is not worth a line every five seconds. */
static bool worth_a_line(uint32_t tries)
{
    return (tries & (tries - 1)) == 0;
}

static void uplink_wait(struct agent *a, uint32_t head)
{
    struct uplink *u = &a->uplinks[head];
    if (u->tries == 0)
        u->tries = 1;
    uint32_t wait_ms = backoff_ms(a, u->tries);
    uplink_move(u, UPLINK_WAITING, a->now_us + (uint64_t)wait_ms * MS);
    if (worth_a_line(u->tries))
        agent_log(a, LOG_WARN, TAG, EVENT("redialling", KV("wait_ms", wait_ms), KV("head", head)), "redialling in %u ms", wait_ms);
}

/* Ends everything that depends on the link; the caller moves the state afterwards. */
static void uplink_down(struct agent *a, uint32_t head, struct str why)
{
    struct uplink *u = &a->uplinks[head];
    if (u->state != UPLINK_WELCOMED) {
        if (worth_a_line(u->tries))
            agent_log(a, LOG_WARN, TAG, EVENT("not_joined", KV("head", head)), "not joined: %.*s", STR_ARG(why));
        return;
    }
    agent_log(a, LOG_WARN, TAG, EVENT("head_lost", KV("head", head), KV("worker", u->worker)), "lost: %.*s", STR_ARG(why));
    /* A link that broke soon after its welcome counts as one more failed try: two workers that
     * displace each other would otherwise do so ten times a second. */
    if (a->now_us - u->welcomed_us >= (uint64_t)a->cfg.redial_max_ms * MS)
        u->tries = 0;
    u->ready = false;
    agent_kv_lost(a, head);
    agent_jobs_adrift(a, head);
    agent_journal_unseek(a, head);
    agent_actors_forget_acks(a, head);
}

static void uplink_hang_up(struct agent *a, uint32_t head, struct str why)
{
    uplink_down(a, head, why);
    uplink_move(&a->uplinks[head], UPLINK_CLOSING, AGENT_NEVER);
    agent_add(a, AG_HANG_UP)->head = head;
}

void uplink_linked(struct agent *a, uint32_t head)
{
    struct uplink *u = &a->uplinks[head];
    if (u->state != UPLINK_DIALLING)
        return; /* we hung up while the dial was succeeding */
    uplink_move(u, UPLINK_HELLO, u->due_us);
    agent_send(a, head, WIRE_hello)->hello = a->cfg.hello;
}

void uplink_lost(struct agent *a, uint32_t head, struct str why)
{
    struct uplink *u = &a->uplinks[head];
    if (u->state == UPLINK_IDLE || u->state == UPLINK_WAITING)
        return;
    if (u->state != UPLINK_CLOSING)
        uplink_down(a, head, why);
    uplink_wait(a, head);
}

static void uplink_welcome(struct agent *a, uint32_t head, const struct wire_welcome *w)
{
    struct uplink *u = &a->uplinks[head];
    uint32_t beat = w->beat_ms < AGENT_BEAT_MS_MIN ? AGENT_BEAT_MS_MIN : w->beat_ms;
    u->beat_ms = beat > AGENT_BEAT_MS_MAX ? AGENT_BEAT_MS_MAX : beat;
    uint32_t patience = u->beat_ms * AGENT_LOST_BEATS_MIN;
    u->lost_after_ms = w->lost_after_ms < patience ? patience : w->lost_after_ms;
    u->worker = w->worker;
    if (u->epoch != w->epoch)
        u->tries = 0; /* a new process, of which the last link's end says nothing: the head was replaced or restarted */
    u->epoch = w->epoch;
    u->heard_us = u->welcomed_us = a->now_us;
    uplink_move(u, UPLINK_WELCOMED, a->now_us + (uint64_t)u->beat_ms * MS);
    agent_log(a, LOG_INFO, TAG, EVENT("joined", KV("head", head), KV("worker", w->worker), KV("version", w->version)), "joined");
    agent_jobs_moved(a, head, w->epoch);
    agent_journal_rejoined(a, head, w->epoch);
    if (a->duty != WIRE_DUTY_SERVES)
        agent_duty_tell(a, head); /* before the head hears of an actor that it could send jobs to */
    agent_actors_register(a, head);
}

static void uplink_refused(struct agent *a, uint32_t head, const struct wire_refuse *r)
{
    if (!r->final) {
        uplink_hang_up(a, head, r->message);
        return;
    }
    for (uint32_t i = 0; i < a->cfg.heads_n; i++)
        uplink_leave(a, i, i == head ? NULL : "refused by another head");
    struct ag *exit = agent_add(a, AG_EXIT);
    fault_set(&exit->fault, r->error != 0 ? -(int)r->error : ERR_FAILED, "the head refused this worker: %.*s",
              STR_ARG(r->message));
    agent_jobs_orphan(a);
    a->left = true;
}

/* Measures with our own clock; an implausible echo of it is ignored. */
static void uplink_beat_back(const struct agent *a, struct uplink *u, const struct wire_beat_ack *ack)
{
    if (ack->sent_us <= a->now_us && a->now_us - ack->sent_us < (uint64_t)u->lost_after_ms * MS)
        u->rtt_us = (uint32_t)(a->now_us - ack->sent_us);
}

void uplink_msg(struct agent *a, uint32_t head, const struct wire_msg *msg)
{
    struct uplink *u = &a->uplinks[head];
    bool welcomed = u->state == UPLINK_WELCOMED;
    if (!welcomed && u->state != UPLINK_HELLO)
        return; /* we hung up already */
    u->heard_us = a->now_us;
    if (msg->type == WIRE_refuse)
        uplink_refused(a, head, &msg->refuse);
    else if (msg->type == WIRE_welcome && !welcomed)
        uplink_welcome(a, head, &msg->welcome);
    else if (msg->type == WIRE_actor_ack && welcomed)
        agent_actor_acked(a, head, &msg->actor_ack);
    else if (msg->type == WIRE_run && welcomed)
        agent_job_run(a, head, &msg->run);
    else if (msg->type == WIRE_cancel && welcomed)
        agent_job_cancel(a, head, &msg->cancel);
    else if (msg->type == WIRE_cordon && welcomed)
        agent_cordon(a, head, &msg->cordon);
    else if (msg->type == WIRE_drain && welcomed)
        agent_drain(a, msg->drain.grace_ms, msg->drain.move != 0, false, str_of("a head asked for it"));
    else if (msg->type == WIRE_seek && welcomed)
        agent_journal_seek(a, head, &msg->seek);
    else if (msg->type == WIRE_adopt && welcomed)
        agent_journal_adopt(a, head, &msg->adopt);
    else if (msg->type == WIRE_beat_ack && welcomed)
        uplink_beat_back(a, u, &msg->beat_ack);
    else if (msg->type == WIRE_kv_save && welcomed)
        agent_kv_save(a, head, &msg->kv_save);
    else if (msg->type == WIRE_kv_pull && welcomed)
        agent_kv_pull(a, head, &msg->kv_pull);
    else if (msg->type == WIRE_kv_part && welcomed)
        agent_kv_part(a, head, &msg->kv_part);
    else if (msg->type == WIRE_kv_drop && welcomed)
        agent_kv_drop(a, head, &msg->kv_drop);
    else
        uplink_hang_up(a, head,
                       str_of(welcomed ? "the head said what no worker expects"
                                       : "the other side answered hello with neither welcome nor refuse"));
}

void uplink_beat(struct agent *a, uint32_t head, const struct wire_beat *beat)
{
    if (a->uplinks[head].state != UPLINK_WELCOMED)
        return; /* measured for a link that broke */
    struct wire_msg *msg = agent_send(a, head, WIRE_beat);
    msg->beat = *beat;
    msg->beat.sent_us = a->now_us;
    msg->beat.rtt_us = a->uplinks[head].rtt_us;
    msg->beat.kept_bytes = a->journal_bytes;
    msg->beat.moving_bytes = a->moving_bytes;
}

void uplink_tick(struct agent *a, uint32_t head)
{
    struct uplink *u = &a->uplinks[head];
    if (u->state == UPLINK_WELCOMED && a->now_us - u->heard_us >= (uint64_t)u->lost_after_ms * MS) {
        uplink_hang_up(a, head, str_of("the head has fallen silent"));
        return;
    }
    if (a->now_us < u->due_us)
        return;
    if (u->state == UPLINK_DIALLING)
        uplink_hang_up(a, head, str_of("the dial took too long"));
    else if (u->state == UPLINK_HELLO)
        uplink_hang_up(a, head, str_of("connected, but no welcome came"));
    else if (u->state == UPLINK_WAITING)
        uplink_start(a, head);
    else if (u->state == UPLINK_WELCOMED) {
        u->due_us = a->now_us + (uint64_t)u->beat_ms * MS;
        agent_add(a, AG_MEASURE)->head = head;
    }
}

uint64_t uplink_deadline(const struct agent *a, uint32_t head)
{
    const struct uplink *u = &a->uplinks[head];
    if (u->state == UPLINK_IDLE || u->state == UPLINK_CLOSING)
        return AGENT_NEVER;
    if (u->state != UPLINK_WELCOMED)
        return u->due_us;
    uint64_t silent_us = u->heard_us + (uint64_t)u->lost_after_ms * MS;
    return silent_us < u->due_us ? silent_us : u->due_us;
}

void uplink_leave(struct agent *a, uint32_t head, const char *bye)
{
    struct uplink *u = &a->uplinks[head];
    if (u->state == UPLINK_IDLE)
        return;
    if (u->state == UPLINK_WELCOMED) {
        if (bye != NULL)
            agent_send(a, head, WIRE_bye)->bye.reason = str_of(bye);
        agent_kv_lost(a, head);
        agent_jobs_adrift(a, head);
        agent_journal_unseek(a, head);
        agent_actors_forget_acks(a, head);
    }
    if (u->state != UPLINK_WAITING && u->state != UPLINK_CLOSING)
        agent_add(a, AG_HANG_UP)->head = head;
    uplink_move(u, UPLINK_IDLE, AGENT_NEVER);
}
