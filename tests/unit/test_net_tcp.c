/* Two ends of TCP connections in one loop, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "net/net.h"

/* One end of a connection and what happened to it. */
struct end {
    struct net_conn *conn; /* NULL before it exists and after on_close */
    struct buf got;        /* owned */
    unsigned opens, datas, drains, closes;
    int err;
    char why[256];
    size_t pending_at_drain;
};

/* The world of a test: a server end per accepted connection would be too many names, so the last one counts. */
struct world {
    struct net_loop *loop;
    struct net_listener *listener;
    struct end client, server;
    unsigned accepted, closed; /* closed: ends of both sides */
    unsigned stop_when_closed; /* stop the loop at this many; 0: never */
    void (*on_server_data)(struct world *w, struct str bytes);
    void (*on_accept)(struct world *w);
    void (*on_client_open)(struct world *w);
    void (*on_client_data)(struct world *w);
};
static struct world W; /* callbacks find it here, so that an end's user_data can be the end */

static void end_opened(struct net_conn *c, void *user_data)
{
    struct end *e = user_data;
    assert_ptr_equal(c, e->conn);
    e->opens++;
    if (e == &W.client && W.on_client_open != NULL)
        W.on_client_open(&W);
}

static void end_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct end *e = user_data;
    (void)c;
    e->datas++;
    buf_add_str(&e->got, bytes);
    if (e == &W.server && W.on_server_data != NULL)
        W.on_server_data(&W, bytes);
    if (e == &W.client && W.on_client_data != NULL)
        W.on_client_data(&W);
}

static void end_drained(struct net_conn *c, void *user_data)
{
    struct end *e = user_data;
    e->drains++;
    e->pending_at_drain = net_conn_pending(c);
}

static void end_closed(struct net_conn *c, int err, const char *why, void *user_data)
{
    struct end *e = user_data;
    (void)c;
    e->closes++;
    e->err = err;
    snprintf(e->why, sizeof e->why, "%s", why);
    e->conn = NULL;
    if (++W.closed == W.stop_when_closed)
        net_loop_stop(W.loop);
}

static const struct net_conn_calls END_CALLS = {end_opened, end_data, end_drained, end_closed};

static void accepted(struct net_conn *c, void *user_data)
{
    (void)user_data;
    W.accepted++;
    W.server.conn = c;
    net_conn_set(c, &END_CALLS, &W.server);
    if (W.on_accept != NULL)
        W.on_accept(&W);
}

static void dial(void)
{
    W.client.conn = net_dial(W.loop, "127.0.0.1", net_listener_port(W.listener), &END_CALLS, &W.client);
}

static int setup(void **state)
{
    (void)state;
    W = (struct world){.stop_when_closed = 2};
    W.client.got = W.server.got = buf_max(64 << 20);
    W.loop = net_loop_new();
    struct fault f = {0};
    assert_int_equal(net_listen(W.loop, "127.0.0.1", 0, accepted, NULL, &W.listener, &f), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_loop_free(W.loop);
    buf_fini(&W.client.got);
    buf_fini(&W.server.got);
    return 0;
}

static void write_text(struct net_conn *c, const char *text)
{
    assert_int_equal(net_write(c, str_of(text)), 0);
}

/* ---- stories ---- */

static void echo(struct world *w, struct str bytes)
{
    assert_int_equal(net_write(w->server.conn, bytes), 0);
}

static void close_client_when_all_came(struct world *w)
{
    if (w->client.got.n == strlen("hello, head"))
        net_conn_close(w->client.conn);
}

/* Given an echo server, when a client writes while still dialling and again when connected, it gets both back, and its
 * orderly close is an orderly end on both sides. */
static void test_echo(void **state)
{
    (void)state;
    W.on_server_data = echo;
    W.on_client_data = close_client_when_all_came;
    dial();
    write_text(W.client.conn, "hello, ");
    write_text(W.client.conn, "head");
    assert_int_equal(net_conn_pending(W.client.conn), 11);
    net_loop_run(W.loop);
    assert_string_equal(buf_cstr(&W.client.got), "hello, head");
    assert_int_equal(W.client.opens, 1);
    assert_int_equal(W.server.opens, 0); /* it is for those who dialled */
    assert_int_equal(W.client.closes, 1);
    assert_int_equal(W.client.err, 0);
    assert_int_equal(W.server.closes, 1);
    assert_int_equal(W.server.err, 0);
    assert_string_equal(W.server.why, "closed by the peer");
}

static void write_ten_and_close(struct world *w)
{
    for (int i = 0; i < 10; i++)
        write_text(w->server.conn, "data: {}\n\n");
    net_conn_close(w->server.conn);
}

/* Ten small writes of one turn are one send(), so they arrive as one piece. */
static void test_writes_of_a_turn_are_collected(void **state)
{
    (void)state;
    W.on_accept = write_ten_and_close;
    dial();
    net_loop_run(W.loop);
    assert_int_equal(W.client.got.n, 100);
    assert_int_equal(W.client.datas, 1);
}

static void write_a_lot_and_close(struct world *w)
{
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 16; i++)
        assert_int_equal(net_write(w->server.conn, str_n(block, sizeof block)), 0);
    net_conn_close(w->server.conn);
    assert_int_equal(net_write(w->server.conn, str_of("late")), ERR_NET);
}

