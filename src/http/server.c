/* The server as a whole: the listener, the limit on connections, the two timers, and its end.
 *
 * One timer checks the fronts of three queues once a second, so ten thousand slow connections cost
 * as much as one. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/rng.h"
#include "http/conn.h"

enum {
    SWEEP_US = 1000000,
    FILES_SPARE = 8, /* never taken by connections: a file that is opened for a moment, a new process at the other end */
};

static const uint64_t wait_us[WAITS_N] = {
    [WAIT_IDLE] = HTTP_IDLE_MS * 1000ull,
    [WAIT_REQUEST] = HTTP_REQUEST_MS * 1000ull,
    [WAIT_DRAIN] = HTTP_DRAIN_MS * 1000ull,
};

/* ---- turns and sweeps ---- */

void http_server_turn(struct http_server *s)
{
    struct list now;
    list_init(&now);
    while (!list_empty(&s->ready)) {
        struct list *first = s->ready.next;
        list_remove(first);
        list_push(&now, first);
    }
    s->depth++;
    for (bool first = true; !list_empty(&now) && (first || !http_server_spent(s)); first = false) {
        struct http_conn *c = list_item(now.next, struct http_conn, ready);
        list_remove(&c->ready);
        http_conn_again(c);
    }
    s->depth--;
    while (!list_empty(&now)) { /* first in the next turn */
        struct list *last = now.prev;
        list_remove(last);
        list_push_front(&s->ready, last);
    }
    if (!list_empty(&s->ready))
        http_server_wake(s);
    LIST_EACH_SAFE(pos, next, &s->handed)
        http_conn_free(list_item(pos, struct http_conn, all));
    http_server_settle(s);
}

bool http_server_sweep(struct http_server *s)
{
    uint64_t now_us = http_server_now_us(s);
    s->others = 0;
    for (int what = 0; what < WAITS_N; what++) {
        struct list *queue = &s->waiting[what];
        while (!list_empty(queue)) {
            struct http_conn *c = list_item(queue->next, struct http_conn, wait);
            if (now_us - c->since_us < wait_us[what])
                break;
            http_conn_wait_over(c, (enum conn_wait)what);
            if (http_server_spent(s))
                return false;
        }
    }
    return true;
}

static void on_turn(struct net_timer *t, void *user_data)
{
    (void)t;
    http_server_turn(user_data);
}

static void on_sweep(struct net_timer *t, void *user_data)
{
    struct http_server *s = user_data;
    uint64_t next_us = http_server_now_us(s) + SWEEP_US;
    net_timer_set(t, http_server_sweep(s) ? next_us : http_server_now_us(s));
}

/* ---- connections ---- */

/* Frees a place when all are taken. Closing connections go first, then the oldest idle or
 * unfinished connection of the address that has the most; trusted ones last. */
static bool give_place(struct http_server *s)
{
    struct list *seat = !list_empty(&s->closing) ? s->closing.next : NULL;
    for (int trusted = 0; seat == NULL && trusted < 2; trusted++) {
        struct crowd_seat *victim = crowd_victim(&s->crowds[trusted]);
        seat = victim != NULL ? &victim->link : NULL;
    }
    if (seat == NULL)
        return false;
    s->gave_way.place++;
    http_conn_evict(list_item(seat, struct http_conn, seat.link));
    return true;
}

/* The kernel assigns the lowest free descriptor: all below that of a new connection are in use, and
 * those that are not connections' own (links of workers, the log) leave fewer places. A descriptor
 * that was free among low ones says little, so the most that was seen counts, measured anew each
 * second. */
static void count_places(struct http_server *s, int newest)
{
    if (newest > 0 && (uint32_t)newest > s->conns_n + s->others)
        s->others = (uint32_t)newest - s->conns_n;
    uint32_t taken = s->others + FILES_SPARE + s->kept, places = s->files > taken ? s->files - taken : 0;
    s->conns_max = places < s->places_max ? places : s->places_max;
}

