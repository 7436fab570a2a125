#include "http/loopback.h"

#include "base/must.h"
#include "http/conn.h"

enum { TURNS_MAX = 1 << 20 }; /* each has a request at least */

struct http_server *loopback_server(const struct http_server_calls *calls, void *user_data)
{
    return http_server_new_in_memory(calls, user_data);
}

void loopback_limits(struct http_server *s, uint32_t conns_max, size_t held_max)
{
    s->conns_max = conns_max;
    s->held_max = held_max;
}

size_t loopback_held(const struct http_server *s)
{
    return s->held;
}

static int mem_write(void *link, struct str bytes)
{
    struct loopback *l = link;
    if (l->deaf)
        return ERR_NET;
    int err = buf_add_str(&l->out, bytes);
    if (err == 0 && l->slow)
        l->unread += bytes.n;
    return err;
}

static size_t mem_pending(const void *link)
{
    return ((const struct loopback *)link)->unread;
}

static void mem_pause(void *link)
{
    ((struct loopback *)link)->paused = true;
}

static void mem_resume(void *link)
{
    ((struct loopback *)link)->paused = false;
}

static void mem_close(void *link)
{
    ((struct loopback *)link)->closing = true;
}

static void mem_abort(void *link)
{
    ((struct loopback *)link)->aborted = true;
}

static const char *mem_peer(const void *link)
{
    (void)link;
    return "127.0.0.1:4312";
}

static uint64_t mem_origin(const void *link)
{
    return ((const struct loopback *)link)->origin;
}

static const struct link_calls memory = {
    .write = mem_write, .pending = mem_pending, .pause = mem_pause, .resume = mem_resume,
    .close = mem_close, .abort = mem_abort,     .peer = mem_peer,   .origin = mem_origin,
};

void loopback_open(struct loopback *l, struct http_server *s)
{
    *l = (struct loopback){.out = buf_max(LOOPBACK_BYTES_MAX), .in = buf_max(LOOPBACK_BYTES_MAX), .origin = l->origin};
    l->conn = http_server_accept(s, &memory, l);
}

void loopback_fini(struct loopback *l)
{
    MUST(l->conn == NULL);
    buf_fini(&l->out);
    buf_fini(&l->in);
}

static void loopback_closed(struct loopback *l)
{
    struct http_conn *c = l->conn;
    l->conn = NULL;
    if (c != NULL)
        http_conn_closed(c);
}

static bool is_served(const struct http_server *s, const struct http_conn *c)
{
    LIST_EACH(pos, &s->conns)
        if (list_item(pos, struct http_conn, all) == c)
            return true;
    return false;
}

void loopback_server_turn(struct http_server *s)
{
    if (!s->closed)
        http_server_turn(s);
}

void loopback_turn(struct loopback *l, struct http_server *s)
{
    loopback_server_turn(s);
    for (int turns = 0; !s->closed && !list_empty(&s->ready); turns++) {
        MUST(turns < TURNS_MAX);
        http_server_turn(s);
    }
    if (!is_served(s, l->conn))
        l->conn = NULL; /* handed on, before or in that turn: its new owner's from here on */
    if (l->closing || l->aborted) {
        loopback_closed(l);
        return;
    }
    if (l->conn == NULL || l->paused || l->in.n == 0)
        return;
    struct buf held = l->in;
    l->in = buf_max(LOOPBACK_BYTES_MAX);
    loopback_send(l, s, buf_str(&held));
    buf_fini(&held);
}

void loopback_bytes(struct loopback *l, struct str bytes)
{
    if (l->conn == NULL)
        return;
    if (l->paused)
        MUST(buf_add_str(&l->in, bytes) == 0);
    else
        http_conn_data(l->conn, bytes);
}

void loopback_send(struct loopback *l, struct http_server *s, struct str bytes)
{
    if (l->conn == NULL)
        return;
    loopback_bytes(l, bytes);
    loopback_turn(l, s);
}

void loopback_read(struct loopback *l, struct http_server *s, size_t left)
{
    l->unread = left;
    if (l->conn != NULL)
        http_conn_drained(l->conn);
    loopback_turn(l, s);
}

void loopback_hang_up(struct loopback *l)
{
    loopback_closed(l);
}

void loopback_wait(struct loopback *l, struct http_server *s, uint32_t ms)
{
    s->memory_now_us += ms * 1000ull;
    http_server_sweep(s);
    loopback_turn(l, s);
}