/* Given 16 MiB written and a close in the same breath, the peer still gets every byte and then the end. */
static void test_close_sends_what_was_written(void **state)
{
    (void)state;
    W.on_accept = write_a_lot_and_close;
    dial();
    net_loop_run(W.loop);
    assert_int_equal(W.client.got.n, 16 << 20);
    assert_int_equal(W.client.err, 0);
    assert_int_equal(W.server.err, 0);
}

static void answer_and_close_unread(struct world *w, struct str bytes)
{
    (void)bytes;
    write_text(w->server.conn, "413 too large");
    net_conn_close(w->server.conn);
}

static void write_8_mib(struct world *w)
{
    static char block[8 << 20];
    memset(block, 'b', sizeof block);
    assert_int_equal(net_write(w->client.conn, str_n(block, sizeof block)), 0);
}

/* Given a client that sends 8 MiB and a server that answers after the first bytes and closes, the client gets the
 * answer: closing with unread bytes would have reset the connection. */
static void test_close_with_unread_bytes_does_not_lose_the_answer(void **state)
{
    (void)state;
    W.on_client_open = write_8_mib;
    W.on_server_data = answer_and_close_unread;
    dial();
    net_loop_run(W.loop);
    assert_string_equal(buf_cstr(&W.client.got), "413 too large");
    assert_int_equal(W.client.err, 0);
}

static void abort_in_data(struct world *w, struct str bytes)
{
    (void)bytes;
    net_conn_abort(w->server.conn);
    net_conn_abort(w->server.conn);
    net_conn_close(w->server.conn);
    assert_int_equal(w->server.closes, 0); /* never from within */
}

/* Given a connection aborted from inside its own on_data, on_close comes once, later, and the other side sees an end. */
static void test_abort_inside_on_data(void **state)
{
    (void)state;
    W.on_server_data = abort_in_data;
    dial();
    write_text(W.client.conn, "boo");
    net_loop_run(W.loop);
    assert_int_equal(W.server.closes, 1);
    assert_int_equal(W.server.err, ERR_CANCELLED);
    assert_int_equal(W.client.closes, 1);
}

static void close_in_open(struct world *w)
{
    net_conn_close(w->client.conn);
}

static void close_in_accept(struct world *w)
{
    net_conn_abort(w->server.conn);
}

static void test_close_inside_on_open_and_accept(void **state)
{
    (void)state;
    W.on_client_open = close_in_open;
    W.on_accept = close_in_accept;
    dial();
    net_loop_run(W.loop);
    assert_int_equal(W.client.closes, 1);
    assert_int_equal(W.server.closes, 1);
}

/* ---- a slow reader ---- */

