/* A server continues as another one, over real sockets and a fdpass, in every state a connection can be in: each client
 * gets well-formed answers, as if nothing had happened. What the handler does is in the path: /now is answered at once
 * with "METHOD body" by the server that has it, /later waits, /stream begins a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/http.h"

enum { CONNS_MAX = 8, TURNS = 2, PATIENCE_S = 20, BIG = 10 << 20 };

struct client {
    struct net_conn *link;
    struct buf got;
    bool closed;
};

/* A connection between the two servers. */
struct moved {
    int fd;
    struct http_state is;
    char *came, *unsent; /* owned: what `is` points to */
    size_t was;          /* index in open[]; CONNS_MAX: none */
};

struct world {
    char dir[64], path[96];
    struct net_loop *loop;
    struct http_server *server;
    struct client clients[CONNS_MAX];
    struct http_request *open[CONNS_MAX]; /* NULL: answered or gone */
    size_t open_n;
    const char *name;    /* of the server, in its answers */
    unsigned gone, drained;
    struct net_fdpass *here, *there;
    struct moved moved[CONNS_MAX];
    size_t moved_n;
};
static struct world W;

/* ---- the handler ---- */

static void on_request(struct http_request *r, void *user_data)
{
    (void)user_data;
    if (str_is(http_path(r), "/now")) {
        struct buf body = buf_max(8 << 20);
        buf_printf(&body, "%.*s %.*s by %s", STR_ARG(http_method(r)), STR_ARG(http_body(r)), W.name);
        http_reply(r, 200, "text/plain", NULL, buf_str(&body));
        buf_fini(&body);
        return;
    }
    if (str_is(http_path(r), "/stream"))
        http_stream_begin(r, "text/event-stream", NULL);
    assert_true(W.open_n < CONNS_MAX);
    W.open[W.open_n++] = r;
}

static void forget(const struct http_request *r)
{
    for (size_t i = 0; i < W.open_n; i++) {
        if (W.open[i] == r)
            W.open[i] = NULL;
    }
}

static void on_gone(struct http_request *r, void *user_data)
{
    (void)user_data;
    W.gone++;
    forget(r);
}

static void on_drain(struct http_request *r, void *user_data)
{
    (void)r, (void)user_data;
    W.drained++;
}

static const struct http_server_calls calls = {.on_request = on_request, .on_gone = on_gone, .on_drain = on_drain};

/* ---- clients ---- */

static void client_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct client *me = user_data;
    (void)c;
    assert_int_equal(buf_add_str(&me->got, bytes), 0);
}

static void client_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    struct client *me = user_data;
    (void)c, (void)err, (void)why;
    me->link = NULL;
    me->closed = true;
}

static void on_turns_over(struct net_timer *t, void *user_data)
{
    (void)t;
    net_loop_stop(user_data);
}

/* Some turns of the loop: what is on its way arrives, but on a busy machine. */
static void turn(void)
{
    for (int i = 0; i < TURNS; i++) {
        struct net_timer *t = net_timer_new(W.loop, on_turns_over, W.loop);
        net_timer_set(t, net_now_us(W.loop));
        net_loop_run(W.loop);
        net_timer_free(t);
    }
}

/* Until it is so. */
#define UNTIL(what)                                                                                      \
    do {                                                                                                 \
        uint64_t until_us = clock_us() + PATIENCE_S * 1000000ull;                                        \
        while (!(what) && clock_us() < until_us)                                                         \
            turn();                                                                                      \
        assert_true(what);                                                                               \
    } while (0)

static void client_send(size_t i, struct str bytes)
{
    static const struct net_conn_calls client_calls = {.on_data = client_data, .on_close = client_close};
    struct client *me = &W.clients[i];
    if (me->link == NULL && !me->closed)
        me->link = net_dial(W.loop, "127.0.0.1", http_server_port(W.server), &client_calls, me);
    assert_int_equal(net_write(me->link, bytes), 0);
    turn();
}

static void sends(size_t i, const char *text)
{
    client_send(i, str_of(text));
}

/* … and the handler has it. */
static void asks(size_t i, const char *text)
{
    size_t n = W.open_n;
    sends(i, text);
    UNTIL(W.open_n > n);
}

/* What the client got, without Date headers. */
static const char *got(size_t i)
{
    static char text[4096];
    struct buf *got = &W.clients[i].got;
    size_t n = 0;
    for (const char *line = buf_cstr(got); *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t line_n = end != NULL ? (size_t)(end - line) + 1 : strlen(line);
        if (strncmp(line, "Date: ", 6) != 0) {
            assert_true(n + line_n < sizeof text);
            memcpy(text + n, line, line_n);
            n += line_n;
        }
        line += line_n;
    }
    text[n] = '\0';
    return text;
}

