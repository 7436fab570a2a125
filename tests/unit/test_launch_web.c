/* Calls to an engine: a server of a few lines plays the engine, with good answers and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launch/web.h"
#include "net/net.h"

struct story {
    struct net_loop *loop;
    struct net_listener *listener;
    struct web *web;
    char base[64];
    const char *says;        /* what the engine answers; NULL: it hangs up */
    bool closes;             /* and then it hangs up */
    struct buf heard;        /* what it was sent */
    struct buf parts, body;  /* what came to on_part and on_done */
    struct web_call *call;
    struct web_answer answer;
    unsigned done, calls_more;
    bool cancels_in_part, frees_in_done;
};

/* ---- the engine ---- */

static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct story *s = user_data;
    buf_add_str(&s->heard, bytes);
    if (memmem(s->heard.p, s->heard.n, "\r\n\r\n", 4) == NULL)
        return;
    if (s->says != NULL)
        net_write(c, str_of(s->says));
    if (s->says == NULL || s->closes)
        net_conn_close(c);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why, (void)user_data;
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    net_conn_set(c, &calls, user_data);
}

static int setup(void **state)
{
    static struct story s;
    struct fault f = {0};
    s = (struct story){.loop = net_loop_new(), .heard = buf_max(1 << 20), .parts = buf_max(1 << 20), .body = buf_max(1 << 20)};
    assert_int_equal(net_listen(s.loop, "127.0.0.1", 0, on_accept, &s, &s.listener, &f), 0);
    snprintf(s.base, sizeof s.base, "http://127.0.0.1:%u/", net_listener_port(s.listener));
    assert_int_equal(web_open(s.loop, &(struct web_config){.base = s.base, .bearer = "s3cret"}, &s.web, &f), 0);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    web_free(s->web);
    net_loop_free(s->loop);
    buf_fini(&s->heard);
    buf_fini(&s->parts);
    buf_fini(&s->body);
    return 0;
}

/* ---- the caller ---- */

static void ask(struct story *s, struct web_request r);

static void on_done(const struct web_answer *a, void *user_data)
{
    struct story *s = user_data;
    s->answer = *a;
    s->done++;
    buf_reset(&s->body);
    buf_add_str(&s->body, a->body);
    if (s->frees_in_done) {
        web_free(s->web);
        s->web = NULL;
    }
    if (s->calls_more > 0) {
        s->calls_more--;
        buf_reset(&s->heard);
        ask(s, (struct web_request){.method = "GET", .path = "/again"});
        return;
    }
    net_loop_stop(s->loop);
}

static void on_part(struct str bytes, void *user_data)
{
    struct story *s = user_data;
    buf_add_str(&s->parts, bytes);
    if (s->cancels_in_part) {
        web_cancel(s->call);
        net_loop_stop(s->loop);
    }
}

static void ask(struct story *s, struct web_request r)
{
    r.on_done = on_done;
    r.user_data = s;
    s->call = web_send(s->web, &r);
}

static bool heard(struct story *s, const char *words)
{
    return strstr(buf_cstr(&s->heard), words) != NULL;
}

static int refusal(const struct story *s, struct fault *f)
{
    struct web_answer a = s->answer;
    a.body = buf_str(&s->body);
    return web_refused(&a, "submit the job", f);
}

/* ---- stories ---- */

static void test_a_call_and_its_answer(void **state)
{
    struct story *s = *state;
    struct fault f = {0};
    s->says = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"ok\": true}";
    ask(s, (struct web_request){.method = "POST", .path = "/api/jobs/", .body = str_of("{\"entrypoint\":\"x\"}")});
    assert_int_equal(s->done, 0); /* never from within the call */
    net_loop_run(s->loop);
    assert_int_equal(s->answer.status, 200);
    assert_string_equal(buf_cstr(&s->body), "{\"ok\": true}");
    assert_int_equal(refusal(s, &f), 0);
    assert_true(heard(s, "POST /api/jobs/ HTTP/1.1\r\n"));
    assert_true(heard(s, "Authorization: Bearer s3cret\r\n"));
    assert_true(heard(s, "Content-Type: application/json\r\n"));
    assert_true(heard(s, "{\"entrypoint\":\"x\"}"));
}

/* One connection serves three calls, each sent from the callback of the one before. */
static void test_calls_from_callbacks(void **state)
{
    struct story *s = *state;
    s->says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    s->calls_more = 2;
    ask(s, (struct web_request){.method = "GET", .path = "/first"});
    net_loop_run(s->loop);
    assert_int_equal(s->done, 3);
    assert_true(heard(s, "GET /again"));
}

