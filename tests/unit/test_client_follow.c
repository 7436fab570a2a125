/* Following an answer: a head that dies in the middle is asked again for the rest, and nothing is asked twice that could come
 * twice. The heads here are scripts: the n-th connection gets the n-th reply, then its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/follow.h"

enum { SCRIPT_MAX = 8 };

#define STREAM "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
#define PIECE(id, text) "id: " id "\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define BARE(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define END                                                                                                              \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"                                   \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"
#define AWAY "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"

struct world {
    struct net_loop *loop;
    struct net_listener *listener;
    const char *replies[SCRIPT_MAX]; /* NULL: the connection just ends */
    uint32_t replies_n, conns;
    struct buf asked;                /* what the requests had, "-" where there was no Last-Event-ID */
    struct answer answer;
    uint32_t pieces;
};

static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct world *w = user_data;
    static const char name[] = "last-event-id: ";
    const char *id = memmem(bytes.p, bytes.n, name, sizeof name - 1);
    if (id == NULL)
        buf_puts(&w->asked, "- ");
    else
        buf_printf(&w->asked, "%.*s ", (int)strcspn(id + sizeof name - 1, "\r"), id + sizeof name - 1);
    const char *reply = w->conns <= w->replies_n ? w->replies[w->conns - 1] : NULL;
    if (reply != NULL)
        net_write(c, str_of(reply));
    net_conn_close(c);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c, (void)err, (void)why, (void)user_data;
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    ((struct world *)user_data)->conns++;
    net_conn_set(c, &calls, user_data);
}

static void on_piece(uint64_t since_us, bool first, void *user_data)
{
    struct world *w = user_data;
    (void)since_us;
    assert_int_equal(first, w->pieces == 0);
    w->pieces++;
}

static void on_end(struct answer *a, void *user_data)
{
    struct world *w = user_data;
    w->answer = *a;
    net_loop_stop(w->loop);
}

/* Runs one follow against the replies, at one head or at `heads` names of it. */
static struct world follow(uint32_t heads, uint32_t away_ms, uint32_t n, const char *const *replies)
{
    struct world w = {.loop = net_loop_new(), .replies_n = n, .asked = buf_max(4096)};
    struct fault f = {0};
    struct follow_heads where = {0};
    char text[200];
    memcpy(w.replies, replies, n * sizeof *replies);
    assert_int_equal(net_listen(w.loop, "127.0.0.1", 0, on_accept, &w, &w.listener, &f), 0);
    int port = net_listener_port(w.listener);
    snprintf(text, sizeof text, heads == 1 ? "127.0.0.1:%d" : "127.0.0.1:%d,localhost:%d", port, port);
    assert_int_equal(follow_heads_parse(text, &where, &f), 0);
    struct follow_config cfg = {.heads = &where, .path = "/v1/chat/completions", .body = str_of("{}"), .away_ms = away_ms,
                                .on_piece = on_piece, .on_end = on_end, .user_data = &w};
    follow_start(w.loop, &cfg);
    net_loop_run(w.loop);
    net_listener_close(w.listener);
    net_loop_free(w.loop);
    return w;
}

static void world_end(struct world *w)
{
    answer_fini(&w->answer);
    buf_fini(&w->asked);
}

static void an_answer_is_read_to_its_end(void **state)
{
    (void)state;
    struct world w = follow(1, 0, 1, (const char *[]){STREAM ": manta queue=1\n\n" PIECE("x 1", "Hello") PIECE("x 2", " you") END});
    assert_true(answer_is_whole(&w.answer));
    assert_true(str_is(buf_str(&w.answer.text), "Hello you") && str_is(buf_str(&w.asked), "- "));
    assert_string_equal(w.answer.finish, "stop");
    assert_true(w.answer.prompt_tokens == 3 && w.answer.completion_tokens == 2 && w.answer.returns == 0 && w.pieces == 2);
    world_end(&w);
}

/* Given a head that dies after two pieces, is away, then is back without its workers: the rest is asked for by the id of the
 * second piece, and the text is one. */