static bool crowded(const struct http_server *s)
{
    return s->conns_n - s->evicted_n >= s->conns_max;
}

struct http_conn *http_server_accept(struct http_server *s, const struct link_calls *calls, void *link)
{
    if (s->files > 0)
        count_places(s, calls->descriptor(link));
    while (!s->closed && crowded(s) && give_place(s))
        ;
    bool full = crowded(s);
    if (s->closed || (full && s->conns_n - s->evicted_n >= s->conns_max + s->kept)) {
        struct refusal no = {.status = 503};
        fault_set(&no.fault, ERR_UNAVAILABLE, "%u connections are open, which is the limit", s->conns_n);
        struct buf out = buf_max(64 << 10);
        reply_refusal(s, &out, &no, NULL);
        (void)calls->write(link, buf_str(&out)); /* the link is closed next, written or not */
        buf_fini(&out);
        calls->close(link);
        return NULL;
    }
    struct http_conn *c = xalloc(sizeof *c);
    c->server = s;
    c->calls = calls;
    c->link = link;
    c->behind = buf_max(BEHIND_BYTES_MAX);
    c->guest = full;
    list_push(&s->conns, &c->all);
    s->conns_n++;
    http_conn_wait(c, WAIT_IDLE);
    http_conn_seat(c);
    return c;
}

/* ---- over net/ ---- */

static int tcp_write(void *link, struct str bytes) { return net_write(link, bytes); }
static size_t tcp_pending(const void *link) { return net_conn_pending(link); }
static void tcp_pause(void *link) { net_conn_pause(link); }
static void tcp_resume(void *link) { net_conn_resume(link); }
static void tcp_close(void *link) { net_conn_close(link); }
static void tcp_abort(void *link) { net_conn_abort(link); }
static uint64_t tcp_origin(const void *link) { return net_conn_origin(link); }
static int tcp_descriptor(const void *link) { return net_conn_descriptor(link); }

static const struct link_calls tcp = {
    .write = tcp_write, .pending = tcp_pending, .pause = tcp_pause, .resume = tcp_resume,
    .close = tcp_close, .abort = tcp_abort,     .origin = tcp_origin, .descriptor = tcp_descriptor,
};

static void on_data(struct net_conn *link, struct str bytes, void *user_data)
{
    (void)link;
    http_conn_data(user_data, bytes);
}

static void on_drain(struct net_conn *link, void *user_data)
{
    (void)link;
    http_conn_drained(user_data);
}

static void on_close(struct net_conn *link, int err, const char *why, void *user_data)
{
    (void)link, (void)err, (void)why;
    http_conn_closed(user_data);
}

static const struct net_conn_calls conn_calls = {.on_data = on_data, .on_drain = on_drain, .on_close = on_close};
/* For a connection without an owner. */
static const struct net_conn_calls deaf_calls = {0};

struct http_conn *http_server_connect(struct http_server *s, struct net_conn *link)
{
    net_conn_set(link, &deaf_calls, NULL);
    struct http_conn *c = http_server_accept(s, &tcp, link);
    if (c != NULL)
        net_conn_set(link, &conn_calls, c);
    return c;
}

/* Drops the connection without a word to the peer, and frees it. */
static void disconnect(struct http_conn *c)
{
    net_conn_set(c->link, &deaf_calls, NULL);
    net_conn_abort(c->link);
    c->server->conns_n--;
    http_conn_free(c);
}

static void on_accept(struct net_conn *link, void *user_data)
{
    http_server_connect(user_data, link);
}

/* ---- beginning and end ---- */

