/* A client comes with the name of a stream that another head was answering. */
#include "head_story.h"

/* A head whose workers are all there, and no others are to be expected (settle_ms is 0 in stories): two workers of one slot each. */
static struct story two_workers(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    return s;
}

static void the_worker_that_has_it_goes_on_with_it(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> resume 5 stream=77 said=2\n"
              "send 1 seek stream=77 said=2\n"
              "send 2 seek stream=77 said=2\n"
              "> held 2 stream=77 found=1 ids=2 seed=9 note=chat\n"
              "> held 2 stream=77\n"
              "> held 1 stream=77\n"
              "resumed 5 of 1 note=chat\n"
              "send 2 adopt stream=77.0 job=1.2 said=2\n"
              "> prefilled 2 job=1.2\n"
              "started 5.0 actor=1 node=b\n"
              "> tokens 2 job=1.2 first=2 text=c\n"
              "tokens 5.0 first=2 n=1 c\n"
              "> done 2 job=1.2 tokens=3\n"
              "done 5.0 finish=1 actor=1 node=b tokens=3\n"
              "end 5 of 1\n");
    story_end(&s);
}

static void when_that_worker_dies_too_another_one_replays(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2\nheld 2 stream=77 found=1 ids=2 seed=9\nheld 2 stream=77\nheld 1 stream=77\n");
    story(&s, "> closed 2\n"
              "send 1 run job=1.3 key=0 seed=9 hi resume=7,8\n"
              "> prefilled 1 job=1.3\n"
              "started 5.0 actor=0 node=a\n"
              "> tokens 1 job=1.3 first=2 text=c\n"
              "tokens 5.0 first=2 n=1 c\n");
    story_end(&s);
}

/* The worker that has it was cordoned, or drains: no job waits for a slot of it. */
static void a_worker_that_takes_no_jobs_is_not_waited_for(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "availability 2 availability=1 reason=asked\nresume 5 stream=77 said=2\nheld 2 stream=77 found=1 ids=2 seed=9\nheld 2 stream=77\n");
    story(&s, "> held 1 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 1 run job=1.2 key=0 seed=9 hi resume=7,8\n");
    story_end(&s);
}

/* Given a head that died while a stream was leaving worker a, which drains, and that is started again; when the client is back before
 * the workers, and a before b; then the stream waits for b and continues there after the client's tokens, and a gets nothing. */
static void a_stream_that_was_leaving_its_worker_goes_on_with_another_one(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.settle_ms = 10000;
    story(&s, "> resume 5 stream=77 said=2\n"
              "> open 1\n"
              "> hello 1 node=a\n"
              "send 1 welcome worker=1\n"
              "send 1 seek stream=77 said=2\n"
              "> availability 1 availability=2 reason=SIGTERM\n"
              "> actor 1\n"
              "send 1 actor_ack key=0 id=0\n"
              "> held 1 stream=77 found=1 ids=2 seed=9 note=chat\n"
              "> held 1 stream=77\n"
              "resumed 5 of 1 note=chat\n"
              "> bye 1\n"
              "close 1: it said bye: stopping\n"
              "> open 2\n"
              "> hello 2 node=b\n"
              "send 2 welcome worker=2\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "send 2 run job=1.2 key=0 seed=9 hi resume=7,8\n"
              "> prefilled 2 job=1.2\n"
              "started 5.0 actor=1 node=b\n"
              "> tokens 2 job=1.2 first=2 text=c\n"
              "tokens 5.0 first=2 n=1 c\n");
    story_end(&s);
}

/* Two answers, of which one had not begun anywhere: it waits like a new one, and the queue has its limit. */
static void a_part_that_had_not_begun_needs_room_in_the_queue(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.queue_jobs_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprompt 2\nresume 5 stream=77 said=1,0\nheld 1 stream=77 found=1 ids=1 seed=9\n");
    story(&s, "> held 1 stream=77\n"
              "failed 5 ERR_BUSY: this stream cannot be resumed here: the queue is full: 1 of 1 requests wait "
              "(queue_jobs_max); come back in 5 s retry=1\n");
    story_end(&s);
}

/* Three answers, of which the client's id names one, and of which two had begun nowhere: the worker that has the first knows how
 * many there are, and the others begin. */
static void answers_that_had_not_begun_are_not_forgotten(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=3\nresume 5 stream=77 said=2\n");
    story(&s, "> held 1 stream=77 found=1 ids=2 seed=9 branches=3\n"
              "> held 1 stream=77\n"
              "resumed 5 of 3 note=\n"
              "send 1 run job=2.1 key=0 seed=10 hi\n"
              "send 1 run job=3.1 key=0 seed=11 hi\n"
              "send 1 adopt stream=77.0 job=1.2 said=2\n");
    story_end(&s);
}

