/* The client, over real sockets: against our own server, and against peers that answer oddly or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/http.h"

/* ---- the peer: our server, or a raw one that says `answer` when it has read something (or at once), in pieces ---- */

struct scene {
    struct net_loop *loop;
    struct http_server *server;
    struct net_listener *raw;
    const char *answer;  /* raw: what it says */
    bool at_once;        /* raw: without being asked */
    bool hangs_up;       /* raw: closes then */
    struct buf heard;    /* raw: what it was asked */
    struct http_call *call;
    struct buf log;      /* head, body and end as the client saw them */
    bool cancel_at_head;
    bool ended;          /* on_end was called */
    int gone;            /* requests the server was told are gone */
    struct net_conn *link; /* an upgraded one, on either side */
    uint16_t port;
};

static void stop(struct scene *t)
{
    net_loop_stop(t->loop);
}

static void on_request(struct http_request *r, void *user_data)
{
    struct scene *t = user_data;
    struct str path = http_path(r), rest;
    if (http_wants_upgrade(r, "manta")) {
        static const struct net_conn_calls quiet = {0};
        t->link = http_upgrade(r, "manta", &rest);
        net_conn_set(t->link, &quiet, NULL);
        net_write(t->link, str_of("welcome"));
    } else if (str_is(path, "/echo")) {
        http_reply(r, 200, "text/plain", "X-Method: echo\r\n", http_body(r));
    } else if (str_is(path, "/stream")) {
        http_stream_begin(r, "text/event-stream", NULL);
        http_stream_write(r, str_of("data: 1\n\n"));
        http_stream_write(r, str_of("data: 2\n\n"));
        http_stream_end(r);
    } else if (str_is(path, "/endless")) {
        http_stream_begin(r, "text/event-stream", NULL);
        http_stream_write(r, str_of("data: 1\n\n"));
    } else if (!str_is(path, "/silence")) {
        http_reply(r, 404, "text/plain", NULL, str_of("nothing here"));
    }
}

static void on_gone(struct http_request *r, void *user_data)
{
    struct scene *t = user_data;
    (void)r;
    t->gone++;
    stop(t);
}

static void raw_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct scene *t = user_data;
    buf_add_str(&t->heard, bytes);
    if (!t->at_once && t->answer != NULL)
        net_write(c, str_of(t->answer));
    if (t->hangs_up)
        net_conn_close(c);
}

static void raw_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = raw_data};
    struct scene *t = user_data;
    net_conn_set(c, &calls, t);
    if (t->at_once)
        net_write(c, str_of(t->answer));
}

static const struct http_server_calls server_calls = {.on_request = on_request, .on_gone = on_gone};

static void begin(struct scene *t, const char *raw_answer)
{
    struct fault f;
    *t = (struct scene){.loop = net_loop_new(), .log = buf_max(16 << 20), .heard = buf_max(1 << 20), .answer = raw_answer};
    if (raw_answer != NULL) {
        assert_int_equal(net_listen(t->loop, "127.0.0.1", 0, raw_accept, t, &t->raw, &f), 0);
        t->port = net_listener_port(t->raw);
    } else {
        assert_int_equal(http_server_new(t->loop, "127.0.0.1", 0, &server_calls, t, &t->server, &f), 0);
        t->port = http_server_port(t->server);
    }
}

static void end(struct scene *t)
{
    if (t->server != NULL)
        http_server_close(t->server);
    net_loop_free(t->loop);
    buf_fini(&t->log);
    buf_fini(&t->heard);
}

/* ---- the client ---- */

static void on_head(struct http_call *c, int status, void *user_data)
{
    struct scene *t = user_data;
    buf_printf(&t->log, "%d %.*s;", status, STR_ARG(http_call_header(c, "content-type")));
    if (t->cancel_at_head)
        http_call_cancel(c);
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    struct scene *t = user_data;
    (void)c;
    buf_add_str(&t->log, bytes);
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    struct scene *t = user_data;
    (void)c;
    t->ended = true;
    if (err == 0)
        buf_puts(&t->log, ";end");
    else
        buf_printf(&t->log, "%s: %s", err_name(err), why);
    stop(t);
}

