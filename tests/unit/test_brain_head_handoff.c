/* A head takes the place of another one: what one brain tells of its calls, the next one continues. */
#include "head_story.h"

enum { JOBS_MAX = 8 };

/* What crosses. `said`: tokens that the client was sent of each branch; the program knows. */
static void move(struct story *from, struct story *to, uint64_t call, uint32_t said, uint32_t workers)
{
    struct wire_moved_call m = {0};
    struct wire_moved_job jobs[JOBS_MAX];
    const struct wire_moved_job *told[JOBS_MAX];
    struct wire_run run;
    const struct request *r;
    uint32_t n = 0;
    m.age_us = (100 - call) * 1000;
    assert_true(head_call_moves(from->head, call, &m, &run, &r));
    for (uint32_t next = 0; r->kind != REQUEST_EMBED && head_call_job_moves(from->head, call, &next, &jobs[n]); n++) {
        jobs[n].said = jobs[n].said < said ? jobs[n].said : said;
        jobs[n].ids.n = jobs[n].ids.n < jobs[n].said ? jobs[n].ids.n : jobs[n].said;
        if (jobs[n].said == 0) /* then anybody may begin it */
            jobs[n].same_file = jobs[n].same_bits = str_n(NULL, 0);
        told[n] = &jobs[n];
    }
    struct request crossed = *r;
    crossed.model = m.model;
    step(to, (struct head_event){.kind = HEAD_HANDOFF,
                                 .call = call,
                                 .request = &crossed,
                                 .stream = r->kind != REQUEST_EMBED ? call + 70 : 0,
                                 .client = m.client,
                                 .count = m.count,
                                 .spread = m.spread != 0,
                                 .deadline_ms = m.deadline_ms,
                                 .moved = &m,
                                 .moved_jobs = told,
                                 .moved_jobs_n = n,
                                 .workers = workers});
}

static void end_both(struct story *from, struct story *to)
{
    story_end(from);
    story_end(to);
}

static struct story two_workers(void)
{
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1\nopen 2\nhello 2 node=b\nactor 2\n");
    return s;
}

/* Call 1 runs on a and has said two tokens; call 2 runs on b and has said none; 3 and 4 wait. */
static struct story a_busy_head(void)
{
    struct story s = two_workers();
    given(&s, "prompt 1 stream=71 seed=9 text=one\nprompt 2 stream=72 text=two\nprompt 3 stream=73 text=three\nprompt 4 stream=74 text=four\n"
              "prefilled 1 job=1\ntokens 1 job=1 n=2 text=ab\n");
    return s;
}

static void all_goes_on_when_all_workers_are_back(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    for (uint64_t call = 4; call >= 1; call--) /* connections are told of in no order */
        move(&old, &new, call, 2, 2);
    story(&new, "> open 1\n"
                "> hello 1 node=b\n"
                "send 1 welcome worker=1\n"
                "send 1 seek stream=71 said=2\n"
                "send 1 seek stream=72 said=0\n"
                "send 1 seek stream=0\n"
                "> actor 1\n"
                "send 1 actor_ack key=0 id=0\n"
                "> held 1 stream=72 found=1 ids=0\n"
                "> held 1 stream=72\n"
                "> held 1 stream=71\n"
                "> held 1 stream=0\n" /* b has a free slot, and the other worker is not there */
                "> prompt 9 text=new\n"
                "> open 2\n"
                "> hello 2 node=a\n"
                "send 2 welcome worker=2\n"
                "send 2 seek stream=71 said=2\n"
                "send 2 seek stream=0\n"
                "> actor 2\n"
                "send 2 actor_ack key=0 id=1\n"
                "> held 2 stream=71 found=1 ids=2\n"
                "> held 2 stream=71\n"
                "> held 2 stream=0\n"
                "send 1 adopt stream=72.0 job=3.2 said=0\n"
                "send 2 adopt stream=71.0 job=4.2 said=2\n"
                "> prefilled 2 job=4.2\n"
                "started 1.0 actor=1 node=a\n"
                "> tokens 2 job=4.2 first=2 text=c\n"
                "tokens 1.0 first=2 n=1 c\n"
                "> done 2 job=4.2 tokens=3\n"
                "done 1.0 finish=1 actor=1 node=a tokens=3\n"
                "end 1 of 1\n"
                "send 2 run job=2.1 key=0 seed=0 three\n" /* the order in which they came to the old head */
                "> done 2 job=2.1 tokens=1\n"
                "done 3.0 finish=1 actor=1 node=a tokens=1\n"
                "end 3 of 1\n"
                "send 2 run job=1.1 key=0 seed=0 four\n");
    end_both(&old, &new);
}

