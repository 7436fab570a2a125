/* Answers that lose their worker in the middle: another actor continues, and the client sees a pause. */
#include "head_story.h"

/* Two workers with one slot each, and an answer of three tokens so far on the first. */
static struct story in_the_middle(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    given(&s, "prompt 1 seed=9\nprefilled 1 job=1\ntokens 1 job=1 n=2 text=ab\ntokens 1 job=1 first=2 text=c\n");
    return s;
}

static void another_actor_goes_on_after_the_tokens_that_were_delivered(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story(&s, "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=9 hi resume=7,8,7\n"
              "> prefilled 2 job=1.2\n" /* the client knows that it has begun */
              "> tokens 2 job=1.2 first=3 n=2 text=de\n"
              "tokens 1.0 first=3 n=2 de\n"
              "> done 2 job=1.2 tokens=5\n"
              "done 1.0 finish=1 actor=1 node=b tokens=5\n"
              "end 1 of 1\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_true(t.jobs_rerouted == 1 && t.jobs_resumed == 1 && t.calls_failed == 0 && t.resume_bytes == 0);
    story_end(&s);
}

static void a_second_actor_may_die_too_and_a_third_knows_all_of_it(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    given(&s, "open 3\nhello 3 node=c\nactor 3\n");
    story(&s, "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=9 hi resume=7,8,7\n"
              "> prefilled 2 job=1.2\n"
              "> tokens 2 job=1.2 first=3 text=d\n"
              "tokens 1.0 first=3 n=1 d\n"
              "> bye 2 reason=drained\n"
              "close 2: it said bye: drained\n"
              "send 3 run job=1.3 key=0 seed=9 hi resume=7,8,7,7\n"
              "> done 3 job=1.3 tokens=4\n" /* it was complete but for the end */
              "done 1.0 finish=1 actor=2 node=c tokens=4\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void nothing_of_the_old_worker_is_believed_when_it_comes_back(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    given(&s, "beat 1 busy=1 age=30000\n"); /* hung: its link stays */
    story(&s, "> prefilled 2 job=1.2\n"
              "> tokens 1 job=1 first=3 text=late\n"
              "> tokens 2 job=1.2 first=3 text=d\n"
              "tokens 1.0 first=3 n=1 d\n"
              "> tokens 1 job=1 first=4 text=later\n"
              "> done 1 job=1 tokens=9\n"
              "> done 2 job=1.2 tokens=4\n"
              "done 1.0 finish=1 actor=1 node=b tokens=4\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void a_gap_or_a_repetition_of_the_next_actor_ends_its_link(void **state)
{
    (void)state;
    static const char *const says[] = {"tokens 2 job=1.2 first=0\n", "tokens 2 job=1.2 first=2\n",
                                       "tokens 2 job=1.2 first=4\n"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        struct story s = in_the_middle();
        given(&s, "closed 1\nprefilled 2 job=1.2\n");
        given(&s, says[i]);
        bool closed = false;
        for (size_t k = 0; k < s.fx.n; k++) {
            closed = closed || s.fx.fx[k].kind == FX_CLOSE_LINK;
            assert_true(s.fx.fx[k].kind != FX_TOKENS && s.fx.fx[k].kind != FX_BRANCH_DONE);
        }
        assert_true(closed);
        story_end(&s);
    }
}

static void only_an_actor_with_the_same_file_goes_on(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=m digest=d1\n"
              "prompt 1 model=m\nprefilled 1 job=1\ntokens 1 job=1 text=a\n"
              "open 2\nhello 2 node=b\nactor 2 model=m digest=d2\n"); /* the same name, another file */
    story(&s, "> closed 1\n"
              "> wait 1000\n"
              "> open 3\n"
              "> hello 3 node=c\n"
              "send 3 welcome worker=3\n"
              "> actor 3 model=other-name digest=d1\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n"
              "> closed 3\n"
              "> wait 119999\n"
              "close 2: no sign of life for 3000 ms\n"
              "> wait 1\n"
              "done 1.0 finish=4 actor=2 node= tokens=1 ERR_UNAVAILABLE: worker 'c' was lost: connection reset, in the "
              "middle of the answer; no actor with the same model file was ready within 120 s to continue\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void a_request_for_any_model_stays_with_the_model_that_began(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 model=m digest=d1\n"
              "prompt 1\nprefilled 1 job=1\ntokens 1 job=1 text=a\n"
              "open 2\nhello 2 node=b\nactor 2 model=x digest=d2\n");
    story(&s, "> closed 1\n"
              "> prompt 2\n"
              "send 2 run job=2.1 key=0 seed=0 hi\n"
              "> open 3\n"
              "> hello 3 node=a epoch=1\n" /* the same worker, started again */
              "send 3 welcome worker=3\n"
              "> actor 3 model=m digest=d1\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n");
    story_end(&s);
}

static void an_exact_answer_goes_to_a_twin_even_if_it_has_to_wait_for_it(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 exact=1\nopen 2\nhello 2 node=f\nactor 2 exact=1\n"
              "prompt 1 seed=9\nprompt 2\nprefilled 1 job=1\ntokens 1 job=1 text=a\n"
              "open 3\nhello 3 node=b features=old\nactor 3 exact=1\n" /* other bits */
              "open 4\nhello 4 node=c engine=e_2\nactor 4 exact=1\n"   /* perhaps other bits */
              "open 5\nhello 5 node=d\nactor 5 exact=1 context=99\n"   /* another end */
              "open 6\nhello 6 node=e\nactor 6\n"                     /* the fast mode */
              "open 7\nhello 7 node=g\nactor 7 exact=1 setup=cache=q8_0,weights=repacked\n"); /* other kernels: other bits */
    story(&s, "> closed 1\n"
              "> wait 2000\n"
              "> done 2 job=2\n"
              "done 2.0 finish=1 actor=1 node=f\n"
              "end 2 of 1\n"
              "send 2 run job=1.2 key=0 seed=9 hi resume=7\n");
    story_end(&s);
}

static void an_exact_answer_without_twins_goes_on_and_the_log_says_so(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.logs = true;
    given(&s, "open 1\nhello 1 node=a\nactor 1 exact=1\n"
              "prompt 1 seed=9\nprefilled 1 job=1\ntokens 1 job=1 text=a\n"
              "open 2\nhello 2 node=b features=old\nactor 2 exact=1\n");
    story(&s, "> closed 1\n"
              "[CLUSTER CONNECTION] event=worker_left node=a worker=1 actors=1 silent=0\n"
              "[FAILOVER] event=jobs_rerouted jobs=1 actor=0 code=ERR_WORKER_LOST\n"
              "[FAILOVER] event=job_no_longer_exact job=1 token=1 actor=1 node=b\n"
              "send 2 run job=1.2 key=0 seed=9 hi resume=7\n"
              "[ACTOR STATUS] event=actors actors=1\n"
              "[CLUSTER STATUS] event=resources cpus=2 memory_bytes=3000000000\n"
              "> wait 40\n"
              "> prefilled 2 job=1.2\n"
              "> tokens 2 job=1.2 first=1 text=b\n"
              "[FAILOVER] event=job_resumed job=1 token=1 wait_ms=40 replay_ms=40 actor=1 node=b\n"
              "tokens 1.0 first=1 n=1 b\n");
    story_end(&s);
}

static void who_waits_for_the_last_twin_waits_for_anybody_when_it_dies(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 exact=1\nopen 2\nhello 2 node=b\nactor 2 exact=1\n"
              "prompt 1\nprompt 2\nprefilled 1 job=1\ntokens 1 job=1 text=a\nprefilled 2 job=2\ntokens 2 job=2 text=b\n"
              "open 3\nhello 3 node=c features=old\nactor 3 exact=1\n");
    story(&s, "> closed 1\n" /* b, of the same bits, is busy: better late than different */
              "> wait 500\n"
              "> closed 2\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n"
              "> done 3 job=1.2 tokens=1\n"
              "done 1.0 finish=1 actor=2 node=c tokens=1\n"
              "end 1 of 1\n"
              "send 3 run job=2.2 key=0 seed=0 hi resume=7\n");
    story_end(&s);
}

static void a_twin_that_hangs_is_not_waited_for(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 exact=1\nopen 2\nhello 2 node=b\nactor 2 exact=1\n"
              "prompt 1\nprompt 2\nprefilled 1 job=1\ntokens 1 job=1 text=a\nprefilled 2 job=2\ntokens 2 job=2 text=b\n"
              "open 3\nhello 3 node=c features=old\nactor 3 exact=1 slots=2\nclosed 1\nwait 500\n");
    story(&s, "> beat 2 busy=1 age=30000\n"
              "send 2 beat_ack 1000500\n"
              "send 2 cancel job=2.1\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n"
              "send 3 run job=2.2 key=0 seed=0 hi resume=7\n");
    story_end(&s);
}