static struct http_call_config ask(struct scene *t, const char *method, const char *path)
{
    return (struct http_call_config){.host = "127.0.0.1", .port = t->port, .method = method, .path = path,
                                     .timeout_ms = 5000, .on_head = on_head, .on_body = on_body, .on_end = on_end,
                                     .user_data = t};
}

/* Asks, waits for the end, and returns what the client saw, with the port as PORT. */
static const char *saw(struct scene *t, const struct http_call_config *cfg)
{
    static char text[4096];
    char port[16];
    buf_reset(&t->log);
    t->ended = false;
    t->call = http_call_start(t->loop, cfg);
    assert_int_equal(t->log.n, 0); /* nothing is called before it returns */
    while (!t->ended)
        net_loop_run(t->loop);
    snprintf(text, sizeof text, "%s", buf_cstr(&t->log));
    snprintf(port, sizeof port, ":%u", t->port);
    char *at = strstr(text, port);
    if (at != NULL) {
        char rest[4096];
        snprintf(rest, sizeof rest, "%s", at + strlen(port));
        snprintf(at, sizeof text - (size_t)(at - text), ":PORT%s", rest);
    }
    return text;
}

/* ---- stories ---- */

static void against_our_own_server(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "POST", "/echo");
    cfg.body = str_of("hello");
    assert_string_equal(saw(&t, &cfg), "200 text/plain;hello;end");
    cfg = ask(&t, "POST", "/echo");
    assert_string_equal(saw(&t, &cfg), "200 text/plain;;end");
    cfg = ask(&t, "HEAD", "/echo");
    assert_string_equal(saw(&t, &cfg), "200 text/plain;;end");
    cfg = ask(&t, "GET", "/stream");
    assert_string_equal(saw(&t, &cfg), "200 text/event-stream;data: 1\n\ndata: 2\n\n;end");
    cfg = ask(&t, "GET", "/nowhere");
    assert_string_equal(saw(&t, &cfg), "404 text/plain;nothing here;end");
    end(&t);
}

static void a_body_of_megabytes_there_and_back(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "POST", "/echo");
    char *body = malloc(HTTP_BODY_BYTES_MAX);
    memset(body, 'x', HTTP_BODY_BYTES_MAX);
    cfg.body = str_n(body, HTTP_BODY_BYTES_MAX);
    saw(&t, &cfg);
    assert_int_equal(t.log.n, HTTP_BODY_BYTES_MAX + strlen("200 text/plain;") + strlen(";end"));
    free(body);
    end(&t);
}

static void too_large_a_body_still_reads_its_413(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "POST", "/echo");
    char *body = calloc(1, 10 << 20);
    cfg.body = str_n(body, 10 << 20);
    assert_string_equal(saw(&t, &cfg), "413 ;;end");
    free(body);
    end(&t);
}

static void a_client_that_cancels_is_gone_for_the_server(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    t.cancel_at_head = true;
    struct http_call_config cfg = ask(&t, "GET", "/endless");
    assert_string_equal(saw(&t, &cfg), "200 text/event-stream;ERR_CANCELLED: cancelled");
    if (t.gone == 0)
        net_loop_run(t.loop);
    assert_int_equal(t.gone, 1);
    end(&t);
}

static void a_cancel_before_the_connection_is_there(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "GET", "/echo");
    http_call_cancel(http_call_start(t.loop, &cfg));
    assert_int_equal(t.log.n, 0);
    net_loop_run(t.loop);
    assert_string_equal(buf_cstr(&t.log), "ERR_CANCELLED: cancelled");
    end(&t);
}

static void silence_ends_in_time(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "GET", "/silence");
    cfg.timeout_ms = 100;
    assert_string_equal(saw(&t, &cfg), "ERR_TIMEOUT: no answer from 127.0.0.1:PORT within 0.1 s");
    end(&t);
}

static void on_late(struct net_timer *timer, void *user_data)
{
    (void)timer;
    http_call_cancel(((struct scene *)user_data)->call);
}

static void the_timeout_is_for_the_head_not_for_a_stream(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "GET", "/endless");
    cfg.timeout_ms = 100;
    net_timer_set(net_timer_new(t.loop, on_late, &t), net_now_us(t.loop) + 250000);
    assert_string_equal(saw(&t, &cfg), "200 text/event-stream;data: 1\n\nERR_CANCELLED: cancelled");
    end(&t);
}

