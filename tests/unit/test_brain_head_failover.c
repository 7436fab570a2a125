/* What happens to jobs when their worker dies, leaves, hangs, or talks nonsense. */
#include "head_story.h"

/* Two workers with one slot each. */
static struct story two_workers(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    return s;
}

static void a_job_whose_worker_dies_before_the_first_token_goes_elsewhere(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> prompt 1 text=one seed=9\n"
              "send 1 run job=1.1 key=0 seed=9 one\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=9 one\n"
              "> prefilled 2 job=1.2\n"
              "started 1.0 actor=1 node=b\n"
              "> tokens 2 job=1.2 text=x\n"
              "tokens 1.0 first=0 n=1 x\n"
              "> done 2 job=1.2 tokens=1\n"
              "done 1.0 finish=1 actor=1 node=b tokens=1\n"
              "end 1 of 1\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_int_equal(t.jobs_rerouted, 1);
    story_end(&s);
}

static void rerouted_jobs_come_before_all_that_wait_in_their_old_order(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=3\nopen 2\nhello 2 node=b\nactor 2\n");
    given(&s, "prompt 1 text=1\nprompt 2 text=2\nprompt 3 text=3\nprompt 4 text=4\nprompt 5 text=5\nprompt 6 text=6\n");
    story(&s, "> closed 1\n"
              "> done 2 job=2\ndone 2.0 finish=1 actor=1 node=b\nend 2 of 1\nsend 2 run job=1.2 key=0 seed=0 1\n"
              "> done 2 job=1.2\ndone 1.0 finish=1 actor=1 node=b\nend 1 of 1\nsend 2 run job=3.2 key=0 seed=0 3\n"
              "> done 2 job=3.2\ndone 3.0 finish=1 actor=1 node=b\nend 3 of 1\nsend 2 run job=4.2 key=0 seed=0 4\n"
              "> done 2 job=4.2\ndone 4.0 finish=1 actor=1 node=b\nend 4 of 1\nsend 2 run job=5.1 key=0 seed=0 5\n");
    story_end(&s);
}

static void thirty_prompts_outlive_the_death_of_one_worker_of_three(void **state)
{
    (void)state;
    struct story s = story_begin();
    char line[64];
    for (int i = 1; i <= 3; i++) {
        snprintf(line, sizeof line, "open %d\nhello %d node=w%d\nactor %d slots=8\n", i, i, i, i);
        given(&s, line);
    }
    for (int i = 1; i <= 30; i++) {
        snprintf(line, sizeof line, "prompt %d\n", i);
        given(&s, line);
    }
    given(&s, "prefilled 1 job=1\nclosed 1\n");
    unsigned ended = 0;
    for (int round = 0; round < 4; round++) {
        for (int job = 1; job <= 30; job++) {
            for (int attempt = 1; attempt <= 2; attempt++) {
                for (int w = 2; w <= 3; w++) {
                    snprintf(line, sizeof line, "done %d job=%d.%d", w, job, attempt);
                    event(&s, line); /* what is not so is stale, and ignored */
                    for (size_t k = 0; k < s.fx.n; k++)
                        ended += s.fx.fx[k].kind == FX_CALL_END;
                }
            }
        }
    }
    struct head_totals t;
    head_totals(s.head, &t);
    assert_int_equal(ended, 30);
    assert_true(t.calls == 0 && t.calls_failed == 0 && t.jobs_rerouted == 8);
    story_end(&s);
}

static void messages_of_an_older_attempt_are_ignored(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> prefilled 1 job=1.1\n"
              "started 1.0 actor=0 node=a\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> tokens 1 job=1.1 text=late\n" /* from a link that is gone */
              "> tokens 2 job=1.1 text=odd\n"  /* the right worker, the wrong attempt */
              "> prefilled 2 job=1.2\n"        /* the client was told that it started: once is enough */
              "> tokens 2 job=1.2 text=x\n"
              "tokens 1.0 first=0 n=1 x\n");
    story_end(&s);
}

