/* Run work that is too long for a turn of the loop on one of libuv's threads, and tell the loop
 * when it is done. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/loop.h"

struct work {
    uv_work_t req;
    net_work_fn *work, *done;
    void *data; /* borrowed */
};

static void on_work(uv_work_t *req)
{
    const struct work *w = req->data;
    w->work(w->data);
}

static void on_done(uv_work_t *req, int status)
{
    struct work *w = req->data;
    MUST(status == 0); /* no caller cancels it */
    w->done(w->data);
    free(w);
}

void net_work(struct net_loop *l, net_work_fn *work, net_work_fn *done, void *data)
{
    struct work *w = xalloc(sizeof *w);
    *w = (struct work){.work = work, .done = done, .data = data};
    w->req.data = w;
    MUST(uv_queue_work(&l->uv, &w->req, on_work, on_done) == 0);
}

static void nothing(void *data)
{
    (void)data;
}

void net_work_begin(struct net_loop *l)
{
    net_work(l, nothing, nothing, NULL);
}
