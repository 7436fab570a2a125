/* A job leaves a worker with what is computed of it: when, how, and what goes wrong. */
#include "head_story.h"

/* Two workers alike, one slot each; job 1 runs on the first with a long prompt and has said two tokens. Its cells: 12 kB for
 * each of 2,002 tokens, 24 MB: 0.26 s at a gigabit, 20 s to compute. */
static struct story begun(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a engine=e features=f\nactor 1 kv=q8_0 cells=12000 prefill=100\n"
              "open 2\nhello 2 node=b engine=e features=f\nactor 2 kv=q8_0 cells=12000 prefill=100\n"
              "prompt 1 pad=8000\nprefilled 1 job=1 prompt=2000\ntokens 1 job=1 first=0 n=2\n");
    return s;
}

/* It was saved: three parts and a bit. */
static const char LEFT[] = "> drains 1\n"
                           "send 1 kv_save job=1.1\n"
                           "> saved 1 job=1 bytes=800000\n"
                           "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8 kv=800000\n"
                           "send 1 kv_pull job=1.1 offset=0\n"
                           "send 1 kv_pull job=1.1 offset=262144\n"
                           "send 1 kv_pull job=1.1 offset=524288\n"
                           "send 1 kv_pull job=1.1 offset=786432\n";

/* The prompt is 8,000 bytes long: PROMPT stands for it. */
static void tell(struct story *s, const char *text)
{
    static char whole[1 << 16], prompt[8001];
    memset(prompt, 'x', 8000);
    memcpy(prompt, "hi", 2);
    size_t n = 0;
    for (const char *p = text; *p != '\0';) {
        const char *mark = strstr(p, "PROMPT");
        size_t before = mark != NULL ? (size_t)(mark - p) : strlen(p);
        n += (size_t)snprintf(whole + n, sizeof whole - n, "%.*s%s", (int)before, p, mark != NULL ? prompt : "");
        p += before + (mark != NULL ? strlen("PROMPT") : 0);
    }
    story(s, whole);
}

/* Time passes, and both workers are heard of. */
static void beats(struct story *s, uint32_t ms)
{
    for (; ms > 0; ms -= 500)
        given(s, "wait 500\nbeat 1 busy=1\nbeat 2 waiting=1\n");
}

static uint64_t jobs_moved(const struct story *s)
{
    struct head_totals t;
    head_totals(s->head, &t);
    return t.jobs_moved;
}

static void a_job_moves_with_what_is_computed_of_it(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, LEFT);
    tell(&s, "> part 1 job=1 offset=0\n"
             "send 2 kv_part job=1.2 offset=0 bytes=262144\n"
             "> part 1 job=1 offset=262144\n"
             "send 2 kv_part job=1.2 offset=262144 bytes=262144\n"
             "> ack 2 job=1.2 bytes=262144\n"
             "> part 1 job=1 offset=524288\n"
             "send 2 kv_part job=1.2 offset=524288 bytes=262144\n"
             "> part 1 job=1 offset=786432 bytes=13568\n"
             "send 2 kv_part job=1.2 offset=786432 bytes=13568\n"
             "> ack 2 job=1.2 bytes=524288\n"
             "> ack 2 job=1.2 bytes=786432\n"
             "> ack 2 job=1.2 bytes=800000\n"
             "send 1 kv_drop job=1.1\n"
             "> prefilled 2 job=1.2 prompt=2000 cached=2000\n"
             "> tokens 2 job=1.2 first=2 text=on\n"
             "tokens 1.0 first=2 n=1 on\n"
             "> done 2 job=1.2 tokens=3\n"
             "done 1.0 finish=1 actor=1 node=b tokens=3\n"
             "end 1 of 1\n"
             "> bye 1\n"
             "close 1: it said bye: stopping\n");
    assert_int_equal(jobs_moved(&s), 1);
    story_end(&s);
}

/* Never more than four parts are on their way: the next one is pulled when the oldest is acknowledged. */
static void the_head_holds_a_few_parts_at_most(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> saved 1 job=1 bytes=24000000\n"
             "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8 kv=24000000\n"
             "send 1 kv_pull job=1.1 offset=0\n"
             "send 1 kv_pull job=1.1 offset=262144\n"
             "send 1 kv_pull job=1.1 offset=524288\n"
             "send 1 kv_pull job=1.1 offset=786432\n"
             "> part 1 job=1 offset=0\n"
             "send 2 kv_part job=1.2 offset=0 bytes=262144\n"
             "> ack 2 job=1.2 bytes=262144\n"
             "send 1 kv_pull job=1.1 offset=1048576\n");
    story_end(&s);
}

