/* Floods: who gives way when places or memory are full, and what is refused before it takes any. */
#include "http_story.h"

enum { CROWD = 8 };

#define AUTH "Authorization: yes\r\n"
#define HEAD(path, length) "POST " path " HTTP/1.1\r\nHost: head\r\nContent-Length: " #length "\r\n"

static void open_from(struct loopback *l, struct story *t, uint64_t origin)
{
    *l = (struct loopback){.origin = origin};
    loopback_open(l, t->server);
}

static void end(struct loopback *l)
{
    if (l->conn != NULL)
        loopback_hang_up(l);
    loopback_fini(l);
}

static bool said(const struct loopback *l, const char *text)
{
    return l->out.n > 0 && memmem(l->out.p, l->out.n, text, strlen(text)) != NULL;
}

/* ---- places ---- */

/* Given a server that is full of idle connections, most of them from one address; when others come from anywhere, then the oldest of
 * that address give way, one for each, and the connections of other addresses stay. */
static void the_address_with_the_most_gives_way(void **state)
{
    (void)state;
    struct story t;
    struct loopback many[CROWD], other, more[3];
    story_begin(&t);
    for (int i = 0; i < CROWD; i++)
        open_from(&many[i], &t, 7);
    open_from(&other, &t, 2);
    loopback_limits(t.server, CROWD + 2, HTTP_HELD_BYTES_MAX);
    for (int i = 0; i < 3; i++) {
        open_from(&more[i], &t, 20 + (uint64_t)i);
        loopback_turn(&many[i], t.server);
        assert_non_null(more[i].conn);
        assert_true(many[i].aborted);
        assert_int_equal(http_server_conns(t.server), CROWD + 2);
    }
    assert_false(many[3].aborted || other.aborted || t.client.aborted);
    assert_int_equal(http_server_gave_way(t.server).place, 3);
    for (int i = 0; i < 3; i++)
        end(&more[i]);
    for (int i = 0; i < CROWD; i++)
        end(&many[i]);
    end(&other);
    story_end(&t);
}

/* Given a process that may have few files open, half of which workers' links hold; when idle connections take the rest; then the oldest give
 * way before the last files are gone, and the places are back when the links are. */
static void links_leave_fewer_places(void **state)
{
    (void)state;
    enum { FILES = 64, LINKS = 32, IDLE = 40 };
    struct story t;
    struct loopback many[IDLE], late = {.descriptor = 5};
    story_begin(&t);
    http_server_files(t.server, FILES);
    int top = 0;
    for (int i = 0; i < IDLE; i++) {
        int descriptor = LINKS + (int)http_server_conns(t.server);
        top = descriptor > top ? descriptor : top;
        many[i] = (struct loopback){.origin = 7, .descriptor = descriptor};
        loopback_open(&many[i], t.server);
        assert_non_null(many[i].conn);
        for (int k = 0; k < i; k++)
            loopback_turn(&many[k], t.server);
    }
    assert_in_range(top, LINKS + 8, FILES - 8);
    assert_true(many[0].aborted && !many[IDLE - 1].aborted);
    assert_int_equal(http_server_gave_way(t.server).place, IDLE + 1 - http_server_conns(t.server));
    uint32_t fewer = http_server_conns_max(t.server);
    http_server_sweep(t.server);
    loopback_open(&late, t.server);
    assert_true(http_server_conns_max(t.server) > fewer);
    end(&late);
    for (int i = 0; i < IDLE; i++)
        end(&many[i]);
    story_end(&t);
}

/* Given one that has begun a request long ago and sends a byte now and then; then it is as old as its request, and gives way before
 * one that came later and is idle. */
static void a_byte_now_and_then_keeps_nobody_young(void **state)
{
    (void)state;
    struct story t;
    struct loopback slow, idle, next;
    story_begin(&t);
    loopback_hang_up(&t.client);
    open_from(&slow, &t, 7);
    loopback_send(&slow, t.server, str_of("GET /now HTTP/1.1\r\n"));
    open_from(&idle, &t, 7);
    loopback_send(&slow, t.server, str_of("X: y"));
    loopback_send(&slow, t.server, str_of("yyyy"));
    loopback_limits(t.server, 2, HTTP_HELD_BYTES_MAX);
    open_from(&next, &t, 7);
    assert_true(slow.aborted);
    assert_false(idle.aborted);
    loopback_turn(&slow, t.server);
    assert_int_equal(loopback_held(t.server), 0);
    end(&slow);
    end(&idle);
    end(&next);
    story_end(&t);
}

/* Given connections of somebody with a key, and others without: those without give way first, whoever has more; and one that is
 * being answered never does. */
