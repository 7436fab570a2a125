/* Which messages each kind of link may send, and the handler of each.
 *
 * A message that does not fit the link's state, or is nonsense, ends the link with `refuse` and a
 * log line, and changes nothing else. Messages of closing or unknown links are ignored: they were
 * sent before the other side knew. */
#include "brain/links/links.h"
#include "brain/recover/recover.h"
#include "brain/run/run.h"
#include "brain/scale/scale.h"

static int says_bye(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    (void)f;
    w->left_cleanly = true;
    head_link_close(h, w->link, LOG_INFO, head_text(h, "it said bye: %.*s", STR_ARG(msg->bye.reason)));
    return 0;
}

/* Handlers of a welcomed worker's messages. A handler returns 0, or the fault for which the link is
 * refused, having changed nothing. */
static int (*const readers[])(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f) = {
    [WIRE_actor] = head_actor_msg,    [WIRE_beat] = head_beat,       [WIRE_bye] = says_bye,         [WIRE_crashed] = head_crashed,
    [WIRE_done] = head_done,          [WIRE_held] = head_held,       [WIRE_kv_ack] = head_kv_ack,   [WIRE_progress] = head_progress,
    [WIRE_kv_part] = head_kv_part,    [WIRE_kv_saved] = head_kv_saved, [WIRE_prefilled] = head_prefilled, [WIRE_tokens] = head_tokens,
    [WIRE_availability] = head_availability,
};

static void worker_says(struct head *h, struct worker *w, const struct wire_msg *msg)
{
    struct fault f = {0};
    size_t type = (size_t)msg->type;
    w->heard_us = h->now_us;
    if (type >= sizeof readers / sizeof *readers || readers[type] == NULL)
        fault_set(&f, ERR_PROTOCOL, "a worker does not send '%s'", wire_name(msg->type));
    else
        readers[type](h, w, msg, &f);
    if (f.err != 0) /* without a fault the link may be gone by now */
        head_link_refuse(h, w->link, f.err, false, "%s", f.text);
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