static void a_short_prompt_is_computed_again(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a engine=e features=f\nactor 1 kv=q8_0 cells=12000 prefill=1000\n"
              "open 2\nhello 2 node=b engine=e features=f\nactor 2 kv=q8_0 cells=12000 prefill=1000\n"
              "prompt 1\nprefilled 1 job=1 prompt=10\ntokens 1 job=1 first=0 n=2\n");
    s.logs = true;
    tell(&s, "> drains 1\n"
             "[WORKER AVAILABILITY] event=availability node=a availability=draining reason=SIGTERM\n"
             "[FAILOVER] event=job_recomputed job=1 reason=slower_to_move compute_s=0.012 move_s=0.02144 bytes=144000 bandwidth_mb_s=100 from=a to=b\n"
             "send 1 cancel job=1.1\n"
             "send 2 run job=1.2 key=0 seed=0 hi resume=7,8\n");
    story_end(&s);
}

static void a_slow_network_is_remembered(void **state)
{
    (void)state;
    struct story s = begun();
    given(&s, "drains 1\nsaved 1 job=1 bytes=24000000\npart 1 job=1 offset=0\npart 1 job=1 offset=262144\n"
              "part 1 job=1 offset=524288\npart 1 job=1 offset=786432\n");
    beats(&s, 2000);
    given(&s, "ack 2 job=1.2 bytes=262144\nack 2 job=1.2 bytes=786432\n");
    s.logs = true;
    tell(&s, "> ack 2 job=1.2 bytes=1048576\n" /* half a megabyte a second, 23 left; 20 s to compute: not worth it */
             "[FAILOVER] event=kv_migration_abandoned job=1 reason=slower_than_computing acked_bytes=1048576 bytes=24000000 from=a to=b\n"
             "send 1 kv_drop job=1.1\n"
             "send 2 kv_drop job=1.2\n");
    given(&s, "open 3\nhello 3 node=c engine=e features=f\nactor 3 kv=q8_0 cells=12000 prefill=100\n"
              "prefilled 2 job=1.2 prompt=2000\ntokens 2 job=1.2 first=2 n=1\n");
    tell(&s, "> drains 2\n"
             "[WORKER AVAILABILITY] event=availability node=b availability=draining reason=SIGTERM\n"
             "[FAILOVER] event=job_recomputed job=1 reason=slower_to_move compute_s=20.03 move_s=45.865 bytes=24036000 bandwidth_mb_s=0.524288 from=b to=c\n"
             "send 2 cancel job=1.2\n"
             "send 3 run job=1.3 key=0 seed=0 PROMPT resume=7,8,7\n");
    story_end(&s);
}

/* Given a stream of another head, which continues here with the worker that had it; when that one drains, then it leaves like any other. */
static void a_stream_that_was_adopted_moves_too(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a engine=e features=f\nactor 1 kv=q8_0 cells=12000 prefill=100\n"
              "resume 5 stream=77 said=2\nheld 1 stream=77 found=1 ids=2\nheld 1 stream=77\n"
              "prefilled 1 job=1.2 prompt=2000\ntokens 1 job=1.2 first=2 n=1\n"
              "open 2\nhello 2 node=b engine=e features=f\nactor 2 kv=q8_0 cells=12000 prefill=100\n");
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.2\n");
    story_end(&s);
}

static void who_is_not_alike_computes_it(void **state)
{
    (void)state;
    const char *others[] = {
        "open 3\nhello 3 node=c engine=e2 features=f\nactor 3 kv=q8_0 cells=12000\n",
        "open 3\nhello 3 node=c engine=e features=g\nactor 3 kv=q8_0 cells=12000\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 kv=f16 cells=12000\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 cells=12000\n",
        "open 3\nhello 3 node=c engine=e features=f\nactor 3 kv=q8_0 cells=12000 context=999\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct story s = begun();
        given(&s, "closed 2\n");
        given(&s, others[i]);
        tell(&s, "> drains 1\n"
                 "send 1 cancel job=1.1\n"
                 "send 3 run job=1.2 key=0 seed=0 PROMPT resume=7,8\n");
        story_end(&s);
    }
}

static void with_nobody_to_go_to_it_stays(void **state)
{
    (void)state;
    struct story s = begun();
    given(&s, "closed 2\nopen 3\nhello 3 node=c engine=e features=f\nactor 3 digest=other kv=q8_0\n");
    tell(&s, "> drains 1\n"
             "> tokens 1 job=1 first=2 text=more\n"
             "tokens 1.0 first=2 n=1 more\n"
             "> open 4\n"
             "> hello 4 node=d engine=e features=f\n"
             "send 4 welcome worker=4\n"
             "> actor 4 kv=q8_0 cells=12000 prefill=100\n" /* here is one */
             "send 4 actor_ack key=0 id=3\n"
             "send 1 kv_save job=1.1\n");
    story_end(&s);
}

