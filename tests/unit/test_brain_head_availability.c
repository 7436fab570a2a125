/* Workers that take no new jobs: cordoned ones, and those that drain. */
#include "head_story.h"

/* Two workers with one slot each. */
static struct story two_workers(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    return s;
}

static enum worker_state state_of(struct story *s, uint64_t worker)
{
    struct head_worker_view v;
    assert_true(head_worker_at(s->head, worker, s->now_us, &v) && v.id == worker);
    return v.state;
}

static uint32_t serving(const struct story *s)
{
    struct head_totals t;
    head_totals(s->head, &t);
    return t.actors_serving;
}

static void a_cordoned_worker_ends_what_it_has_and_gets_nothing_new(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\nprefilled 1 job=1\n");
    story(&s, "> ask 50 worker=a availability=1\n"
              "send 1 cordon on=1\n"
              "end 50 of 0\n"
              "> availability 1 availability=1 reason=asked\n");
    assert_int_equal(state_of(&s, 1), WORKER_CORDONED);
    assert_int_equal(serving(&s), 1);
    story(&s, "> tokens 1 job=1 text=x\n"
              "tokens 1.0 first=0 n=1 x\n"
              "> done 1 job=1 tokens=1\n"
              "done 1.0 finish=1 actor=0 node=a tokens=1\n"
              "end 1 of 1\n"
              "> prompt 2\n"
              "send 2 run job=2.1 key=0 seed=0 hi\n"
              "> prompt 3\n" /* waits beside the free slot of a */
              "> ask 51 worker=a availability=0\n"
              "send 1 cordon on=0\n"
              "end 51 of 0\n"
              "> availability 1 availability=0\n"
              "send 1 run job=3.1 key=0 seed=0 hi\n");
    assert_int_equal(state_of(&s, 1), WORKER_OK);
    story_end(&s);
}

static void a_worker_that_drains_leaves_and_its_last_jobs_go_on_elsewhere(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\nprefilled 1 job=1\ntokens 1 job=1 text=x\n");
    story(&s, "> ask 50 worker=a availability=2 grace=5000\n"
              "send 1 drain grace=5000\n"
              "end 50 of 0\n"
              "> availability 1 availability=2 reason=asked\n"
              "> wait 1000\n"
              "> bye 1 reason=grace-over\n"
              "close 1: it said bye: grace-over\n"
              "send 2 run job=1.2 key=0 seed=0 hi resume=7\n");
    assert_int_equal(serving(&s), 1);
    story_end(&s);
}

static void a_run_that_crossed_with_the_word_is_nobodys_fault(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> availability 1 availability=2 reason=SIGTERM\n"
              "> done 1 job=1 finish=4 error=9\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"); /* although one attempt in vain is all there may be */
    struct head_actor_view v;
    assert_true(head_actor_at(s.head, 0, &v) && v.jobs_failed == 0);
    story_end(&s);
}

static void while_all_of_a_model_drain_requests_wait(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\navailability 1 availability=2\nprompt 1\n");
    story(&s, "> wait 2000\n"
              "> bye 1\n"
              "close 1: it said bye: stopping\n"
              "> wait 20000\n"
              "> open 2\n"
              "> hello 2 node=a\n"
              "send 2 welcome worker=2\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.1 key=0 seed=0 hi\n");
    story_end(&s);
}

static void at_the_deadline_the_client_is_told_that_nobody_took_jobs(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\navailability 1 availability=1\nbeat 1\nprompt 1 deadline=2000\n");
    story(&s, "> wait 2000\n"
              "failed 1 ERR_UNAVAILABLE: for 2 s the workers of 'any model' took no new jobs: they are cordoned or drain "
              "(`manta status`) retry=5\n");
    story_end(&s);
}