static void pause_reading(struct world *w)
{
    net_conn_pause(w->server.conn);
}

static void write_16_mib(struct world *w)
{
    static char block[64 << 10];
    memset(block, 's', sizeof block);
    /* more than socket buffers hold, so that something stays pending after the flush */
    for (int i = 0; i < 256; i++)
        assert_int_equal(net_write(w->client.conn, str_n(block, sizeof block)), 0);
}

static void resume_reading(struct net_timer *t, void *user_data)
{
    struct world *w = user_data;
    net_timer_free(t);
    assert_int_equal(w->client.drains, 0);
    assert_true(net_conn_pending(w->client.conn) > (8u << 20));
    net_conn_resume(w->server.conn);
}

static void close_when_16_mib_came(struct world *w, struct str bytes)
{
    (void)bytes;
    if (w->server.got.n == 16 << 20)
        net_conn_close(w->server.conn);
}

/* Given a peer that does not read, pending grows and no on_drain comes; when it reads again, on_drain comes once pending
 * fell to half, and every byte arrives. */
static void test_slow_reader_then_drain(void **state)
{
    (void)state;
    W.on_accept = pause_reading;
    W.on_client_open = write_16_mib;
    W.on_server_data = close_when_16_mib_came;
    dial();
    struct net_timer *t = net_timer_new(W.loop, resume_reading, &W);
    net_timer_set(t, net_now_us(W.loop) + 100000);
    net_loop_run(W.loop);
    assert_int_equal(W.client.drains, 1);
    assert_true(W.client.pending_at_drain <= 8 << 20);
    assert_int_equal(W.server.got.n, 16 << 20);
}

static void test_pending_limit_takes_nothing(void **state)
{
    (void)state;
    char *block = xalloc(NET_PENDING_BYTES_MAX);
    dial();
    assert_int_equal(net_write(W.client.conn, str_of("abc")), 0);
    assert_int_equal(net_write(W.client.conn, str_n(block, NET_PENDING_BYTES_MAX - 2)), ERR_TOO_LARGE);
    assert_int_equal(net_conn_pending(W.client.conn), 3);
    assert_int_equal(net_write(W.client.conn, str_n(block, NET_PENDING_BYTES_MAX - 3)), 0);
    assert_int_equal(net_conn_pending(W.client.conn), NET_PENDING_BYTES_MAX);
    assert_int_equal(net_write(W.client.conn, str_of("x")), ERR_TOO_LARGE);
    free(block);
}

static void write_a_lot_and_give_up(struct world *w)
{
    write_16_mib(w);
    net_conn_close(w->client.conn);
}

static void client_closed_only(struct net_timer *t, void *user_data)
{
    struct world *w = user_data;
    net_timer_free(t);
    assert_int_equal(w->client.closes, 0); /* it still hopes */
}

/* Given a peer that never reads, a close gives up after its patience and says how much was lost. */
static void test_close_gives_up_on_a_peer_that_never_reads(void **state)
{
    (void)state;
    W.stop_when_closed = 1;
    W.on_accept = pause_reading;
    W.on_client_open = write_a_lot_and_give_up;
    dial();
    struct net_timer *t = net_timer_new(W.loop, client_closed_only, &W);
    uint64_t start_us = net_now_us(W.loop);
    net_timer_set(t, start_us + 1000000);
    net_loop_run(W.loop);
    assert_int_equal(W.client.err, ERR_TIMEOUT);
    assert_non_null(strstr(W.client.why, "did not take the last"));
    assert_true(net_now_us(W.loop) - start_us < 6000000);
}

/* ---- the peer's end and resets, made with plain sockets ---- */

static void write_big_answer(struct world *w, struct str bytes)
{
    (void)bytes;
    write_a_lot_and_close(w);
}

static void half_close(struct world *w)
{
    /* our own loop's client ends only its sending side: what `printf … | nc` does */
    write_text(w->client.conn, "request");
    net_conn_close(w->client.conn);
}