/* ---- what goes wrong ---- */

static void when_it_cannot_be_saved_it_is_computed(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> tokens 1 job=1 first=2 text=more\n" /* continues meanwhile */
             "tokens 1.0 first=2 n=1 more\n"
             "> saved 1 job=1 bytes=0 message=too_much\n"
             "send 1 cancel job=1.1\n"
             "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8,7\n"
             "> done 1 job=1 finish=3\n");
    story_end(&s);
}

static void a_worker_that_does_not_save_in_time(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n");
    beats(&s, 2500);
    tell(&s, "> wait 500\n"
             "send 1 cancel job=1.1\n"
             "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8\n"
             "> saved 1 job=1 bytes=800000\n" /* late: its slot is free, and nobody wants that any more */
             "send 1 kv_drop job=1.1\n"
             "> prefilled 2 job=1.2\n"
             "> tokens 2 job=1.2 first=2 text=on\n"
             "tokens 1.0 first=2 n=1 on\n");
    assert_int_equal(jobs_moved(&s), 0);
    story_end(&s);
}

static void it_ends_by_itself_meanwhile(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> done 1 job=1 tokens=2\n"
             "done 1.0 finish=1 actor=0 node=a tokens=2\n"
             "end 1 of 1\n");
    given(&s, "wait 2000\nbeat 1\nbeat 2\n");
    tell(&s, "> wait 2000\n");
    story_end(&s);
}

static void the_client_leaves_meanwhile(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> gone 1\n"
             "send 1 cancel job=1.1\n"
             "> saved 1 job=1 bytes=800000\n" /* crossed: the slot is free */
             "send 1 kv_drop job=1.1\n");
    story_end(&s);
    s = begun();
    tell(&s, LEFT);
    tell(&s, "> gone 1\n"
             "send 1 kv_drop job=1.1\n"
             "send 2 kv_drop job=1.2\n"
             "send 2 cancel job=1.2\n"
             "> part 1 job=1 offset=0\n"
             "> done 2 job=1.2 finish=3\n");
    story_end(&s);
}

static void a_wrong_checksum_is_computed(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, LEFT);
    tell(&s, "> part 1 job=1 offset=0\n"
             "send 2 kv_part job=1.2 offset=0 bytes=262144\n"
             "> ack 2 job=1.2 refused=1\n"
             "send 1 kv_drop job=1.1\n"
             "send 2 kv_drop job=1.2\n"
             "> part 1 job=1 offset=262144\n" /* was on its way */
             "> prefilled 2 job=1.2 prompt=2000\n"
             "> tokens 2 job=1.2 first=2 text=on\n"
             "tokens 1.0 first=2 n=1 on\n");
    assert_int_equal(jobs_moved(&s), 0);
    story_end(&s);
}

static void the_worker_it_leaves_dies(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, LEFT);
    tell(&s, "> part 1 job=1 offset=0\n"
             "send 2 kv_part job=1.2 offset=0 bytes=262144\n"
             "> closed 1\n"
             "send 2 kv_drop job=1.2\n"
             "> ack 2 job=1.2 bytes=262144\n"
             "> prefilled 2 job=1.2 prompt=2000\n"
             "> tokens 2 job=1.2 first=2 text=on\n"
             "tokens 1.0 first=2 n=1 on\n");
    story_end(&s);
    s = begun(); /* … and before it was saved: any failover */
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> closed 1\n"
             "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8\n");
    story_end(&s);
}

static void the_worker_it_goes_to_dies(void **state)
{
    (void)state;
    struct story s = begun();
    given(&s, "open 3\nhello 3 node=c engine=e features=f\nactor 3 kv=q8_0 cells=12000 prefill=100\n");
    tell(&s, LEFT);
    tell(&s, "> closed 2\n"
             "send 1 kv_drop job=1.1\n"
             "send 3 run job=1.3 key=0 seed=0 PROMPT resume=7,8\n");
    story_end(&s);
}

static void when_nothing_moves_it_is_computed(void **state)
{
    (void)state;
    struct story s = begun();
    tell(&s, LEFT);
    tell(&s, "> part 1 job=1 offset=0\n"
             "send 2 kv_part job=1.2 offset=0 bytes=262144\n"
             "> ack 2 job=1.2 bytes=262144\n"
             "> beat 1 busy=0\n"
             "send 1 beat_ack 1000000\n"
             "> beat 2 waiting=1\n"
             "send 2 beat_ack 1000000\n"
             "> wait 2900\n"
             "> beat 1 busy=0\n"
             "send 1 beat_ack 1002900\n"
             "> beat 2 waiting=1\n"
             "send 2 beat_ack 1002900\n"
             "> wait 200\n"
             "send 1 kv_drop job=1.1\n"
             "send 2 kv_drop job=1.2\n");
    story_end(&s);
    s = begun();
    tell(&s, LEFT);
    tell(&s, "> part 1 job=1 offset=0 bytes=0\n" /* it was forgotten there */
             "send 1 kv_drop job=1.1\n"
             "send 2 kv_drop job=1.2\n");
    story_end(&s);
}