static void the_rest_is_asked_for_by_the_last_id(void **state)
{
    (void)state;
    for (uint32_t heads = 1; heads <= 2; heads++) {
        struct world w = follow(heads, 5000, 4, (const char *[]){STREAM PIECE("x 1", "Hello") PIECE("x 2", " you"), NULL, AWAY,
                                                                 STREAM PIECE("x 3", " all") END});
        assert_true(answer_is_whole(&w.answer) && w.answer.returns == 3 && w.pieces == 3 && w.answer.away_us >= 100000);
        assert_true(str_is(buf_str(&w.answer.text), "Hello you all") && str_is(buf_str(&w.asked), "- x 2 x 2 x 2 "));
        world_end(&w);
    }
}

static void what_never_began_is_asked_anew(void **state)
{
    (void)state;
    struct world w = follow(1, 5000, 3, (const char *[]){NULL, STREAM ": manta queue=1\n\n", STREAM PIECE("x 1", "Hello") END});
    assert_true(answer_is_whole(&w.answer) && str_is(buf_str(&w.answer.text), "Hello") && str_is(buf_str(&w.asked), "- - - "));
    world_end(&w);
}

/* Asked anew it would come twice. */
static void what_has_no_id_breaks_off(void **state)
{
    (void)state;
    struct world w = follow(1, 5000, 2, (const char *[]){STREAM BARE("Hello"), STREAM BARE("Hello") END});
    assert_true(w.answer.broken && !answer_is_whole(&w.answer) && w.conns == 1);
    assert_non_null(strstr(w.answer.why, "no id"));
    world_end(&w);
}

static void heads_that_stay_away_are_given_up(void **state)
{
    (void)state;
    struct world w = follow(1, 250, 1, (const char *[]){STREAM PIECE("x 1", "Hello")});
    assert_true(w.answer.broken && w.conns >= 3 && w.conns <= 5);
    world_end(&w);
}

static void an_error_is_an_answer(void **state)
{
    (void)state;
    static const char *const refusals[] = {
        "HTTP/1.1 429 Too Many\r\ncontent-length: 32\r\n\r\n{\"error\":{\"message\":\"too many\"}}",
        STREAM PIECE("x 1", "Hello") "data: {\"error\":{\"message\":\"too many\"}}\n\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct world w = follow(1, 5000, 1, &refusals[i]);
        assert_true(w.answer.refused && !w.answer.broken && w.conns == 1 && !answer_is_whole(&w.answer));
        assert_non_null(strstr(w.answer.why, "too many"));
        world_end(&w);
    }
}

static void what_is_malformed_is_found(void **state)
{
    (void)state;
    static const char *const streams[] = {
        STREAM "data: {\"choices\":\n\n",
        STREAM PIECE("x 1", "\xff"),
        STREAM PIECE("x 1", "a") END PIECE("x 2", "b"),
        STREAM "data: {\"error\":{\"message\":\"no\"}}\n\n" PIECE("x 2", "b"),
        STREAM "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n" PIECE("x 2", "b") END,
        STREAM "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n" END,
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct world w = follow(1, 5000, 1, &streams[i]);
        assert_true(w.answer.malformed && !answer_is_whole(&w.answer) && w.answer.why[0] != '\0');
        world_end(&w);
    }
}

static void addresses_are_read(void **state)
{
    (void)state;
    struct follow_heads h;
    struct fault f = {0};
    assert_int_equal(follow_heads_parse("127.0.0.1:1,b", &h, &f), 0);
    assert_true(h.n == 2 && h.at[0].port == 1 && h.at[1].port == 8470);
    assert_string_equal(h.at[1].host, "b");
    assert_int_equal(follow_heads_parse("a,b,c,d,e", &h, &f), ERR_INVALID);
    assert_non_null(strstr(f.text, "more than 4 addresses"));
    assert_int_not_equal(follow_heads_parse("a:99999", &h, &f), 0);
    assert_int_not_equal(follow_heads_parse("a,", &h, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_to_its_end),
        cmocka_unit_test(the_rest_is_asked_for_by_the_last_id),
        cmocka_unit_test(what_never_began_is_asked_anew),
        cmocka_unit_test(what_has_no_id_breaks_off),
        cmocka_unit_test(heads_that_stay_away_are_given_up),
        cmocka_unit_test(an_error_is_an_answer),
        cmocka_unit_test(what_is_malformed_is_found),
        cmocka_unit_test(addresses_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
