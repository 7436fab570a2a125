/* A job leaves a slow or crowded actor for an idle one: when, and when not. */
#include "head_story.h"

static const char JOIN[] = "open %d\nhello %d node=%c engine=e features=f\nactor %d slots=3 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=%d\n";

static void joins(struct story *s, int link, int decode)
{
    char text[256];
    snprintf(text, sizeof text, JOIN, link, link, 'a' + link - 1, link, decode);
    given(s, text);
}

/* Job n is asked for; its prompt of 2,000 tokens is computed on the worker of link 1. Its cells: 24 MB, 0.26 s at a gigabit; 2 s to compute. */
static void asks(struct story *s, int n, int max)
{
    char text[256];
    snprintf(text, sizeof text, "prompt %d pad=8000 max=%d\nprefilled 1 job=%d prompt=2000\ntokens 1 job=%d first=0 n=1\n", n, max, n, n);
    given(s, text);
}

/* Jobs 1 to n say a token each `gap_ms`, from their token `first` on. */
static void talk(struct story *s, int jobs, int first, int tokens, int gap_ms)
{
    char text[128];
    for (int i = first; i < first + tokens; i++) {
        snprintf(text, sizeof text, "wait %d\n", gap_ms);
        given(s, text);
        for (int j = 1; j <= jobs; j++) {
            snprintf(text, sizeof text, "tokens 1 job=%d first=%d n=1\n", j, i);
            given(s, text);
        }
    }
}

/* A worker that made 100 tokens/s makes 10 now; another one has joined that makes 100. */
static struct story slow_one(int max)
{
    struct story s = story_begin();
    joins(&s, 1, 100);
    asks(&s, 1, max);
    talk(&s, 1, 1, 10, 100);
    joins(&s, 2, 100);
    return s;
}

/* What it does when worker 1 beats: whether a job is to leave, in one word. */
static bool goes(struct story *s, const char *beat)
{
    buf_reset(&s->said);
    given(s, beat);
    buf_putc(&s->said, '\0');
    return strstr(s->said.p, "kv_save") != NULL || strstr(s->said.p, "cancel") != NULL;
}

static uint32_t rebalanced(const struct story *s)
{
    struct head_totals t;
    head_totals(s->head, &t);
    return (uint32_t)t.jobs_rebalanced;
}

static const char SLOW[] = "beat 1 busy=1 decode=10\n";

/* ---- when ---- */

