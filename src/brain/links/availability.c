/* Which workers take new jobs: their `availability` messages, and requests to change it.
 *
 * The worker decides, and tells every head (agent/availability.c). A worker that this head asks gets no new
 * jobs at once, and answers with its actual availability. Its actors stay ready: running jobs continue,
 * requests for their models wait as usual, and no new job is bound to one of them. */
#include <stdio.h>

#include "base/buf.h"
#include "brain/kit/text.h"
#include "brain/links/links.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "WORKER AVAILABILITY"

static const char *availability_says(uint8_t availability)
{
    static const char *const says[] = {"takes new jobs", "is cordoned: it gets no new jobs",
                                       "drains: it gets no new jobs, ends what runs, and leaves"};
    return says[availability];
}

/* Jobs bound to one of its actors wait for another actor. Jobs that wait for the same bits wait for
 * any actor of the file if no such actor takes jobs. */
static void leave_alone(struct head *h, struct worker *w)
{
    struct fault f = {0};
    fault_set(&f, ERR_UNAVAILABLE, "worker '%s' takes no new jobs", w->name);
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        struct actor *a = w->actors[key];
        if (a == NULL)
            continue;
        if (a->member_of[POOL_SAME_BITS].pool != NULL)
            head_compatible_left(h, a->member_of[POOL_SAME_BITS].pool);
        head_actor_unbind(h, a, &f);
    }
}

static void availability_is(struct head *h, struct worker *w, uint8_t availability, struct str reason)
{
    bool news = w->availability != availability;
    w->availability = availability;
    snprintf(w->availability_reason, sizeof w->availability_reason, "%.*s", STR_ARG(reason));
    head_worker_judge(h, w);
    if (!news)
        return;
    head_log(h, LOG_INFO, TAG, EVENT("availability", KV("node", w->name), KV("availability", availability_name(availability)),
                                         KV("reason", w->availability_reason)),
             "%s%s%s", availability_says(availability), reason.n > 0 ? "; " : "", w->availability_reason);
    head_worker_refresh(h, w);
    if (availability != WIRE_SERVING)
        leave_alone(h, w);
}

int head_availability(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_availability *m = &msg->availability;
    if (m->availability > WIRE_DRAINING || !text_is_line(m->reason, HEAD_LINE_BYTES_MAX))
        return fault_set(f, ERR_PROTOCOL, "availability %u with a reason of %zu bytes: 0 to %d with a printable line can be", m->availability,
                         m->reason.n, WIRE_DRAINING);
    availability_is(h, w, m->availability, m->reason);
    head_moves(h, w, m->availability == WIRE_DRAINING && m->moves != 0);
    return 0;
}

/* ---- asking ---- */

/* "'a', 'b' and 7 more" */
static struct str worker_names(struct head *h)
{
    char text[240];
    struct buf names = buf_max(sizeof text - 1);
    uint32_t left = 0;
    IDTAB_EACH(node, &h->workers) {
        const struct worker *w = id_item(node, struct worker, node);
        if (left > 0 || buf_printf(&names, "%s'%s'", names.n > 0 ? ", " : "", w->name) != 0)
            left++;
    }
    snprintf(text, sizeof text, "%s", buf_cstr(&names));
    buf_fini(&names);
    return left > 0 ? head_text(h, "%s and %u more", text, left) : head_text(h, "%s", text[0] != '\0' ? text : "none");
}

static int find(struct head *h, struct str name, uint8_t availability, struct worker **out, struct fault *f)
{
    struct name_node *node = names_get(&h->worker_names, name);
    if (node == NULL)
        return fault_set(f, ERR_NOT_FOUND, "there is no worker '%.*s'; there is: %.*s",
                         STR_ARG(text_is_name(name, HEAD_NAME_BYTES_MAX) ? name : str_of("(no printable name)")),
                         STR_ARG(worker_names(h)));
    struct worker *w = id_item(node, struct worker, by_name);
    if (w->availability == WIRE_DRAINING && availability != WIRE_DRAINING)
        return fault_set(f, ERR_IN_USE, "worker '%s' drains: it ends what runs and leaves, which cannot be taken back", w->name);
    *out = w;
    return 0;
}

/* The new availability counts at once, except SERVING: the worker confirms that before this head sends it anything. */
static void ask(struct head *h, struct worker *w, uint8_t availability, uint32_t grace_ms, bool move)
{
    if (availability == WIRE_DRAINING)
        head_send(h, w->link, WIRE_drain)->drain = (struct wire_drain){.grace_ms = grace_ms, .move = move};
    else
        head_send(h, w->link, WIRE_cordon)->cordon.on = availability == WIRE_CORDONED;
    if (availability != WIRE_SERVING)
        availability_is(h, w, availability, str_of("this head asked for it"));
}

void head_availability_ask(struct head *h, const struct head_event *ev)
{
    struct fault f = {0};
    struct worker *w = NULL;
    if (find(h, ev->text, ev->availability, &w, &f) == 0)
        ask(h, w, ev->availability, ev->grace_ms, ev->move);
    head_answer(h, ev->call, &f);
}
