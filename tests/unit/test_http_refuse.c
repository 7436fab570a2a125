/* Requests that never reach the handler: each gets its status and a sentence, and the connection ends. */
#include "http_story.h"

#define HOST "Host: head\r\n"
#define POST "POST /now HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct bad {
    const char *request;
    int status;
    const char *text; /* part of the error body */
};

static const struct bad bads[] = {
    /* not HTTP */
    {"\x16\x03\x01\x02\x01", 400, "not TLS: use http://"},
    {"hello\r\n\r\n", 400, "malformed request"},
    {"SSH-2.0-OpenSSH_9.2\r\n", 400, "malformed request"},
    {"{\"prompt\":1}\r\n", 400, "malformed request"},
    {"GET\r\n\r\n", 400, "malformed request"},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "malformed request"},
    {"GET / a HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request"},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request"},
    {"GET now HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request"},
    /* versions */
    {"GET / HTTP/0.9\r\n\r\n", 505, "HTTP/0.9 is not spoken here"},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505, "HTTP/2.0 is not spoken here"},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505, "use HTTP/1.1"},
    {"GET /\r\n\r\n", 505, "HTTP/0.9 is not spoken here"},
    {"GET / HTTP/11.1\r\n" HOST "\r\n", 400, "malformed request"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "use HTTP/1.1"},
    {"GET / HTTX/1.1\r\n" HOST "\r\n", 400, "malformed request"},
    /* headers */
    {"GET / HTTP/1.1\r\n\r\n", 400, "no Host header"},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "more than one Host header"},
    {"GET / HTTP/1.1\r\n" HOST "Folded: a\r\n b\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST "Space : a\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST "No colon\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST ": empty\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\001b\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\n" HOST "\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "malformed request"},
    {"GET / HTTP/1.1\r\n" HOST "\r\r\n", 400, "malformed request"},
    /* where does the body end? (request smuggling) */
    {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 3, 3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: -3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: +3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 0x3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 3 3\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length:\r\n\r\n", 400, "malformed request"},
    {POST "Content-Length: 99999999999999999999999\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 501, "Transfer-Encoding 'gzip' is not supported"},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "Transfer-Encoding 'gzip, chunked' is not supported"},
    {POST "Transfer-Encoding: identity\r\n\r\n", 501, "only 'chunked' is"},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 501, "only 'chunked' is"},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding:\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", 400, "malformed request"},
    {POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "more than one Transfer-Encoding"},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
    {"POST /now HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "needs HTTP/1.1"},
    /* chunks */
    {CHUNKED "x\r\n", 400, "malformed request"},
    {CHUNKED "-1\r\n", 400, "malformed request"},
    {CHUNKED " 1\r\na\r\n", 400, "malformed request"},
    {CHUNKED "0x1\r\na\r\n", 400, "malformed request"},
    {CHUNKED "\r\n", 400, "malformed request"},
    {CHUNKED "1\na\r\n", 400, "malformed request"},
    {CHUNKED "1\r\nab\r\n", 400, "malformed request"},
    {CHUNKED "1\r\na\n0\r\n\r\n", 400, "malformed request"},
    {CHUNKED "1;a\nb\r\na\r\n", 400, "malformed request"},
    {CHUNKED "11111111111111111\r\n", 400, "malformed request"},
    {CHUNKED "0\r\nBad Trailer\r\n\r\n", 400, "malformed request"},
    /* limits known before the body is read */
    {POST "Content-Length: 4194305\r\n\r\n", 413, "the body has 4194305 bytes, the limit is 4194304"},
    {POST "Expect: 100-continue\r\nContent-Length: 10000000\r\n\r\n", 413, "the body has 10000000 bytes"},
    {CHUNKED "400001\r\n", 413, "the body is larger than 4194304 bytes"},
    {CHUNKED "1\r\na\r\n400000\r\n", 413, "the body is larger than 4194304 bytes"},
    {POST "Expect: the-unexpected\r\n\r\n", 417, "only 'Expect: 100-continue'"},
};

static void each_gets_its_status(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct story t;
        char status[32];
        story_begin(&t);
        story_send(&t, bads[i].request);
        const char *said = story_said(&t);
        snprintf(status, sizeof status, "HTTP/1.1 %d ", bads[i].status);
        if (strncmp(said, status, strlen(status)) != 0 || strstr(said, bads[i].text) == NULL)
            wrong += printf("%s\nshould get %d '%s', got\n%s\n", bads[i].request, bads[i].status, bads[i].text, said) > 0;
        else if (strstr(said, "Content-Type: application/json\r\n") == NULL || strstr(said, "Connection: close\r\n") == NULL)
            wrong += printf("%s\n", said) > 0;
        else
            assert_null(t.client.conn);
        story_end(&t);
    }
    assert_int_equal(wrong, 0);
}