static void the_trusted_give_way_last(void **state)
{
    (void)state;
    struct story t;
    struct loopback known[3], stranger, next[3];
    story_begin(&t);
    story_send(&t, GET("/later"));
    for (int i = 0; i < 3; i++) {
        open_from(&known[i], &t, 7);
        loopback_send(&known[i], t.server, str_of("GET /now HTTP/1.1\r\nHost: head\r\n" AUTH "\r\n"));
    }
    open_from(&stranger, &t, 8);
    loopback_limits(t.server, 5, HTTP_HELD_BYTES_MAX);
    open_from(&next[0], &t, 9);
    assert_true(stranger.aborted);
    open_from(&next[1], &t, 9); /* the one before it is a stranger, too */
    assert_true(next[0].aborted);
    assert_false(known[0].aborted || known[1].aborted || known[2].aborted);
    loopback_send(&next[1], t.server, str_of(GET("/later")));
    open_from(&next[2], &t, 9);
    assert_true(known[0].aborted);
    assert_false(t.client.aborted || next[1].aborted);
    for (int i = 0; i < 3; i++) {
        end(&known[i]);
        end(&next[i]);
    }
    end(&stranger);
    story_end(&t);
}

/* Given a connection that was closed and lingers, it gives way before one that is idle. */
static void what_only_lingers_gives_way_first(void **state)
{
    (void)state;
    struct story t;
    struct loopback lingers, next;
    story_begin(&t);
    open_from(&lingers, &t, 7);
    loopback_bytes(&lingers, str_of("nonsense\r\n\r\n"));
    assert_true(lingers.closing);
    loopback_limits(t.server, 2, HTTP_HELD_BYTES_MAX);
    open_from(&next, &t, 8);
    assert_true(lingers.aborted);
    assert_false(t.client.aborted);
    end(&lingers);
    end(&next);
    story_end(&t);
}

/* Given a server all of whose connections are being answered; when one more comes, then it has a place and is a guest, until there is
 * room. */
static void a_guest_is_let_in_where_all_are_busy(void **state)
{
    (void)state;
    struct story t;
    struct loopback guest;
    story_begin(&t);
    story_send(&t, GET("/later"));
    loopback_limits(t.server, 1, HTTP_HELD_BYTES_MAX);
    open_from(&guest, &t, 7);
    assert_non_null(guest.conn);
    loopback_send(&guest, t.server, str_of(GET("/guest")));
    assert_true(said(&guest, "\r\n\r\nguest"));
    loopback_limits(t.server, 2, HTTP_HELD_BYTES_MAX);
    loopback_send(&guest, t.server, str_of(GET("/guest")));
    assert_true(said(&guest, "\r\n\r\nown"));
    end(&guest);
    story_end(&t);
}

/* ---- memory ---- */

static void send_part(struct loopback *l, struct story *t, const char *head, size_t bytes)
{
    struct buf text = buf_max(1 << 20);
    buf_puts(&text, head);
    for (size_t i = 0; i < bytes; i++)
        buf_putc(&text, 'x');
    loopback_send(l, t->server, buf_str(&text));
    buf_fini(&text);
}

/* Given unfinished bodies that fill the memory for requests; when somebody else asks, then the oldest of the large ones gives way with a
 * word, and that somebody is answered. */
static void unfinished_bodies_give_way(void **state)
{
    (void)state;
    struct story t;
    struct loopback greedy[4];
    story_begin(&t);
    loopback_limits(t.server, 100, 70000);
    for (int i = 0; i < 4; i++) {
        open_from(&greedy[i], &t, 7);
        send_part(&greedy[i], &t, HEAD("/later", 20000) "\r\n", 16000);
    }
    story_send(&t, GET("/now"));
    assert_string_equal(story_said(&t), OK(9, "GET /now "));
    assert_true(said(&greedy[0], "HTTP/1.1 503 "));
    assert_true(said(&greedy[0], "gave way"));
    assert_false(said(&greedy[3], "HTTP/1.1 "));
    assert_true(loopback_held(t.server) <= 70000);
    assert_true(http_server_gave_way(t.server).bytes > 0);
    for (int i = 0; i < 4; i++)
        end(&greedy[i]);
    story_end(&t);
}

/* Given many unfinished heads that fill it, and one large body beside them that nobody knows; then it is the many that give way. */
static void many_small_ones_are_greedy_together(void **state)
{
    (void)state;
    struct story t;
    struct loopback small[12];
    story_begin(&t);
    loopback_limits(t.server, 100, 90000);
    send_part(&t.client, &t, HEAD("/now", 20000) "\r\n", 16000);
    for (int i = 0; i < 12; i++) {
        open_from(&small[i], &t, 7);
        send_part(&small[i], &t, "GET /now HTTP/1.1\r\nHost: head\r\nX: ", 5000);
    }
    assert_true(said(&small[0], "HTTP/1.1 503 "));
    send_part(&t.client, &t, "", 4000);
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 200 OK"));
    for (int i = 0; i < 12; i++)
        end(&small[i]);
    story_end(&t);
}