struct http_server *http_server_new_in_memory(uint64_t seed, const struct http_server_calls *calls, void *user_data)
{
    struct http_server *s = xalloc(sizeof *s);
    s->calls = *calls;
    s->user_data = user_data;
    s->conns_max = s->places_max = HTTP_CONNS_MAX;
    s->kept = HTTP_CONNS_KEPT;
    s->held_max = HTTP_HELD_BYTES_MAX;
    list_init(&s->conns);
    list_init(&s->handed);
    list_init(&s->ready);
    list_init(&s->closing);
    for (int trusted = 0; trusted < 2; trusted++) {
        crowd_init(&s->crowds[trusted], rng_at(seed, (uint64_t)trusted));
        hoard_init(&s->greedy[trusted]);
    }
    for (int what = 0; what < WAITS_N; what++)
        list_init(&s->waiting[what]);
    return s;
}

void http_server_files(struct http_server *s, uint32_t files)
{
    s->files = files;
    if (s->places_max > files - files / 4) /* the rest is for links and other files */
        s->places_max = files - files / 4;
    s->conns_max = s->places_max;
    if (s->kept > files / 8)
        s->kept = files / 8;
}

/* The address of the loop is random, too: a peer that guesses the time guesses no group. */
static uint64_t secret_seed(const struct net_loop *l)
{
    return rng_at(clock_us(), (uintptr_t)l);
}

static void server_start(struct http_server *s, struct net_loop *l)
{
    s->loop = l;
    http_server_files(s, net_files_max());
    s->turn = net_timer_new(l, on_turn, s);
    s->sweep = net_timer_new(l, on_sweep, s);
    net_timer_set(s->sweep, net_now_us(l) + SWEEP_US);
}

int http_server_new(struct net_loop *l, const char *host, uint16_t port, const struct http_server_calls *calls,
                    void *user_data, struct http_server **out, struct fault *f)
{
    struct http_server *s = http_server_new_in_memory(secret_seed(l), calls, user_data);
    int err = net_listen(l, host, port, on_accept, s, &s->listener, f);
    if (err != 0) {
        http_server_free(s);
        return err;
    }
    server_start(s, l);
    *out = s;
    return 0;
}

int http_server_take(struct net_loop *l, int fd, const struct http_server_calls *calls, void *user_data,
                     struct http_server **out, struct fault *f)
{
    struct http_server *s = http_server_new_in_memory(secret_seed(l), calls, user_data);
    int err = net_listener_take(l, fd, on_accept, s, &s->listener, f);
    if (err != 0) {
        http_server_free(s);
        return err;
    }
    server_start(s, l);
    *out = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->listener != NULL ? net_listener_port(s->listener) : 0;
}

size_t http_server_held(const struct http_server *s)
{
    return s->held;
}

uint32_t http_server_conns(const struct http_server *s)
{
    return s->conns_n;
}

uint32_t http_server_conns_max(const struct http_server *s)
{
    return s->conns_max;
}

struct http_gave_way http_server_gave_way(const struct http_server *s)
{
    return s->gave_way;
}

static void end_timers(struct http_server *s)
{
    if (s->loop == NULL)
        return;
    net_timer_free(s->sweep);
    net_timer_free(s->turn);
    s->sweep = s->turn = NULL;
}

void http_server_close(struct http_server *s)
{
    MUST(!s->closed);
    s->closed = true;
    if (s->listener != NULL)
        net_listener_close(s->listener);
    s->listener = NULL;
    /* Only requests with a handler continue. So no wait but WAIT_DRAIN is left, and the timers
     * can go now: either the last connection or the loop may end first. */
    LIST_EACH_SAFE(pos, next, &s->conns) {
        struct http_conn *c = list_item(pos, struct http_conn, all);
        if (c->state != CONN_ANSWERING && c->state != CONN_CLOSING)
            http_conn_close(c);
    }
    end_timers(s);
    http_server_settle(s);
}

void http_server_let_go(struct http_server *s)
{
    MUST(!s->closed && s->depth == 0);
    s->closed = true;
    net_listener_close(s->listener);
    s->listener = NULL;
    LIST_EACH_SAFE(pos, next, &s->conns)
        disconnect(list_item(pos, struct http_conn, all));
    end_timers(s);
    http_server_settle(s);
}