/* A hundred clients come back at once, and those whose prompts had not begun are sooner in the queue than the worker can tell what
 * it has: a stream that had begun does not wait behind them. */
static void it_began_before_all_that_wait(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nprompt 1\nprompt 2\nprompt 3\nresume 5 stream=77 said=2\n"
              "held 1 stream=77 found=1 ids=2 seed=9\nheld 1 stream=77\n");
    story(&s, "> done 1 job=1\n"
              "done 1.0 finish=1 actor=0 node=a\n"
              "end 1 of 1\n"
              "send 1 adopt stream=77.0 job=4.2 said=2\n");
    story_end(&s);
}

/* Given a head that was restarted, a client that looks for its stream and one with a new prompt, both there before the worker; when
 * that joins; then it gets nothing new until it has told what it has, and the stream has its slot. */
static void a_worker_that_joins_tells_first_what_it_has(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.settle_ms = 10000;
    story(&s, "> resume 5 stream=77 said=2\n"
              "> resume 6 stream=78 said=1\n"
              "> prompt 1\n"
              "> open 1\n"
              "> hello 1 node=a\n"
              "send 1 welcome worker=1\n"
              "send 1 seek stream=77 said=2\n"
              "send 1 seek stream=78 said=1\n"
              "> actor 1\n"
              "send 1 actor_ack key=0 id=0\n"
              "> held 1 stream=77 found=1 ids=2 seed=9\n"
              "> held 1 stream=77\n"
              "resumed 5 of 1 note=\n"
              "> gone 6\n"
              "> held 1 stream=78\n"
              "send 1 adopt stream=77.0 job=2.2 said=2\n"
              "> done 1 job=2.2 tokens=3\n"
              "done 5.0 finish=1 actor=0 node=a tokens=3\n"
              "end 5 of 1\n"
              "send 1 run job=1.1 key=0 seed=0 hi\n");
    story_end(&s);
}

/* Given a head that asked both workers and was suspended then; when it wakes up long after the time to look was over; then what they
 * answered is still read. */
static void time_in_which_the_head_slept_does_not_count(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2\nsleep 30000\ntick\n");
    story(&s, "> held 1 stream=77\n"
              "> held 2 stream=77 found=1 ids=2 seed=9\n"
              "> held 2 stream=77\n"
              "resumed 5 of 1 note=\n"
              "> beat 2\n"
              "send 2 beat_ack 1030000\n"
              "send 2 adopt stream=77.0 job=1.2 said=2\n");
    story_end(&s);
}

static void nobody_has_it(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> resume 5 stream=77 said=2\n"
              "send 1 seek stream=77 said=2\n"
              "send 2 seek stream=77 said=2\n"
              "> held 1 stream=77\n"
              "> held 2 stream=77\n"
              "failed 5 ERR_NOT_FOUND: this stream cannot be resumed here: no worker has anything of it; POST its request again with this "
              "Last-Event-ID, and it is computed again\n");
    story_end(&s);
}

/* A head that was restarted: its workers come back one by one. */
static void a_new_head_waits_for_its_workers(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.settle_ms = 10000;
    story(&s, "> resume 5 stream=77 said=1\n"
              "> open 1\n"
              "> hello 1 node=a\n"
              "send 1 welcome worker=1\n"
              "send 1 seek stream=77 said=1\n"
              "> actor 1\n"
              "send 1 actor_ack key=0 id=0\n"
              "> held 1 stream=77\n"
              "> open 2\n"
              "> hello 2 node=b\n"
              "send 2 welcome worker=2\n"
              "send 2 seek stream=77 said=1\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=1\n"
              "> held 2 stream=77 found=1 ids=1\n"
              "> held 2 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 2 adopt stream=77.0 job=1.2 said=1\n");
    story_end(&s);
}

static void a_new_head_gives_up_when_its_workers_should_be_back(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.settle_ms = 10000;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nresume 5 stream=77 said=1\nheld 1 stream=77\nwait 2000\nbeat 1\nwait 2000\nbeat 1\n"
              "wait 2000\nbeat 1\nwait 2000\nbeat 1\nwait 1900\nbeat 1\n");
    story(&s, "> wait 200\n"
              "failed 5 ERR_NOT_FOUND: this stream cannot be resumed here: no worker has anything of it; POST its request again with this "
              "Last-Event-ID, and it is computed again\n");
    story_end(&s);
}