/* Given a client that sends its request and its end at once, the server's answer, already written, does not disturb:
 * the server flushes and closes, the lingering client throws the answer away, both end. */
static void test_peer_end_closes_after_flush(void **state)
{
    (void)state;
    W.on_client_open = half_close;
    W.on_server_data = write_big_answer;
    dial();
    net_loop_run(W.loop);
    assert_int_equal(W.client.closes, 1);
    assert_int_equal(W.server.closes, 1);
    assert_int_equal(W.server.err, 0);
    assert_int_equal(W.client.got.n, 0); /* no on_data after close */
}

/* ---- dialling ---- */

static void test_dial_refused(void **state)
{
    (void)state;
    uint16_t port = net_listener_port(W.listener);
    net_listener_close(W.listener);
    W.stop_when_closed = 1;
    W.client.conn = net_dial(W.loop, "127.0.0.1", port, &END_CALLS, &W.client);
    net_loop_run(W.loop);
    char words[128];
    snprintf(words, sizeof words, "cannot connect to 127.0.0.1:%u: connection refused", port);
    assert_int_equal(W.client.opens, 0);
    assert_int_equal(W.client.err, ERR_NET);
    assert_string_equal(W.client.why, words);
}

static void test_dial_unresolvable(void **state)
{
    (void)state;
    W.stop_when_closed = 1;
    W.client.conn = net_dial(W.loop, "no such host.invalid", 1, &END_CALLS, &W.client);
    net_loop_run(W.loop);
    assert_int_equal(W.client.opens, 0);
    assert_int_equal(W.client.err, ERR_NET);
    assert_non_null(strstr(W.client.why, "cannot find the address of 'no such host.invalid'"));
}

/* "localhost" is ::1 and 127.0.0.1 on most machines, and we listen on one of them only. */
static void test_dial_tries_every_address_of_a_name(void **state)
{
    (void)state;
    W.on_client_open = close_in_open;
    W.client.conn = net_dial(W.loop, "localhost", net_listener_port(W.listener), &END_CALLS, &W.client);
    net_loop_run(W.loop);
    assert_int_equal(W.client.opens, 1);
    assert_int_equal(W.client.err, 0);
}

static void test_close_while_resolving(void **state)
{
    (void)state;
    W.stop_when_closed = 1;
    W.client.conn = net_dial(W.loop, "localhost", 1, &END_CALLS, &W.client);
    net_conn_close(W.client.conn);
    assert_int_equal(W.client.closes, 0);
    net_loop_run(W.loop);
    assert_int_equal(W.client.closes, 1);
    assert_int_equal(W.client.err, 0);
}

/* ---- listening ---- */

static void test_port_in_use(void **state)
{
    (void)state;
    struct net_listener *second = NULL;
    struct fault f = {0};
    char words[128];
    snprintf(words, sizeof words, "port %u on 127.0.0.1 is already in use: ", net_listener_port(W.listener));
    assert_int_equal(net_listen(W.loop, "127.0.0.1", net_listener_port(W.listener), accepted, NULL, &second, &f),
                     ERR_IN_USE);
    assert_null(second);
    assert_non_null(strstr(f.text, words));
}

static void test_listen_on_a_foreign_address(void **state)
{
    (void)state;
    struct net_listener *other = NULL;
    struct fault f = {0};
    assert_int_equal(net_listen(W.loop, "192.0.2.1", 0, accepted, NULL, &other, &f), ERR_NET);
    assert_string_equal(f.text, "cannot listen on 192.0.2.1: it is not an address of this machine");
}

static void test_listen_by_name(void **state)
{
    (void)state;
    struct net_listener *other = NULL;
    struct fault f = {0};
    assert_int_equal(net_listen(W.loop, "localhost", 0, accepted, NULL, &other, &f), 0);
    assert_true(net_listener_port(other) > 0);
    net_listener_close(other);
}

/* ---- many ---- */

enum { MANY = 1000 };

static void abort_in_open(struct net_conn *c, void *user_data)
{
    (void)user_data;
    net_conn_abort(c);
}