static void attempts_count_only_while_they_bring_nothing(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 2;
    s.cfg.moves_max = 5;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=9\nprompt 1\nprefilled 1 job=1\ntokens 1 job=1\n");
    story(&s, "> done 1 job=1 finish=3\n"
              "> wait 250\n"
              "send 1 run job=1.2 key=0 seed=0 hi resume=7\n"
              "> prefilled 1 job=1.2\n"
              "> tokens 1 job=1.2 first=1\n" /* a token: it counts from the beginning again */
              "tokens 1.0 first=1 n=1 \n"
              "> done 1 job=1.2 finish=3\n"
              "> wait 500\n"
              "send 1 run job=1.3 key=0 seed=0 hi resume=7,7\n"
              "> done 1 job=1.3 finish=3\n"
              "> wait 1000\n"
              "send 1 run job=1.4 key=0 seed=0 hi resume=7,7\n"
              "> done 1 job=1.4 finish=4 error=1 message=broke\n"
              "done 1.0 finish=4 actor=0 node=a tokens=2 ERR_FAILED: broke; no actor is left to try (attempts_max)\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void workers_that_leave_or_fall_silent_are_not_held_against_a_job(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\n");
    story(&s, "> bye 1 reason=drained\n"
              "close 1: it said bye: drained\n"
              "> open 2\n"
              "> hello 2 node=b\n"
              "send 2 welcome worker=2\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> wait 3000\n"
              "close 2: no sign of life for 3000 ms\n"
              "> open 3\n"
              "> hello 3 node=c\n"
              "send 3 welcome worker=3\n"
              "> actor 3\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.3 key=0 seed=0 hi\n"
              "> closed 3\n" /* it may have crashed, and the prompt may be why */
              "done 1.0 finish=4 actor=2 node=c ERR_WORKER_LOST: worker 'c' was lost: connection reset; no actor is left to "
              "try (attempts_max)\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void moves_end_where_each_brings_a_token_and_dies(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.moves_max = 2;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprefilled 1 job=1\ntokens 1 job=1\nclosed 1\n"
              "open 2\nhello 2 node=a\nactor 2\nprefilled 2 job=1.2\ntokens 2 job=1.2 first=1\n");
    story(&s, "> closed 2\n"
              "done 1.0 finish=4 actor=1 node=a tokens=2 ERR_WORKER_LOST: worker 'a' was lost: connection reset; the "
              "answer was moved too often (moves_max)\n"
              "end 1 of 1\n");
    story_end(&s);
}

