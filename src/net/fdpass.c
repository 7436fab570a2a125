/* A unix socket between two processes of one user, over which bytes and open connections cross.
 *
 * The happy path is: a listener waits at a path -> a process dials it -> its user is ours -> its
 * first bytes arrive: on_call gets the channel -> both sides send and receive frames until one lets
 * go. It can fail by: a stranger dials (it is hung up on); a side is silent for longer than the
 * patience (ERR_TIMEOUT), or goes away (ERR_NET).
 *
 * Sending and receiving block, so that the process does nothing else in between: the reported
 * states of a thousand connections all belong to one moment. That is why a channel has one deadline
 * for everything it does.
 *
 * A frame is: u32 number of bytes that follow, its highest bit set when a descriptor comes with
 * them; the bytes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "net/conn.h"

static const uint32_t WITH_DESCRIPTOR = 1u << 31;

struct net_fdpass {
    int fd;
    int carried;          /* descriptor from the last frame; -1: none, or taken */
    uint64_t deadline_us; /* for everything it does */
    struct buf in;        /* owned; the last frame */
};

/* ---- the channel ---- */

struct net_fdpass *fdpass_new(int fd, uint32_t patience_ms)
{
    struct net_fdpass *f = xalloc(sizeof *f);
    *f = (struct net_fdpass){.fd = fd, .carried = -1, .deadline_us = clock_us() + patience_ms * 1000ull,
                            .in = buf_max(NET_FDPASS_BYTES_MAX)};
    return f;
}

static void drop_carried(struct net_fdpass *f)
{
    if (f->carried >= 0)
        close(f->carried);
    f->carried = -1;
}

void net_fdpass_free(struct net_fdpass *f)
{
    if (f == NULL)
        return;
    drop_carried(f);
    buf_fini(&f->in);
    close(f->fd);
    free(f);
}

static int wait_for(struct net_fdpass *f, short what, struct fault *fault)
{
    for (;;) {
        uint64_t now_us = clock_us();
        struct pollfd p = {.fd = f->fd, .events = what};
        int ms = now_us < f->deadline_us ? (int)((f->deadline_us - now_us + 999) / 1000) : 0;
        int n = poll(&p, 1, ms);
        if (n > 0)
            return 0;
        if (n == 0)
            return fault_set(fault, ERR_TIMEOUT, "the other process was silent for too long");
        if (errno != EINTR)
            return fault_set(fault, ERR_NET, "waiting for the other process failed: %s", strerror(errno));
    }
}

/* Sends some bytes of `parts`, with the descriptor if there is one. */
static int send_some(struct net_fdpass *f, struct iovec *parts, size_t parts_n, int fd, size_t *out_n, struct fault *fault)
{
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = parts_n};
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    for (;;) {
        ssize_t n = sendmsg(f->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            *out_n = (size_t)n;
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fault_set(fault, ERR_NET, "the other process does not take what it is sent: %s", strerror(errno));
        int err = wait_for(f, POLLOUT, fault);
        if (err != 0)
            return err;
    }
}

static int send_frame(struct net_fdpass *f, struct str bytes, int fd, struct fault *fault)
{
    if (bytes.n > NET_FDPASS_BYTES_MAX)
        return fault_set(fault, ERR_TOO_LARGE, "a frame of %zu bytes, at most %d can be sent to another process", bytes.n,
                         NET_FDPASS_BYTES_MAX);
    uint32_t head = (uint32_t)bytes.n | (fd >= 0 ? WITH_DESCRIPTOR : 0);
    for (size_t sent = 0; sent < sizeof head + bytes.n;) {
        struct iovec parts[2];
        size_t n = 0, of_head = sent < sizeof head ? sent : sizeof head, of_bytes = sent - of_head;
        if (of_head < sizeof head)
            parts[n++] = (struct iovec){.iov_base = (char *)&head + of_head, .iov_len = sizeof head - of_head};
        if (of_bytes < bytes.n)
            parts[n++] = (struct iovec){.iov_base = (char *)(uintptr_t)bytes.p + of_bytes, .iov_len = bytes.n - of_bytes};
        size_t more = 0;
        int err = send_some(f, parts, n, sent == 0 ? fd : -1, &more, fault);
        if (err != 0)
            return err;
        sent += more;
    }
    return 0;
}

