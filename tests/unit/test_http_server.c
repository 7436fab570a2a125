/* The server's stories: order, keep-alive, streams, clients that go away, clients that are slow, and time. */
#include "http_story.h"

/* ---- requests and answers ---- */

static void a_request_is_answered_and_the_connection_kept(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/now"));
    assert_string_equal(story_said(&t), OK(9, "GET /now "));
    story_send(&t, "POST /now/2?x=1 HTTP/1.1\r\nHost: head\r\nContent-Length: 4\r\n\r\nBody");
    assert_string_equal(story_said(&t), OK(16, "POST /now/2 Body"));
    assert_false(t.client.closing);
    story_end(&t);
}

static void the_date_header_is_there(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/now"));
    const char *date = memmem(t.client.out.p, t.client.out.n, "\r\nDate: ", 8);
    assert_non_null(date);
    assert_memory_equal(date + 8 + 25, " GMT\r\n", 6); /* "Mon, 23 Nov 2026 17:05:00 GMT" */
    story_end(&t);
}

static void what_a_handler_asks(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "POST http://head:8470/later/x?a=1&model=user%2Frepo&b&empty=#top HTTP/1.1\r\n"
                   "hOST: head:8470\r\nX-Empty:\r\nX-Blank:  \t \r\nX-Padded: \t two words \t\r\nX-Twice: 1\r\nx-twice: 2\r\n"
                   "Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_int_equal(t.open_n, 1);
    struct http_request *r = t.open[0];
    assert_true(str_is(http_method(r), "POST"));
    assert_true(str_is(http_path(r), "/later/x"));
    assert_true(str_is(http_query(r, "a"), "1"));
    assert_true(str_is(http_query(r, "model"), "user%2Frepo"));
    assert_true(str_is(http_query(r, "b"), ""));
    assert_true(str_is(http_query(r, "empty"), ""));
    assert_true(str_is(http_query(r, "mod"), ""));
    assert_true(str_is(http_header(r, "host"), "head:8470"));
    assert_true(str_is(http_header(r, "x-empty"), ""));
    assert_true(str_is(http_header(r, "x-blank"), ""));
    assert_true(str_is(http_header(r, "x-padded"), "two words"));
    assert_true(str_is(http_header(r, "x-twice"), "1"));
    assert_true(str_is(http_header(r, "x-trailer"), ""));
    assert_true(str_is(http_body(r), "hello!"));
    http_set_user_data(r, &t);
    assert_ptr_equal(http_user_data(r), &t);
    http_forget(r);
    assert_true(str_is(http_method(r), "POST"));
    assert_int_equal(http_path(r).n + http_query(r, "a").n + http_header(r, "host").n + http_body(r).n, 0);
    story_answer(&t, 0, "ok");
    story_end(&t);
}

static void paths_in_all_their_forms(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"/later", "/later"}, {"/?later", "/"}, {"http://head", "/"}, {"http://head?later", "/"},
        {"http://head:1/a/b?c", "/a/b"}, {"/a//b/../c", "/a//b/../c"}, {"/a?b?c=1", "/a"}, {"/a#b?c", "/a"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct story t;
        char text[128];
        story_begin(&t);
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: head\r\n\r\n", forms[i][0]);
        story_send(&t, text);
        assert_int_equal(t.open_n, 1);
        assert_true(str_is(http_path(t.open[0]), forms[i][1]));
        story_end(&t);
    }
}

static void decode(void **state)
{
    (void)state;
    struct buf out = buf_max(64);
    assert_int_equal(http_decode(&out, str_of("user%2Frepo+x%e2%82%AC"), true), 0);
    assert_string_equal(buf_cstr(&out), "user/repo x\xe2\x82\xac");
    buf_reset(&out);
    assert_int_equal(http_decode(&out, str_of("a+b"), false), 0);
    assert_string_equal(buf_cstr(&out), "a+b");
    static const char *const wrong[] = {"%", "%4", "a%4g", "%%41", "% 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(http_decode(&out, str_of(wrong[i]), true), ERR_INVALID);
    buf_fini(&out);
}

static void head_has_no_body(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "HEAD /now HTTP/1.1\r\nHost: head\r\n\r\n");
    assert_string_equal(story_said(&t), OK(10, ""));
    story_send(&t, "HEAD /stream HTTP/1.1\r\nHost: head\r\n\r\n");
    http_stream_write(t.open[0], str_of("unseen"));
    story_stream_end(&t, 0);
    assert_string_equal(story_said(&t), "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                        "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    story_send(&t, GET("/now"));
    assert_string_equal(story_said(&t), OK(9, "GET /now "));
    story_end(&t);
}

static void a_204_has_no_length(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "OPTIONS /later HTTP/1.1\r\nHost: head\r\n\r\n");
    struct http_request *r = t.open[0];
    story_forget(&t, r);
    http_reply(r, 204, NULL, "Access-Control-Allow-Origin: *\r\n", (struct str){0});
    assert_string_equal(story_said(&t), "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n");
    story_end(&t);
}