/* Given the body of one with a key, the largest there is, and bodies of others; then those of the others give way. */
static void a_known_body_gives_way_last(void **state)
{
    (void)state;
    struct story t;
    struct loopback other[4];
    story_begin(&t);
    loopback_limits(t.server, 100, 70000);
    send_part(&t.client, &t, HEAD("/now", 40000) AUTH "\r\n", 30000);
    for (int i = 0; i < 4; i++) {
        open_from(&other[i], &t, 7);
        send_part(&other[i], &t, HEAD("/later", 20000) "\r\n", 8000);
    }
    assert_true(said(&other[0], "HTTP/1.1 503 "));
    send_part(&t.client, &t, "", 10000);
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 200 OK"));
    for (int i = 0; i < 4; i++)
        end(&other[i]);
    story_end(&t);
}

/* Given one whose request is being answered and that has sent more behind it; when memory for requests is full and nobody else holds
 * any, then the answer is given whole and the connection ends with it: the requests behind it are the client's to send again. */
static void bytes_sent_ahead_give_way_and_the_answer_does_not(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, GET("/later"));
    loopback_limits(t.server, 100, 4000);
    send_part(&t.client, &t, HEAD("/now", 20000) "\r\n", 9000);
    assert_false(t.client.aborted || t.client.closing);
    assert_true(loopback_held(t.server) <= 4000);
    send_part(&t.client, &t, "", 11000);
    assert_false(t.client.aborted || t.client.closing);
    story_answer(&t, 0, "all of it");
    assert_string_equal(story_said(&t), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 9\r\n\r\nall of it");
    assert_string_equal(story_log(&t), "GET /later;");
    assert_true(t.client.closing);
    story_end(&t);
}

/* Given many that are answered and sent more behind it, until memory for requests is full; when somebody else asks, then what they sent
 * ahead makes room, and all get their answers. */
static void room_is_made_of_bytes_sent_ahead_by_others(void **state)
{
    (void)state;
    struct story t;
    struct loopback ahead[4];
    story_begin(&t);
    loopback_limits(t.server, 100, 140000);
    for (int i = 0; i < 4; i++) {
        open_from(&ahead[i], &t, 7);
        loopback_send(&ahead[i], t.server, str_of(GET("/later")));
        send_part(&ahead[i], &t, HEAD("/now", 20000) "\r\n", 17000);
    }
    send_part(&t.client, &t, HEAD("/now", 9000) "\r\n", 9000);
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 200 OK"));
    assert_true(http_server_gave_way(t.server).bytes > 0);
    for (int i = 0; i < 4; i++) {
        story_answer(&t, 0, "all of it");
        assert_false(ahead[i].aborted);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(said(&ahead[i], "all of it"));
        end(&ahead[i]);
    }
    story_end(&t);
}

/* ---- heads ---- */

/* Given a request whose head is enough to refuse it; when the head is there and the body is not, then it is answered, nothing is kept, no
 * "100 Continue" is said, and the connection ends; so it is however the bytes arrive. */
static void a_body_is_not_waited_for_when_its_head_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        HEAD("/secret", 4000000) "\r\n", HEAD("/secret", 1) "\r\n", HEAD("/secret", 4000000) "Expect: 100-continue\r\n\r\n",
        HEAD("/secret", 4000000) "\r\nthe beginning",
        "POST /secret HTTP/1.1\r\nHost: head\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /secret HTTP/1.1\r\nHost: head\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    for (size_t i = 0; i < 2 * sizeof heads / sizeof heads[0]; i++) {
        const char *head = heads[i / 2];
        struct story t;
        story_begin(&t);
        if (i % 2 == 0)
            loopback_bytes(&t.client, str_of(head));
        for (size_t k = 0; i % 2 == 1 && k < strlen(head); k++)
            loopback_bytes(&t.client, str_n(head + k, 1));
        assert_string_equal(story_said(&t), "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                                            "Content-Length: 4\r\n\r\nwho?");
        assert_string_equal(story_log(&t), "no /secret;");
        assert_int_equal(loopback_held(t.server), 0);
        assert_true(t.client.closing);
        story_send(&t, "xxxx" GET("/now")); /* is body, or nothing */
        assert_string_equal(story_log(&t), "no /secret;");
        story_end(&t);
    }
}