static void a_job_is_tried_attempts_max_times(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 2;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\nopen 3\nhello 3 node=c\nactor "
              "3\nprompt 1\n");
    story(
        &s,
        "> closed 1\n"
        "send 2 run job=1.2 key=0 seed=0 hi\n"
        "> closed 2\n"
        "done 1.0 finish=4 actor=1 node=b ERR_WORKER_LOST: worker 'b' was lost: connection reset; no actor is left to "
        "try (attempts_max)\n"
        "end 1 of 1\n");
    story_end(&s);
}

/* Two heads use one worker: what the other one has there is no fault of this job. */
static void an_actor_that_another_head_filled_is_asked_again(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\n");
    story(&s, "> done 1 job=1.1 finish=4 error=8\n"
              "> wait 249\n"
              "> wait 1\n"
              "send 1 run job=1.2 key=0 seed=0 hi\n"
              "> done 1 job=1.2 finish=4 error=8\n"
              "> wait 250\n"
              "send 1 run job=1.3 key=0 seed=0 hi\n"
              "> prefilled 1 job=1.3\n"
              "started 1.0 actor=0 node=a\n");
    story_end(&s);
}

static void with_no_other_worker_a_job_waits_for_one_to_come(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\n");
    story(&s, "> closed 1\n"
              "> wait 60000\n"
              "> open 2\n"
              "> hello 2 node=a\n"
              "send 2 welcome worker=2\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n");
    story_end(&s);
}

static void a_worker_that_says_bye_leaves_its_jobs_to_others(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\n");
    story(&s, "> bye 1 reason=stopped-by-hand\n"
              "close 1: it said bye: stopped-by-hand\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> closed 1\n");
    story_end(&s);
}

static void a_hung_actor_loses_its_jobs_and_gets_new_ones_when_it_works_again(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=2\nprompt 1\nprefilled 1 job=1\n");
    story(&s, "> beat 1 busy=1 age=29999\n"
              "send 1 beat_ack 1000000\n"
              "> beat 1 busy=1 age=30000\n"
              "send 1 beat_ack 1000000\n"
              "[WORKER HEALTH] event=actor_hung actor=0 node=a token_age_ms=30000\n"
              "send 1 cancel job=1.1\n"
              "[FAILOVER] event=jobs_rerouted jobs=1 actor=0 code=ERR_WORKER_LOST\n"
              "> prompt 2\n");
    struct head_worker_view v;
    assert_true(head_worker_at(s.head, 0, s.now_us, &v) && v.state == WORKER_HUNG);
    story(&s, "> done 1 job=1 finish=3\n" /* the slot is free, but it still hangs as far as anybody knows */
              "> beat 1 busy=0\n"
              "send 1 beat_ack 1000000\n"
              "[WORKER HEALTH] event=actor_works_again actor=0 node=a\n"
              "send 1 run job=1.2 key=0 seed=0 hi\n"
              "send 1 run job=2.1 key=0 seed=0 hi\n");
    assert_true(head_worker_at(s.head, 0, s.now_us, &v) && v.state == WORKER_OK);
    story_end(&s);
}

static void an_actor_of_known_speed_hangs_sooner_and_takes_more_streams_as_a_reason(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.token_floor_ms = 2000;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=9 decode=100\nprompt 1\nprefilled 1 job=1\n");
    story(&s, "> beat 1 busy=1 age=1999\n" /* 20 steps of 20 ms are less than the floor */
              "send 1 beat_ack 1000000\n"
              "> beat 1 busy=1 age=2000\n"
              "send 1 beat_ack 1000000\n"
              "send 1 cancel job=1.1\n");
    story_end(&s);
    s = story_begin();
    s.cfg.token_floor_ms = 2000;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=9 decode=4\nprompt 1\nprefilled 1 job=1\nprompt 2\nprefilled 1 job=2\n");
    story(&s, "> beat 1 busy=2 age=14999\n" /* 20 steps of (2 + 1) / 4 s */
              "send 1 beat_ack 1000000\n"
              "> beat 1 busy=2 age=15000\n"
              "send 1 beat_ack 1000000\n"
              "send 1 cancel job=2.1\n"
              "send 1 cancel job=1.1\n");
    story_end(&s);
}

