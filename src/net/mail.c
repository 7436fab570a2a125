/* Mailboxes: any thread pushes, the loop's thread takes all.
 *
 * The box is a linked stack changed by one atomic operation on each side. A post to an empty box wakes the loop; posts to
 * a box that holds something need not, because the loop takes everything when it comes. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/loop.h"

struct net_mail {
    struct net_object object; /* first */
    uv_async_t uv;
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

static void on_wake(uv_async_t *uv)
{
    struct net_mail *m = uv->data;
    struct net_mail_item *items = take_all(m);
    if (items != NULL)
        m->fn(m, items, m->user_data);
}

static void on_mail_closed(uv_handle_t *h)
{
    free(h->data);
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
    MUST(uv_async_init(&l->uv, &m->uv, on_wake) == 0);
    m->uv.data = m;
    return m;
}

void net_mail_post(struct net_mail *m, struct net_mail_item *item)
{
    struct net_mail_item *newest = atomic_load_explicit(&m->newest, memory_order_relaxed);
    do {
        item->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&m->newest, &newest, item, memory_order_release,
                                                    memory_order_relaxed));
    if (newest == NULL)
        uv_async_send(&m->uv);
}

struct net_mail_item *net_mail_free(struct net_mail *m)
{
    if (m == NULL)
        return NULL;
    struct net_mail_item *left = take_all(m);
    end_mail(&m->object);
    return left;
}