/* The worker from which it was moved still has what it said of it; the one to which it was moved says more. */
static void of_two_copies_the_later_attempt_counts(void **state)
{
    (void)state;
    struct story s = two_workers();
    story(&s, "> resume 5 stream=77 said=2\n"
              "send 1 seek stream=77 said=2\n"
              "send 2 seek stream=77 said=2\n"
              "> held 1 stream=77 found=1 ids=2 attempt=1\n"
              "> held 1 stream=77\n"
              "> held 2 stream=77 found=1 ids=2 attempt=2\n"
              "> held 2 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 2 adopt stream=77.0 job=1.3 said=2\n");
    story_end(&s);
}

/* Given two copies of the same attempt, as there are where a stream began anew while the worker of its beginning was out of reach;
 * when the worker that told first dies before the head has gathered; then the other copy serves. */
static void another_copy_serves_when_the_first_is_lost(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "open 3\nhello 3 node=c\nactor 3\nresume 5 stream=77 said=2\nheld 1 stream=77 found=1 ids=2 seed=9\nheld 1 stream=77\n"
              "held 2 stream=77 found=1 ids=2 seed=9\nheld 2 stream=77\n");
    story(&s, "> closed 1\n"
              "> held 3 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 2 adopt stream=77.0 job=1.2 said=2\n");
    story_end(&s);
}

/* Given more copies than a head remembers, all but the last of one attempt; when all have told; then the latest attempt serves. */
static void of_many_copies_the_later_attempt_counts(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\nopen 3\nhello 3 node=c\nactor 3\n"
              "open 4\nhello 4 node=d\nactor 4\nopen 5\nhello 5 node=e\nactor 5\nopen 6\nhello 6 node=f\nactor 6\n"
              "resume 5 stream=77 said=1\n");
    for (int i = 1; i <= 5; i++) {
        char line[64];
        snprintf(line, sizeof line, "held %d stream=77 found=1 ids=1 seed=9\nheld %d stream=77\n", i, i);
        given(&s, line);
    }
    story(&s, "> held 6 stream=77 found=1 ids=1 seed=9 attempt=3\n"
              "> held 6 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 6 adopt stream=77.0 job=1.4 said=1\n");
    story_end(&s);
}

/* Given a worker that told of a stream and has forgotten it by the time the head adopts it; then nothing was tried: the stream is
 * computed again there, and neither the answer nor the actor has an attempt less. */
static void a_worker_that_has_forgotten_it_meanwhile_has_not_failed(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.attempts_max = 1;
    given(&s, "open 1\nhello 1 node=a\nactor 1\nresume 5 stream=77 said=2\nheld 1 stream=77 found=1 ids=2 seed=9\nheld 1 stream=77\n");
    story(&s, "> done 1 job=1.2 finish=4 error=9 message=forgotten\n"
              "send 1 run job=1.3 key=0 seed=9 hi resume=7,8\n");
    story_end(&s);
}

static void a_worker_that_does_not_answer_is_not_waited_for_when_another_has_it(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2\nheld 1 stream=77 found=1 ids=2\nheld 1 stream=77\n");
    story(&s, "> wait 99\n"
              "> wait 1\n"
              "resumed 5 of 1 note=\n"
              "send 1 adopt stream=77.0 job=1.2 said=2\n");
    story_end(&s);
}

/* n = 2: the second answer had not begun when its head died. */
static void a_branch_that_nobody_has_heard_of_begins(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2,0\nheld 1 stream=77\nheld 2 stream=77 found=1 ids=2 seed=9\n");
    story(&s, "> held 2 stream=77\n"
              "resumed 5 of 2 note=\n"
              "send 1 run job=2.1 key=0 seed=10 hi\n"
              "send 2 adopt stream=77.0 job=1.2 said=2\n");
    story_end(&s);
}

static void a_branch_of_which_the_client_has_a_part_must_be_there(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2,1\nheld 1 stream=77\nheld 2 stream=77 found=1 ids=2 seed=9\n");
    story(&s, "> held 2 stream=77\n"
              "failed 5 ERR_NOT_FOUND: this stream cannot be resumed here: a part of it is kept by no worker; POST its request again with this "
              "Last-Event-ID, and it is computed again\n");
    story_end(&s);
}

/* The head has not noticed that the connection is dead. */
static void a_stream_of_this_head_is_taken_from_its_old_connection(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "prompt 1 seed=9 stream=77\nprefilled 1 job=1\ntokens 1 job=1 n=2 text=ab\n");
    story(&s, "> resume 5 stream=77 said=1\n"
              "failed 1 ERR_CANCELLED: the client continued this stream on another connection\n"
              "send 1 cancel job=1.1\n"
              "send 1 seek stream=77 said=1\n"
              "send 2 seek stream=77 said=1\n"
              "> held 2 stream=77\n"
              "> held 1 stream=77 found=1 ids=1 seed=9\n"
              "> held 1 stream=77\n" /* its slot is taken until the cancelled job is done */
              "resumed 5 of 1 note=\n"
              "> done 1 job=1 finish=3\n"
              "send 1 adopt stream=77.0 job=2.2 said=1\n");
    story_end(&s);
}