/* The client gets that and nothing else. */
static void hears(size_t i, const char *text)
{
    uint64_t until_us = clock_us() + PATIENCE_S * 1000000ull;
    do
        turn();
    while (strlen(got(i)) < strlen(text) && clock_us() < until_us);
    assert_string_equal(got(i), text);
    buf_reset(&W.clients[i].got);
}

/* ---- the world ---- */

static void on_call(struct net_fdpass *f, void *user_data)
{
    (void)user_data;
    W.here = f;
}

static int setup(void **state)
{
    (void)state;
    struct fault f = {0};
    W = (struct world){.name = "old"};
    for (size_t i = 0; i < CONNS_MAX; i++)
        W.clients[i].got = buf_max(64 << 20);
    W.loop = net_loop_new();
    assert_int_equal(http_server_new(W.loop, "127.0.0.1", 0, &calls, NULL, &W.server, &f), 0);
    snprintf(W.dir, sizeof W.dir, "/tmp/manta-move-XXXXXX");
    assert_non_null(mkdtemp(W.dir));
    snprintf(W.path, sizeof W.path, "%s/listener", W.dir);
    struct net_fdpass_listener *listener;
    assert_int_equal(net_fdpass_listener_open(W.loop, W.path, false, 5000, on_call, NULL, &listener, &f), 0);
    assert_int_equal(net_fdpass_dial(W.path, 5000, &W.there, &f), 0);
    assert_int_equal(net_fdpass_send(W.there, str_of("hello"), &f), 0);
    while (W.here == NULL)
        turn();
    struct str hello;
    assert_int_equal(net_fdpass_receive(W.here, &hello, &f), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_fdpass_free(W.here);
    net_fdpass_free(W.there);
    http_server_close(W.server);
    net_loop_free(W.loop);
    for (size_t i = 0; i < CONNS_MAX; i++)
        buf_fini(&W.clients[i].got);
    unlink(W.path);
    rmdir(W.dir);
    return 0;
}

/* ---- moving ---- */

static struct str copy(char **owned, struct str s)
{
    *owned = xalloc(s.n + 1);
    if (s.n > 0)
        memcpy(*owned, s.p, s.n);
    return str_n(*owned, s.n);
}

static int cross(struct net_fdpass *from, struct net_fdpass *to, int *out_fd)
{
    struct str frame;
    (void)from;
    int err = net_fdpass_receive(to, &frame, NULL);
    *out_fd = net_fdpass_keep(to);
    return err;
}

static int on_state(struct net_conn *link, struct http_request *r, const struct http_state *is, void *user_data)
{
    (void)user_data;
    struct moved *m = &W.moved[W.moved_n++];
    *m = (struct moved){.is = *is, .was = CONNS_MAX};
    m->is.came = copy(&m->came, is->came);
    m->is.unsent = copy(&m->unsent, is->unsent);
    for (size_t i = 0; i < W.open_n; i++) {
        if (r != NULL && W.open[i] == r)
            m->was = i;
    }
    assert_true((r != NULL) == (m->was < CONNS_MAX));
    assert_int_equal(net_fdpass_send_conn(W.here, str_of("conn"), link, NULL), 0);
    return cross(W.here, W.there, &m->fd);
}

/* The server becomes another one. */
static void move(void)
{
    struct fault f = {0};
    int port_fd = -1;
    uint16_t port = http_server_port(W.server);
    W.moved_n = 0;
    assert_int_equal(net_fdpass_send_listener(W.here, str_of("port"), http_server_listener(W.server), &f), 0);
    assert_int_equal(cross(W.here, W.there, &port_fd), 0);
    assert_int_equal(http_server_each(W.server, on_state, NULL), 0);
    http_server_let_go(W.server);
    W.name = "new";
    assert_int_equal(http_server_take(W.loop, port_fd, &calls, NULL, &W.server, &f), 0);
    assert_int_equal(http_server_port(W.server), port);
    for (size_t i = 0; i < W.moved_n; i++) {
        struct moved *m = &W.moved[i];
        struct http_request *r = http_server_take_conn(W.server, m->fd, &m->is);
        assert_true((r != NULL) == (m->was < CONNS_MAX));
        if (r != NULL)
            W.open[m->was] = r;
        free(m->came);
        free(m->unsent);
    }
    turn();
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: head\r\n\r\n"
#define OK(n, body) "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " #n "\r\n\r\n" body
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

/* ---- connections without an open request ---- */

static void one_kept_alive_goes_on(void **state)
{
    (void)state;
    sends(0, GET("/now"));
    hears(0, OK(11, "GET  by old"));
    move();
    assert_int_equal(http_server_conns(W.server), 1);
    sends(0, GET("/now"));
    hears(0, OK(11, "GET  by new"));
    sends(1, GET("/now")); /* and the port is there for others */
    hears(1, OK(11, "GET  by new"));
    move();
    sends(0, GET("/now"));
    hears(0, OK(11, "GET  by new"));
    assert_int_equal(W.gone, 0);
}

static const char *const requests[] = {
    GET("/now"),
    "POST /now HTTP/1.1\r\nHost: head\r\nContent-Length: 13\r\n\r\nand its body.",
    "POST /now HTTP/1.1\r\nHost: head\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n",
};
static const char *const answers[] = {
    OK(11, "GET  by new"), OK(25, "POST and its body. by new"), OK(18, "POST hello! by new"),
};

static void a_request_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        struct str all = str_of(requests[which]);
        sends(0, GET("/now"));
        hears(0, which == 0 ? OK(11, "GET  by old") : OK(11, "GET  by new"));
        for (size_t cut = 1; cut < all.n; cut++) {
            client_send(0, str_n(all.p, cut));
            move();
            hears(0, "");
            client_send(0, str_n(all.p + cut, all.n - cut));
            hears(0, answers[which]);
        }
    }
}

