/* Who may say what on a link, and who in the brain reads it.
 *
 * A message that is not for the link's state, or that says nonsense, ends the link with `refuse` and a log line; it
 * changes nothing else. What comes on a closing or unknown link is ignored: it was sent before the other side knew. */
#include "cluster/duty.h"
#include "cluster/handover.h"
#include "cluster/head_state.h"
#include "cluster/link.h"
#include "cluster/poison.h"
#include "cluster/seek.h"

static void worker_says(struct head *h, struct worker *w, const struct wire_msg *msg)
{
    w->heard_us = h->now_us;
    switch (msg->type) {
    case WIRE_actor: head_actor_msg(h, w, &msg->actor); return;
    case WIRE_beat: head_beat(h, w, &msg->beat); return;
    case WIRE_prefilled: head_prefilled(h, w, &msg->prefilled); return;
    case WIRE_tokens: head_tokens(h, w, &msg->tokens); return;
    case WIRE_held: head_held(h, w, &msg->held); return;
    case WIRE_done: head_done(h, w, &msg->done); return;
    case WIRE_crashed: head_crashed(h, w, &msg->crashed); return;
    case WIRE_duty: head_duty(h, w, &msg->duty); return;
    case WIRE_kv_saved: head_kv_saved(h, w, &msg->kv_saved); return;
    case WIRE_kv_part: head_kv_part(h, w, &msg->kv_part); return;
    case WIRE_kv_ack: head_kv_ack(h, w, &msg->kv_ack); return;
    case WIRE_bye:
        w->blameless = true;
        head_link_close(h, w->link, LOG_INFO, head_text(h, "it said bye: %.*s", STR_ARG(msg->bye.reason)));
        return;
    default: head_link_refuse(h, w->link, ERR_PROTOCOL, false, "a worker does not send '%s'", wire_name(msg->type));
    }
}

static void launcher_says(struct head *h, struct link *link, const struct wire_msg *msg)
{
    link->heard_us = h->now_us;
    switch (msg->type) {
    case WIRE_scale_state: head_scale_state(h, link, &msg->scale_state); return;
    case WIRE_beat: head_send(h, link, WIRE_beat_ack)->beat_ack.sent_us = msg->beat.sent_us; return;
    case WIRE_bye: head_link_close(h, link, LOG_INFO, head_text(h, "it said bye: %.*s", STR_ARG(msg->bye.reason))); return;
    default: head_link_refuse(h, link, ERR_PROTOCOL, false, "a launcher does not send '%s'", wire_name(msg->type));
    }
}

void head_link_msg(struct head *h, uint64_t id, const struct wire_msg *msg)
{
    struct link *link = head_link_find(h, id);
    if (link == NULL)
        return;
    switch (link->state) {
    case LINK_NEW:
        if (msg->type == WIRE_hello)
            head_hello(h, link, &msg->hello);
        else
            head_link_refuse(h, link, ERR_PROTOCOL, false, "the first message must be 'hello', not '%s'",
                             wire_name(msg->type));
        return;
    case LINK_WORKER: worker_says(h, link->worker, msg); return;
    case LINK_LAUNCHER: launcher_says(h, link, msg); return;
    case LINK_CLOSING: return;
    }
}