static void a_client_that_goes_while_it_is_looked_for_is_forgotten(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 said=2\ngone 5\n");
    story(&s, "> held 2 stream=77 found=1 ids=2\n"
              "> held 2 stream=77\n"
              "> held 1 stream=77\n");
    story_end(&s);
}

static void workers_that_talk_nonsense_of_streams_are_hung_up_on(void **state)
{
    (void)state;
    static const char *const says[] = {
        "held 1 stream=77 found=1 ids=2 was=78\n",     /* the run of another stream */
        "held 1 stream=77 found=1 ids=2 key=3\n",      /* an actor that is not there */
        "held 1 stream=77 found=1 ids=2 branch=70\n",  /* more branches than a call has */
        "held 1 stream=77 found=1 ids=2 attempt=0\n",
        "held 1 stream=77 found=1 ids=2 claim=5\n",   /* a claim that no head gave it */
    };
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        struct story s = two_workers();
        given(&s, "resume 5 stream=77 said=2\n");
        given(&s, says[i]);
        assert_non_null(strstr(buf_cstr(&s.said), "close 1"));
        story_end(&s);
    }
}

/* Given a client whose claim is 4; when one worker makes the stream up and another one has it; then the first is hung up on, and the
 * stream continues at the other, with its tenant. */
static void a_stream_that_a_worker_makes_up_is_not_gone_on_with(void **state)
{
    (void)state;
    struct story s = two_workers();
    given(&s, "resume 5 stream=77 claim=4 said=2 tenant=anna\n");
    given(&s, "held 1 stream=77 found=1 ids=2 claim=3\n");
    assert_non_null(strstr(buf_cstr(&s.said), "made up"));
    given(&s, "held 2 stream=77 found=1 ids=2 claim=4 seed=9\n");
    story(&s, "> held 2 stream=77\n"
              "resumed 5 of 1 note=\n"
              "send 2 adopt stream=77.0 job=1.2 said=2\n");
    struct head_call_view v;
    assert_true(head_call_view(s.head, 5, &v) && str_is(v.tenant, "anna"));
    story_end(&s);
}

static void streams_that_are_looked_for_are_bounded(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.seeks_max = 1;
    s.cfg.settle_ms = 10000;
    story(&s, "> resume 5 stream=77 said=1\n"
              "> resume 6 stream=78 said=1\n"
              "failed 6 ERR_BUSY: 1 streams are looked for already (seeks_max); come back in 1 s retry=1\n"
              "> resume 7 stream=77 said=1\n" /* the same client again */
              "failed 5 ERR_CANCELLED: this stream cannot be resumed here: its client has come again\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worker_that_has_it_goes_on_with_it),
        cmocka_unit_test(when_that_worker_dies_too_another_one_replays),
        cmocka_unit_test(a_worker_that_takes_no_jobs_is_not_waited_for),
        cmocka_unit_test(a_stream_that_was_leaving_its_worker_goes_on_with_another_one),
        cmocka_unit_test(a_part_that_had_not_begun_needs_room_in_the_queue),
        cmocka_unit_test(answers_that_had_not_begun_are_not_forgotten),
        cmocka_unit_test(it_began_before_all_that_wait),
        cmocka_unit_test(a_worker_that_joins_tells_first_what_it_has),
        cmocka_unit_test(time_in_which_the_head_slept_does_not_count),
        cmocka_unit_test(nobody_has_it),
        cmocka_unit_test(a_new_head_waits_for_its_workers),
        cmocka_unit_test(a_new_head_gives_up_when_its_workers_should_be_back),
        cmocka_unit_test(of_two_copies_the_later_attempt_counts),
        cmocka_unit_test(another_copy_serves_when_the_first_is_lost),
        cmocka_unit_test(of_many_copies_the_later_attempt_counts),
        cmocka_unit_test(a_worker_that_has_forgotten_it_meanwhile_has_not_failed),
        cmocka_unit_test(a_worker_that_does_not_answer_is_not_waited_for_when_another_has_it),
        cmocka_unit_test(a_branch_that_nobody_has_heard_of_begins),
        cmocka_unit_test(a_branch_of_which_the_client_has_a_part_must_be_there),
        cmocka_unit_test(a_stream_of_this_head_is_taken_from_its_old_connection),
        cmocka_unit_test(a_client_that_goes_while_it_is_looked_for_is_forgotten),
        cmocka_unit_test(workers_that_talk_nonsense_of_streams_are_hung_up_on),
        cmocka_unit_test(a_stream_that_a_worker_makes_up_is_not_gone_on_with),
        cmocka_unit_test(streams_that_are_looked_for_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