static void a_request_may_be_cut_twice(void **state)
{
    (void)state;
    struct str all = str_of(requests[2]);
    for (size_t cut = 2; cut < all.n - 3; cut += 5) {
        client_send(0, str_n(all.p, cut - 1));
        client_send(0, str_n(all.p + cut - 1, 1));
        move();
        client_send(0, str_n(all.p + cut, 2));
        move();
        client_send(0, str_n(all.p + cut + 2, all.n - cut - 2));
        hears(0, answers[2]);
    }
}

static void a_large_body_comes_to_both(void **state)
{
    (void)state;
    enum { BODY = 3 << 20 };
    static char body[BODY];
    memset(body, 'b', BODY);
    char head[128];
    snprintf(head, sizeof head, "POST /later HTTP/1.1\r\nHost: head\r\nContent-Length: %d\r\n\r\n", BODY);
    sends(0, head);
    client_send(0, str_n(body, BODY / 3));
    UNTIL(net_conn_pending(W.clients[0].link) == 0);
    move();
    client_send(0, str_n(body, BODY - BODY / 3));
    UNTIL(W.open_n == 1);
    assert_int_equal(http_body(W.open[0]).n, BODY);
    assert_memory_equal(http_body(W.open[0]).p, body, BODY);
    http_reply(W.open[0], 200, "text/plain", NULL, str_of("got it"));
    hears(0, OK(6, "got it"));
}