/* Given a request for any model that makes text, whose only such worker is away while its head gives its place, and again while that one
 * does; when a worker with another kind of model is back; then the request waits, as it did at the first head. */
static void any_model_stays_known_over_two_heads(void **state)
{
    (void)state;
    struct story old = story_begin(), next = story_begin(), last = story_begin();
    last.cfg.settle_ms = 1000;
    given(&old, "open 1\nhello 1 node=a\nactor 1\nprompt 1 stream=71 text=one\n");
    move(&old, &next, 1, 0, 2);
    move(&next, &last, 1, 0, 2);
    story(&last, "> open 1\n"
                 "> hello 1 node=b\n"
                 "send 1 welcome worker=1\n"
                 "send 1 seek stream=71 said=0\n"
                 "send 1 seek stream=0\n"
                 "> actor 1 kind=3 model=e\n"
                 "send 1 actor_ack key=0 id=0\n"
                 "> held 1 stream=71\n"
                 "> held 1 stream=0\n"
                 "> wait 2500\n");
    story_end(&last);
    end_both(&old, &next);
}

static void a_worker_that_stays_away_is_not_waited_for(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    move(&old, &new, 1, 2, 2);
    given(&new, "open 1\nhello 1 node=b\nactor 1\nheld 1 stream=71\nheld 1 stream=0\nwait 1900\n");
    story(&new, "> wait 200\n"
                "send 1 run job=1.2 key=0 seed=9 one resume=7,8\n"
                "> held 1 stream=71 found=1 ids=2\n" /* too late, and nonsense */
                "> prefilled 1 job=1.2\n"
                "started 1.0 actor=0 node=b\n"
                "> tokens 1 job=1.2 first=2 text=c\n"
                "tokens 1.0 first=2 n=1 c\n");
    end_both(&old, &new);
}

/* Only a part of what was said was sent, because the client reads slowly: the rest comes again. */
static void what_was_not_sent_comes_again(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    move(&old, &new, 1, 1, 1);
    given(&new, "open 1\nhello 1 node=a\nactor 1\n");
    story(&new, "> held 1 stream=71 found=1 ids=1\n"
                "> held 1 stream=71\n"
                "> held 1 stream=0\n"
                "send 1 adopt stream=71.0 job=1.2 said=1\n");
    end_both(&old, &new);
}

/* What other tokens, or fewer, were said of is an older copy. */
static void an_older_copy_is_not_gone_on_with(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    given(&old, "tokens 1 job=1 first=2 text=c\n"); /* 7,8,7 */
    move(&old, &new, 1, 3, 1);
    given(&new, "open 1\nhello 1 node=a\nactor 1\n");
    story(&new, "> held 1 stream=71 found=1 ids=2\n"
                "> held 1 stream=71 found=1 ids=3\n" /* 7,8,9 */
                "> held 1 stream=71\n"
                "> held 1 stream=0\n"
                "send 1 run job=1.2 key=0 seed=9 one resume=7,8,7\n");
    end_both(&old, &new);
}

static void only_its_kin_goes_on_with_an_answer(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    move(&old, &new, 1, 2, 1);
    given(&new, "open 1\nhello 1 node=c\nactor 1 digest=other\nheld 1 stream=71\nheld 1 stream=0\nopen 2\nhello 2 node=d\n");
    story(&new, "> actor 2 digest=d1 model=m2\n"
                "send 2 actor_ack key=0 id=1\n"
                "send 2 run job=1.2 key=0 seed=9 one resume=7,8\n");
    end_both(&old, &new);
}

static void a_fan_out_that_had_not_begun_finds_all_actors(void **state)
{
    (void)state;
    struct story old = two_workers(), new = story_begin();
    given(&old, "prompt 1 stream=71\nprompt 2 stream=72\nprompt 3 stream=73 spread=1 count=0 text=all\n");
    move(&old, &new, 3, 0, 2);
    given(&new, "open 1\nhello 1 node=a\nactor 1\nheld 1 stream=0\nopen 2\nhello 2 node=b\nactor 2\n");
    story(&new, "> held 2 stream=0\n"
                "send 1 run job=1.1 key=0 seed=0 all\n"
                "send 2 run job=2.1 key=0 seed=1 all\n");
    end_both(&old, &new);
}

