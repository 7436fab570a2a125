/* A TCP connection from its opening on: reading, and closing in good order. */
#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/must.h"

static void read_start(struct net_conn *c);

/* Sends the pending bytes, then closes. Incoming bytes are read and discarded, so that a peer
 * that is writing itself makes progress and neither side waits for the other. */
static void start_closing(struct net_conn *c)
{
    conn_move(c, CONN_FLUSHING);
    conn_deadline(c, CLOSE_MS);
    if (net_conn_pending(c) == 0)
        conn_all_sent(c);
    if (c->state != CONN_CLOSED && !c->peer_ended)
        read_start(c);
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

enum { FED_PER_TURN = 128 };

/* Returns whether it must wait for a later turn: this turn is spent, or others have waited
 * longer. */
static bool is_too_late(const struct net_conn *c)
{
    const struct net_loop *l = c->loop;
    return net_turn_spent(c->loop) || (!c->fed && (l->fed > 0 || !list_empty(&l->hungry)));
}

/* Takes its one read of this turn. */
static bool may_read(struct net_conn *c)
{
    if (c->turn == c->loop->turn || is_too_late(c))
        return false;
    c->turn = c->loop->turn;
    conn_not_hungry(c);
    return true;
}

/* Stops polling the connection until its time comes. libuv would call back for each readable
 * connection up to 48 times in a turn, and there may be thousands. */
static void turn_away(struct net_conn *c)
{
    struct net_loop *l = c->loop;
    struct list *queue = c->turn == l->turn ? &l->sated : c->fed ? &l->again : &l->hungry;
    uv_read_stop((uv_stream_t *)&c->tcp);
    conn_not_hungry(c);
    list_push(queue, &c->hungry);
    loop_flush_soon(l);
}

/* Lets the next batch read. The kernel names ready connections in an order of its own, so they
 * are served in batches: a new batch begins when all of the last one have been read. */
void conns_feed(struct net_loop *l)
{
    struct list *batch = list_empty(&l->again) ? &l->hungry : &l->again;
    for (int n = 0; n < FED_PER_TURN && !list_empty(batch); n++) {
        struct net_conn *c = list_item(batch->next, struct net_conn, hungry);
        read_start(c);
        c->fed = true;
        l->fed++;
    }
    list_append(&l->hungry, &l->sated);
}

/* libuv polls, reads and calls back in one go, so one buffer serves all connections. Without a
 * buffer it does not read, and reports UV_ENOBUFS. */
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
        if (is_too_late(c))
            turn_away(c);
    } else if (n == UV_EOF) {
        on_peer_ended(c);
    } else if (n < 0) {
        conn_lost(c, (int)n);
    } else if (n > 0 && c->state == CONN_OPEN && c->calls.on_data != NULL) {
        c->calls.on_data(c, str_n(bytes->base, (size_t)n), c->user_data);
    }
}

static void read_start(struct net_conn *c)
{
    conn_not_hungry(c);
    int r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    MUST(r == 0 || r == UV_EALREADY);
}

/* By default the kernel would buffer up to 4 MiB, which none of our limits counts, for a peer
 * that does not read. See tcp(7), TCP_NOTSENT_LOWAT: bytes that are sent and not acknowledged do
 * not count, so a far, fast peer loses nothing. */
static void keep_out_of_the_kernel(struct net_conn *c)
{
    int bytes = NET_KERNEL_BYTES_MAX;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void conn_opened(struct net_conn *c)
{
    uv_tcp_nodelay(&c->tcp, 1); /* writes are collected here already, so the kernel must not wait for more */
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
        conn_move(c, CONN_OPEN);
    if (!c->paused)
        read_start(c);
}

void net_conn_probe(struct net_conn *c)
{
    enum { ON = 1, PROBES = 4 };
    static const struct { int level, name, value; } settings[] = {
        {SOL_SOCKET, SO_KEEPALIVE, ON},
#ifdef TCP_KEEPIDLE
        {IPPROTO_TCP, TCP_KEEPIDLE, NET_PROBE_S},
#else
        {IPPROTO_TCP, TCP_KEEPALIVE, NET_PROBE_S}, /* macOS */
#endif
        {IPPROTO_TCP, TCP_KEEPINTVL, NET_PROBE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
    };
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0)
        return;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        setsockopt(fd, settings[i].level, settings[i].name, &settings[i].value, sizeof settings[i].value);
}

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    conn_not_hungry(c);
    if (c->state == CONN_OPEN)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void net_conn_resume(struct net_conn *c)
{
    c->paused = false;
    if (c->state == CONN_OPEN)
        read_start(c);
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
