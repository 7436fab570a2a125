/* A request that crashes the workers that compute it, and those that only sat beside it. */
#include "head_story.h"

#define POISON \
    " ERR_POISON: this request crashed 2 workers that computed it, one after the other: it is not given to another one\n"

static struct story workers(unsigned n, unsigned slots)
{
    struct story s = story_begin();
    char line[96];
    for (unsigned i = 1; i <= n; i++) {
        snprintf(line, sizeof line, "open %u\nhello %u node=w%u\nactor %u slots=%u\n", i, i, i, i, slots);
        given(&s, line);
    }
    return s;
}

static void a_request_that_crashes_two_workers_is_not_given_to_a_third(void **state)
{
    (void)state;
    struct story s = workers(3, 4);
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> crashed 1 job=1\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> crashed 2 job=1.2\n"
              "> closed 2\n"
              "done 1.0 finish=4 actor=1 node=w2" POISON
              "end 1 of 1\n"
              "> prompt 2\n"
              "send 3 run job=2.1 key=0 seed=0 hi\n");
    story_end(&s);
}

/* Given a request that was taken from its only actor because that hung; when the worker crashes then and names it; then that counts, and the
 * second worker that it crashes is the last. */
static void it_crashes_its_worker_after_it_was_taken_from_it(void **state)
{
    (void)state;
    struct story s = workers(1, 4);
    given(&s, "prompt 1\nbeat 1 busy=1 age=40000\ncrashed 1 job=1\nclosed 1\nopen 2\nhello 2 node=w2\n");
    story(&s, "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> crashed 2 job=1.2\n"
              "> closed 2\n"
              "done 1.0 finish=4 actor=1 node=w2" POISON
              "end 1 of 1\n");
    story_end(&s);
}

static void workers_that_are_killed_prove_nothing(void **state)
{
    (void)state;
    struct story s = workers(4, 4);
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> closed 2\n"
              "send 3 run job=1.3 key=0 seed=0 hi\n"
              "> crashed 3 job=1.3\n" /* one crash is none */
              "> closed 3\n"
              "send 4 run job=1.4 key=0 seed=0 hi\n"
              "> done 4 job=1.4\n"
              "done 1.0 finish=1 actor=3 node=w4\n"
              "end 1 of 1\n");
    story_end(&s);
}

static void who_sat_beside_the_poison_is_tried_alone_and_cleared(void **state)
{
    (void)state;
    struct story s = workers(3, 4);
    given(&s, "prompt 1\nprompt 2\nprompt 3\nprompt 4\nprompt 5\nprompt 6\n"); /* 1 and 4 are on the first worker */
    given(&s, "prefilled 1 job=1\nprefilled 1 job=4\ntokens 1 job=1 text=x\ntokens 1 job=4 text=y\n");
    given(&s, "crashed 1 job=1 company=2\ncrashed 1 job=4 company=2\n");
    story(&s, "> closed 1\n"
              "> prompt 7\n" /* each suspect waits for a quiet actor, which gets nothing else: so this waits, too */
              "> done 2 job=2\n"
              "done 2.0 finish=1 actor=1 node=w2\n"
              "end 2 of 1\n"
              "> done 2 job=5\n"
              "done 5.0 finish=1 actor=1 node=w2\n"
              "end 5 of 1\n"
              "send 2 run job=4.2 key=0 seed=0 hi resume=7\n"
              "> done 3 job=3\n"
              "done 3.0 finish=1 actor=2 node=w3\n"
              "end 3 of 1\n"
              "> done 3 job=6\n"
              "done 6.0 finish=1 actor=2 node=w3\n"
              "end 6 of 1\n"
              "send 3 run job=1.2 key=0 seed=0 hi resume=7\n"
              "> prefilled 2 job=4.2\n"
              "> tokens 2 job=4.2 first=1 n=7 text=innocent\n"
              "tokens 4.0 first=1 n=7 innocent\n"
              "> tokens 2 job=4.2 first=8 n=1 text=!\n"
              "tokens 4.0 first=8 n=1 !\n"
              "send 2 run job=7.1 key=0 seed=0 hi\n" /* cleared: company is welcome again */
              "> crashed 3 job=1.2\n"
              "> closed 3\n"
              "done 1.0 finish=4 actor=2 node=w3 tokens=1" POISON
              "end 1 of 1\n"
              "> done 2 job=4.2 tokens=9\n"
              "done 4.0 finish=1 actor=1 node=w2 tokens=9\n"
              "end 4 of 1\n");
    story_end(&s);
}

static void two_crashes_in_company_condemn_nobody(void **state)
{
    (void)state;
    struct story s = workers(3, 1);
    story(&s, "> prompt 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "> crashed 1 job=1 company=3\n"
              "> closed 1\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> crashed 2 job=1.2 company=2\n" /* another actor's job ran in the same process */
              "> closed 2\n"
              "send 3 run job=1.3 key=0 seed=0 hi\n");
    story_end(&s);
}