/* One of its answers runs; the other one waits for an actor of its own, and gets it. */
static void a_fan_out_that_runs_has_an_actor_for_each_answer(void **state)
{
    (void)state;
    struct story old = two_workers(), new = story_begin();
    given(&old, "prompt 1 stream=71\nprompt 3 stream=73 spread=1 count=0 text=all\nprefilled 2 job=3\ntokens 2 job=3 text=a\n");
    move(&old, &new, 3, 0, 2);
    given(&new, "open 1\nhello 1 node=b\nactor 1\nheld 1 stream=73 branch=1 found=1\nheld 1 stream=73\nheld 1 stream=0\n"
                "open 2\nhello 2 node=a\nactor 2\n");
    story(&new, "> held 2 stream=0\n"
                "send 1 adopt stream=73.1 job=2.2 said=0\n"
                "send 2 run job=1.1 key=0 seed=0 all\n");
    end_both(&old, &new);
}

/* Its first answer has ended there. The worker still has it, and its program knows what the client has of it. */
static void an_answer_that_has_ended_comes_again(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    given(&old, "open 1\nhello 1 node=a\nactor 1 slots=2\nprompt 1 stream=71 count=2\nprefilled 1 job=1\nprefilled 1 job=2\ndone 1 job=1\n");
    move(&old, &new, 1, 0, 1);
    given(&new, "open 1\nhello 1 node=a\nactor 1 slots=2\nheld 1 stream=71 branch=0 found=1\nheld 1 stream=71 branch=1 found=1\nheld 1 stream=71\n");
    story(&new, "> held 1 stream=0\n"
                "send 1 adopt stream=71.0 job=1.2 said=0\n"
                "send 1 adopt stream=71.1 job=2.2 said=0\n");
    end_both(&old, &new);
}

static void embeddings_are_asked_for_again(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    given(&old, "open 1\nhello 1 node=a\nactor 1 kind=3 slots=2\nprompt 1 kind=3 inputs=3\ndone 1 job=1 vector=4\n");
    move(&old, &new, 1, 0, 1);
    given(&new, "open 1\nhello 1 node=a\nactor 1 kind=3 slots=2\n");
    story(&new, "> held 1 stream=0\n"
                "send 1 run job=1.2 key=0 seed=0 one\n"
                "send 1 run job=2.2 key=0 seed=1 two\n"
                "> done 1 job=1.2 vector=4\n"
                "done 1.0 finish=1 actor=0 node=a vector=4\n"
                "send 1 run job=3.2 key=0 seed=2 three\n");
    end_both(&old, &new);
}

/* More tokens were delivered than the old head could keep: as with its worker, the answer is lost with its head. */
static void an_answer_too_long_to_be_kept_ends(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    old.cfg.resume_bytes_max = 1;
    given(&old, "open 1\nhello 1 node=a\nactor 1\nprompt 1 stream=71\nprefilled 1 job=1\ntokens 1 job=1 n=2\n");
    move(&old, &new, 1, 2, 1);
    assert_non_null(strstr(buf_cstr(&new.said), "resume_tokens_max"));
    assert_non_null(strstr(buf_cstr(&new.said), "end 1 of 1"));
    buf_reset(&new.said);
    end_both(&old, &new);
}

/* The new head was told of smaller limits: who was let in stays, who comes is refused. */
static void who_was_let_in_stays(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    new.cfg.queue_jobs_max = 1;
    for (uint64_t call = 1; call <= 4; call++)
        move(&old, &new, call, 2, 1);
    story(&new, "> prompt 9\n"
                "failed 9 ERR_BUSY: the queue is full: 1 of 1 requests wait (queue_jobs_max); come back in 5 s retry=5\n");
    given(&new, "open 1\nhello 1 node=a\nactor 1 slots=4\nheld 1 stream=71\nheld 1 stream=72\nheld 1 stream=74\n");
    story(&new, "> held 1 stream=0\n"
                "send 1 run job=1.2 key=0 seed=9 one resume=7,8\n"
                "send 1 run job=2.2 key=0 seed=0 two\n"
                "send 1 run job=4.2 key=0 seed=0 four\n"
                "send 1 run job=3.1 key=0 seed=0 three\n");
    end_both(&old, &new);
}

/* Given a stream that was found at a worker, which does not tell what its client called the model; then it is not begun on another one. */
static void a_stream_that_was_found_keeps_its_model(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    given(&old, "open 1\nhello 1 node=a\nactor 1 model=m1\nresume 1 stream=71 said=0\nheld 1 stream=71 found=1\nheld 1 stream=71\n");
    move(&old, &new, 1, 0, 1);
    given(&new, "open 1\nhello 1 node=b\nactor 1 model=m2 digest=d2\nheld 1 stream=71\n");
    story(&new, "> held 1 stream=0\n"
                "> open 2\n"
                "> hello 2 node=a\n"
                "send 2 welcome worker=2\n"
                "> actor 2 model=m1\n"
                "send 2 actor_ack key=0 id=1\n"
                "send 2 run job=1.3 key=0 seed=0 hi\n");
    end_both(&old, &new);
}

