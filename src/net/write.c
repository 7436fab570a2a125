/* Outgoing bytes: collected during a turn, sent once before the loop sleeps; the rest when the peer
 * has room.
 *
 * net_write() appends to `out` and puts the connection on the loop's dirty list. Before sleeping
 * the loop flushes each dirty connection: most often one send() takes everything and the buffer is
 * freed. Bytes that the kernel does not take become the *flight*, which libuv finishes; later
 * writes collect in `out` again meanwhile. A callback that writes during the flush (on_drain) is
 * served in the next turn, which then comes without a sleep: two fast peers cannot keep the loop
 * from its other work. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/conn.h"

static void flush(struct net_conn *c);

int net_conn_unsent(const struct net_conn *c, struct buf *out)
{
    /* libuv reports how many bytes of the flight are left: they are its end */
    size_t left = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    if (c->flight != NULL && buf_add(out, c->flight->bytes.p + c->flight->bytes.n - left, left) != 0)
        return ERR_TOO_LARGE;
    return buf_add_str(out, buf_str(&c->out));
}

static void flush_soon(struct net_conn *c)
{
    if (list_linked(&c->dirty))
        return;
    list_push(&c->loop->dirty, &c->dirty);
    loop_flush_soon(c->loop);
}

void conn_touch(struct net_conn *c)
{
    if (c->out.n > 0 && c->flight == NULL)
        flush_soon(c);
}

/* Walking all connections is expensive, but each walk ends one that held more than its share. */
static void relieve(struct net_loop *l)
{
    while (l->pending > l->pending_max) {
        struct net_conn *c = conns_greediest(l);
        MUST(c != NULL);
        conn_reason(c, ERR_TOO_LARGE, "%s had the most unsent bytes, %zu, when all together took more than %zu", c->peer != NULL ? c->peer : "a peer",
                    net_conn_pending(c), l->pending_max);
        conn_shut(c);
    }
}

int net_write(struct net_conn *c, struct str bytes)
{
    if (c->state > CONN_OPEN)
        return ERR_NET;
    size_t pending = net_conn_pending(c);
    if (bytes.n > NET_PENDING_BYTES_MAX - pending)
        return ERR_TOO_LARGE;
    MUST(buf_add_str(&c->out, bytes) == 0);
    if (pending + bytes.n > c->pending_peak)
        c->pending_peak = pending + bytes.n;
    conn_count(c);
    relieve(c->loop);
    if (c->state == CONN_CLOSED)
        return ERR_TOO_LARGE;
    if (c->state == CONN_OPEN)
        conn_touch(c);
    return 0;
}

static void on_written(uv_write_t *req, int status)
{
    struct net_conn *c = req->data;
    struct flight *flight = c->flight;
    c->flight = NULL;
    buf_fini(&flight->bytes);
    free(flight);
    conn_count(c);
    if (c->state == CONN_CLOSED)
        return;
    if (status < 0)
        conn_lost(c, status);
    else if (net_turn_spent(c->loop))
        flush_soon(c); /* many slow readers may have read at once */
    else
        flush(c);
}

/* The kernel took `sent` bytes of `out` and no more for now: libuv waits for room and continues. */
static void start_flight(struct net_conn *c, size_t sent)
{
    struct flight *flight = xalloc(sizeof *flight);
    flight->bytes = c->out;
    flight->req.data = c;
    c->out = buf_max(NET_PENDING_BYTES_MAX);
    uv_buf_t rest = uv_buf_init(flight->bytes.p + sent, (unsigned)(flight->bytes.n - sent));
    c->flight = flight;
    int r = uv_write(&flight->req, (uv_stream_t *)&c->tcp, &rest, 1, on_written);
    if (r == 0)
        return;
    c->flight = NULL;
    buf_fini(&flight->bytes);
    free(flight);
    conn_lost(c, r);
}

static void after_progress(struct net_conn *c)
{
    size_t pending = net_conn_pending(c);
    if (c->state == CONN_FLUSHING && pending == 0) {
        conn_all_sent(c);
    } else if (c->state == CONN_OPEN && c->pending_peak > 0 && pending <= c->pending_peak / 2) {
        c->pending_peak = pending;
        if (c->calls.on_drain != NULL)
            c->calls.on_drain(c, c->user_data);
    }
}

static void flush(struct net_conn *c)
{
    list_remove(&c->dirty);
    if (c->out.n > 0) {
        uv_buf_t all = uv_buf_init(c->out.p, (unsigned)c->out.n);
        int r = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
        if (r < 0 && r != UV_EAGAIN) {
            conn_lost(c, r);
            return;
        }
        if (r == (int)c->out.n)
            buf_fini(&c->out); /* thousands may be idle, so none keeps a buffer; malloc is cheap beside send() */
        else
            start_flight(c, r > 0 ? (size_t)r : 0);
        conn_count(c);
    }
    after_progress(c);
}

void conns_flush(struct net_loop *l, bool all)
{
    struct list batch;
    list_init(&batch);
    while (!list_empty(&l->dirty)) {
        struct list *first = l->dirty.next;
        list_remove(first);
        list_push(&batch, first);
    }
    while (!list_empty(&batch) && (all || !net_turn_spent(l)))
        flush(list_item(batch.next, struct net_conn, dirty));
    while (!list_empty(&batch)) { /* first in the next turn */
        struct list *last = batch.prev;
        list_remove(last);
        list_push_front(&l->dirty, last);
    }
    if (list_empty(&l->dirty) && list_empty(&l->gone) && list_empty(&l->hungry) && list_empty(&l->again))
        uv_idle_stop(&l->flush);
}
