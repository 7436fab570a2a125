/* The life of a TCP connection: its states and its end. The drawing is in conn.h. read.c has its
 * incoming bytes, write.c its outgoing bytes. */
#include "net/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/states.h"

static const struct state conn_states[] = {
    [CONN_DIALLING] = {"DIALLING", TO(CONN_OPEN) | TO(CONN_CLOSED)},
    [CONN_OPEN] = {"OPEN", TO(CONN_FLUSHING) | TO(CONN_CLOSED)},
    [CONN_FLUSHING] = {"FLUSHING", TO(CONN_LINGERING) | TO(CONN_CLOSED)},
    [CONN_LINGERING] = {"LINGERING", TO(CONN_CLOSED)},
    [CONN_CLOSED] = {"CLOSED", 0},
};

void conn_move(struct net_conn *c, enum conn_state to)
{
    c->state = state_next(conn_states, "connection", c->state, to);
}

static void end_conn(struct net_object *o)
{
    struct net_conn *c = (struct net_conn *)o;
    conn_reason(c, ERR_CANCELLED, "the program is ending");
    conn_shut(c);
}

struct net_conn *conn_new(struct net_loop *l, enum conn_state state)
{
    struct net_conn *c = xalloc(sizeof *c);
    c->object.end = end_conn;
    c->loop = l;
    c->state = state;
    c->out = buf_max(NET_PENDING_BYTES_MAX);
    MUST(uv_tcp_init(&l->uv, &c->tcp) == 0);
    c->tcp.data = c;
    return c;
}

/* ---- its memory ---- */

size_t net_conn_pending(const struct net_conn *c)
{
    return c->out.n + uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

void conn_count(struct net_conn *c)
{
    size_t now = c->state == CONN_CLOSED ? 0 : c->out.cap + (c->flight != NULL ? c->flight->bytes.cap : 0);
    c->loop->pending = c->loop->pending - c->counted + now;
    c->counted = now;
}

struct net_conn *conn_of(const uv_handle_t *h)
{
    const struct net_object *o = h->data; /* NULL: a handle of the loop itself */
    return o != NULL && o->end == end_conn ? h->data : NULL;
}

static void compare(uv_handle_t *h, void *user_data)
{
    struct net_conn **most = user_data, *c = conn_of(h);
    if (c != NULL && c->counted > (*most != NULL ? (*most)->counted : 0))
        *most = c;
}

struct net_conn *conns_greediest(struct net_loop *l)
{
    struct net_conn *most = NULL;
    uv_walk(&l->uv, compare, &most);
    return most;
}

/* ---- why it ends ---- */

void conn_reason(struct net_conn *c, int err, const char *fmt, ...)
{
    if (c->why != NULL)
        return;
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->why = xstrdup(text);
    c->err = err;
}

void conn_forget_reason(struct net_conn *c)
{
    free(c->why);
    c->why = NULL;
}

void conn_lost(struct net_conn *c, int uv_err)
{
    if (c->state == CONN_FLUSHING)
        conn_forget_reason(c); /* an orderly end was planned */
    conn_reason(c, ERR_NET, "connection to %s lost: %s", c->peer, uv_strerror(uv_err));
    conn_shut(c);
}

/* ---- dialling: the record that dial.c keeps until the connection is open ---- */

void dialling_delete(struct dialling *d)
{
    free(d->host);
    free(d);
}

/* When the connection ends: stops a running resolve. */
static void abandon_dialling(struct net_conn *c)
{
    struct dialling *d = c->dialling;
    if (d == NULL || !d->resolving)
        return; /* the socket holds the connect request, and ends it */
    d->conn = NULL;
    c->dialling = NULL;
    uv_cancel((uv_req_t *)&d->resolve); /* on_resolved() is called in any case, and frees d */
}

void dialling_free(struct net_conn *c)
{
    if (c->dialling != NULL)
        dialling_delete(c->dialling);
    c->dialling = NULL;
}

/* ---- the end ---- */

void conn_closed(struct net_conn *c)
{
    MUST(c->flight == NULL);
    dialling_free(c);
    if (c->calls.on_close != NULL)
        c->calls.on_close(c, c->err, c->why, c->user_data);
    buf_fini(&c->out);
    free(c->peer);
    free(c->why);
    free(c);
}

/* When a thousand connections close at once, their owners are told over several turns. */
static void on_closed(uv_handle_t *h)
{
    struct net_conn *c = h->data;
    list_push(&c->loop->gone, &c->dirty);
    loop_flush_soon(c->loop);
}

void conns_tell(struct net_loop *l)
{
    for (bool first = true; !list_empty(&l->gone) && (first || !net_turn_spent(l)); first = false) {
        struct net_conn *c = list_item(l->gone.next, struct net_conn, dirty);
        list_remove(&c->dirty);
        conn_closed(c);
    }
}

void conn_not_hungry(struct net_conn *c)
{
    list_remove(&c->hungry);
    c->loop->fed -= c->fed;
    c->fed = false;
}

void conn_shut(struct net_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    MUST(c->why != NULL);
    conn_move(c, CONN_CLOSED);
    buf_fini(&c->out);
    conn_count(c);
    list_remove(&c->dirty);
    list_remove(&c->timed);
    conn_not_hungry(c);
    abandon_dialling(c);
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) /* else it is closing between two addresses: dial.c finishes it then */
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_all_sent(struct net_conn *c)
{
    if (c->peer_ended) {
        conn_shut(c);
        return;
    }
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0)
        conn_shut(c);
    else
        conn_move(c, CONN_LINGERING);
}

/* ---- deadlines: one timer for all; few connections have a deadline, and SWEEP_MS is precise
 * enough ---- */

void conn_deadline(struct net_conn *c, unsigned ms)
{
    c->deadline_ms = uv_now(&c->loop->uv) + ms;
    c->deadline_pending = net_conn_pending(c);
    list_remove(&c->timed);
    list_push(&c->loop->timed, &c->timed);
    if (!uv_is_active((uv_handle_t *)&c->loop->sweep))
        MUST(uv_timer_again(&c->loop->sweep) == 0);
}
