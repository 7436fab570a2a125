/* A thousand streams at once, over real sockets: all bytes arrive, memory stays small, those who leave are told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>

#include "http/http.h"

enum {
    STREAMS = 1000,
    ROUNDS = 20,
    IDLE_BYTES_MAX = 2048,   /* of a connection, both ends of it, net/ and libuv included */
    STREAM_BYTES_MAX = 4096, /* same */
};

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t bytes_allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

struct crowd;
struct client {
    struct crowd *crowd;    /* borrowed */
    struct net_conn *link;  /* NULL once closed */
    size_t events;          /* that arrived */
};

struct crowd {
    struct net_loop *loop;
    struct http_server *server;
    struct client clients[STREAMS];
    struct http_request *streams[STREAMS]; /* NULL once gone or ended */
    size_t opened, begun, ended, gone, round;
    size_t bytes_before, bytes_idle, bytes_streaming;
    struct net_timer *turn;
};

static const char event[] = "data: {\"choices\":[{\"delta\":{\"content\":\" token\"}}]}\n\n";

static void ask_all(struct crowd *t)
{
    t->bytes_idle = bytes_allocated();
    for (size_t i = 0; i < STREAMS; i++) {
        net_write(t->clients[i].link, str_of("GET /stream HTTP/1.1\r\nHost: head\r\nUser-Agent: crowd\r\n"
                                             "Authorization: Bearer 0123456789\r\nAccept: text/event-stream\r\n\r\n"));
    }
}

static void client_open(struct net_conn *c, void *user_data)
{
    struct client *me = user_data;
    (void)c;
    if (++me->crowd->opened == STREAMS)
        net_timer_set(me->crowd->turn, net_now_us(me->crowd->loop) + 50000); /* let the server accept them */
}

static void client_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct client *me = user_data;
    (void)c;
    for (size_t i = 0; i < bytes.n; i++)
        me->events += bytes.p[i] == '['; /* one in each, none in the head */
}

static void client_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    struct client *me = user_data;
    (void)c, (void)err, (void)why;
    me->link = NULL;
    if (++me->crowd->ended == STREAMS)
        net_loop_stop(me->crowd->loop);
}

static void on_request(struct http_request *r, void *user_data)
{
    struct crowd *t = user_data;
    http_stream_begin(r, "text/event-stream", NULL);
    http_set_user_data(r, &t->streams[t->begun]);
    t->streams[t->begun++] = r;
    if (t->begun == STREAMS)
        net_timer_set(t->turn, net_now_us(t->loop));
}

static void on_gone(struct http_request *r, void *user_data)
{
    struct crowd *t = user_data;
    struct http_request **slot = http_user_data(r);
    assert_ptr_equal(*slot, r);
    *slot = NULL;
    t->gone++;
}

static void leave(struct crowd *t)
{
    for (size_t i = 0; i < STREAMS; i += 2)
        net_conn_abort(t->clients[i].link);
}

static void end_rest(struct crowd *t)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (t->streams[i] != NULL)
            http_stream_end(t->streams[i]);
        t->streams[i] = NULL;
    }
    http_server_close(t->server);
    for (size_t i = 1; i < STREAMS; i += 2)
        net_conn_close(t->clients[i].link);
}

/* What happens, turn by turn: all ask, then rounds of one event to each, then every other client leaves, then the end. */
static void on_turn(struct net_timer *timer, void *user_data)
{
    struct crowd *t = user_data;
    if (t->begun == 0) {
        ask_all(t);
        return;
    }
    for (size_t i = 0; i < STREAMS && t->round < ROUNDS; i++)
        http_stream_write(t->streams[i], str_of(event));
    if (t->round == ROUNDS / 2)
        t->bytes_streaming = bytes_allocated() - STREAMS * (sizeof event + 8) * 2; /* what waits in this turn to be sent */
    if (t->round == ROUNDS + 5)
        leave(t);
    if (t->round == ROUNDS + 10) {
        end_rest(t);
        return;
    }
    t->round++;
    net_timer_set(timer, net_now_us(t->loop) + (t->round > ROUNDS ? 20000 : 1000));
}

static const struct http_server_calls calls = {.on_request = on_request, .on_gone = on_gone};
static const struct net_conn_calls client_calls = {.on_open = client_open, .on_data = client_data, .on_close = client_close};

static void a_thousand_streams(void **state)
{
    (void)state;
    static struct crowd t;
    struct fault f;
    t.loop = net_loop_new();
    t.turn = net_timer_new(t.loop, on_turn, &t);
    assert_int_equal(http_server_new(t.loop, "127.0.0.1", 0, &calls, &t, &t.server, &f), 0);
    t.bytes_before = bytes_allocated();
    for (size_t i = 0; i < STREAMS; i++) {
        t.clients[i].crowd = &t;
        t.clients[i].link = net_dial(t.loop, "127.0.0.1", http_server_port(t.server), &client_calls, &t.clients[i]);
    }
    net_loop_run(t.loop);

    assert_int_equal(t.begun, STREAMS);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(t.clients[i].events, ROUNDS);
    assert_int_equal(t.gone, STREAMS / 2);
    size_t idle = (t.bytes_idle - t.bytes_before) / STREAMS, streaming = (t.bytes_streaming - t.bytes_before) / STREAMS;
    print_message("bytes per connection, both ends: idle %zu, streaming %zu\n", idle, streaming);
    assert_in_range(idle, 1, IDLE_BYTES_MAX);
    assert_in_range(streaming, 1, STREAM_BYTES_MAX);
    net_loop_free(t.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thousand_streams)};
    return cmocka_run_group_tests_name("http_many", tests, NULL, NULL);
}