/* ---- order ---- */

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    /* given three requests in one piece, the first of which waits */
    story_send(&t, GET("/later/1") GET("/now/2") GET("/later/3") GET("/now/4"));
    assert_string_equal(story_log(&t), "GET /later/1;");
    assert_string_equal(story_said(&t), "");
    /* when it is answered, the next are looked at, up to the next that waits */
    story_answer(&t, 0, "one");
    assert_string_equal(story_log(&t), "GET /later/1;GET /now/2;GET /later/3;");
    assert_string_equal(story_said(&t), OK(3, "one") OK(11, "GET /now/2 "));
    story_answer(&t, 0, "three");
    assert_string_equal(story_said(&t), OK(5, "three") OK(11, "GET /now/4 "));
    story_end(&t);
}

static void a_reply_never_calls_the_handler_from_within(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/later/1") GET("/later/2"));
    struct http_request *r = t.open[0];
    story_forget(&t, r);
    http_reply(r, 200, NULL, NULL, str_of("x"));
    assert_string_equal(story_log(&t), "GET /later/1;");
    /* bytes that come before the next turn stay behind those that wait */
    story_send(&t, GET("/later/3"));
    assert_string_equal(story_log(&t), "GET /later/1;GET /later/2;");
    story_answer(&t, 0, "x");
    assert_string_equal(story_log(&t), "GET /later/1;GET /later/2;GET /later/3;");
    story_end(&t);
}

static void a_flood_behind_an_open_request_stops_reading(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/later"));
    int sent = 0;
    while (!t.client.paused && sent < 10000) {
        story_send(&t, GET("/now"));
        sent++;
    }
    assert_true(t.client.paused);
    assert_in_range((size_t)sent * strlen(GET("/now")), HTTP_BEHIND_BYTES, HTTP_BEHIND_BYTES + 64);
    /* all of them are answered in the end, and reading continues */
    story_answer(&t, 0, "");
    assert_false(t.client.paused);
    story_said(&t);
    size_t answers = 0;
    for (const char *p = buf_cstr(&t.said); (p = strstr(p, "GET /now ")) != NULL; p++)
        answers++;
    assert_int_equal(answers, sent);
    story_end(&t);
}

static void answers_nobody_reads_do_not_pile_up(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    t.client.slow = true;
    for (int i = 0; i < 20000 && !t.client.paused; i++)
        story_send(&t, GET("/now"));
    assert_true(t.client.paused);
    assert_in_range(t.client.out.n, HTTP_STREAM_HIGH_BYTES, HTTP_STREAM_HIGH_BYTES + 1000);
    size_t before = t.client.out.n;
    t.client.slow = false;
    loopback_read(&t.client, t.server, 0);
    assert_true(t.client.out.n > before);
    assert_false(t.client.paused);
    story_end(&t);
}

/* ---- keep-alive ---- */

static void who_keeps_the_connection(void **state)
{
    (void)state;
    static const struct { const char *head, *connection; bool closes; } cases[] = {
        {"HTTP/1.1\r\nHost: h\r\n", "", false},
        {"HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", "Connection: close\r\n", true},
        {"HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n", "Connection: close\r\n", true},
        {"HTTP/1.0\r\n", "Connection: close\r\n", true},
        {"HTTP/1.0\r\nConnection: Keep-Alive\r\n", "Connection: keep-alive\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story t;
        char text[256];
        story_begin(&t);
        snprintf(text, sizeof text, "GET /later %s\r\n", cases[i].head);
        story_send(&t, text);
        story_answer(&t, 0, "x");
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%sContent-Length: 1\r\n\r\nx",
                 cases[i].connection);
        assert_string_equal(story_said(&t), text);
        assert_int_equal(t.client.closing, cases[i].closes);
        story_end(&t);
    }
}

/* ---- streams ---- */

static void a_stream_in_chunks(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/stream") GET("/now"));
    http_stream_write(t.open[0], str_of("data: 1\n\n"));
    http_stream_write(t.open[0], (struct str){0}); /* would end it, if it were sent */
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    http_stream_write(t.open[0], str_n(long_text, sizeof long_text));
    assert_string_equal(story_log(&t), "GET /stream;");
    story_stream_end(&t, 0);
    char want[1024];
    snprintf(want, sizeof want,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
             "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n12c\r\n%.300s\r\n0\r\n\r\n%s",
             long_text, OK(9, "GET /now "));
    assert_string_equal(story_said(&t), want);
    story_end(&t);
}