static void a_long_prompt_is_given_time(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(
        &s,
        "open 1\nhello 1 node=a\nactor 1 prefill=50\nprompt 1 pad=8000\n"); /* 2,000 tokens: 40 s, twice that on top */
    story(&s, "> beat 1 busy=1 age=109999\n"
              "send 1 beat_ack 1000000\n"
              "> beat 1 busy=1 age=110000\n"
              "send 1 beat_ack 1000000\n"
              "send 1 cancel job=1.1\n");
    story_end(&s);
}

static void a_worker_that_forgot_a_job_gets_a_fresh_link(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprefilled 1 job=1\n");
    for (int i = 0; i < 30; i++)
        given(&s, "wait 1000\nbeat 1 busy=1\n");
    story(&s, "> beat 1 busy=0\n"
              "send 1 beat_ack 1030000\n"
              "send 1 refuse ERR_PROTOCOL: actor 0 says that it is idle, but has not ended the jobs it was sent\n"
              "close 1: actor 0 says that it is idle, but has not ended the jobs it was sent\n");
    story_end(&s);
}

static void a_rack_that_dies_does_not_use_up_the_attempts(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.regroup_ms = 25;
    s.cfg.attempts_max = 2;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\nopen 3\nhello 3 node=c\nactor 3\n"
              "prompt 1\n");
    story(&s, "> closed 1\n"
              "> wait 10\n"
              "> closed 2\n" /* it would have been the next to get the job */
              "> wait 14\n"
              "> prompt 2\n"
              "send 3 run job=2.1 key=0 seed=0 hi\n"
              "> wait 1\n" /* now job 1 is in the queue again: nobody is free */
              "> prefilled 3 job=2\n"
              "started 2.0 actor=2 node=c\n"
              "> done 3 job=2\n"
              "done 2.0 finish=1 actor=2 node=c\n"
              "end 2 of 1\n"
              "send 3 run job=1.2 key=0 seed=0 hi\n");
    story_end(&s);
}

static void an_actor_that_goes_away_gives_its_jobs_back(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 key=0\nactor 1 key=1\nprompt 1\n");
    story(&s, "> actor 1 key=0 state=gone\n"
              "send 1 cancel job=1.1\n" /* the run may still be on its way, and the next actor 0 would take it */
              "send 1 run job=1.2 key=1 seed=0 hi\n"
              "> done 1 job=1.1 finish=4 error=1\n" /* of the attempt that was given up */
              "> beat 1 key=0\n"                    /* measured before it went */
              "send 1 beat_ack 1000000\n");
    story_end(&s);
}

static void an_engine_error_is_tried_elsewhere_and_the_actor_rests(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\n");
    story(&s, "> done 1 job=1 finish=4 error=1 message=engine-broke\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> prompt 2\n" /* actor 0 is free, but rests: it would draw every job and fail it */
              "> wait 249\n"
              "> wait 1\n"
              "send 1 run job=2.1 key=0 seed=0 hi\n"
              "> done 1 job=2 finish=4 error=1\n"
              "> wait 499\n"
              "> wait 1\n"
              "send 1 run job=2.2 key=0 seed=0 hi\n"
              "> done 2 job=1.2 finish=4 error=3 message=your-fault\n" /* not worth another try */
              "done 1.0 finish=4 actor=1 node=b ERR_INVALID: your-fault\n"
              "end 1 of 1\n");
    story_end(&s);
}

/* The only actor there is, one job after the other. */
static void fails(struct story *s, unsigned job, unsigned attempt, uint64_t rest_ms)
{
    char text[200];
    snprintf(text, sizeof text,
             "> done 1 job=%u.%u finish=4 error=1 message=engine-broke\n"
             "> wait %llu\n"
             "> wait 1\n"
             "send 1 run job=%u.%u key=0 seed=0 hi\n", job, attempt, (unsigned long long)rest_ms - 1, job, attempt + 1);
    story(s, text);
}

static struct head_actor_view actor_view(const struct story *s)
{
    struct head_actor_view v;
    assert_true(head_actor_at(s->head, 0, &v));
    return v;
}