/* Given an actor that other heads keep full; when it refuses an answer again and again; then that counts neither as attempt nor as
 * move, but the time to leave the queue is not given anew each time. */
static void attempts_that_find_no_room_end_with_the_deadline(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 1;
    s.cfg.moves_max = 2;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1 deadline=1000\n");
    story(&s, "> done 1 job=1 finish=4 error=8\n"
              "> wait 250\n"
              "send 1 run job=1.2 key=0 seed=0 hi\n"
              "> done 1 job=1.2 finish=4 error=8\n"
              "> wait 250\n"
              "send 1 run job=1.3 key=0 seed=0 hi\n"
              "> done 1 job=1.3 finish=4 error=8\n"
              "> wait 250\n"
              "send 1 run job=1.4 key=0 seed=0 hi\n"
              "> wait 500\n" /* the refusal is late */
              "> done 1 job=1.4 finish=4 error=8\n"
              "> wait 1\n"
              "failed 1 ERR_TIMEOUT: no slot became free within 1 s: 1 actors are busy and 1 requests wait; try later or add workers retry=1\n");
    story_end(&s);
}

static void an_answer_that_is_too_long_to_be_kept_ends_with_its_worker(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.resume_bytes_max = 64 * sizeof(int32_t);
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=2\nopen 2\nhello 2 node=b\nactor 2\n"
              "prompt 1\nprefilled 1 job=1\ntokens 1 job=1 n=60\ntokens 1 job=1 first=60 n=60\n");
    struct head_totals t;
    head_totals(s.head, &t);
    assert_int_equal(t.resume_bytes, 0); /* forgotten whole: half of it would be of no use */
    story(&s, "> closed 1\n"
              "done 1.0 finish=4 actor=0 node=a tokens=120 ERR_WORKER_LOST: worker 'a' was lost: connection reset, and "
              "the answer was too long to be kept for another one (resume_tokens_max)\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void choices_go_on_each_from_its_own_place_and_seed(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=3\n"
              "prompt 1 count=3 seed=5\nprefilled 1 job=1\nprefilled 1 job=2\nprefilled 1 job=3\n"
              "tokens 1 job=1 n=3\ntokens 1 job=3 n=1\nopen 2\nhello 2 node=b\nactor 2 slots=3\n");
    story(&s, "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=5 hi resume=7,8,9\n"
              "send 2 run job=2.2 key=0 seed=6 hi\n"
              "send 2 run job=3.2 key=0 seed=7 hi resume=7\n");
    story_end(&s);
}