/* The status of the first answer to a request made of `n` copies of `piece` between `before` and `after`. */
static int status_of(const char *before, const char *piece, size_t n, const char *after)
{
    struct story t;
    story_begin(&t);
    struct buf text = buf_max(64 << 20);
    buf_puts(&text, before);
    for (size_t i = 0; i < n; i++)
        buf_puts(&text, piece);
    buf_puts(&text, after);
    loopback_send(&t.client, t.server, buf_str(&text));
    int status = 0;
    sscanf(story_said(&t), "HTTP/1.1 %d", &status);
    buf_fini(&text);
    story_end(&t);
    return status;
}

static void the_limits_hold_to_the_byte(void **state)
{
    (void)state;
    size_t path = HTTP_HEAD_BYTES_MAX - strlen("GET /now HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of("GET /now", "x", path, " HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(status_of("GET /now", "x", path + 1, " HTTP/1.1\r\n" HOST "\r\n"), 431);
    size_t value = HTTP_HEAD_BYTES_MAX - strlen("GET /now HTTP/1.1\r\n" HOST "X:\r\n\r\n");
    assert_int_equal(status_of("GET /now HTTP/1.1\r\n" HOST "X:", "x", value, "\r\n\r\n"), 200);
    assert_int_equal(status_of("GET /now HTTP/1.1\r\n" HOST "X:", "x", value + 1, "\r\n\r\n"), 431);
    /* what the parser skips counts too */
    assert_int_equal(status_of("GET /now HTTP/1.1\r\n" HOST "X:", " ", value + 1, "\r\n\r\n"), 431);
    assert_int_equal(status_of("", "\r\n", HTTP_HEAD_BYTES_MAX / 2, GET("/now")), 431);
    assert_int_equal(status_of("", "\r\n", 2, GET("/now")), 200);
    /* headers */
    assert_int_equal(status_of("GET /now HTTP/1.1\r\n" HOST, "X: y\r\n", HTTP_HEADERS_MAX - 1, "\r\n"), 200);
    assert_int_equal(status_of("GET /now HTTP/1.1\r\n" HOST, "X: y\r\n", HTTP_HEADERS_MAX, "\r\n"), 431);
    /* bodies */
    assert_int_equal(status_of(POST "Content-Length: 4194304\r\n\r\n", "x", HTTP_BODY_BYTES_MAX, ""), 200);
    assert_int_equal(status_of(CHUNKED, "10\r\n0123456789abcdef\r\n", HTTP_BODY_BYTES_MAX / 16, "0\r\n\r\n"), 200);
    assert_int_equal(status_of(CHUNKED, "10\r\n0123456789abcdef\r\n", HTTP_BODY_BYTES_MAX / 16 + 1, "0\r\n\r\n"), 413);
}

static void a_refused_body_is_not_read(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, POST "Content-Length: 10000000\r\n\r\n");
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 413 "));
    assert_int_equal(loopback_held(t.server), 0);
    story_end(&t);
}

