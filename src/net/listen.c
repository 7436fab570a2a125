/* Listen on a port, and accept a bounded number of new connections per turn of the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/conn.h"

enum {
    BACKLOG = 4096,        /* the kernel may lower it: somaxconn */
    ACCEPTS_PER_TURN = 64, /* a burst of callers must not hold up the streams that run */
};

struct net_listener {
    struct net_object object; /* first */
    uv_tcp_t tcp;
    uv_prepare_t turn;        /* resets `accepted` in each turn */
    unsigned open_handles;    /* count of the open ones of these two */
    unsigned accepted;        /* connections in this turn */
    bool held_back;           /* libuv holds one accepted connection and takes no more until we take it */
    uint16_t port;
    net_accept_fn *fn;
    void *user_data;          /* borrowed */
};

static void on_listener_closed(uv_handle_t *h)
{
    struct net_listener *s = h->data;
    if (--s->open_handles == 0)
        free(s);
}

static void end_listener(struct net_object *o)
{
    struct net_listener *s = (struct net_listener *)o;
    if (uv_is_closing((uv_handle_t *)&s->tcp))
        return;
    uv_close((uv_handle_t *)&s->tcp, on_listener_closed);
    uv_close((uv_handle_t *)&s->turn, on_listener_closed);
}

static void accept_one(struct net_listener *s)
{
    struct net_conn *c = conn_new(loop_of((uv_handle_t *)&s->tcp), CONN_OPEN);
    s->accepted++;
    int r = uv_accept((uv_stream_t *)&s->tcp, (uv_stream_t *)&c->tcp);
    if (r < 0) {
        conn_reason(c, ERR_NET, "accepting failed: %s", uv_strerror(r));
        conn_shut(c); /* has no owner yet: no calls are set */
        return;
    }
    conn_opened(c);
    s->fn(c, s->user_data);
    MUST(c->given_calls || c->state != CONN_OPEN);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct net_listener *s = stream->data;
    if (status < 0)
        return; /* out of files: libuv has refused the caller */
    if (s->accepted < ACCEPTS_PER_TURN && !net_turn_spent(loop_of((uv_handle_t *)stream)))
        accept_one(s);
    else
        s->held_back = true;
}

static void on_turn(uv_prepare_t *turn)
{
    struct net_listener *s = turn->data;
    s->accepted = 0;
    if (!s->held_back)
        return;
    s->held_back = false;
    accept_one(s);
}

/* Finds the address to listen on. When a name has several addresses, prefers IPv4, because that
 * is what people type. */
static int find_address(struct net_loop *l, const char *host, uint16_t port, struct sockaddr_storage *out,
                        struct fault *f)
{
    if (address_parse(host, port, out))
        return 0;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    uv_getaddrinfo_t req;
    int r = uv_getaddrinfo(&l->uv, &req, NULL, host, service, &hints);
    if (r < 0)
        return fault_set(f, ERR_NET, "cannot listen on '%s': its address cannot be found: %s", host, uv_strerror(r));
    const struct addrinfo *best = req.addrinfo;
    for (const struct addrinfo *a = best; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET && best->ai_family != AF_INET)
            best = a;
    }
    memcpy(out, best->ai_addr, best->ai_addrlen);
    uv_freeaddrinfo(req.addrinfo);
    return 0;
}

static int listen_fault(struct fault *f, int uv_err, const char *host, uint16_t port)
{
    switch (uv_err) {
    case UV_EADDRINUSE:
        return fault_set(f, ERR_IN_USE, "port %u on %s is already in use: stop the program that listens there, "
                         "or choose another port", port, host);
    case UV_EADDRNOTAVAIL:
        return fault_set(f, ERR_NET, "cannot listen on %s: it is not an address of this machine", host);
    case UV_EACCES:
        return fault_set(f, ERR_NET, "may not listen on port %u: ports below 1024 are for root, choose a higher one",
                         port);
    default:
        return fault_set(f, ERR_NET, "cannot listen on port %u of %s: %s", port, host, uv_strerror(uv_err));
    }
}

static struct net_listener *listener_new(struct net_loop *l, net_accept_fn *fn, void *user_data)
{
    struct net_listener *s = xalloc(sizeof *s);
    *s = (struct net_listener){.object.end = end_listener, .open_handles = 2, .fn = fn, .user_data = user_data};
    MUST(uv_tcp_init(&l->uv, &s->tcp) == 0);
    MUST(uv_prepare_init(&l->uv, &s->turn) == 0);
    s->tcp.data = s->turn.data = s;
    return s;
}

/* Starts listening on a socket that has an address. */
static int listener_start(struct net_listener *s)
{
    int r = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
    struct sockaddr_storage bound = {0};
    int n = sizeof bound;
    if (r == 0)
        r = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&bound, &n);
    if (r < 0)
        return r;
    /* sin_port and sin6_port have the same offset */
    s->port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    MUST(uv_prepare_start(&s->turn, on_turn) == 0);
    uv_unref((uv_handle_t *)&s->turn);
    return 0;
}

int net_listen(struct net_loop *l, const char *host, uint16_t port, net_accept_fn *fn, void *user_data,
               struct net_listener **out, struct fault *f)
{
    struct sockaddr_storage address = {0};
    int err = find_address(l, host, port, &address, f);
    if (err != 0)
        return err;
    struct net_listener *s = listener_new(l, fn, user_data);
    /* libuv sets SO_REUSEADDR (a port in TIME_WAIT is free) and not SO_REUSEPORT (a port is
     * never shared). */
    int r = uv_tcp_bind(&s->tcp, (const struct sockaddr *)&address, 0);
    if (r == 0)
        r = listener_start(s);
    if (r < 0) {
        end_listener(&s->object);
        return listen_fault(f, r, host, port);
    }
    *out = s;
    return 0;
}

/* ---- between two processes ---- */

int listener_fd(struct net_listener *s)
{
    uv_os_fd_t fd;
    if (s->held_back) { /* libuv has accepted it already: it is no longer in the socket's backlog */
        s->held_back = false;
        accept_one(s);
    }
    MUST(uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0);
    return fd;
}

void net_fd_drop(int fd)
{
    if (fd >= 0)
        close(fd);
}

int net_listener_take(struct net_loop *l, int fd, net_accept_fn *fn, void *user_data, struct net_listener **out,
                      struct fault *f)
{
    struct net_listener *s = listener_new(l, fn, user_data);
    int r = uv_tcp_open(&s->tcp, fd);
    if (r < 0)
        net_fd_drop(fd);
    else
        r = listener_start(s);
    if (r < 0) {
        end_listener(&s->object);
        return fault_set(f, ERR_NET, "taking the port over failed: %s", uv_strerror(r));
    }
    *out = s;
    return 0;
}

void net_listener_host(const struct net_listener *s, char out[static NET_ADDRESS_BYTES])
{
    struct sockaddr_storage bound = {0};
    int n = sizeof bound;
    out[0] = '\0';
    if (uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&bound, &n) == 0)
        address_host(&bound, out);
}

int net_resolve(struct net_loop *l, const char *host, char out[static NET_ADDRESS_BYTES], struct fault *f)
{
    struct sockaddr_storage a = {0};
    int err = find_address(l, host, 0, &a, f);
    if (err == 0)
        address_host(&a, out);
    return err;
}

uint16_t net_listener_port(const struct net_listener *s)
{
    return s->port;
}

void net_listener_close(struct net_listener *s)
{
    if (s != NULL)
        end_listener(&s->object);
}
