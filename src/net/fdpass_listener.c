/* Listen at a path for other processes of the same user, to pass frames and descriptors.
 * fdpass.c has the story. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "net/conn.h"

enum { LISTENER_BACKLOG = 4, LISTENER_CALLERS_MAX = 4 };

/* A process that has dialled and sent nothing yet. */
struct caller {
    struct net_object object; /* first */
    uv_poll_t poll;
    int fd;                   /* -1: handed to a channel, or closed */
    struct list link;         /* in listener.callers */
    struct net_fdpass_listener *listener; /* borrowed */
};

struct net_fdpass_listener {
    struct net_object object; /* first */
    uv_poll_t poll;
    int fd;
    char *path;               /* owned */
    uint32_t patience_ms;
    struct list callers;
    uint32_t callers_n;
    net_call_fn *fn;
    void *user_data;          /* borrowed */
};

static bool same_user(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == geteuid();
}

/* Ends a caller; its socket stays open when a channel has it now. */
static void caller_end(struct caller *c, bool hang_up)
{
    if (uv_is_closing((uv_handle_t *)&c->poll))
        return;
    uv_poll_stop(&c->poll);
    uv_close((uv_handle_t *)&c->poll, loop_free_data);
    list_remove(&c->link);
    c->listener->callers_n--;
    if (hang_up)
        close(c->fd);
}

static void end_caller(struct net_object *o)
{
    caller_end((struct caller *)o, true);
}

static void on_words(uv_poll_t *poll, int status, int events)
{
    struct caller *c = poll->data;
    struct net_fdpass_listener *s = c->listener;
    int fd = c->fd;
    (void)events;
    caller_end(c, status < 0);
    if (status == 0)
        s->fn(fdpass_new(fd, s->patience_ms), s->user_data);
}

static void on_caller(uv_poll_t *poll, int status, int events)
{
    struct net_fdpass_listener *s = poll->data;
    (void)events;
    int fd = status < 0 ? -1 : accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!same_user(fd) || s->callers_n >= LISTENER_CALLERS_MAX) {
        close(fd);
        return;
    }
    struct caller *c = xalloc(sizeof *c);
    *c = (struct caller){.object.end = end_caller, .fd = fd, .listener = s};
    MUST(uv_poll_init(poll->loop, &c->poll, fd) == 0);
    c->poll.data = c;
    list_push(&s->callers, &c->link);
    s->callers_n++;
    MUST(uv_poll_start(&c->poll, UV_READABLE, on_words) == 0);
}

static void free_fdpass_listener(uv_handle_t *h)
{
    struct net_fdpass_listener *s = h->data;
    free(s->path);
    free(s);
}

static void fdpass_listener_end(struct net_fdpass_listener *s)
{
    if (uv_is_closing((uv_handle_t *)&s->poll))
        return;
    LIST_EACH_SAFE(pos, next, &s->callers)
        caller_end(list_item(pos, struct caller, link), true);
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, free_fdpass_listener);
    close(s->fd);
}

static void end_fdpass_listener(struct net_object *o)
{
    fdpass_listener_end((struct net_fdpass_listener *)o);
}

void net_fdpass_listener_close(struct net_fdpass_listener *s, bool forget_path)
{
    if (s == NULL)
        return;
    if (forget_path)
        unlink(s->path);
    fdpass_listener_end(s);
}

static int unix_address(const char *path, struct sockaddr_un *out, struct fault *f)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof out->sun_path)
        return fault_set(f, ERR_TOO_LARGE, "'%s' is too long for a unix socket, which takes %zu bytes", path,
                         sizeof out->sun_path - 1);
    snprintf(out->sun_path, sizeof out->sun_path, "%s", path);
    return 0;
}

static int unix_dial(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) == 0)
        return fd;
    int err = errno;
    if (fd >= 0)
        close(fd);
    errno = err;
    return -1;
}

/* Returns whether the process that left the file is gone. */
static bool is_stale(const struct sockaddr_un *a)
{
    int fd = unix_dial(a);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == ECONNREFUSED;
}

static int unix_listen(const struct sockaddr_un *a, bool over)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (over || is_stale(a))
        unlink(a->sun_path);
    /* The file gets the socket's own mode: no other user may dial, not even for a moment. */
    if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)a, sizeof *a) == 0 && listen(fd, LISTENER_BACKLOG) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

int net_fdpass_listener_open(struct net_loop *l, const char *path, bool over, uint32_t patience_ms, net_call_fn *fn, void *user_data,
                     struct net_fdpass_listener **out, struct fault *f)
{
    struct sockaddr_un a;
    int err = unix_address(path, &a, f);
    if (err != 0)
        return err;
    int fd = unix_listen(&a, over);
    if (fd < 0 && errno == EADDRINUSE)
        return fault_set(f, ERR_IN_USE, "another process listens at '%s'", path);
    if (fd < 0)
        return fault_set(f, ERR_IO, "cannot listen at '%s': %s", path, strerror(errno));
    struct net_fdpass_listener *s = xalloc(sizeof *s);
    *s = (struct net_fdpass_listener){.object.end = end_fdpass_listener, .fd = fd, .path = xstrdup(path), .patience_ms = patience_ms,
                              .fn = fn, .user_data = user_data};
    list_init(&s->callers);
    MUST(uv_poll_init(&l->uv, &s->poll, fd) == 0);
    s->poll.data = s;
    MUST(uv_poll_start(&s->poll, UV_READABLE, on_caller) == 0);
    *out = s;
    return 0;
}

int net_fdpass_dial(const char *path, uint32_t patience_ms, struct net_fdpass **out, struct fault *f)
{
    struct sockaddr_un a;
    int err = unix_address(path, &a, f);
    if (err != 0)
        return err;
    int fd = unix_dial(&a);
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
        return fault_set(f, ERR_NOT_FOUND, "no process listens at '%s'", path);
    if (fd < 0)
        return fault_set(f, ERR_NET, "cannot connect to '%s': %s", path, strerror(errno));
    if (!same_user(fd)) {
        close(fd);
        return fault_set(f, ERR_FORBIDDEN, "who listens at '%s' is of another user", path);
    }
    *out = fdpass_new(fd, patience_ms);
    return 0;
}