static void continue_is_said_when_the_body_is_welcome(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, POST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(story_said(&t), "HTTP/1.1 100 Continue\r\n\r\n");
    story_send(&t, "hi");
    assert_string_equal(story_said(&t), OK(12, "POST /now hi"));
    /* not to an old client, and not when there is no body */
    story_send(&t, POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(story_said(&t), OK(10, "POST /now "));
    story_send(&t, "POST /now HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
    assert_null(strstr(story_said(&t), "100 Continue"));
    story_end(&t);
}

static void a_good_request_before_a_bad_one_is_answered_first(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/later") "garbage\r\n\r\n");
    assert_string_equal(story_said(&t), "");
    story_answer(&t, 0, "x");
    assert_int_equal(strncmp(story_said(&t), OK(1, "x") "HTTP/1.1 400 ", strlen(OK(1, "x") "HTTP/1.1 400 ")), 0);
    assert_null(t.client.conn);
    story_end(&t);
}

static void a_refused_head_request_gets_no_body(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "HEAD / HTTP/1.1\r\n\r\n");
    const char *said = story_said(&t);
    assert_int_equal(strncmp(said, "HTTP/1.1 400 ", 13), 0);
    assert_string_equal(said + strlen(said) - 4, "\r\n\r\n");
    story_end(&t);
}

static void too_many_connections(void **state)
{
    (void)state;
    struct story t;
    struct loopback other = {0};
    story_begin(&t);
    loopback_limits(t.server, 1, HTTP_HELD_BYTES_MAX);
    story_send(&t, GET("/later"));
    struct loopback guests[HTTP_CONNS_KEPT] = {0};
    for (int i = 0; i < HTTP_CONNS_KEPT; i++) {
        loopback_open(&guests[i], t.server);
        assert_non_null(guests[i].conn);
        loopback_send(&guests[i], t.server, str_of(GET("/stream")));
    }
    loopback_open(&other, t.server);
    assert_null(other.conn);
    assert_true(other.closing);
    assert_non_null(strstr(buf_cstr(&other.out), "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(buf_cstr(&other.out), "Retry-After: 1\r\n"));
    assert_non_null(strstr(buf_cstr(&other.out), "65 connections are open, which is the limit"));
    loopback_fini(&other);
    for (int i = 0; i < HTTP_CONNS_KEPT; i++) {
        loopback_hang_up(&guests[i]);
        loopback_fini(&guests[i]);
    }
    /* when one leaves, the next may come */
    loopback_hang_up(&t.client);
    loopback_open(&other, t.server);
    assert_non_null(other.conn);
    loopback_hang_up(&other);
    loopback_fini(&other);
    story_end(&t);
}

static void too_many_bytes_in_memory(void **state)
{
    (void)state;
    struct story t;
    struct loopback other = {0};
    story_begin(&t);
    loopback_limits(t.server, 10, 20000);
    loopback_open(&other, t.server);
    char text[16000];
    int n = snprintf(text, sizeof text, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 12000\r\n\r\n%012000d", 1);
    /* given a first that takes most of what there may be */
    loopback_send(&t.client, t.server, str_n(text, (size_t)n));
    assert_int_equal(t.open_n, 1);
    /* then a second is turned away */
    loopback_send(&other, t.server, str_n(text, (size_t)n));
    assert_non_null(strstr(buf_cstr(&other.out), "HTTP/1.1 503 "));
    assert_int_equal(t.open_n, 1);
    /* and what a handler forgets makes room */
    http_forget(t.open[0]);
    assert_int_equal(loopback_held(t.server), 0);
    loopback_fini(&other);
    story_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gets_its_status),
        cmocka_unit_test(the_limits_hold_to_the_byte),
        cmocka_unit_test(a_refused_body_is_not_read),
        cmocka_unit_test(continue_is_said_when_the_body_is_welcome),
        cmocka_unit_test(a_good_request_before_a_bad_one_is_answered_first),
        cmocka_unit_test(a_refused_head_request_gets_no_body),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(too_many_bytes_in_memory),
    };
    return cmocka_run_group_tests_name("http_refuse", tests, NULL, NULL);
}