static void parts_that_cannot_be_end_the_link(void **state)
{
    (void)state;
    const char *wrong[] = {"part 1 job=1 offset=1", "part 1 job=1 offset=0 bytes=262145", "part 1 job=1 offset=262144"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct story s = begun();
        struct head_totals t;
        tell(&s, LEFT);
        given(&s, wrong[i]);
        head_totals(s.head, &t);
        assert_int_equal(t.workers, 1); /* and job 1 is computed on the other one */
        assert_int_equal(t.running, 1);
        story_end(&s);
    }
}

/* ---- several ---- */

static void jobs_leave_one_after_the_other(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a engine=e features=f\nactor 1 slots=3 kv=q8_0 cells=12000 prefill=100\n");
    for (int i = 1; i <= 3; i++) {
        char line[200];
        snprintf(line, sizeof line, "prompt %d pad=8000\nprefilled 1 job=%d prompt=2000\ntokens 1 job=%d first=0 n=2\n", i, i, i);
        given(&s, line);
    }
    given(&s, "open 2\nhello 2 node=b engine=e features=f\nactor 2 slots=2 kv=q8_0 cells=12000 prefill=100\n");
    tell(&s, "> drains 1\n"
             "send 1 kv_save job=1.1\n"
             "> tokens 1 job=2 first=2 text=meanwhile\n"
             "tokens 2.0 first=2 n=1 meanwhile\n"
             "> saved 1 job=1 bytes=200000\n"
             "send 2 run job=1.2 key=0 seed=0 PROMPT resume=7,8 kv=200000\n"
             "send 1 kv_pull job=1.1 offset=0\n"
             "> part 1 job=1 offset=0 bytes=200000\n"
             "send 2 kv_part job=1.2 offset=0 bytes=200000\n"
             "> ack 2 job=1.2 bytes=200000\n"
             "send 1 kv_drop job=1.1\n"
             "send 1 kv_save job=2.1\n" /* the next one; for the third there is no slot, it stays */
             "> saved 1 job=2 bytes=200000\n"
             "send 2 run job=2.2 key=0 seed=0 PROMPT resume=7,8,7 kv=200000\n"
             "send 1 kv_pull job=2.1 offset=0\n"
             "> part 1 job=2 offset=0 bytes=200000\n"
             "send 2 kv_part job=2.2 offset=0 bytes=200000\n"
             "> ack 2 job=2.2 bytes=200000\n"
             "send 1 kv_drop job=2.1\n"
             "> tokens 1 job=3 first=2 text=stays\n"
             "tokens 3.0 first=2 n=1 stays\n"
             "> prompt 4 text=new\n" /* the worker that drains gets none */
             "> prefilled 2 job=1.2 prompt=2000\n"
             "> done 2 job=1.2 tokens=2\n"
             "done 1.0 finish=1 actor=1 node=b tokens=2\n"
             "end 1 of 1\n"
             "send 2 run job=4.1 key=0 seed=0 new\n"); /* who waits goes first */
    assert_int_equal(jobs_moved(&s), 2);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_moves_with_what_is_computed_of_it),
        cmocka_unit_test(the_head_holds_a_few_parts_at_most),
        cmocka_unit_test(a_short_prompt_is_computed_again),
        cmocka_unit_test(a_stream_that_was_adopted_moves_too),
        cmocka_unit_test(a_slow_network_is_remembered),
        cmocka_unit_test(who_is_not_alike_computes_it),
        cmocka_unit_test(with_nobody_to_go_to_it_stays),
        cmocka_unit_test(when_it_cannot_be_saved_it_is_computed),
        cmocka_unit_test(a_worker_that_does_not_save_in_time),
        cmocka_unit_test(it_ends_by_itself_meanwhile),
        cmocka_unit_test(the_client_leaves_meanwhile),
        cmocka_unit_test(a_wrong_checksum_is_computed),
        cmocka_unit_test(the_worker_it_leaves_dies),
        cmocka_unit_test(the_worker_it_goes_to_dies),
        cmocka_unit_test(when_nothing_moves_it_is_computed),
        cmocka_unit_test(parts_that_cannot_be_end_the_link),
        cmocka_unit_test(jobs_leave_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