static void a_prompt_to_all_does_not_wait_for_who_takes_no_jobs(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1\nprompt 2\n"); /* both are busy */
    story(&s, "> prompt 3 spread=1 count=0\n" /* a branch waits for each */
              "> availability 1 availability=1\n"             /* a's branch may wait for any other one now */
              "> done 2 job=2\n"
              "done 2.0 finish=1 actor=1 node=b\n"
              "end 2 of 1\n"
              "send 2 run job=4.1 key=0 seed=1 hi\n"
              "> prompt 4 spread=1 count=0\n" /* b alone */
              "> done 2 job=4\n"
              "done 3.1 finish=1 actor=1 node=b\n"
              "send 2 run job=3.1 key=0 seed=0 hi\n"
              "> done 2 job=3\n"
              "done 3.0 finish=1 actor=1 node=b\n"
              "end 3 of 2\n"
              "send 2 run job=5.1 key=0 seed=0 hi\n"
              "> done 2 job=5\n"
              "done 4.0 finish=1 actor=1 node=b\n"
              "end 4 of 1\n");
    story_end(&s);
}

static void who_waits_for_twins_that_take_no_jobs_waits_for_anybody(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 exact=1\nopen 2\nhello 2 node=b\nactor 2 exact=1\n"
              "open 3\nhello 3 node=c\nactor 3 exact=1 context=500\n"
              "prompt 1\nprompt 2\nprompt 3\nprefilled 1 job=1\ntokens 1 job=1 text=x\n");
    story(&s, "> closed 1\n"
              "> done 3 job=3\n" /* its file, but not the same bits */
              "done 3.0 finish=1 actor=2 node=c\n"
              "end 3 of 1\n"
              "> availability 2 availability=1\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n");
    story_end(&s);
}

static void an_unknown_worker_is_not_found_and_one_that_drains_stays_so(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> ask 50 worker=c availability=1\n"
              "failed 50 ERR_NOT_FOUND: there is no worker 'c'; there is: 'a', 'b'\n"
              "> ask 51 worker=a availability=2 grace=1\n"
              "send 1 drain grace=1\n"
              "end 51 of 0\n"
              "> ask 52 worker=a availability=0\n"
              "failed 52 ERR_IN_USE: worker 'a' drains: it ends what runs and leaves, which cannot be taken back\n"
              "> availability 2 availability=3\n"
              "send 2 refuse ERR_PROTOCOL: availability 3 with a reason of 0 bytes: 0 to 2 with a printable line can be\n"
              "close 2: availability 3 with a reason of 0 bytes: 0 to 2 with a printable line can be\n");
    story_end(&s);
}

static void silence_and_hanging_show_through_a_cordon(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprefilled 1 job=1\navailability 1 availability=1\nwait 2600\n");
    assert_int_equal(state_of(&s, 1), WORKER_SLOW);
    given(&s, "beat 1 busy=1\n");
    assert_int_equal(state_of(&s, 1), WORKER_CORDONED);
    given(&s, "beat 1 busy=1 age=30000\n");
    assert_int_equal(state_of(&s, 1), WORKER_HUNG);
    given(&s, "done 1 job=1 finish=3\nbeat 1\n");
    assert_int_equal(state_of(&s, 1), WORKER_CORDONED);
    assert_int_equal(serving(&s), 0);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cordoned_worker_ends_what_it_has_and_gets_nothing_new),
        cmocka_unit_test(a_worker_that_drains_leaves_and_its_last_jobs_go_on_elsewhere),
        cmocka_unit_test(a_run_that_crossed_with_the_word_is_nobodys_fault),
        cmocka_unit_test(while_all_of_a_model_drain_requests_wait),
        cmocka_unit_test(at_the_deadline_the_client_is_told_that_nobody_took_jobs),
        cmocka_unit_test(a_prompt_to_all_does_not_wait_for_who_takes_no_jobs),
        cmocka_unit_test(who_waits_for_twins_that_take_no_jobs_waits_for_anybody),
        cmocka_unit_test(an_unknown_worker_is_not_found_and_one_that_drains_stays_so),
        cmocka_unit_test(silence_and_hanging_show_through_a_cordon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
