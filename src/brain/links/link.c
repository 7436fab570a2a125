/* How a link begins and ends. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/kit/text.h"
#include "brain/links/links.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "CLUSTER CONNECTION"

struct link *head_link_find(const struct head *h, uint64_t id)
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

static void worker_lose(struct head *h, struct worker *w, enum log_level level, struct str why)
{
    head_log(h, level, TAG, EVENT("worker_left", KV("node", w->name), KV("worker", w->node.id), KV("actors", w->actors_n), KV("silent", w->silent)),
             "worker left: %.*s", STR_ARG(why));
    struct fault f = {0};
    fault_set(&f, ERR_WORKER_LOST, "worker '%s' was lost: %.*s", w->name, STR_ARG(why));
    /* All its actors close before any of its jobs looks for another actor: none may move from one
     * of them to the next. */
    head_worker_is(h, w, WORKER_LOST, "%.*s", STR_ARG(why));
    head_moves(h, w, false);
    head_migration_lost(h, w);
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        struct actor *a = w->actors[key];
        if (a == NULL)
            continue;
        head_actor_evacuate(h, a, w->left_cleanly ? LEAVE_LEFT : LEAVE_CRASHED, &f);
        head_actor_drop(h, a);
    }
    head_seek_lost(h, w);
    timers_clear(&h->timers, &w->timer);
    idtab_remove(&h->workers, &w->node);
    names_remove(&h->worker_names, &w->by_name);
    names_remove(&h->worker_lives, &w->by_life);
    h->memory_bytes -= w->memory_bytes;
    h->cpus_milli -= head_cpus_milli(w);
    head_bury(h, &w->grave, head_worker_free);
}

void head_link_close(struct head *h, struct link *link, enum log_level level, struct str why)
{
    struct worker *w = link->worker;
    link->worker = NULL;
    link->state = LINK_CLOSING;
    head_link_known(h, link);
    list_remove(&link->launches);
    if (w != NULL)
        worker_lose(h, w, level, why);
    struct fx *fx = head_fx(h, FX_CLOSE_LINK);
    fx->link = link->node.id;
    fx->text = why;
}

/* Anyone may dial and stay silent, so newcomers only displace each other, never a worker. */
static void newcomers_relieve(struct head *h)
{
    while (h->newcomers.n > h->cfg.newcomers_max) {
        struct link *oldest = list_item(crowd_victim(&h->newcomers), struct link, seat);
        head_link_close(h, oldest, LOG_INFO, str_of("it said no hello, and gave way to others (newcomers_max)"));
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
    head_link_close(h, link, LOG_WARN, why);
}

void head_link_closed(struct head *h, uint64_t id, struct str why)
{
    struct link *link = head_link_find(h, id);
    if (link == NULL)
        return;
    head_link_known(h, link);
    if (link->worker != NULL) {
        struct worker *w = link->worker;
        link->worker = NULL;
        worker_lose(h, w, LOG_WARN, why);
    } else if (link->state == LINK_LAUNCHER) {
        head_log(h, LOG_INFO, TAG, EVENT("launcher_left", KV("node", link->name)), "launcher left: %.*s", STR_ARG(why));
    }
    list_remove(&link->launches);
    idtab_remove(&h->links, &link->node);
    head_link_free(link);
}