static void an_actor_that_fails_again_and_again_is_ejected_and_probed(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4\nprompt 1\n");
    fails(&s, 1, 1, 250);
    fails(&s, 1, 2, 500);
    assert_int_equal(actor_view(&s).health, ACTOR_WELL);
    s.logs = true;
    story(&s, "> done 1 job=1.3 finish=4 error=1 message=engine-broke\n"
              "[FAILOVER] event=job_failed job=1 actor=0 node=a code=ERR_FAILED\n"
              "[WORKER HEALTH] event=actor_ejected actor=0 node=a failures=3 rest_ms=1000\n");
    s.logs = false;
    assert_int_equal(actor_view(&s).health, ACTOR_EJECTED);
    assert_int_equal(actor_view(&s).failures, 3);
    assert_true(str_is(actor_view(&s).trouble, "engine-broke"));
    given(&s, "prompt 2\nprompt 3\n");
    story(&s, "> wait 1000\nsend 1 run job=1.4 key=0 seed=0 hi\n"); /* one, although four slots are free */
    assert_int_equal(actor_view(&s).health, ACTOR_PROBED);
    story(&s, "> done 1 job=1.4 finish=4 error=1\n" /* the probe fails: twice as long */
              "> wait 1999\n"
              "> wait 1\n"
              "send 1 run job=1.5 key=0 seed=0 hi\n");
    s.logs = true;
    story(&s, "> done 1 job=1.5\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "[WORKER HEALTH] event=actor_back actor=0 node=a\n"
              "end 1 of 1\n"
              "send 1 run job=2.1 key=0 seed=0 hi\n"
              "send 1 run job=3.1 key=0 seed=0 hi\n");
    assert_int_equal(actor_view(&s).health, ACTOR_WELL);
    assert_int_equal(actor_view(&s).failures, 0);
    story_end(&s);
}

static void jobs_that_fail_together_are_one_failure_and_no_room_is_none(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4\nprompt 1\nprompt 2\nprompt 3\nprompt 4\n");
    given(&s, "done 1 job=1 finish=4 error=1\ndone 1 job=2 finish=4 error=1\ndone 1 job=3 finish=4 error=1\n");
    assert_int_equal(actor_view(&s).failures, 1);
    given(&s, "wait 250\ndone 1 job=4 finish=4 error=8\nwait 250\ndone 1 job=4.2 finish=4 error=8\nwait 250\n");
    assert_int_equal(actor_view(&s).failures, 1);
    assert_int_equal(actor_view(&s).health, ACTOR_WELL);
    story_end(&s);
}

static void a_job_its_worker_cancelled_by_itself_goes_elsewhere(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\n");
    story(&s, "> done 1 job=1 finish=3\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> prefilled 2 job=1.2\n"
              "started 1.0 actor=1 node=b\n"
              "> tokens 2 job=1.2 text=x\n"
              "tokens 1.0 first=0 n=1 x\n"
              "> wait 300\n" /* actor 0 has rested */
              "> done 2 job=1.2 finish=3 tokens=1\n"
              "send 1 run job=1.3 key=0 seed=0 hi resume=7\n");
    story_end(&s);
}

static void a_branch_of_a_fan_out_takes_an_actor_that_no_sibling_has(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=9\nopen 2\nhello 2 node=b\nactor 2 slots=9\nopen 3\nhello 3 "
              "node=c\nactor 3 slots=9\n");
    story(
        &s,
        "> prompt 1 spread=1 count=2\n"
        "send 1 run job=1.1 key=0 seed=0 hi\n"
        "send 2 run job=2.1 key=0 seed=1 hi\n"
        "> closed 1\n"
        "send 3 run job=1.2 key=0 seed=0 hi\n"
        "> closed 3\n" /* all others have a branch of their own: now it shares one */
        "send 2 run job=1.3 key=0 seed=0 hi\n"
        "> done 2 job=2\n"
        "done 1.1 finish=1 actor=1 node=b\n"
        "> done 2 job=1.3\n"
        "done 1.0 finish=1 actor=1 node=b\n"
        "end 1 of 2\n");
    story_end(&s);
}

