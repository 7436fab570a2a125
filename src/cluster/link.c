/* Who may say what on a link, and how a link ends.
 *
 * A message that is not for the link's state, or that says nonsense, ends the link with `refuse` and a log line; it
 * changes nothing else. What comes on a closing or unknown link is ignored: it was sent before the other side knew. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "cluster/duty.h"
#include "cluster/handover.h"
#include "cluster/head_state.h"
#include "cluster/link.h"
#include "cluster/poison.h"
#include "cluster/seek.h"

#define TAG "CLUSTER CONNECTION"

static struct link *link_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->links, id);
    return node != NULL ? id_item(node, struct link, node) : NULL;
}

void head_link_free(struct link *link)
{
    free(link->peer);
    free(link->name);
    free(link);
}

void head_link_known(struct head *h, struct link *link)
{
    crowd_remove(&h->newcomers, &link->seat);
    timers_clear(&h->timers, &link->timer);
}

/* The worker goes first: what it loses may still be told to others, not to this link. */
static void link_shut(struct head *h, struct link *link, enum log_level level, struct str why)
{
    struct worker *w = link->worker;
    link->worker = NULL;
    link->state = LINK_CLOSING;
    head_link_known(h, link);
    list_remove(&link->launches);
    if (w != NULL)
        head_worker_lose(h, w, level, why);
    struct fx *fx = head_fx(h, FX_CLOSE_LINK);
    fx->link = link->node.id;
    fx->text = why;
}

/* Anybody may dial, and say nothing: so those who do give way among themselves, and never keep a worker out. */
static void newcomers_relieve(struct head *h)
{
    while (h->newcomers.n > h->cfg.newcomers_max) {
        struct link *oldest = list_item(crowd_victim(&h->newcomers), struct link, seat);
        link_shut(h, oldest, LOG_INFO, str_of("it said no hello, and gave way to others (newcomers_max)"));
    }
}

void head_link_open(struct head *h, uint64_t id, struct str peer, uint64_t origin)
{
    struct link *link = xalloc(sizeof *link);
    link->peer = text_line_dup(peer, HEAD_NAME_BYTES_MAX);
    link->timer.kind = TIMER_HELLO;
    idtab_add(&h->links, &link->node, id);
    crowd_add(&h->newcomers, &link->seat, origin);
    timers_set(&h->timers, &link->timer, head_after_ms(h, h->cfg.hello_ms));
    newcomers_relieve(h);
}

void head_link_overdue(struct head *h, struct link *link)
{
    head_link_refuse(h, link, ERR_TIMEOUT, false, "no hello within %u ms of dialling", h->cfg.hello_ms);
}

void head_link_close(struct head *h, struct link *link, struct str why)
{
    link_shut(h, link, LOG_WARN, why);
}

void head_link_refuse(struct head *h, struct link *link, int err, bool final, const char *fmt, ...)
{
    char text[HEAD_LINE_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct str why = head_text(h, "%s", text);
    head_log(h, LOG_WARN, TAG, EVENT("link_refused", KV("node", link->name), KV("peer", link->peer), KV("code", err_name(err))),
             "refused: %s", text)->peer_kind = "refused";
    struct wire_msg *msg = head_send(h, link, WIRE_refuse);
    msg->refuse = (struct wire_refuse){.error = (uint16_t)-err, .message = why, .final = final};
    link_shut(h, link, LOG_WARN, why);
}

void head_link_closed(struct head *h, uint64_t id, struct str why)
{
    struct link *link = link_find(h, id);
    if (link == NULL)
        return;
    head_link_known(h, link);
    if (link->worker != NULL) {
        struct worker *w = link->worker;
        link->worker = NULL;
        head_worker_lose(h, w, LOG_WARN, why);
    } else if (link->state == LINK_LAUNCHER) {
        head_log(h, LOG_INFO, TAG, EVENT("launcher_left", KV("node", link->name)), "launcher left: %.*s", STR_ARG(why));
    }
    list_remove(&link->launches);
    idtab_remove(&h->links, &link->node);
    head_link_free(link);
}

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
        link_shut(h, w->link, LOG_INFO, head_text(h, "it said bye: %.*s", STR_ARG(msg->bye.reason)));
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
    case WIRE_bye: link_shut(h, link, LOG_INFO, head_text(h, "it said bye: %.*s", STR_ARG(msg->bye.reason))); return;
    default: head_link_refuse(h, link, ERR_PROTOCOL, false, "a launcher does not send '%s'", wire_name(msg->type));
    }
}

void head_link_msg(struct head *h, uint64_t id, const struct wire_msg *msg)
{
    struct link *link = link_find(h, id);
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