static void nobody_there(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    http_server_close(t.server);
    t.server = NULL;
    struct http_call_config cfg = ask(&t, "GET", "/echo");
    const char *text = saw(&t, &cfg);
    assert_int_equal(strncmp(text, "ERR_NET: cannot connect to 127.0.0.1:PORT: ", 43), 0);
    end(&t);
}

static void what_is_sent(void **state)
{
    (void)state;
    struct scene t;
    char want[256];
    begin(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct http_call_config cfg = ask(&t, "POST", "/v1/x?y=1");
    cfg.headers = "Content-Type: application/json\r\nX-Id: 1\r\n";
    cfg.body = str_of("{}");
    saw(&t, &cfg);
    snprintf(want, sizeof want, "POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\nContent-Length: 2\r\n"
             "Content-Type: application/json\r\nX-Id: 1\r\n\r\n{}", t.port);
    assert_string_equal(buf_cstr(&t.heard), want);
    end(&t);
}

struct odd {
    const char *answer;
    bool hangs_up;
    const char *saw;
};

static const struct odd odds[] = {
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, "200 ;until the end;end"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok and more", false, "200 ;ok;end"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false,
     "204 ;;end"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", false, "200 ;ab;end"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", true,
     "200 ;abERR_NET: 127.0.0.1:PORT closed the connection in the middle of its answer"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", true,
     "200 ;abERR_NET: 127.0.0.1:PORT closed the connection in the middle of its answer"},
    {"HTTP/1.1 200 OK\r\nContent-Len", true, "ERR_NET: 127.0.0.1:PORT closed the connection without an answer"},
    {"", true, "ERR_NET: 127.0.0.1:PORT closed the connection without an answer"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false,
     "200 ;ERR_PROTOCOL: malformed answer from 127.0.0.1:PORT: Invalid character in chunk size"},
    {"SSH-2.0-OpenSSH_9.2p1\r\n", false,
     "ERR_PROTOCOL: 127.0.0.1:PORT does not speak HTTP: it says 'SSH-2.0-OpenSSH_9.2p1'"},
    {"\x15\x03\x01\x02", false, "ERR_PROTOCOL: 127.0.0.1:PORT does not speak plain HTTP: it wants TLS"},
    {"\x01\x02", false, "ERR_PROTOCOL: 127.0.0.1:PORT does not speak HTTP"},
    {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", false,
     "ERR_PROTOCOL: 127.0.0.1:PORT switched to another protocol than was asked for: 'x'"},
};

static void odd_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof odds / sizeof odds[0]; i++) {
        struct scene t;
        begin(&t, odds[i].answer);
        t.hangs_up = odds[i].hangs_up;
        struct http_call_config cfg = ask(&t, "GET", "/");
        assert_string_equal(saw(&t, &cfg), odds[i].saw);
        end(&t);
    }
}

static void one_who_talks_first(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, "220 mail.example ESMTP\r\n");
    t.at_once = true;
    struct http_call_config cfg = ask(&t, "GET", "/");
    assert_string_equal(saw(&t, &cfg), "ERR_PROTOCOL: 127.0.0.1:PORT does not speak HTTP: it says '220 mail.example ESMTP'");
    end(&t);
}

static void an_endless_head(void **state)
{
    (void)state;
    struct scene t;
    static char head[HTTP_HEAD_BYTES_MAX + 64];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX: %0*d", HTTP_HEAD_BYTES_MAX, 1);
    begin(&t, head);
    struct http_call_config cfg = ask(&t, "GET", "/");
    assert_string_equal(saw(&t, &cfg), "ERR_TOO_LARGE: the headers of the answer from 127.0.0.1:PORT are over the limit "
                                       "(32768 bytes, 64 headers)");
    end(&t);
}

/* ---- upgrades ---- */

static void link_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct scene *t = user_data;
    (void)c;
    buf_printf(&t->log, "data %.*s;", STR_ARG(bytes));
    if (memmem(t->log.p, t->log.n, "welcome", 7) != NULL)
        stop(t);
}

static void on_up(struct net_conn *c, struct str rest, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = link_data};
    struct scene *t = user_data;
    buf_printf(&t->log, "up %.*s;", STR_ARG(rest));
    net_conn_set(c, &calls, t);
    if (memmem(rest.p, rest.n, "welcome", rest.n < 7 ? 0 : 7) != NULL && rest.n >= 7)
        stop(t);
}