static void an_old_client_gets_a_stream_without_chunks(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    http_stream_write(t.open[0], str_of("a"));
    http_stream_write(t.open[0], str_of("b"));
    assert_false(t.client.closing);
    story_stream_end(&t, 0);
    assert_string_equal(story_said(&t), "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
                                        "Cache-Control: no-cache\r\n\r\nab");
    assert_true(t.client.closing);
    story_end(&t);
}

static void a_slow_reader_is_told_of(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/stream"));
    t.client.slow = true;
    char piece[1000] = {0};
    int written = 0;
    for (; !http_stream_full(t.open[0]); written++)
        http_stream_write(t.open[0], str_n(piece, sizeof piece));
    assert_in_range(written, HTTP_STREAM_HIGH_BYTES / 1100, HTTP_STREAM_HIGH_BYTES / 1000 + 1);
    loopback_read(&t.client, t.server, HTTP_STREAM_HIGH_BYTES / 2 + 1);
    assert_true(http_stream_full(t.open[0])); /* not yet: it would be full again at once */
    assert_string_equal(story_log(&t), "GET /stream;");
    loopback_read(&t.client, t.server, 0);
    assert_string_equal(story_log(&t), "GET /stream;drain;");
    assert_false(http_stream_full(t.open[0]));
    /* told once: nobody waits any more */
    loopback_read(&t.client, t.server, 0);
    assert_string_equal(story_log(&t), "GET /stream;drain;");
    story_end(&t);
}

/* ---- gone ---- */

static void a_client_that_leaves_is_told_of_once(void **state)
{
    (void)state;
    static const char *const requests[] = {GET("/later"), GET("/stream"), GET("/later") GET("/now")};
    for (size_t i = 0; i < 3; i++) {
        struct story t;
        story_begin(&t);
        story_send(&t, requests[i]);
        buf_reset(&t.log);
        loopback_hang_up(&t.client);
        assert_string_equal(story_log(&t), "gone;");
        assert_int_equal(t.open_n, 0);
        story_end(&t);
    }
}

static void a_client_that_leaves_half_way_is_not(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "GET /now HTTP/1.1\r\nHost:");
    loopback_hang_up(&t.client);
    assert_string_equal(story_log(&t), "");
    assert_int_equal(http_server_conns(t.server), 0);
    assert_int_equal(loopback_held(t.server), 0);
    story_end(&t);
}

static void answering_a_lost_connection_is_harmless(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    /* given a stream whose connection breaks while it is written */
    story_send(&t, GET("/stream"));
    t.client.deaf = true;
    http_stream_write(t.open[0], str_of("x"));
    http_stream_write(t.open[0], str_of("y"));
    assert_true(t.client.aborted);
    assert_false(http_stream_full(t.open[0]));
    /* when it is ended before the loop says so, then it counts as answered: no on_gone */
    story_stream_end(&t, 0);
    assert_string_equal(story_log(&t), "GET /stream;");
    assert_null(t.client.conn);
    story_end(&t);
}

static void a_broken_stream_is_gone_when_the_loop_says_so(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/stream"));
    t.client.deaf = true;
    http_stream_write(t.open[0], str_of("x"));
    assert_string_equal(story_log(&t), "GET /stream;");
    loopback_turn(&t.client, t.server);
    assert_string_equal(story_log(&t), "GET /stream;gone;");
    story_end(&t);
}

/* ---- upgrade ---- */

static void an_upgrade_leaves_with_what_came_behind(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "GET /up HTTP/1.1\r\nHost: head\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket, Manta\r\n\r\nhello");
    assert_string_equal(story_said(&t), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: manta\r\n\r\n");
    assert_string_equal(t.rest, "hello");
    assert_null(t.client.conn);
    assert_int_equal(http_server_conns(t.server), 0);
    assert_int_equal(loopback_held(t.server), 0);
    story_end(&t);
}

static void an_upgrade_nobody_wants_is_a_plain_request(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, "POST /now HTTP/1.1\r\nHost: head\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                   "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Length: 2\r\n\r\nhi"
                   "GET /now HTTP/1.1\r\nHost: head\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET("/now/3"));
    assert_string_equal(story_said(&t), OK(12, "POST /now hi") OK(9, "GET /now ") OK(11, "GET /now/3 "));
    /* without Connection: Upgrade the header means nothing */
    story_send(&t, "GET /now HTTP/1.1\r\nHost: head\r\nUpgrade: manta\r\n\r\n");
    assert_string_equal(story_said(&t), OK(9, "GET /now "));
    story_end(&t);
}

/* ---- time ---- */