static void what_cannot_be_said_of_a_job_ends_the_link(void **state)
{
    (void)state;
    static const struct {
        const char *given, *says, *why;
    } cases[] = {
        {"", "tokens 1 job=1", "job 1: tokens before prefilled"},
        {"prefilled 1 job=1\n", "prefilled 1 job=1", "job 1: prefilled came twice"},
        {"", "prefilled 1 job=1 cached=11", "job 1: prefilled counts more cached tokens than the prompt has"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 first=1", "job 1: token 1 came where token 0 was due"},
        {"prefilled 1 job=1\ntokens 1 job=1 n=3\n", "tokens 1 job=1 first=2",
         "job 1: token 2 came where token 3 was due"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 n=3 logprobs=2", "job 1: 2 log-probabilities for 3 tokens"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 n=21", "job 1: more tokens than the context of 20 has"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 text=hello part=1 bytes=4", "job 1: parts of 4 bytes are not a text of 5"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 text=hello part=9 bytes=5", "job 1: part 0 of the text is none"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 part=2 bytes=0", "job 1: part 0 of the text is none"},
        {"prefilled 1 job=1\n", "tokens 1 job=1 text=hello part=2 call=2 bytes=5", "job 1: part 0 of the text is none"},
        {"", "done 1 job=1 finish=9", "job 1: done with the unknown finish 9"},
        {"", "done 1 job=0", "it speaks of job 0, which never was"},
        {"", "done 1 job=2", "it speaks of job 2, which never was"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story s = story_begin();
        given(&s, "open 1\nhello 1 node=a\nactor 1 context=20\nprompt 1\n");
        given(&s, cases[i].given);
        event(&s, cases[i].says);
        assert_true(s.fx.n > 0);
        bool refused = false, closed = false;
        for (size_t k = 0; k < s.fx.n; k++) {
            const struct fx *fx = &s.fx.fx[k];
            refused = refused || (fx->kind == FX_SEND && str_is(fx->msg.refuse.message, cases[i].why));
            closed = closed || fx->kind == FX_CLOSE_LINK;
            assert_int_not_equal(fx->kind, FX_TOKENS);
        }
        assert_true(refused && closed);
        story_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_whose_worker_dies_before_the_first_token_goes_elsewhere),
        cmocka_unit_test(rerouted_jobs_come_before_all_that_wait_in_their_old_order),
        cmocka_unit_test(thirty_prompts_outlive_the_death_of_one_worker_of_three),
        cmocka_unit_test(messages_of_an_older_attempt_are_ignored),
        cmocka_unit_test(a_job_is_tried_attempts_max_times),
        cmocka_unit_test(an_actor_that_another_head_filled_is_asked_again),
        cmocka_unit_test(with_no_other_worker_a_job_waits_for_one_to_come),
        cmocka_unit_test(a_worker_that_says_bye_leaves_its_jobs_to_others),
        cmocka_unit_test(a_hung_actor_loses_its_jobs_and_gets_new_ones_when_it_works_again),
        cmocka_unit_test(an_actor_of_known_speed_hangs_sooner_and_takes_more_streams_as_a_reason),
        cmocka_unit_test(a_long_prompt_is_given_time),
        cmocka_unit_test(a_worker_that_forgot_a_job_gets_a_fresh_link),
        cmocka_unit_test(a_rack_that_dies_does_not_use_up_the_attempts),
        cmocka_unit_test(an_actor_that_goes_away_gives_its_jobs_back),
        cmocka_unit_test(an_engine_error_is_tried_elsewhere_and_the_actor_rests),
        cmocka_unit_test(an_actor_that_fails_again_and_again_is_ejected_and_probed),
        cmocka_unit_test(jobs_that_fail_together_are_one_failure_and_no_room_is_none),
        cmocka_unit_test(a_job_its_worker_cancelled_by_itself_goes_elsewhere),
        cmocka_unit_test(a_branch_of_a_fan_out_takes_an_actor_that_no_sibling_has),
        cmocka_unit_test(what_cannot_be_said_of_a_job_ends_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