int net_fdpass_send(struct net_fdpass *f, struct str bytes, struct fault *fault)
{
    return send_frame(f, bytes, -1, fault);
}

int net_fdpass_send_conn(struct net_fdpass *f, struct str bytes, const struct net_conn *c, struct fault *fault)
{
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) != 0)
        return fault_set(fault, ERR_NET, "the connection to %s has no socket any more", c->peer);
    return send_frame(f, bytes, fd, fault);
}

int net_fdpass_send_listener(struct net_fdpass *f, struct str bytes, struct net_listener *s, struct fault *fault)
{
    return send_frame(f, bytes, listener_fd(s), fault);
}

/* ---- receiving ---- */

static void take_descriptor(struct net_fdpass *f, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
            continue;
        drop_carried(f);
        memcpy(&f->carried, CMSG_DATA(c), sizeof f->carried);
    }
}

/* Receives exactly n bytes. A descriptor can only come with the first byte of a frame; elsewhere
 * the kernel closes it. */
static int receive_all(struct net_fdpass *f, char *p, size_t n, bool with_descriptor, struct fault *fault)
{
    while (n > 0) {
        union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
        struct iovec part = {.iov_base = p, .iov_len = n};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
        if (with_descriptor) {
            m.msg_control = &control;
            m.msg_controllen = sizeof control.room;
        }
        ssize_t got = recvmsg(f->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got == 0)
            return fault_set(fault, ERR_NET, "the other process has hung up");
        if (got > 0) {
            take_descriptor(f, &m);
            if ((m.msg_flags & MSG_CTRUNC) != 0 && with_descriptor)
                return fault_set(fault, ERR_NET, "a connection did not come across: this process may open too few files");
            p += got;
            n -= (size_t)got;
        } else if (errno == EAGAIN) {
            int err = wait_for(f, POLLIN, fault);
            if (err != 0)
                return err;
        } else if (errno != EINTR) {
            return fault_set(fault, ERR_NET, "the other process is lost: %s", strerror(errno));
        }
    }
    return 0;
}

int net_fdpass_receive(struct net_fdpass *f, struct str *out, struct fault *fault)
{
    uint32_t head = 0;
    drop_carried(f);
    buf_reset(&f->in);
    int err = receive_all(f, (char *)&head, sizeof head, true, fault);
    if (err != 0)
        return err;
    size_t n = head & ~WITH_DESCRIPTOR;
    if (n > NET_FDPASS_BYTES_MAX || ((head & WITH_DESCRIPTOR) != 0) != (f->carried >= 0))
        return fault_set(fault, ERR_PROTOCOL, "what the other process says is no frame of a hand-over");
    MUST(buf_reserve(&f->in, n) == 0);
    err = receive_all(f, f->in.p, n, false, fault);
    if (err != 0)
        return err;
    f->in.n = n;
    *out = buf_str(&f->in);
    return 0;
}

bool net_fdpass_carries(const struct net_fdpass *f)
{
    return f->carried >= 0;
}

void net_fdpass_wait(struct net_fdpass *f, uint32_t ms)
{
    f->deadline_us = clock_us() + ms * 1000ull;
}

/* ---- received descriptors ---- */

int net_fdpass_keep(struct net_fdpass *f)
{
    int fd = f->carried;
    f->carried = -1;
    return fd;
}

/* A file must not get into libuv, which could not poll it. */
static bool is_stream_socket(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

struct net_conn *net_conn_take(struct net_loop *l, int fd)
{
    struct net_conn *c = conn_new(l, CONN_OPEN);
    int r = is_stream_socket(fd) ? uv_tcp_open(&c->tcp, fd) : UV_ENOTSOCK;
    if (r < 0) {
        net_fd_drop(fd);
        conn_reason(c, ERR_NET, "taking a connection over failed: %s", uv_strerror(r));
        conn_shut(c); /* the caller sets its calls next; on_close follows in the next turn */
        c->peer = xstrdup("?");
        return c;
    }
    conn_opened(c);
    return c;
}
