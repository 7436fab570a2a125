/* What a worker with the token may claim, and what of it is believed. */
#include "head_story.h"

static struct head_actor_view actor_of(const struct story *s, uint32_t id)
{
    struct head_actor_view v;
    assert_true(head_actor_at(s->head, id, &v) && v.id == id);
    return v;
}

static void speeds_have_a_maximum(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        float prefill, decode;
    } cases[] = {
        {"actor 1 prefill=1e30 decode=1e30\n", HEAD_PREFILL_TPS_MAX, HEAD_DECODE_TPS_MAX},
        {"actor 1 prefill=inf decode=inf\n", 0, 0},
        {"actor 1 prefill=nan decode=-5\n", 0, 0},
        {"actor 1 prefill=300 decode=40\n", 300, 40},
        {"actor 1 prefill=300 decode=40\nbeat 1 prefill=1e38 decode=1e38\n", HEAD_PREFILL_TPS_MAX, HEAD_DECODE_TPS_MAX},
        {"actor 1 prefill=300 decode=40\nbeat 1 prefill=nan decode=inf\n", 300, 40},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story s = story_begin();
        given(&s, "open 1\nhello 1 node=a\n");
        given(&s, cases[i].says);
        struct head_actor_view v = actor_of(&s, 0);
        assert_float_equal(v.prefill_tps, cases[i].prefill, 0);
        assert_float_equal(v.decode_tps, cases[i].decode, 0);
        story_end(&s);
    }
}

static size_t runs_to(const struct story *s, const char *link)
{
    char sends[32];
    size_t n = 0;
    snprintf(sends, sizeof sends, "send %s run ", link);
    for (const char *at = s->said.p; (at = strstr(at, sends)) != NULL; at++)
        n++;
    return n;
}

/* Given an actor that has answered; when one joins that says it is a thousand times as fast, and four prompts come; then it gets no more
 * than the other one, until an answer has come from it. */
static void a_speed_is_believed_when_an_answer_has_come(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=good\nactor 1 slots=4 prefill=1000 decode=100\nprompt 1\nprefilled 1 job=1\ndone 1 job=1 tokens=3\n");
    given(&s, "open 2\nhello 2 node=boaster\nactor 2 slots=4 prefill=900000 decode=90000\n");
    buf_reset(&s.said);
    given(&s, "prompt 2\nprompt 3\nprompt 4\nprompt 5\n");
    buf_cstr(&s.said);
    assert_int_equal(runs_to(&s, "1"), 2);
    assert_int_equal(runs_to(&s, "2"), 2);
    struct head_actor_view v = actor_of(&s, 1);
    assert_true(v.decode_tps > 89000); /* shown as it was said */
    story_end(&s);
}

/* Given a job; when its worker counts more tokens than its context has; then what is counted is that at most. */
static void no_more_tokens_are_counted_than_there_is_room_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    struct head_totals t;
    given(&s, "open 1\nhello 1 node=a\nactor 1 context=1000\nprompt 1\nprefilled 1 job=1\ndone 1 job=1 tokens=4000000000\n");
    head_totals(s.head, &t);
    assert_int_equal(t.answer_tokens, 1000);
    assert_true(t.cached_tokens <= t.prompt_tokens);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speeds_have_a_maximum),
        cmocka_unit_test(a_speed_is_believed_when_an_answer_has_come),
        cmocka_unit_test(no_more_tokens_are_counted_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