static void test_a_stream_comes_in_pieces(void **state)
{
    struct story *s = *state;
    s->says = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n";
    ask(s, (struct web_request){.method = "GET", .path = "/watch", .timeout_ms = UINT32_MAX, .on_part = on_part});
    net_loop_run(s->loop);
    assert_string_equal(buf_cstr(&s->parts), "one\ntwo\n");
    assert_int_equal(s->body.n, 0);
    assert_int_equal(s->answer.status, 200);
}

static void test_cancelled_in_its_own_piece(void **state)
{
    struct story *s = *state;
    s->says = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n";
    s->cancels_in_part = true;
    ask(s, (struct web_request){.method = "GET", .path = "/watch", .timeout_ms = UINT32_MAX, .on_part = on_part});
    net_loop_run(s->loop);
    assert_int_equal(s->done, 0);
}

static void test_freed_in_its_callback(void **state)
{
    struct story *s = *state;
    s->says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    s->frees_in_done = true;
    ask(s, (struct web_request){.method = "GET", .path = "/"});
    ask(s, (struct web_request){.method = "GET", .path = "/"});
    net_loop_run(s->loop);
    assert_int_equal(s->done, 1);
}

static void test_the_engines_own_words(void **state)
{
    struct story *s = *state;
    static const struct {
        const char *says, *words;
        int err;
    } cases[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 56\r\n\r\n{\"kind\":\"Status\",\"message\":\"pods is forbidden: no role\"}",
         "cannot submit the job: status 403: pods is forbidden: no role", ERR_FORBIDDEN},
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 16\r\n\r\nInvalid token.\n\n", "cannot submit the job: status 401: Invalid token.", ERR_AUTH},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 68\r\n\r\nTraceback (most recent call last):\n  File x\nValueError: no such job\n",
         "cannot submit the job: status 500: ValueError: no such job", ERR_UNAVAILABLE},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "cannot submit the job: status 404 and no words", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        s->says = cases[i].says;
        buf_reset(&s->heard);
        ask(s, (struct web_request){.method = "GET", .path = "/"});
        net_loop_run(s->loop);
        assert_int_equal(refusal(s, &f), cases[i].err);
        assert_string_equal(f.text, cases[i].words);
    }
}

/* Given an engine that is busy and says for how long; then the fault tells it, but no time that is a mistake. */
static void test_a_time_to_wait_is_told(void **state)
{
    struct story *s = *state;
    static const struct { const char *says; uint32_t wait_s; } cases[] = {
        {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7},
        {"HTTP/1.1 503 Service Unavailable\r\nretry-after: 31536000\r\nContent-Length: 0\r\n\r\n", WEB_WAIT_S_MAX},
        {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 0},
        {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: -1\r\nContent-Length: 0\r\n\r\n", 0},
        {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        s->says = cases[i].says;
        ask(s, (struct web_request){.method = "GET", .path = "/"});
        net_loop_run(s->loop);
        assert_int_equal(refusal(s, &f), strstr(cases[i].says, "429") != NULL ? ERR_BUSY : ERR_UNAVAILABLE);
        assert_int_equal(f.wait_s, cases[i].wait_s);
    }
}

static void test_no_answer_is_a_fault(void **state)
{
    struct story *s = *state;
    struct fault f = {0};
    ask(s, (struct web_request){.method = "GET", .path = "/"}); /* it hangs up */
    net_loop_run(s->loop);
    assert_int_equal(s->answer.status, 0);
    assert_int_equal(refusal(s, &f), ERR_NET);
    assert_non_null(strstr(f.text, "cannot submit the job: http://127.0.0.1:"));

    net_listener_close(s->listener);
    ask(s, (struct web_request){.method = "GET", .path = "/"});
    net_loop_run(s->loop);
    assert_int_equal(s->answer.fault.err, ERR_NET);
}

static void test_a_late_answer_and_a_large_one(void **state)
{
    struct story *s = *state;
    s->says = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it";
    ask(s, (struct web_request){.method = "GET", .path = "/", .timeout_ms = 100});
    net_loop_run(s->loop);
    assert_int_equal(s->answer.fault.err, ERR_TIMEOUT);
    buf_reset(&s->heard);
    ask(s, (struct web_request){.method = "GET", .path = "/", .answer_bytes_max = 4});
    net_loop_run(s->loop);
    assert_int_equal(s->answer.fault.err, ERR_TOO_LARGE);
}

static void test_bad_addresses(void **state)
{
    struct story *s = *state;
    static const char *const bad[] = {"", "127.0.0.1:8265", "ftp://x", "http://", "http://user:pw@x", "http://a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct web *w = NULL;
        struct fault f = {0};
        assert_int_equal(web_open(s->loop, &(struct web_config){.base = bad[i]}, &w, &f), ERR_INVALID);
        assert_non_null(strstr(f.text, "http://HOST:PORT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_call_and_its_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_from_callbacks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_comes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_in_its_own_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_in_its_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_engines_own_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_time_to_wait_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer_is_a_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_answer_and_a_large_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_addresses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
