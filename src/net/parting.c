/* Send, after a loop has stopped, the bytes that its closing connections still hold.
 *
 * A program sends its last words (a worker's final tokens and its bye, the end of an answer) and
 * stops its loop in the same turn. The kernel takes only what it has room for, and libuv would send
 * the rest from a loop that runs no more. So the rest is sent here, without callbacks: owners are
 * going away, too. A connection that is open but not closing has no last words.
 *
 * Happy path: all is sent, our end is shut, the peer's kernel has acknowledged it. Incoming bytes
 * are read and discarded meanwhile: closing with unread bytes resets the connection, and
 * unacknowledged bytes are then lost. It can fail by: a peer is gone, takes nothing for CLOSE_MS,
 * or does not take all of it within PARTING_MS. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "net/conn.h"

enum {
    PARTING_MS = 5000, /* for all together: the stopping of the program waits for it */
    LOOK_MS = 2,       /* nothing wakes us for an acknowledgement */
};

struct parting {
    struct net_conn *conn;
    int fd;            /* borrowed from conn; -1: done */
    struct buf unsent; /* owned */
    size_t sent;       /* bytes of `unsent` */
    bool shut;         /* our end is shut */
};

struct partings {
    struct parting *p;
    size_t n, cap;
};

static void collect(uv_handle_t *h, void *user_data)
{
    struct partings *all = user_data;
    struct net_conn *c = conn_of(h);
    uv_os_fd_t fd;
    if (c == NULL || (c->state != CONN_FLUSHING && c->state != CONN_LINGERING) || uv_fileno(h, &fd) != 0)
        return;
    if (all->n == all->cap)
        all->p = xrealloc(all->p, (all->cap = all->cap > 0 ? 2 * all->cap : 16) * sizeof *all->p);
    struct parting *p = &all->p[all->n++];
    *p = (struct parting){.conn = c, .fd = fd, .unsent = buf_max(NET_PENDING_BYTES_MAX), .shut = c->state == CONN_LINGERING};
    MUST(net_conn_unsent(c, &p->unsent) == 0);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Returns false when the peer is gone. */
static bool send_some(struct parting *p)
{
    size_t left = p->unsent.n - p->sent;
    ssize_t n = left > 0 ? send(p->fd, p->unsent.p + p->sent, left, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n < 0)
        return would_block();
    p->sent += (size_t)n;
    if (p->sent == p->unsent.n && !p->shut)
        p->shut = shutdown(p->fd, SHUT_WR) == 0;
    return p->sent < p->unsent.n || p->shut;
}

/* Returns false when the peer has ended or is gone. */
static bool throw_away(const struct parting *p)
{
    char bytes[16 << 10];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return n > 0 || (n < 0 && would_block());
}

static bool acknowledged(const struct parting *p)
{
    int queued = 0;
    return p->shut && (ioctl(p->fd, SIOCOUTQ, &queued) != 0 || queued == 0);
}

/* Makes one step for a connection. A peer that has shut its own end may still read. */
static void look(struct parting *p)
{
    bool hears = send_some(p);
    bool talks = throw_away(p);
    if (!hears || acknowledged(p) || (!talks && p->shut))
        p->fd = -1;
}

/* Steps through all connections once. Returns how many are not done; *out_sent is the total of
 * bytes sent so far. */
static size_t look_at_all(struct partings *all, size_t *out_sent)
{
    size_t open = 0;
    *out_sent = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct parting *p = &all->p[i];
        if (p->fd >= 0)
            look(p);
        open += p->fd >= 0;
        *out_sent += p->sent;
    }
    return open;
}

static void send_all(struct partings *all)
{
    uint64_t begun_us = clock_us(), progress_us = begun_us, now_us = begun_us;
    size_t before = 0, sent;
    while (look_at_all(all, &sent) > 0 && now_us - begun_us < PARTING_MS * 1000ull && now_us - progress_us < CLOSE_MS * 1000ull) {
        poll(NULL, 0, LOOK_MS);
        now_us = clock_us();
        if (sent != before)
            progress_us = now_us;
        before = sent;
    }
}

void conns_part(struct net_loop *l)
{
    struct partings all = {0};
    uv_walk(&l->uv, collect, &all);
    send_all(&all);
    for (size_t i = 0; i < all.n; i++) {
        conn_shut(all.p[i].conn);
        buf_fini(&all.p[i].unsent);
    }
    free(all.p);
}