/* Given one that is welcome; then it is told so, its time runs from its first byte, and it reaches the handler once, whole. */
static void a_welcome_body_is_taken(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, HEAD("/secret", 4) AUTH "Expect: 100-continue\r\n\r\n");
    assert_string_equal(story_said(&t), "HTTP/1.1 100 Continue\r\n\r\n");
    loopback_wait(&t.client, t.server, HTTP_REQUEST_MS - 1);
    story_send(&t, "bo");
    assert_string_equal(story_log(&t), "");
    story_send(&t, "dy" GET("/now"));
    assert_string_equal(story_said(&t), OK(17, "POST /secret body") OK(9, "GET /now "));
    story_send(&t, HEAD("/secret", 4) AUTH "\r\nbo");
    loopback_wait(&t.client, t.server, HTTP_REQUEST_MS - 1);
    story_send(&t, "d");
    loopback_wait(&t.client, t.server, 1);
    assert_non_null(strstr(story_said(&t), "HTTP/1.1 408 "));
    story_end(&t);
}

/* Given a small request that comes in one piece, it is the handler's to refuse, and the connection is kept. */
static void a_request_in_one_piece_keeps_its_connection(void **state)
{
    (void)state;
    struct story t;
    story_begin(&t);
    story_send(&t, HEAD("/secret", 4) "\r\nbody" GET("/now"));
    assert_string_equal(story_said(&t), OK(17, "POST /secret body") OK(9, "GET /now "));
    story_end(&t);
}

/* Given a body in chunks of one byte each; a short one is taken, and of a long one no more than twice its bytes is kept. */
static void frames_of_chunks_are_bounded(void **state)
{
    (void)state;
    for (int long_one = 0; long_one < 2; long_one++) {
        struct story t;
        story_begin(&t);
        story_send(&t, "POST /now HTTP/1.1\r\nHost: head\r\nTransfer-Encoding: chunked\r\n\r\n");
        size_t most = 0;
        for (int i = 0; i < (long_one ? 1000000 : 4000) && t.client.conn != NULL; i++) {
            story_send(&t, "1\r\nx\r\n");
            most = loopback_held(t.server) > most ? loopback_held(t.server) : most;
        }
        if (!long_one)
            story_send(&t, "0\r\n\r\n");
        assert_non_null(strstr(story_said(&t), long_one ? "HTTP/1.1 413 " : "HTTP/1.1 200 "));
        assert_true(most < 1 << 20);
        story_end(&t);
    }
}

/* ---- turns ---- */

/* Given two clients that send many requests at once; then each has one answered per turn of the loop, and bytes that come later wait
 * behind those. */
static void one_request_of_each_per_turn(void **state)
{
    (void)state;
    struct story t;
    struct loopback other;
    story_begin(&t);
    open_from(&other, &t, 7);
    loopback_bytes(&t.client, str_of(GET("/now/1") GET("/now/2") GET("/now/3")));
    loopback_bytes(&other, str_of(GET("/now/a") GET("/now/b")));
    assert_string_equal(story_log(&t), "GET /now/1;GET /now/a;");
    loopback_bytes(&t.client, str_of(GET("/now/4")));
    loopback_server_turn(t.server);
    assert_string_equal(story_log(&t), "GET /now/1;GET /now/a;GET /now/2;GET /now/b;");
    loopback_server_turn(t.server);
    loopback_server_turn(t.server);
    loopback_server_turn(t.server);
    assert_string_equal(story_log(&t), "GET /now/1;GET /now/a;GET /now/2;GET /now/b;GET /now/3;GET /now/4;");
    end(&other);
    story_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_with_the_most_gives_way),
        cmocka_unit_test(links_leave_fewer_places),
        cmocka_unit_test(a_byte_now_and_then_keeps_nobody_young),
        cmocka_unit_test(the_trusted_give_way_last),
        cmocka_unit_test(what_only_lingers_gives_way_first),
        cmocka_unit_test(a_guest_is_let_in_where_all_are_busy),
        cmocka_unit_test(unfinished_bodies_give_way),
        cmocka_unit_test(bytes_sent_ahead_give_way_and_the_answer_does_not),
        cmocka_unit_test(room_is_made_of_bytes_sent_ahead_by_others),
        cmocka_unit_test(many_small_ones_are_greedy_together),
        cmocka_unit_test(a_known_body_gives_way_last),
        cmocka_unit_test(a_body_is_not_waited_for_when_its_head_is_refused),
        cmocka_unit_test(a_welcome_body_is_taken),
        cmocka_unit_test(a_request_in_one_piece_keeps_its_connection),
        cmocka_unit_test(frames_of_chunks_are_bounded),
        cmocka_unit_test(one_request_of_each_per_turn),
    };
    return cmocka_run_group_tests_name("http_flood", tests, NULL, NULL);
}
