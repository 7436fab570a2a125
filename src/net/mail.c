/* Mailboxes: any thread pushes, the loop's thread takes all items.
 *
 * The box is a linked stack changed by one atomic operation on each side. Only a post to an empty
 * box wakes the loop, because the loop takes everything when it comes.
 *
 * The loop is woken by a byte in a pipe, not by uv_async_send(): there the woken side waits,
 * spinning and yielding, until the waking side is back from its write(). An engine thread that is
 * preempted right in that write(), as happens when it wakes a thread on its own processor, then
 * computes for milliseconds before the loop can continue. Measured as a third of the worker loop's
 * processor time. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/loop.h"

struct net_mail {
    struct net_object object; /* first */
    uv_poll_t uv;
    int wake[2];              /* read end, write end: a few meaningless bytes at most */
    _Atomic(struct net_mail_item *) newest; /* stack, linked from new to old */
    net_mail_fn *fn;
    void *user_data;          /* borrowed */
};

static struct net_mail_item *take_all(struct net_mail *m)
{
    struct net_mail_item *item = atomic_exchange_explicit(&m->newest, NULL, memory_order_acquire);
    struct net_mail_item *oldest = NULL;
    while (item != NULL) {
        struct net_mail_item *older = item->next;
        item->next = oldest;
        oldest = item;
        item = older;
    }
    return oldest;
}

/* Reads the byte first, then takes the items: in the other order, the byte of a post in between
 * would be lost. */
static void on_wake(uv_poll_t *uv, int status, int events)
{
    struct net_mail *m = uv->data;
    char bytes[64];
    (void)status;
    (void)events;
    while (read(m->wake[0], bytes, sizeof bytes) < 0 && errno == EINTR)
        continue;
    struct net_mail_item *items = take_all(m);
    if (items != NULL)
        m->fn(m, items, m->user_data);
}

static void on_mail_closed(uv_handle_t *h)
{
    struct net_mail *m = h->data;
    close(m->wake[0]);
    close(m->wake[1]);
    free(m);
}

static void end_mail(struct net_object *o)
{
    struct net_mail *m = (struct net_mail *)o;
    if (!uv_is_closing((uv_handle_t *)&m->uv))
        uv_close((uv_handle_t *)&m->uv, on_mail_closed);
}

struct net_mail *net_mail_new(struct net_loop *l, net_mail_fn *fn, void *user_data)
{
    struct net_mail *m = xalloc(sizeof *m);
    m->object.end = end_mail;
    m->fn = fn;
    m->user_data = user_data;
    MUST(uv_pipe(m->wake, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
    MUST(uv_poll_init(&l->uv, &m->uv, m->wake[0]) == 0);
    m->uv.data = m;
    MUST(uv_poll_start(&m->uv, UV_READABLE, on_wake) == 0);
    return m;
}

void net_mail_post(struct net_mail *m, struct net_mail_item *item)
{
    struct net_mail_item *newest = atomic_load_explicit(&m->newest, memory_order_relaxed);
    do {
        item->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&m->newest, &newest, item, memory_order_release,
                                                    memory_order_relaxed));
    if (newest != NULL)
        return;
    while (write(m->wake[1], "", 1) < 0 && errno == EINTR)
        continue;
}

struct net_mail_item *net_mail_free(struct net_mail *m)
{
    if (m == NULL)
        return NULL;
    struct net_mail_item *left = take_all(m);
    end_mail(&m->object);
    return left;
}
