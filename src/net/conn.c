/* The life of a TCP connection after its birth: reading, closing, the end. The drawing is in conn.h. */
#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/must.h"

static const bool allowed[CONN_STATES][CONN_STATES] = {
    [CONN_DIALLING] = {[CONN_OPEN] = true, [CONN_CLOSED] = true},
    [CONN_OPEN] = {[CONN_FLUSHING] = true, [CONN_CLOSED] = true},
    [CONN_FLUSHING] = {[CONN_LINGERING] = true, [CONN_CLOSED] = true},
    [CONN_LINGERING] = {[CONN_CLOSED] = true},
};

static void move(struct net_conn *c, enum conn_state to)
{
    MUST(allowed[c->state][to]);
    c->state = to;
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

static void forget_reason(struct net_conn *c)
{
    free(c->why);
    c->why = NULL;
}

void conn_lost(struct net_conn *c, int uv_err)
{
    if (c->state == CONN_FLUSHING)
        forget_reason(c); /* it was to end orderly and does not */
    conn_reason(c, ERR_NET, "connection to %s lost: %s", c->peer, uv_strerror(uv_err));
    conn_shut(c);
}

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

/* A thousand that close at once have a thousand owners to tell: not all in one turn. */
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

void conn_shut(struct net_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    MUST(c->why != NULL);
    move(c, CONN_CLOSED);
    buf_fini(&c->out);
    conn_count(c);
    list_remove(&c->dirty);
    list_remove(&c->timed);
    dialling_abandon(c);
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) /* it is, between two addresses: dial.c ends it then */
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
        move(c, CONN_LINGERING);
}

/* Sends what is pending, then closes. What still comes is read and thrown away, so that a peer that is itself
 * writing does not stand still and neither of us waits for the other. */
static void start_closing(struct net_conn *c)
{
    move(c, CONN_FLUSHING);
    conn_deadline(c, CLOSE_MS);
    if (net_conn_pending(c) == 0)
        conn_all_sent(c);
    if (c->state != CONN_CLOSED && !c->peer_ended)
        conn_read_start(c);
}

void net_conn_close(struct net_conn *c)
{
    if (c->state > CONN_OPEN)
        return;
    conn_reason(c, 0, "closed");
    if (c->state == CONN_DIALLING)
        conn_shut(c);
    else
        start_closing(c);
}

void net_conn_abort(struct net_conn *c)
{
    conn_reason(c, ERR_CANCELLED, "aborted");
    conn_shut(c);
}

int net_conn_descriptor(const struct net_conn *c)
{
    uv_os_fd_t fd;
    return c->state == CONN_OPEN && uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 ? fd : -1;
}

/* ---- reading ---- */

/* Once a turn, and not when the turn is spent. Those turned away come first in the next one: the round is theirs until
 * each has read. */
static bool may_read(struct net_conn *c)
{
    struct net_loop *l = c->loop;
    if (c->round == l->round)
        return false;
    if (net_turn_spent(l)) {
        l->starved = true;
        return false;
    }
    c->round = l->round;
    return true;
}

/* libuv asks, reads and calls back in one go, so one buffer serves all connections. Without a buffer it does not read, says
 * UV_ENOBUFS, and asks again in the next turn. */
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    *out = uv_buf_init(loop_of(h)->read_bytes, may_read(h->data) ? NET_READ_BYTES : 0);
}

static void on_peer_ended(struct net_conn *c)
{
    c->peer_ended = true;
    if (c->state == CONN_OPEN) {
        conn_reason(c, 0, "closed by the peer");
        start_closing(c);
    } else if (c->state == CONN_LINGERING) {
        conn_shut(c);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct net_conn *c = stream->data;
    if (n == UV_ENOBUFS) {
        return;
    } else if (n == UV_EOF) {
        on_peer_ended(c);
    } else if (n < 0) {
        conn_lost(c, (int)n);
    } else if (n > 0 && c->state == CONN_OPEN && c->calls.on_data != NULL) {
        c->calls.on_data(c, str_n(bytes->base, (size_t)n), c->user_data);
    }
}

void conn_read_start(struct net_conn *c)
{
    int r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    MUST(r == 0 || r == UV_EALREADY);
}

/* By itself the kernel would take up to 4 MiB for a peer that does not read, of memory that no limit of ours knows.
 * See tcp(7), TCP_NOTSENT_LOWAT: what is sent and not acknowledged does not count, so a far, fast peer loses nothing. */
static void keep_out_of_the_kernel(struct net_conn *c)
{
    int bytes = NET_KERNEL_BYTES_MAX;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void conn_opened(struct net_conn *c)
{
    uv_tcp_nodelay(&c->tcp, 1); /* writes are collected here, so waiting for more in the kernel only adds delay */
    keep_out_of_the_kernel(c);
    struct sockaddr_storage a = {0};
    int n = sizeof a;
    char text[NET_ADDRESS_BYTES] = "?";
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) == 0)
        address_text(&a, text);
    free(c->peer);
    c->peer = xstrdup(text);
    c->origin = address_origin(&a);
    if (c->state == CONN_DIALLING)
        move(c, CONN_OPEN);
    if (!c->paused)
        conn_read_start(c);
}

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    if (c->state == CONN_OPEN)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void net_conn_resume(struct net_conn *c)
{
    c->paused = false;
    if (c->state == CONN_OPEN)
        conn_read_start(c);
}

/* ---- deadlines: one timer for all, looked at now and then; few connections have one and a second is near enough ---- */

void conn_deadline(struct net_conn *c, unsigned ms)
{
    c->deadline_ms = uv_now(&c->loop->uv) + ms;
    c->deadline_pending = net_conn_pending(c);
    list_remove(&c->timed);
    list_push(&c->loop->timed, &c->timed);
    if (!uv_is_active((uv_handle_t *)&c->loop->sweep))
        MUST(uv_timer_again(&c->loop->sweep) == 0);
}

static void deadline_passed(struct net_conn *c)
{
    size_t pending = net_conn_pending(c);
    if (c->state == CONN_DIALLING) {
        dialling_timeout(c);
    } else if (pending > 0 && pending < c->deadline_pending) {
        conn_deadline(c, CLOSE_MS); /* slow, but it reads */
    } else {
        if (pending > 0) {
            forget_reason(c);
            conn_reason(c, ERR_TIMEOUT, "%s did not take the last %zu bytes", c->peer, pending);
        }
        conn_shut(c);
    }
}

void conns_sweep(struct net_loop *l)
{
    uint64_t now_ms = uv_now(&l->uv);
    LIST_EACH_SAFE(pos, next, &l->timed) {
        struct net_conn *c = list_item(pos, struct net_conn, timed);
        if (net_turn_spent(l))
            break; /* the next sweep is near */
        if (now_ms >= c->deadline_ms)
            deadline_passed(c);
    }
    if (list_empty(&l->timed))
        uv_timer_stop(&l->sweep);
}

struct net_conn *conn_of(const uv_handle_t *h)
{
    const struct net_object *o = h->data; /* NULL: the loop's own */
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

/* ---- small questions ---- */

void net_conn_set(struct net_conn *c, const struct net_conn_calls *calls, void *user_data)
{
    c->calls = *calls;
    c->user_data = user_data;
    c->given_calls = true;
}

const char *net_conn_peer(const struct net_conn *c)
{
    return c->peer;
}

uint64_t net_conn_origin(const struct net_conn *c)
{
    return c->origin;
}
