/* A worker's link to one head: what its beginning and end mean for actors, jobs and journals, and which
 * message goes where. Its life is drawn in brain/dialler.h. Beyond what fails there: the head refuses us
 * (final: the worker exits with the head's words; otherwise back-off), or sends nonsense (hang up, back-off). */
#include "brain/agent/state.h"

#define TAG "CLUSTER CONNECTION"
#define MS  1000u /* microseconds */

void uplink_start(struct agent *a, uint32_t head)
{
    dialler_start(&a->uplinks[head].dialler, &a->cfg.times, a->now_us);
    agent_add(a, AG_DIAL)->head = head;
}

/* Ends everything that depends on the link. */
static void uplink_down(struct agent *a, uint32_t head)
{
    a->uplinks[head].ready = false;
    agent_kv_lost(a, head);
    agent_jobs_adrift(a, head);
    agent_journal_unseek(a, head);
    agent_actors_forget_acks(a, head);
}

/* The link is about to end, or has: the caller moves the state afterwards. */
static void uplink_ends(struct agent *a, uint32_t head, struct str why)
{
    const struct uplink *u = &a->uplinks[head];
    if (uplink_is_welcomed(a, head)) {
        agent_log(a, LOG_WARN, TAG, EVENT("head_lost", KV("head", head), KV("worker", u->worker)), "lost: %.*s", STR_ARG(why));
        uplink_down(a, head);
    } else if (dialler_is_worth_a_line(&u->dialler)) {
        agent_log(a, LOG_WARN, TAG, EVENT("not_joined", KV("head", head)), "not joined: %.*s", STR_ARG(why));
    }
}

static void uplink_hang_up(struct agent *a, uint32_t head, struct str why)
{
    uplink_ends(a, head, why);
    dialler_hung_up(&a->uplinks[head].dialler, &a->cfg.times, a->now_us);
    agent_add(a, AG_HANG_UP)->head = head;
}

void uplink_linked(struct agent *a, uint32_t head)
{
    if (dialler_linked(&a->uplinks[head].dialler))
        agent_send(a, head, WIRE_hello)->hello = a->cfg.hello;
}

void uplink_lost(struct agent *a, uint32_t head, struct str why)
{
    struct dialler *d = &a->uplinks[head].dialler;
    if (d->state != DIALLER_IDLE && d->state != DIALLER_WAITING && d->state != DIALLER_CLOSING)
        uplink_ends(a, head, why);
    uint32_t wait_ms = dialler_lost(d, &a->cfg.times, a->now_us, &a->rng);
    if (wait_ms > 0 && dialler_is_worth_a_line(d))
        agent_log(a, LOG_WARN, TAG, EVENT("redialling", KV("wait_ms", wait_ms), KV("head", head)), "redialling in %u ms", wait_ms);
}

static void uplink_welcome(struct agent *a, uint32_t head, const struct wire_welcome *w)
{
    struct uplink *u = &a->uplinks[head];
    u->worker = w->worker;
    dialler_welcomed(&u->dialler, w, a->now_us);
    agent_log(a, LOG_INFO, TAG, EVENT("joined", KV("head", head), KV("worker", w->worker), KV("version", w->version)), "joined");
    agent_jobs_moved(a, head, w->epoch);
    agent_journal_rejoined(a, head, w->epoch);
    if (a->availability != WIRE_SERVING)
        agent_availability_tell(a, head); /* before the head hears of an actor that it could send jobs to */
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
    if (ack->sent_us <= a->now_us && a->now_us - ack->sent_us < (uint64_t)u->dialler.lost_after_ms * MS)
        u->rtt_us = (uint32_t)(a->now_us - ack->sent_us);
}

/* Before the welcome. Returns false for a message that no worker expects then. */
static bool uplink_is_answered(struct agent *a, uint32_t head, const struct wire_msg *msg)
{
    switch (msg->type) {
    case WIRE_welcome: uplink_welcome(a, head, &msg->welcome); return true;
    case WIRE_refuse: uplink_refused(a, head, &msg->refuse); return true;
    default: return false;
    }
}

/* After the welcome: who reads which message. Returns false for one that no worker expects. */
static bool uplink_is_told(struct agent *a, uint32_t head, const struct wire_msg *msg)
{
    switch (msg->type) {
    case WIRE_refuse: uplink_refused(a, head, &msg->refuse); return true;
    case WIRE_actor_ack: agent_actor_acked(a, head, &msg->actor_ack); return true;
    case WIRE_run: agent_job_run(a, head, &msg->run); return true;
    case WIRE_cancel: agent_job_cancel(a, head, &msg->cancel); return true;
    case WIRE_cordon: agent_cordon(a, head, &msg->cordon); return true;
    case WIRE_drain: agent_drain(a, msg->drain.grace_ms, msg->drain.move != 0, false, str_of("a head asked for it")); return true;
    case WIRE_seek: agent_journal_seek(a, head, &msg->seek); return true;
    case WIRE_adopt: agent_journal_adopt(a, head, &msg->adopt); return true;
    case WIRE_beat_ack: uplink_beat_back(a, &a->uplinks[head], &msg->beat_ack); return true;
    case WIRE_kv_save: agent_kv_save(a, head, &msg->kv_save); return true;
    case WIRE_kv_pull: agent_kv_pull(a, head, &msg->kv_pull); return true;
    case WIRE_kv_part: agent_kv_part(a, head, &msg->kv_part); return true;
    case WIRE_kv_drop: agent_kv_drop(a, head, &msg->kv_drop); return true;
    default: return false;
    }
}

void uplink_msg(struct agent *a, uint32_t head, const struct wire_msg *msg)
{
    struct dialler *d = &a->uplinks[head].dialler;
    bool welcomed = d->state == DIALLER_WELCOMED;
    if (!welcomed && d->state != DIALLER_HELLO)
        return; /* we hung up already */
    d->heard_us = a->now_us;
    if (!(welcomed ? uplink_is_told : uplink_is_answered)(a, head, msg))
        uplink_hang_up(a, head,
                       str_of(welcomed ? "the head said what no worker expects"
                                       : "the other side answered hello with neither welcome nor refuse"));
}

void uplink_beat(struct agent *a, uint32_t head, const struct wire_beat *beat)
{
    if (!uplink_is_welcomed(a, head))
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
    const char *why;
    switch (dialler_tick(&a->uplinks[head].dialler, a->now_us, &why)) {
    case DIALLER_NOTHING: break;
    case DIALLER_DIAL: uplink_start(a, head); break;
    case DIALLER_BEAT: agent_add(a, AG_MEASURE)->head = head; break;
    case DIALLER_HANG_UP: uplink_hang_up(a, head, str_of(why)); break;
    }
}

void uplink_leave(struct agent *a, uint32_t head, const char *bye)
{
    if (uplink_is_welcomed(a, head)) {
        if (bye != NULL)
            agent_send(a, head, WIRE_bye)->bye.reason = str_of(bye);
        uplink_down(a, head);
    }
    if (dialler_leave(&a->uplinks[head].dialler))
        agent_add(a, AG_HANG_UP)->head = head;
}