/* Given 1,000 callers at once, each is accepted, each is closed, and the sanitizer finds nothing left. */
static void test_a_thousand_connections(void **state)
{
    (void)state;
    W.stop_when_closed = 2 * MANY;
    struct net_conn_calls calls = END_CALLS;
    calls.on_open = abort_in_open;
    for (int i = 0; i < MANY; i++)
        net_dial(W.loop, "127.0.0.1", net_listener_port(W.listener), &calls, &W.client);
    net_loop_run(W.loop);
    assert_int_equal(W.accepted, MANY);
    assert_int_equal(W.closed, 2 * MANY);
}

static void stop_loop(struct net_timer *t, void *user_data)
{
    (void)t;
    net_loop_stop(user_data);
}

/* Given open connections with unsent bytes, a dial in progress and an armed timer, freeing the loop ends all of them
 * and calls each on_close. */
static void test_free_ends_what_is_open(void **state)
{
    (void)state;
    dial();
    net_timer_set(net_timer_new(W.loop, stop_loop, W.loop), net_now_us(W.loop) + 20000);
    net_loop_run(W.loop);
    write_text(W.client.conn, "unsent");
    net_timer_set(net_timer_new(W.loop, stop_loop, W.loop), net_now_us(W.loop) + 3600000000u);
    struct end late = {0};
    late.conn = net_dial(W.loop, "localhost", 1, &END_CALLS, &late);
    net_loop_free(W.loop);
    W.loop = NULL;
    assert_int_equal(W.client.closes, 1);
    assert_int_equal(W.server.closes, 1);
    assert_int_equal(late.closes, 1);
    assert_string_equal(late.why, "the program is ending");
}

static void test_peer_names(void **state)
{
    (void)state;
    W.on_client_open = close_in_open;
    dial();
    char words[64];
    snprintf(words, sizeof words, "127.0.0.1:%u", net_listener_port(W.listener));
    assert_string_equal(net_conn_peer(W.client.conn), words);
    net_loop_run(W.loop);
    assert_int_equal(W.client.closes, 1);
}

static void ask_whose(struct world *w, struct str bytes)
{
    uint32_t uid = UINT32_MAX;
    (void)bytes;
    assert_int_equal(net_conn_peer_uid(w->server.conn, &uid), 0);
    assert_int_equal(uid, geteuid());
    uid = UINT32_MAX;
    assert_int_equal(net_conn_peer_uid(w->client.conn, &uid), 0);
    assert_int_equal(uid, geteuid());
    net_conn_close(w->client.conn);
}

static void say_something(struct world *w)
{
    assert_int_equal(net_write(w->client.conn, str_of("?")), 0);
}

/* Both ends are this process's. */
static void test_whose_the_other_end_is(void **state)
{
    (void)state;
    W.on_client_open = say_something;
    W.on_server_data = ask_whose;
    dial();
    net_loop_run(W.loop);
    assert_int_equal(W.client.closes, 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_echo),
        STORY(test_writes_of_a_turn_are_collected),
        STORY(test_close_sends_what_was_written),
        STORY(test_close_with_unread_bytes_does_not_lose_the_answer),
        STORY(test_abort_inside_on_data),
        STORY(test_close_inside_on_open_and_accept),
        STORY(test_slow_reader_then_drain),
        STORY(test_pending_limit_takes_nothing),
        STORY(test_close_gives_up_on_a_peer_that_never_reads),
        STORY(test_peer_end_closes_after_flush),
        STORY(test_dial_refused),
        STORY(test_dial_unresolvable),
        STORY(test_dial_tries_every_address_of_a_name),
        STORY(test_close_while_resolving),
        STORY(test_port_in_use),
        STORY(test_listen_on_a_foreign_address),
        STORY(test_listen_by_name),
        STORY(test_a_thousand_connections),
        STORY(test_free_ends_what_is_open),
        STORY(test_peer_names),
        STORY(test_whose_the_other_end_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
