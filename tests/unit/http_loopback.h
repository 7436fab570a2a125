/* A connection made of memory: bytes go in, answers come out, time passes when told. For unit tests and fuzzing. */
#ifndef MANTA_TESTS_HTTP_LOOPBACK_H
#define MANTA_TESTS_HTTP_LOOPBACK_H

#include "base/must.h"
#include "http/conn.h"

enum { LOOPBACK_BYTES_MAX = 64 << 20 };

struct loopback {
    struct http_conn *conn; /* NULL once closed, handed over, or never accepted */
    struct buf out;     /* owned: what the server wrote */
    struct buf in;      /* owned: what came while reading was paused */
    uint64_t origin;    /* where it comes from: set before loopback_open(), and kept by it */
    int descriptor;     /* likewise: what http_server_files() is told of */
    size_t unread;      /* of `out`, what the client has not read yet; grows only while `slow` */
    bool slow;          /* the client does not read until loopback_read() */
    bool paused;
    bool closing, aborted; /* asked by the server */
    bool deaf;          /* writes fail, as on a connection just lost */
};

enum { TURNS_MAX = 1 << 20 }; /* each has a request at least */

/* With this seed no two of the origins that stories use (0 to 31) share a group of the crowd. */
enum { LOOPBACK_SEED = 2 };

/* A server without a listener, whose time only loopback_wait() moves. Ends as any other, by http_server_close(). */
static inline struct http_server *loopback_server(const struct http_server_calls *calls, void *user_data)
{
    return http_server_new_in_memory(LOOPBACK_SEED, calls, user_data);
}

/* Lower limits than HTTP_CONNS_MAX and HTTP_HELD_BYTES_MAX, to reach them in a test. */
static inline void loopback_limits(struct http_server *s, uint32_t conns_max, size_t held_max)
{
    s->conns_max = conns_max;
    s->held_max = held_max;
}

/* Request bytes the server holds now, of all connections. */
static inline size_t loopback_held(const struct http_server *s)
{
    return s->held;
}

static inline int mem_write(void *link, struct str bytes)
{
    struct loopback *l = link;
    if (l->deaf)
        return ERR_NET;
    int err = buf_add_str(&l->out, bytes);
    if (err == 0 && l->slow)
        l->unread += bytes.n;
    return err;
}

static inline size_t mem_pending(const void *link)
{
    return ((const struct loopback *)link)->unread;
}

static inline void mem_pause(void *link)
{
    ((struct loopback *)link)->paused = true;
}

static inline void mem_resume(void *link)
{
    ((struct loopback *)link)->paused = false;
}

static inline void mem_close(void *link)
{
    ((struct loopback *)link)->closing = true;
}

static inline void mem_abort(void *link)
{
    ((struct loopback *)link)->aborted = true;
}

static inline uint64_t mem_origin(const void *link)
{
    return ((const struct loopback *)link)->origin;
}

static inline int mem_descriptor(const void *link)
{
    return ((const struct loopback *)link)->descriptor;
}

static const struct link_calls memory = {
    .write = mem_write, .pending = mem_pending, .pause = mem_pause, .resume = mem_resume,
    .close = mem_close, .abort = mem_abort,     .origin = mem_origin,
    .descriptor = mem_descriptor,
};

/* A connection arrives at the server. All of *l but `origin` and `descriptor` is set here. */
static inline void loopback_open(struct loopback *l, struct http_server *s)
{
    *l = (struct loopback){.out = buf_max(LOOPBACK_BYTES_MAX), .in = buf_max(LOOPBACK_BYTES_MAX), .origin = l->origin, .descriptor = l->descriptor};
    l->conn = http_server_accept(s, &memory, l);
}

static inline void loopback_fini(struct loopback *l)
{
    MUST(l->conn == NULL);
    buf_fini(&l->out);
    buf_fini(&l->in);
}

static inline void loopback_closed(struct loopback *l)
{
    struct http_conn *c = l->conn;
    l->conn = NULL;
    if (c != NULL)
        http_conn_closed(c);
}

static inline bool is_served(const struct http_server *s, const struct http_conn *c)
{
    LIST_EACH(pos, &s->conns)
        if (list_item(pos, struct http_conn, all) == c)
            return true;
    return false;
}

/* One turn of the loop, for the server: see http_server_turn(). Then for the client's connection loopback_turn(). */
static inline void loopback_server_turn(struct http_server *s)
{
    if (!s->closed)
        http_server_turn(s);
}

static inline void loopback_send(struct loopback *l, struct http_server *s, struct str bytes);

/* The rest of a loop turn, and more until nothing waits to be parsed: ready connections, bytes held back, the close callback.
 * A closed server may be gone then. */
static inline void loopback_turn(struct loopback *l, struct http_server *s)
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

/* The client sends, and that is all; loopback_turn() is still to come. */
static inline void loopback_bytes(struct loopback *l, struct str bytes)
{
    if (l->conn == NULL)
        return;
    if (l->paused)
        MUST(buf_add_str(&l->in, bytes) == 0);
    else
        http_conn_data(l->conn, bytes);
}

/* The client sends; then the rest of this loop turn happens, and as many as there is something to do for. */
static inline void loopback_send(struct loopback *l, struct http_server *s, struct str bytes)
{
    if (l->conn == NULL)
        return;
    loopback_bytes(l, bytes);
    loopback_turn(l, s);
}

/* The client reads what it was sent, but for the last `left` bytes. */
static inline void loopback_read(struct loopback *l, struct http_server *s, size_t left)
{
    l->unread = left;
    if (l->conn != NULL)
        http_conn_drained(l->conn);
    loopback_turn(l, s);
}

/* The client goes away. */
static inline void loopback_hang_up(struct loopback *l)
{
    loopback_closed(l);
}

/* Time passes. */
static inline void loopback_wait(struct loopback *l, struct http_server *s, uint32_t ms)
{
    s->memory_now_us += ms * 1000ull;
    http_server_sweep(s);
    loopback_turn(l, s);
}

#endif