static void a_client_is_told_to_continue_once(void **state)
{
    (void)state;
    sends(0, "POST /now HTTP/1.1\r\nHost: head\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    hears(0, "HTTP/1.1 100 Continue\r\n\r\n");
    move();
    move();
    hears(0, "");
    sends(0, "body");
    hears(0, OK(16, "POST body by new"));
    /* the next request's is another one */
    sends(0, "POST /now HTTP/1.1\r\nHost: head\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    hears(0, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* ---- open requests ---- */

static void a_whole_answer_comes_from_the_new_one(void **state)
{
    (void)state;
    asks(0, GET("/later"));
    asks(1, "GET /later HTTP/1.0\r\n\r\n");
    asks(2, "HEAD /later HTTP/1.1\r\nHost: head\r\n\r\n");
    asks(3, "GET /later HTTP/1.1\r\nHost: head\r\nConnection: close\r\n\r\n");
    move();
    for (size_t i = 0; i < 4; i++)
        http_reply(W.open[i], 200, "text/plain", NULL, str_of("late"));
    hears(0, OK(4, "late"));
    hears(1, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate");
    hears(2, OK(4, ""));
    hears(3, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate");
    UNTIL(W.clients[1].closed && W.clients[3].closed);
    assert_false(W.clients[0].closed || W.clients[2].closed);
    assert_int_equal(W.gone, 0);
}

static void what_is_pipelined_is_answered_behind_it(void **state)
{
    (void)state;
    asks(0, GET("/later") GET("/now") "GET /no");
    move();
    hears(0, "");
    sends(0, "w HTTP/1.1\r\nHost: head\r\n\r\n");
    http_reply(W.open[0], 200, "text/plain", NULL, str_of("late"));
    hears(0, OK(4, "late") OK(11, "GET  by new") OK(11, "GET  by new"));
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void much_that_is_pipelined_still_waits(void **state)
{
    (void)state;
    struct buf many = buf_max(1 << 20);
    buf_puts(&many, GET("/later"));
    enum { MANY = 2000 }; /* more than HTTP_BEHIND_BYTES: reading has stopped */
    for (int i = 0; i < MANY; i++)
        buf_puts(&many, GET("/now"));
    client_send(0, buf_str(&many));
    UNTIL(W.open_n == 1);
    move();
    http_reply(W.open[0], 200, "text/plain", NULL, str_of("late"));
    UNTIL(times(buf_cstr(&W.clients[0].got), "GET  by new") >= MANY);
    turn();
    assert_int_equal(times(buf_cstr(&W.clients[0].got), "GET  by new"), MANY);
    buf_fini(&many);
}

static void a_stream_goes_on_in_the_middle(void **state)
{
    (void)state;
    asks(0, GET("/stream"));
    http_stream_write(W.open[0], str_of("one"));
    move(); /* before the turn in which that would have been sent */
    http_stream_write(W.open[0], str_of("two"));
    hears(0, STREAM "3\r\none\r\n3\r\ntwo\r\n");
    http_stream_end(W.open[0]);
    hears(0, "0\r\n\r\n");
    sends(0, GET("/now"));
    hears(0, OK(11, "GET  by new"));
}

static void an_old_clients_stream_has_no_chunks(void **state)
{
    (void)state;
    asks(0, "GET /stream HTTP/1.0\r\n\r\n");
    move();
    http_stream_write(W.open[0], str_of("one"));
    http_stream_end(W.open[0]);
    hears(0, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\none");
    UNTIL(W.clients[0].closed);
}

static void a_slow_reader_misses_nothing(void **state)
{
    (void)state;
    static char big[BIG];
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i * 31 % 26 + i / 4096 % 3);
    asks(0, GET("/stream"));
    hears(0, STREAM);
    net_conn_pause(W.clients[0].link);
    http_stream_write(W.open[0], str_n(big, BIG));
    assert_true(http_stream_full(W.open[0]));
    turn();
    move();
    assert_true(http_stream_full(W.open[0]));
    assert_int_equal(W.drained, 0);
    net_conn_resume(W.clients[0].link);
    UNTIL(W.drained == 1);
    http_stream_end(W.open[0]);
    const struct buf *got = &W.clients[0].got;
    size_t head = strlen("a00000\r\n"), tail = strlen("\r\n0\r\n\r\n");
    UNTIL(got->n >= head + BIG + tail);
    assert_int_equal(got->n, head + BIG + tail);
    assert_memory_equal(got->p + head, big, BIG);
    assert_memory_equal(got->p + head + BIG, "\r\n0\r\n\r\n", tail);
}

static void an_answer_that_is_not_read_yet_is_closed_by_the_new_one(void **state)
{
    (void)state;
    static char big[BIG];
    memset(big, 'x', BIG);
    asks(0, "GET /later HTTP/1.1\r\nHost: head\r\nConnection: close\r\n\r\n");
    net_conn_pause(W.clients[0].link);
    http_reply(W.open[0], 200, "text/plain", NULL, str_n(big, BIG));
    turn();
    move();
    net_conn_resume(W.clients[0].link);
    UNTIL(W.clients[0].closed);
    const struct buf *got = &W.clients[0].got;
    assert_true(got->n > BIG);
    assert_memory_equal(got->p + got->n - BIG, big, BIG);
}

static void who_leaves_later_is_missed_by_the_new_one(void **state)
{
    (void)state;
    asks(0, GET("/stream"));
    asks(1, GET("/later"));
    move();
    assert_int_equal(W.gone, 0);
    net_conn_abort(W.clients[0].link);
    net_conn_close(W.clients[1].link);
    UNTIL(W.gone == 2);
    UNTIL(http_server_conns(W.server) == 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(one_kept_alive_goes_on),
        STORY(a_request_may_be_cut_anywhere),
        STORY(a_request_may_be_cut_twice),
        STORY(a_large_body_comes_to_both),
        STORY(a_client_is_told_to_continue_once),
        STORY(a_whole_answer_comes_from_the_new_one),
        STORY(what_is_pipelined_is_answered_behind_it),
        STORY(much_that_is_pipelined_still_waits),
        STORY(a_stream_goes_on_in_the_middle),
        STORY(an_old_clients_stream_has_no_chunks),
        STORY(a_slow_reader_misses_nothing),
        STORY(an_answer_that_is_not_read_yet_is_closed_by_the_new_one),
        STORY(who_leaves_later_is_missed_by_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