static void an_idle_connection_is_closed_silently(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    loopback_wait(&t.client, t.server, HTTP_IDLE_MS - 1);
    assert_non_null(t.client.conn);
    loopback_wait(&t.client, t.server, 1);
    assert_null(t.client.conn);
    assert_string_equal(story_said(&t), "");
    story_end(&t);
}

static void a_request_in_drops_gets_408(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    loopback_wait(&t.client, t.server, HTTP_IDLE_MS - 10);
    /* given a client that sends a byte each second, so that it is never idle */
    const char *text = "POST /now HTTP/1.1\r\nHost: a.very.long.name";
    uint32_t ms = 0;
    for (; t.client.conn != NULL && ms <= HTTP_REQUEST_MS; ms += 1000) {
        loopback_send(&t.client, t.server, str_n(text++, 1));
        loopback_wait(&t.client, t.server, 1000);
    }
    assert_int_equal(ms, HTTP_REQUEST_MS);
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(buf_cstr(&t.said), "{\"error\":\"the request was not whole after 30 s\"}"));
    assert_string_equal(story_log(&t), "");
    story_end(&t);
}

static void a_handler_has_all_the_time_it_wants(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/later"));
    loopback_wait(&t.client, t.server, 3600000);
    story_answer(&t, 0, "x");
    assert_string_equal(story_said(&t), OK(1, "x"));
    /* idle from the answer on */
    loopback_wait(&t.client, t.server, HTTP_IDLE_MS - 1);
    assert_non_null(t.client.conn);
    story_end(&t);
}

static void a_stalled_reader_is_cut(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/stream"));
    t.client.slow = true;
    char piece[1000] = {0};
    while (!http_stream_full(t.open[0]))
        http_stream_write(t.open[0], str_n(piece, sizeof piece));
    /* reading a little within the time counts */
    t.client.unread -= 1000;
    loopback_wait(&t.client, t.server, HTTP_DRAIN_MS);
    assert_non_null(t.client.conn);
    loopback_wait(&t.client, t.server, HTTP_DRAIN_MS - 1);
    assert_non_null(t.client.conn);
    loopback_wait(&t.client, t.server, 1);
    assert_true(t.client.aborted);
    assert_string_equal(story_log(&t), "GET /stream;gone;");
    story_end(&t);
}

/* ---- the end of a server ---- */

static void a_closed_server_ends_idle_connections_and_finishes_open_requests(void **state)
{
    (void)state;
    struct story t;
    struct loopback idle;
    story_begin(&t);
    loopback_open(&idle, t.server);
    story_send(&t, GET("/stream"));
    http_server_close(t.server);
    assert_true(idle.closing);
    assert_false(t.client.closing);
    loopback_hang_up(&idle);
    http_stream_write(t.open[0], str_of("bye"));
    http_stream_end(t.open[0]);
    assert_true(t.client.closing);
    assert_non_null(strstr(story_said(&t), "3\r\nbye\r\n0\r\n\r\n"));
    loopback_hang_up(&t.client); /* the server frees itself here; the leak checker watches */
    loopback_fini(&idle);
    loopback_fini(&t.client);
    buf_fini(&t.log);
    buf_fini(&t.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
        cmocka_unit_test(the_date_header_is_there),
        cmocka_unit_test(what_a_handler_asks),
        cmocka_unit_test(paths_in_all_their_forms),
        cmocka_unit_test(decode),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(a_204_has_no_length),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_reply_never_calls_the_handler_from_within),
        cmocka_unit_test(a_flood_behind_an_open_request_stops_reading),
        cmocka_unit_test(answers_nobody_reads_do_not_pile_up),
        cmocka_unit_test(who_keeps_the_connection),
        cmocka_unit_test(a_stream_in_chunks),
        cmocka_unit_test(an_old_client_gets_a_stream_without_chunks),
        cmocka_unit_test(a_slow_reader_is_told_of),
        cmocka_unit_test(a_client_that_leaves_is_told_of_once),
        cmocka_unit_test(a_client_that_leaves_half_way_is_not),
        cmocka_unit_test(answering_a_lost_connection_is_harmless),
        cmocka_unit_test(a_broken_stream_is_gone_when_the_loop_says_so),
        cmocka_unit_test(an_upgrade_leaves_with_what_came_behind),
        cmocka_unit_test(an_upgrade_nobody_wants_is_a_plain_request),
        cmocka_unit_test(an_idle_connection_is_closed_silently),
        cmocka_unit_test(a_request_in_drops_gets_408),
        cmocka_unit_test(a_handler_has_all_the_time_it_wants),
        cmocka_unit_test(a_stalled_reader_is_cut),
        cmocka_unit_test(a_closed_server_ends_idle_connections_and_finishes_open_requests),
    };
    return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