static void all_answers_of_a_condemned_request_end(void **state)
{
    (void)state;
    struct story s = workers(3, 1);
    given(&s, "prompt 1 count=4\n");
    story(&s, "> crashed 1 job=1\n"
              "> closed 1\n"
              "> crashed 2 job=2\n"
              "done 1.0 finish=4 actor=0 node=" POISON /* that waited for another actor */
              "done 1.2 finish=4" POISON
              "send 3 cancel job=3.1\n" /* that runs on the third worker */
              "done 1.3 finish=4" POISON /* that was never sent */
              "> closed 2\n"
              "done 1.1 finish=4 actor=1 node=w2" POISON
              "end 1 of 4\n");
    story_end(&s);
}

static void a_guest_moves_on_when_its_quiet_actor_takes_no_more_jobs(void **state)
{
    (void)state;
    struct story s = workers(3, 4);
    given(&s, "prompt 1\nprompt 2\nprompt 3\ncrashed 1 job=1 company=2\nclosed 1\n"); /* it waits for w2 to be quiet */
    story(&s, "> availability 2 availability=1\n"
              "> done 3 job=3\n"
              "done 3.0 finish=1 actor=2 node=w3\n"
              "end 3 of 1\n"
              "send 3 run job=1.2 key=0 seed=0 hi\n"
              "> prompt 4\n"
              "> gone 1\n" /* its client leaves: nobody is quarantined any more */
              "send 3 cancel job=1.2\n"
              "send 3 run job=4.1 key=0 seed=0 hi\n");
    story_end(&s);
}

static void a_guest_that_runs_goes_on_under_a_cordon(void **state)
{
    (void)state;
    struct story s = workers(2, 4);
    given(&s, "prompt 1\ncrashed 1 job=1 company=2\nclosed 1\n"); /* it runs on w2, alone */
    story(&s, "> availability 2 availability=1\n"
              "> prefilled 2 job=1.2\n"
              "started 1.0 actor=1 node=w2\n"
              "> done 2 job=1.2 tokens=1\n"
              "done 1.0 finish=1 actor=1 node=w2 tokens=1\n"
              "end 1 of 1\n"
              "> prompt 2\n"
              "> availability 2 availability=0\n"
              "send 2 run job=2.1 key=0 seed=0 hi\n");
    story_end(&s);
}

static void a_guest_does_not_wait_for_an_actor_that_hangs(void **state)
{
    (void)state;
    struct story s = workers(2, 4);
    given(&s, "prompt 1\nprompt 2\nprefilled 2 job=2\ncrashed 1 job=1 company=2\nclosed 1\n"); /* it waits for w2 to be quiet */
    story(&s, "> beat 2 busy=1 age=30000\n"
              "send 2 beat_ack 1000000\n"
              "send 2 cancel job=2.1\n"
              "> open 3\n"
              "> hello 3 node=w3\n"
              "send 3 welcome worker=3\n"
              "> actor 3 slots=4\n"
              "send 3 actor_ack key=0 id=2\n"
              "send 3 run job=1.2 key=0 seed=0 hi\n"
              "send 3 run job=2.2 key=0 seed=0 hi\n");
    story_end(&s);
}

/* Given a request with more answers than there are slots; when it has crashed its second worker, whose link has not ended yet; then no
 * slot that becomes free in that moment gets one of the answers that wait. */
static void no_answer_of_it_begins_after_its_last_crash(void **state)
{
    (void)state;
    struct story s = workers(2, 1);
    story(&s, "> prompt 1 count=3\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n"
              "send 2 run job=2.1 key=0 seed=1 hi\n"
              "> open 3\n"
              "> hello 3 node=w3\n"
              "send 3 welcome worker=3\n"
              "> crashed 1 job=1\n"
              "> closed 1\n"
              "> done 2 job=2\n"
              "done 1.1 finish=1 actor=1 node=w2\n"
              "send 2 run job=1.2 key=0 seed=0 hi\n"
              "> crashed 2 job=1.2\n"
              "done 1.2 finish=4" POISON
              "> actor 3\n"
              "send 3 actor_ack key=0 id=2\n"
              "> closed 2\n"
              "done 1.0 finish=4 actor=1 node=w2" POISON
              "end 1 of 3\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_crashes_two_workers_is_not_given_to_a_third),
        cmocka_unit_test(it_crashes_its_worker_after_it_was_taken_from_it),
        cmocka_unit_test(workers_that_are_killed_prove_nothing),
        cmocka_unit_test(who_sat_beside_the_poison_is_tried_alone_and_cleared),
        cmocka_unit_test(two_crashes_in_company_condemn_nobody),
        cmocka_unit_test(all_answers_of_a_condemned_request_end),
        cmocka_unit_test(no_answer_of_it_begins_after_its_last_crash),
        cmocka_unit_test(a_guest_that_runs_goes_on_under_a_cordon),
        cmocka_unit_test(a_guest_does_not_wait_for_an_actor_that_hangs),
        cmocka_unit_test(a_guest_moves_on_when_its_quiet_actor_takes_no_more_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