/* Given a job whose model's only worker is being started anew; when its head gives its place; then it waits on, although nobody has
 * told the new head of that model. */
static void a_model_that_was_there_is_waited_for(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    new.cfg.settle_ms = 10000;
    given(&old, "open 1\nhello 1 node=a\nactor 1 model=m1\nprompt 1 stream=71 model=m1 text=one\nclosed 1\nprompt 2 stream=72 model=m1 text=two\n");
    move(&old, &new, 1, 0, 0);
    move(&old, &new, 2, 0, 0);
    given(&new, "open 2\nhello 2 node=b\nactor 2 model=m2 digest=d2\n");
    for (int i = 0; i < 15; i++)
        given(&new, "wait 1000\nbeat 2\n");
    given(&new, "open 1\nhello 1 node=a\n");
    story(&new, "> actor 1 model=m1\n"
                "send 1 actor_ack key=0 id=1\n"
                "send 1 run job=1.2 key=0 seed=0 one\n"
                "> done 1 job=1.2\n"
                "done 1.0 finish=1 actor=1 node=a\n"
                "end 1 of 1\n"
                "send 1 run job=2.1 key=0 seed=0 two\n"
                "> prompt 3 model=m3\n"
                "failed 3 ERR_NOT_FOUND: there is no model 'm3'; there is: 'm1', 'm2'\n");
    end_both(&old, &new);
}

/* Given an answer in the last of its attempts, which runs on at its worker; when that takes no new jobs before all workers are back; then
 * the attempt has not failed by that. */
static void an_attempt_that_goes_on_is_not_in_vain(void **state)
{
    (void)state;
    struct story old = story_begin(), new = story_begin();
    old.cfg.attempts_max = new.cfg.attempts_max = 1;
    given(&old, "open 1\nhello 1 node=a\nactor 1\nprompt 1 stream=71 text=one\n");
    move(&old, &new, 1, 0, 2);
    given(&new, "open 1\nhello 1 node=a\nactor 1\nheld 1 stream=71 found=1\nheld 1 stream=71\nheld 1 stream=0\n");
    story(&new, "> availability 1 availability=1\n"
                "> open 2\n"
                "> hello 2 node=b\n"
                "send 2 welcome worker=2\n"
                "send 2 seek stream=0\n"
                "> actor 2\n"
                "send 2 actor_ack key=0 id=1\n"
                "> held 2 stream=0\n"
                "send 2 run job=1.2 key=0 seed=0 one\n");
    end_both(&old, &new);
}

static void a_client_that_goes_meanwhile_is_forgotten(void **state)
{
    (void)state;
    struct story old = a_busy_head(), new = story_begin();
    move(&old, &new, 1, 2, 2);
    story(&new, "> open 1\n"
                "> hello 1 node=a\n"
                "send 1 welcome worker=1\n"
                "send 1 seek stream=71 said=2\n"
                "send 1 seek stream=0\n"
                "> actor 1\n"
                "send 1 actor_ack key=0 id=0\n"
                "> gone 1\n"
                "> held 1 stream=71 found=1 ids=2\n"
                "> held 1 stream=71\n"
                "> closed 1\n"
                "> wait 3000\n"); /* nobody is back */
    end_both(&old, &new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_on_when_all_workers_are_back),
        cmocka_unit_test(any_model_stays_known_over_two_heads),
        cmocka_unit_test(a_worker_that_stays_away_is_not_waited_for),
        cmocka_unit_test(what_was_not_sent_comes_again),
        cmocka_unit_test(an_older_copy_is_not_gone_on_with),
        cmocka_unit_test(only_its_kin_goes_on_with_an_answer),
        cmocka_unit_test(a_fan_out_that_had_not_begun_finds_all_actors),
        cmocka_unit_test(a_fan_out_that_runs_has_an_actor_for_each_answer),
        cmocka_unit_test(an_answer_that_has_ended_comes_again),
        cmocka_unit_test(embeddings_are_asked_for_again),
        cmocka_unit_test(an_answer_too_long_to_be_kept_ends),
        cmocka_unit_test(who_was_let_in_stays),
        cmocka_unit_test(a_client_that_goes_meanwhile_is_forgotten),
        cmocka_unit_test(a_stream_that_was_found_keeps_its_model),
        cmocka_unit_test(a_model_that_was_there_is_waited_for),
        cmocka_unit_test(an_attempt_that_goes_on_is_not_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