static void on_fail(int status, const char *why, void *user_data)
{
    struct scene *t = user_data;
    buf_printf(&t->log, "fail %d %s", status, why);
    stop(t);
}

static struct http_dial_config dial(struct scene *t, const char *path, const char *protocol)
{
    return (struct http_dial_config){.host = "127.0.0.1", .port = t->port, .path = path, .protocol = protocol,
                                     .timeout_ms = 5000, .on_up = on_up, .on_fail = on_fail, .user_data = t};
}

static void an_upgrade_hands_the_connection_over(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_dial_config cfg = dial(&t, "/manta/link", "manta");
    http_dial_start(t.loop, &cfg);
    net_loop_run(t.loop);
    assert_non_null(strstr(buf_cstr(&t.log), "welcome"));
    assert_int_equal(strncmp(buf_cstr(&t.log), "up ", 3), 0);
    assert_int_equal(http_server_conns(t.server), 0);
    end(&t);
}

static void bytes_behind_the_101_come_along(void **state)
{
    (void)state;
    struct scene t;
    char want[256];
    begin(&t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: manta\r\n\r\nwelcome");
    struct http_dial_config cfg = dial(&t, "/link", "manta");
    cfg.headers = "X-Token: t\r\n";
    http_dial_start(t.loop, &cfg);
    net_loop_run(t.loop);
    assert_string_equal(buf_cstr(&t.log), "up welcome;");
    snprintf(want, sizeof want, "GET /link HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: manta\r\n"
             "X-Token: t\r\n\r\n", t.port);
    assert_string_equal(buf_cstr(&t.heard), want);
    end(&t);
}

static void a_dial_that_is_not_answered_by_an_upgrade(void **state)
{
    (void)state;
    struct scene t;
    char want[256];
    begin(&t, NULL);
    struct http_dial_config cfg = dial(&t, "/link", "other");
    http_dial_start(t.loop, &cfg);
    net_loop_run(t.loop);
    snprintf(want, sizeof want, "fail 404 127.0.0.1:%u answered 404 Not Found instead of switching to 'other'", t.port);
    assert_string_equal(buf_cstr(&t.log), want);

    /* an answer without end does not hold us up */
    buf_reset(&t.log);
    cfg = dial(&t, "/endless", "other");
    http_dial_start(t.loop, &cfg);
    net_loop_run(t.loop);
    assert_non_null(strstr(buf_cstr(&t.log), "fail 200 "));

    buf_reset(&t.log);
    cfg = dial(&t, "/link", "other");
    http_dial_cancel(http_dial_start(t.loop, &cfg));
    assert_int_equal(t.log.n, 0);
    while (strstr(buf_cstr(&t.log), "fail") == NULL)
        net_loop_run(t.loop);
    assert_non_null(strstr(buf_cstr(&t.log), "fail 0 cancelled"));
    end(&t);
}

static void the_loop_may_end_at_any_time(void **state)
{
    (void)state;
    struct scene t;
    begin(&t, NULL);
    struct http_call_config cfg = ask(&t, "GET", "/endless");
    cfg.on_end = on_end;
    http_call_start(t.loop, &cfg);
    struct http_dial_config to = dial(&t, "/silence", "other");
    http_dial_start(t.loop, &to);
    /* then all of them are told, and nothing leaks: the sanitizer watches */
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_our_own_server),
        cmocka_unit_test(a_body_of_megabytes_there_and_back),
        cmocka_unit_test(too_large_a_body_still_reads_its_413),
        cmocka_unit_test(a_client_that_cancels_is_gone_for_the_server),
        cmocka_unit_test(a_cancel_before_the_connection_is_there),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(the_timeout_is_for_the_head_not_for_a_stream),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(odd_answers),
        cmocka_unit_test(one_who_talks_first),
        cmocka_unit_test(an_endless_head),
        cmocka_unit_test(an_upgrade_hands_the_connection_over),
        cmocka_unit_test(bytes_behind_the_101_come_along),
        cmocka_unit_test(a_dial_that_is_not_answered_by_an_upgrade),
        cmocka_unit_test(the_loop_may_end_at_any_time),
    };
    return cmocka_run_group_tests_name("http_call", tests, NULL, NULL);
}