static void logprobs_of_all_attempts_are_summed(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n"
              "prompt 1\nprefilled 1 job=1\ntokens 1 job=1 n=2 logprobs=2\nclosed 1\n"
              "prefilled 2 job=1.2\ntokens 2 job=1.2 first=2 n=1 logprobs=1\n");
    story(&s, "> done 2 job=1.2 tokens=3 logprob=-1\n" /* what the second drew itself */
              "done 1.0 finish=1 actor=1 node=b tokens=3 logprob=-4\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void a_smaller_context_is_no_reason_to_end_an_answer(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    given(&s, "open 3\nhello 3 node=c\nactor 3\nclosed 1\n");
    story(&s, "> done 2 job=1.2 finish=4 error=6 message=too-long\n"
              "send 3 run job=1.3 key=0 seed=9 hi resume=7,8,7\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_actor_goes_on_after_the_tokens_that_were_delivered),
        cmocka_unit_test(a_second_actor_may_die_too_and_a_third_knows_all_of_it),
        cmocka_unit_test(nothing_of_the_old_worker_is_believed_when_it_comes_back),
        cmocka_unit_test(a_gap_or_a_repetition_of_the_next_actor_ends_its_link),
        cmocka_unit_test(only_an_actor_with_the_same_file_goes_on),
        cmocka_unit_test(a_request_for_any_model_stays_with_the_model_that_began),
        cmocka_unit_test(an_exact_answer_goes_to_a_twin_even_if_it_has_to_wait_for_it),
        cmocka_unit_test(an_exact_answer_without_twins_goes_on_and_the_log_says_so),
        cmocka_unit_test(who_waits_for_the_last_twin_waits_for_anybody_when_it_dies),
        cmocka_unit_test(a_twin_that_hangs_is_not_waited_for),
        cmocka_unit_test(attempts_count_only_while_they_bring_nothing),
        cmocka_unit_test(workers_that_leave_or_fall_silent_are_not_held_against_a_job),
        cmocka_unit_test(moves_end_where_each_brings_a_token_and_dies),
        cmocka_unit_test(attempts_that_find_no_room_end_with_the_deadline),
        cmocka_unit_test(an_answer_that_is_too_long_to_be_kept_ends_with_its_worker),
        cmocka_unit_test(choices_go_on_each_from_its_own_place_and_seed),
        cmocka_unit_test(logprobs_of_all_attempts_are_summed),
        cmocka_unit_test(a_smaller_context_is_no_reason_to_end_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