static void a_job_leaves_a_slow_actor(void **state)
{
    (void)state;
    struct story s = slow_one(500);
    s.logs = true;
    story(&s, "> beat 1 busy=1 decode=10\n"
              "send 1 beat_ack 1001000\n"
              "[REBALANCE] event=job_rebalanced job=1 actor=0 slow=1 jobs=1 tokens=489 here_s=48.9 there_s=5.15132 from=a to=b\n"
              "[FAILOVER] event=kv_migration_begins job=1 bytes=24132000 move_s=0.26132 compute_s=2.011 from=a to=b\n"
              "send 1 kv_save job=1.1\n");
    s.logs = false;
    given(&s, "saved 1 job=1 bytes=200000\npart 1 job=1 offset=0 bytes=200000\nack 2 job=1.2 bytes=200000\n"
              "prefilled 2 job=1.2 prompt=2000 cached=2000\n");
    story(&s, "> tokens 2 job=1.2 first=11 text=on\n"
              "tokens 1.0 first=11 n=1 on\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_true(t.jobs_rebalanced == 1 && t.jobs_moved == 1 && t.calls_failed == 0);
    story_end(&s);
}

static void a_short_prompt_is_computed_there(void **state)
{
    (void)state;
    struct story s = story_begin();
    joins(&s, 1, 100);
    given(&s, "prompt 1 max=500\nprefilled 1 job=1 prompt=2\ntokens 1 job=1 first=0 n=1\n");
    talk(&s, 1, 1, 10, 100);
    joins(&s, 2, 100);
    story(&s, "> beat 1 busy=1 decode=10\n"
              "send 1 beat_ack 1001000\n"
              "send 1 cancel job=1.1\n"
              "send 2 run job=1.2 key=0 seed=0 hi resume=7,7,7,7,7,7,7,7,7,7,7\n");
    story_end(&s);
}

/* Three beside each other take 0.3 s for a token that one alone makes in 0.1 s. One goes, and no other before it continues there. */
static void one_of_several_goes_to_an_idle_actor(void **state)
{
    (void)state;
    struct story s = story_begin();
    joins(&s, 1, 10);
    for (int n = 1; n <= 3; n++)
        asks(&s, n, 300 + n);
    talk(&s, 3, 1, 10, 200);
    joins(&s, 2, 10);
    story(&s, "> beat 1 busy=3\n"
              "send 1 beat_ack 1002000\n"
              "send 1 kv_save job=3.1\n"); /* it has the most left */
    joins(&s, 3, 10);
    given(&s, "wait 500\nbeat 2 loads=0\nbeat 3 loads=0\n");
    given(&s, "saved 1 job=3 bytes=200000\npart 1 job=3 offset=0 bytes=200000\nack 2 job=3.2 bytes=200000\n");
    given(&s, "wait 1000\nbeat 2 loads=0\nbeat 3 loads=0\n");
    assert_false(goes(&s, "beat 1 busy=2\n")); /* it has not gone on yet */
    given(&s, "prefilled 2 job=3.2 prompt=2000 cached=2000\ntokens 2 job=3.2 first=11 n=1\n");
    assert_true(goes(&s, "beat 1 busy=2\n"));
    assert_int_equal(rebalanced(&s), 2);
    given(&s, "closed 2\nclosed 3\n");
    story_end(&s);
}

/* ---- when not ---- */

static void with_little_left_to_say_it_stays(void **state)
{
    (void)state;
    struct story s = slow_one(30); /* 19 tokens: 1.9 s */
    assert_false(goes(&s, SLOW));
    story_end(&s);
    s = slow_one(36); /* 25: 2.5 s, and 0.5 there */
    assert_false(goes(&s, SLOW));
    story_end(&s);
    s = slow_one(46);
    assert_true(goes(&s, SLOW));
    story_end(&s);
}

/* 25 % sooner is not worth it, whatever that is in seconds. */
static void a_little_faster_is_not_enough(void **state)
{
    (void)state;
    struct story s = story_begin();
    joins(&s, 1, 10);
    asks(&s, 1, 4000);
    asks(&s, 2, 4000);
    talk(&s, 2, 1, 10, 120);
    joins(&s, 2, 10);
    assert_false(goes(&s, "beat 1 busy=2\n"));
    story_end(&s);
}

static void it_can_be_switched_off(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.rebalance = false;
    joins(&s, 1, 100);
    asks(&s, 1, 500);
    talk(&s, 1, 1, 10, 100);
    joins(&s, 2, 100);
    assert_false(goes(&s, SLOW));
    story_end(&s);
}

static void nobody_suits(void **state)
{
    (void)state;
    const char *others[] = {
        "open 3\nhello 3 node=c engine=e2 features=f\nactor 3 slots=3 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=100\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 slots=3 context=8000 kv=f16 cells=12000 prefill=1000 decode=100\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 slots=3 digest=d2 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=100\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 slots=3 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=100\n"
        "beat 3 busy=1\n", /* works for another head */
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 slots=3 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=100\n"
        "availability 3 availability=1\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 slots=3 context=8000 kv=q8_0 cells=12000 prefill=1000 decode=100\nprompt 2\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct story s = slow_one(500);
        given(&s, "closed 2\n");
        given(&s, others[i]);
        assert_false(goes(&s, SLOW));
        given(&s, "wait 1000\n");
        joins(&s, 4, 100);
        assert_true(goes(&s, SLOW)); /* here is one */
        story_end(&s);
    }
}

/* ---- no ping-pong ---- */

static void it_does_not_come_back_at_once(void **state)
{
    (void)state;
    struct story s = slow_one(4000);
    assert_true(goes(&s, SLOW));
    given(&s, "saved 1 job=1 bytes=200000\npart 1 job=1 offset=0 bytes=200000\nack 2 job=1.2 bytes=200000\n"
              "prefilled 2 job=1.2 prompt=2000 cached=2000\n");
    given(&s, "beat 1 busy=0 decode=100\n"); /* now the first one is well, and the other one slow */
    for (int i = 0; i < 29; i++) {
        char text[128];
        snprintf(text, sizeof text, "wait 1000\nbeat 1 busy=0 decode=100\ntokens 2 job=1.2 first=%d n=10\n", 11 + 10 * i);
        given(&s, text);
        assert_false(goes(&s, "beat 2 busy=1 decode=10\n"));
    }
    given(&s, "wait 1000\nbeat 1 busy=0 decode=100\ntokens 2 job=1.2 first=301 n=10\n");
    assert_true(goes(&s, "beat 2 busy=1 decode=10\n"));
    story_end(&s);
}

/* Given a stream of which other heads have made twenty attempts, when it continues here on an actor that is slow, then it leaves that
 * actor: what counts is how often this head has moved it, as for moves_max. */
static void moves_of_other_heads_do_not_count(void **state)
{
    (void)state;
    struct story s = story_begin();
    joins(&s, 1, 100);
    given(&s, "resume 5 stream=77 said=2\nheld 1 stream=77 found=1 ids=2 attempt=20\nheld 1 stream=77\nprefilled 1 job=1.21 prompt=2\n");
    for (int i = 2; i < 60; i++) { /* so it is to say about as many again */
        char text[64];
        snprintf(text, sizeof text, "wait 100\ntokens 1 job=1.21 first=%d n=1\n", i);
        given(&s, text);
    }
    joins(&s, 2, 100);
    assert_true(goes(&s, SLOW));
    story_end(&s);
}

static void what_cannot_be_saved_goes_on_where_it_is(void **state)
{
    (void)state;
    struct story s = slow_one(4000);
    assert_true(goes(&s, SLOW));
    story(&s, "> saved 1 job=1 bytes=0 message=too_much\n"
              "> tokens 1 job=1 first=11 text=on\n"
              "tokens 1.0 first=11 n=1 on\n");
    for (int i = 0; i < 40; i++) {
        char text[64];
        snprintf(text, sizeof text, "wait 1000\nbeat 2\ntokens 1 job=1 first=%d n=10\n", 12 + 10 * i);
        given(&s, text);
        assert_false(goes(&s, SLOW)); /* it was tried */
    }
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_leaves_a_slow_actor),
        cmocka_unit_test(a_short_prompt_is_computed_there),
        cmocka_unit_test(one_of_several_goes_to_an_idle_actor),
        cmocka_unit_test(with_little_left_to_say_it_stays),
        cmocka_unit_test(a_little_faster_is_not_enough),
        cmocka_unit_test(it_can_be_switched_off),
        cmocka_unit_test(nobody_suits),
        cmocka_unit_test(it_does_not_come_back_at_once),
        cmocka_unit_test(moves_of_other_heads_do_not_count),
        cmocka_unit_test(what_cannot_be_saved_goes_on_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
