/* Watch a descriptor that a library reads and writes: report when it is ready. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/loop.h"

struct net_watch {
    struct net_object object; /* first */
    uv_poll_t uv;
    net_watch_fn *fn;
    void *user_data;          /* borrowed */
};

static void on_ready(uv_poll_t *uv, int status, int events)
{
    struct net_watch *w = uv->data;
    int ready = ((events & UV_READABLE) != 0 ? NET_READABLE : 0) | ((events & UV_WRITABLE) != 0 ? NET_WRITABLE : 0);
    w->fn(w, status < 0 ? NET_READABLE | NET_WRITABLE : ready, w->user_data);
}

static void end_watch(struct net_object *o)
{
    struct net_watch *w = (struct net_watch *)o;
    if (!uv_is_closing((uv_handle_t *)&w->uv))
        uv_close((uv_handle_t *)&w->uv, loop_free_data);
}

struct net_watch *net_watch_new(struct net_loop *l, int fd, net_watch_fn *fn, void *user_data)
{
    struct net_watch *w = xalloc(sizeof *w);
    *w = (struct net_watch){.object.end = end_watch, .fn = fn, .user_data = user_data};
    if (uv_poll_init(&l->uv, &w->uv, fd) != 0) {
        free(w);
        return NULL;
    }
    w->uv.data = w;
    return w;
}

void net_watch_set(struct net_watch *w, int wanted)
{
    int events = ((wanted & NET_READABLE) != 0 ? UV_READABLE : 0) | ((wanted & NET_WRITABLE) != 0 ? UV_WRITABLE : 0);
    MUST(!uv_is_closing((uv_handle_t *)&w->uv));
    if (events == 0)
        uv_poll_stop(&w->uv);
    else
        MUST(uv_poll_start(&w->uv, events, on_ready) == 0);
}

void net_watch_free(struct net_watch *w)
{
    if (w != NULL)
        end_watch(&w->object);
}
