/* Dial: name -> addresses -> the first address that answers.
 *
 * The happy path is: resolve (in libuv's thread pool; a numeric host needs no resolving) -> connect
 * -> on_open. It can fail by: the name is unknown; an address refuses or is silent (the next one is
 * tried, on a fresh socket); the owner closes meanwhile. Each failure ends in on_close, with words
 * that name host and port. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/conn.h"

static void connect_next(struct net_conn *c);

static void give_up(struct net_conn *c, int uv_err)
{
    const struct dialling *d = c->dialling;
    if (d->addresses_n > 1)
        conn_reason(c, ERR_NET, "cannot connect to %s (%u addresses tried): %s", net_place(d->host, d->port).text, d->tried,
                    uv_strerror(uv_err));
    else
        conn_reason(c, ERR_NET, "cannot connect to %s: %s", net_place(d->host, d->port).text, uv_strerror(uv_err));
    conn_shut(c);
}

/* A socket that failed to connect cannot be used again. */
static void on_failed_socket_closed(uv_handle_t *h)
{
    struct net_conn *c = h->data;
    if (c->state == CONN_CLOSED) {
        conn_closed(c);
        return;
    }
    MUST(uv_tcp_init(&c->loop->uv, &c->tcp) == 0);
    c->tcp.data = c;
    connect_next(c);
}

static void address_failed(struct net_conn *c, int uv_err)
{
    list_remove(&c->timed);
    if (c->dialling->tried == c->dialling->addresses_n)
        give_up(c, uv_err);
    else
        uv_close((uv_handle_t *)&c->tcp, on_failed_socket_closed);
}

void dialling_timeout(struct net_conn *c)
{
    address_failed(c, UV_ETIMEDOUT);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct net_conn *c = req->data;
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return; /* given up already; the close callback continues from there */
    if (status < 0) {
        address_failed(c, status);
        return;
    }
    list_remove(&c->timed);
    dialling_free(c);
    conn_opened(c);
    if (c->calls.on_open != NULL)
        c->calls.on_open(c, c->user_data);
    if (c->state == CONN_OPEN)
        conn_touch(c); /* bytes written while dialling */
}

static void connect_next(struct net_conn *c)
{
    struct dialling *d = c->dialling;
    const struct sockaddr *address = (const struct sockaddr *)&d->addresses[d->tried++];
    d->connect.data = c;
    conn_deadline(c, CONNECT_MS);
    int r = uv_tcp_connect(&d->connect, &c->tcp, address, on_connect);
    if (r < 0)
        address_failed(c, r);
}

static void resolve_failed(struct net_conn *c, int uv_err)
{
    conn_reason(c, ERR_NET, "cannot find the address of '%s': %s", c->dialling->host, uv_strerror(uv_err));
    conn_shut(c);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct dialling *d = req->data;
    d->resolving = false;
    for (const struct addrinfo *a = found; a != NULL && d->addresses_n < DIAL_ADDRESSES_MAX; a = a->ai_next)
        memcpy(&d->addresses[d->addresses_n++], a->ai_addr, a->ai_addrlen);
    uv_freeaddrinfo(found);
    if (d->conn == NULL)
        dialling_delete(d);
    else if (status < 0 || d->addresses_n == 0)
        resolve_failed(d->conn, status < 0 ? status : UV_EAI_NODATA);
    else
        connect_next(d->conn);
}

static void resolve(struct net_conn *c)
{
    struct dialling *d = c->dialling;
    char service[8];
    snprintf(service, sizeof service, "%u", d->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    d->resolve.data = d;
    int r = uv_getaddrinfo(&c->loop->uv, &d->resolve, on_resolved, d->host, service, &hints);
    d->resolving = r == 0;
    if (r < 0)
        resolve_failed(c, r);
}

struct net_conn *net_dial(struct net_loop *l, const char *host, uint16_t port, const struct net_conn_calls *calls,
                          void *user_data)
{
    struct net_conn *c = conn_new(l, CONN_DIALLING);
    net_conn_set(c, calls, user_data);
    c->peer = xstrdup(net_place(host, port).text);
    struct dialling *d = xalloc(sizeof *d);
    d->conn = c;
    d->host = xstrdup(host);
    d->port = port;
    c->dialling = d;
    if (address_parse(host, port, &d->addresses[0])) {
        d->addresses_n = 1;
        connect_next(c);
    } else {
        resolve(c);
    }
    return c;
}
