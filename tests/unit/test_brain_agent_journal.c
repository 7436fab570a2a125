/* What a worker does for streams whose head is gone: they continue, are told of, and taken over. */
#include "agent_story.h"

enum { STREAM = 0x77 };

static void run_stream(struct story *s, uint32_t head, uint64_t job, uint64_t stream, uint32_t branch)
{
    story_msg(s, head,
              (struct wire_msg){.type = WIRE_run,
                                .run = {.job = job, .attempt = 1, .text = str_of("hi"), .stream = stream, .branch = branch}});
}

static void prefilled(struct story *s, uint64_t ticket)
{
    struct wire_prefilled m = {.prompt_tokens = 3};
    story_step(s, (struct agent_event){.kind = AGENT_PREFILLED, .ticket = ticket, .prefilled = &m});
}

static void token(struct story *s, uint64_t ticket, uint32_t first, const char *text)
{
    int32_t id = (int32_t)(100 + first);
    struct wire_tokens m = {.first = first, .text = str_of(text), .ids = {&id, 1}};
    story_step(s, (struct agent_event){.kind = AGENT_TOKENS, .ticket = ticket, .tokens = &m});
}

static void done(struct story *s, uint64_t ticket, uint8_t finish)
{
    struct wire_done m = {.finish = finish};
    story_step(s, (struct agent_event){.kind = AGENT_DONE, .ticket = ticket, .done = &m});
}

static void seek(struct story *s, uint32_t head, uint64_t stream, int32_t said)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_seek, .seek = {.stream = stream, .said = {&said, 1}}});
}

/* By a head that took the place of another one. */
static void take_seek(struct story *s, uint32_t head, uint64_t stream, int32_t said)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_seek, .seek = {.stream = stream, .said = {&said, 1}, .taken = 1}});
}

static void adopt(struct story *s, uint32_t head, uint64_t job, uint32_t said)
{
    story_msg(s, head, (struct wire_msg){.type = WIRE_adopt, .adopt = {.stream = STREAM, .job = job, .attempt = 2, .said = said}});
}

/* The head comes back as another process, unless the epoch stays. */
static void head_is_back(struct story *s, uint64_t epoch)
{
    s->epoch = epoch;
    story_wait(s, 150);
    story_simple(s, AGENT_LINKED, 0);
    story_welcome(s, 0);
    story_ack(s, 0, 0, 0);
    story_forget(s);
}

/* Its next life asks for the stream, of which the client has two tokens, and is told of it. */
static void the_next_head_finds_it(struct story *s)
{
    head_is_back(s, 2);
    seek(s, 0, STREAM, 2);
    story_is(s, "send 0 held stream=77.0 found=1 key=0 ids=2\n"
                "send 0 held stream=77.0 found=0 key=0 ids=0\n");
}

/* A stream of which the head has had two tokens. */
static struct story in_the_middle(void)
{
    struct story s = story_joined();
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    token(&s, 1, 0, "a");
    token(&s, 1, 1, "b");
    story_forget(&s);
    return s;
}

static void a_stream_goes_on_without_its_head_and_the_next_one_takes_it_over(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, ""); /* nothing is cancelled */
    token(&s, 1, 2, "c");
    token(&s, 1, 3, "d");
    the_next_head_finds_it(&s);
    adopt(&s, 0, 9, 2);
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=2 text=c\n"
                 "send 0 tokens job=9.2 first=3 text=d\n");
    token(&s, 1, 4, "e");
    done(&s, 1, FINISH_STOP);
    story_is(&s, "send 0 tokens job=9.2 first=4 text=e\n"
                 "send 0 done job=9.2 finish=1 error=0\n");
    story_end(&s);
}

/* Given a stream adrift that is asked for shortly before it would be forgotten, by a head that dies before it can adopt it; when that
 * time has passed; then it is still there for the next one. */
static void what_is_asked_for_is_kept_as_long_again(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    for (uint64_t epoch = 2; epoch <= 4; epoch++) {
        story_simple(&s, AGENT_LINK_LOST, 0);
        story_wait(&s, 40000); /* of the 60 s */
        story_simple(&s, AGENT_LINK_LOST, 0); /* of what it dialled meanwhile */
        s.epoch = epoch;
        story_wait(&s, 400);
        story_simple(&s, AGENT_LINKED, 0);
        story_welcome(&s, 0);
        story_forget(&s);
        seek(&s, 0, STREAM, 2);
        story_is(&s, "send 0 held stream=77.0 found=1 key=0 ids=2\n"
                     "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    }
    story_end(&s);
}

static void the_same_head_has_given_its_jobs_to_others_meanwhile(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    s.epoch = 0;
    story_wait(&s, 200);
    story_forget(&s);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_welcome(&s, 0);
    story_is(&s, "cancel actor=0 ticket=1\n"
                 "send 0 actor key=0 state=2 model=smollm2\n");
    story_end(&s);
}

static void nobody_asks_for_it_and_it_ends(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 59999);
    assert_null(strstr(buf_cstr(&s.said), "cancel"));
    story_wait(&s, 2);
    assert_non_null(strstr(buf_cstr(&s.said), "cancel actor=0 ticket=1"));
    story_end(&s);
}

/* Given a branch that ended minutes ago while another one of its stream runs elsewhere; when their head dies; then whoever continues
 * with the stream gets both. */
static void a_branch_that_ended_long_ago_is_still_told(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    done(&s, 1, FINISH_STOP);
    story_wait(&s, 540000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    the_next_head_finds_it(&s);
    adopt(&s, 0, 9, 2);
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 done job=9.2 finish=1 error=0\n");
    story_wait(&s, 600000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    head_is_back(&s, 3);
    seek(&s, 0, STREAM, 2);
    story_is(&s, "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    story_end(&s);
}

static void one_that_ended_meanwhile_is_told_to_its_end(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    token(&s, 1, 2, "c");
    done(&s, 1, FINISH_STOP);
    head_is_back(&s, 2);
    adopt(&s, 0, 9, 2);
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=2 text=c\n"
                 "send 0 done job=9.2 finish=1 error=0\n");
    adopt(&s, 0, 10, 3); /* the client came again, with all but the end */
    story_is(&s, "send 0 prefilled job=10.2\n"
                 "send 0 done job=10.2 finish=1 error=0\n");
    story_end(&s);
}

static void a_client_that_has_less_than_was_sent_gets_it_again(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    head_is_back(&s, 2);
    adopt(&s, 0, 9, 0);
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=0 text=a\n"
                 "send 0 tokens job=9.2 first=1 text=b\n");
    story_end(&s);
}

/* Its client went away, which cancelled it, and came back. */
static void a_cancelled_stream_is_computed_again_after_what_the_client_has(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_cancel(&s, 0, 5, 1);
    done(&s, 1, FINISH_CANCELLED);
    story_forget(&s);
    seek(&s, 0, STREAM, 1);
    story_is(&s, "send 0 held stream=77.0 found=1 key=0 ids=1\n"
                 "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    adopt(&s, 0, 9, 1);
    story_is(&s, "run actor=0 ticket=2 hi\n");
    prefilled(&s, 2);
    token(&s, 2, 1, "B");
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=1 text=B\n");
    story_end(&s);
}

/* The log of a stream that came here in its middle begins there. */
static void a_client_from_before_the_stream_came_here_is_computed_again(void **state)
{
    (void)state;
    struct story s = story_joined();
    static const int32_t before[] = {100, 101, 102};
    story_msg(&s, 0,
              (struct wire_msg){.type = WIRE_run,
                                .run = {.job = 5, .attempt = 2, .text = str_of("hi"), .stream = STREAM, .resume = {before, 3}}});
    prefilled(&s, 1);
    token(&s, 1, 3, "d");
    story_simple(&s, AGENT_LINK_LOST, 0);
    the_next_head_finds_it(&s);
    adopt(&s, 0, 9, 2);
    story_is(&s, "cancel actor=0 ticket=1\n"
                 "run actor=0 ticket=2 hi\n");
    done(&s, 1, FINISH_CANCELLED);
    story_is(&s, "");
    prefilled(&s, 2);
    token(&s, 2, 2, "c");
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=2 text=c\n");
    story_end(&s);
}

static struct story two_heads(void)
{
    struct story s = story_joined_by(2);
    return s;
}

static void another_head_takes_it_while_the_first_still_has_it(void **state)
{
    (void)state;
    struct story s = two_heads();
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    token(&s, 1, 0, "a");
    story_forget(&s);
    adopt(&s, 1, 9, 1);
    story_is(&s, "send 0 done job=5.1 finish=4 error=11\n"
                 "send 1 prefilled job=9.2\n");
    token(&s, 1, 1, "b");
    story_is(&s, "send 1 tokens job=9.2 first=1 text=b\n");
    story_end(&s);
}

/* Its client came to the second head while the first one was still waiting for a slot to continue it. */
static void a_head_that_asked_before_another_one_does_not_get_it(void **state)
{
    (void)state;
    struct story s = two_heads();
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    token(&s, 1, 0, "a");
    story_simple(&s, AGENT_LINK_LOST, 0);
    head_is_back(&s, 2);
    seek(&s, 0, STREAM, 1);
    seek(&s, 1, STREAM, 1);
    adopt(&s, 1, 9, 1);
    story_forget(&s);
    adopt(&s, 0, 7, 1);
    story_is(&s, "send 0 done job=7.2 finish=4 error=11\n");
    token(&s, 1, 1, "b");
    story_is(&s, "send 1 tokens job=9.2 first=1 text=b\n");
    story_end(&s);
}

/* Given a client that came to the second head; when a word of the first one that had been on its way for long is read, and its link
 * ends; then nothing of that counts any more. */
static void what_was_asked_over_a_link_that_has_ended_does_not_count(void **state)
{
    (void)state;
    struct story s = two_heads();
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    token(&s, 1, 0, "a");
    seek(&s, 1, STREAM, 1);
    seek(&s, 0, STREAM, 1);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_forget(&s);
    adopt(&s, 1, 9, 1);
    story_is(&s, "send 1 prefilled job=9.2\n");
    story_end(&s);
}

/* Given a head that was told that actor 0 has its stream; when the stream runs again on actor 1, for a head that does not know yet
 * that its client has left; then the first one does not get it: it would count a slot of the wrong actor. */
static void what_runs_on_another_actor_than_was_told_is_not_adopted(void **state)
{
    (void)state;
    struct story s = two_heads();
    story_actor(&s, 1, WIRE_ACTOR_READY);
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    seek(&s, 1, STREAM, 0);
    story_cancel(&s, 0, 5, 1);
    done(&s, 1, FINISH_CANCELLED);
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_run, .run = {.job = 5, .attempt = 2, .key = 1, .text = str_of("hi"), .stream = STREAM}});
    prefilled(&s, 2);
    story_forget(&s);
    adopt(&s, 1, 9, 0);
    story_is(&s, "send 1 done job=9.2 finish=4 error=9\n");
    seek(&s, 1, STREAM, 0);
    story_forget(&s);
    adopt(&s, 1, 10, 0);
    story_is(&s, "send 0 done job=5.2 finish=4 error=11\n"
                 "send 1 prefilled job=10.2\n");
    story_end(&s);
}

/* Given a client that left the first head for the second one, unnoticed; when another process takes the place of the first head, with what
 * it holds for a client; then it is not told of the stream, which the second one continues. What is adrift it is told of. */
static void a_head_that_takes_a_place_does_not_get_what_went_elsewhere(void **state)
{
    (void)state;
    struct story s = two_heads();
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    seek(&s, 1, STREAM, 0);
    adopt(&s, 1, 9, 0);
    story_simple(&s, AGENT_LINK_LOST, 0);
    head_is_back(&s, 2);
    take_seek(&s, 0, STREAM, 0);
    story_is(&s, "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    token(&s, 1, 0, "a");
    story_is(&s, "send 1 tokens job=9.2 first=0 text=a\n");
    story_simple(&s, AGENT_LINK_LOST, 1);
    story_forget(&s);
    take_seek(&s, 0, STREAM, 0);
    story_is(&s, "send 0 held stream=77.0 found=1 key=0 ids=0\n"
                 "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    story_end(&s);
}

static void what_is_not_kept_cannot_be_adopted(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    adopt(&s, 0, 9, 3); /* more than there is */
    story_is(&s, "send 0 done job=9.2 finish=4 error=9\n");
    seek(&s, 0, 0, 0);
    story_is(&s, "send 0 held stream=0.0 found=0 key=0 ids=0\n");
    story_end(&s);
}

static void memory_is_bounded_and_the_oldest_goes_first(void **state)
{
    (void)state;
    struct story s = story_joined();
    static char long_text[200000];
    memset(long_text, 'x', sizeof long_text - 1);
    for (uint64_t i = 1; i <= 200; i++) { /* 40 MB of answers */
        run_stream(&s, 0, i, i, 0);
        prefilled(&s, i);
        token(&s, i, 0, long_text);
        done(&s, i, FINISH_STOP); /* agent_check() after each step holds the sum against journal_bytes_max */
        story_forget(&s);
    }
    seek(&s, 0, 1, 0);
    story_is(&s, "send 0 held stream=1.0 found=0 key=0 ids=0\n");
    seek(&s, 0, 200, 1);
    story_is(&s, "send 0 held stream=c8.0 found=1 key=0 ids=1\n"
                 "send 0 held stream=c8.0 found=0 key=0 ids=0\n");
    story_end(&s);
}

static void a_worker_that_leaves_takes_nothing_with_it(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_forget(&s);
    story_simple(&s, AGENT_STOP, 0);
    assert_non_null(strstr(buf_cstr(&s.said), "cancel actor=0 ticket=1\n"));
    done(&s, 1, FINISH_CANCELLED);
    story_end(&s);
}

/* ---- a worker that drains, and loses its head ---- */

static void head_saves(struct story *s)
{
    story_msg(s, 0, (struct wire_msg){.type = WIRE_kv_save, .kv_save = {.job = 5, .attempt = 1}});
}

static void engine_saved(struct story *s)
{
    struct buf carry = buf_max(100);
    buf_puts(&carry, "what is computed of it");
    story_step(s, (struct agent_event){.kind = AGENT_SAVED, .ticket = 1, .carry = &carry});
    buf_fini(&carry);
    done(s, 1, FINISH_CANCELLED);
}

/* A stream leaves a worker that drains, and its head has been told so. */
static struct story just_leaving(uint32_t heads_n, uint32_t grace_ms)
{
    struct story s = story_joined_by(heads_n);
    run_stream(&s, 0, 5, STREAM, 0);
    prefilled(&s, 1);
    token(&s, 1, 0, "a");
    token(&s, 1, 1, "b");
    story_signal(&s, grace_ms);
    head_saves(&s);
    story_forget(&s);
    engine_saved(&s);
    story_is(&s, "send 0 kv_saved job=5.1 bytes=22\n");
    return s;
}

/* When the head dies before it has handed on what was saved; then nobody else has the stream: the worker stays, tells the next
 * head what it has, takes no job, and leaves when its time is over. */
static void what_was_saved_for_a_head_that_died_is_still_here(void **state)
{
    (void)state;
    struct story s = just_leaving(1, 8000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "");
    s.epoch = 2;
    story_wait(&s, 150);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_welcome(&s, 0);
    story_is(&s, "send 0 availability 2: SIGTERM\nsend 0 actor key=0 state=2 model=smollm2\n");
    seek(&s, 0, STREAM, 2);
    story_is(&s, "send 0 held stream=77.0 found=1 key=0 ids=2\n"
                 "send 0 held stream=77.0 found=0 key=0 ids=0\n");
    adopt(&s, 0, 9, 2); /* there is nothing to continue at once, and it takes no jobs */
    story_is(&s, "send 0 done job=9.2 finish=4 error=9\n");
    for (int beat = 0; beat < 7; beat++) {
        story_wait(&s, 1000);
        story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    }
    assert_null(strstr(buf_cstr(&s.said), "exit"));
    story_wait(&s, 900);
    assert_non_null(strstr(buf_cstr(&s.said), "send 0 bye\nhang up 0\nexit 0"));
    story_end(&s);
}

/* The client comes to the other head, which the worker has joined, too. */
static void what_was_saved_for_a_head_that_died_is_told_to_another_one(void **state)
{
    (void)state;
    struct story s = just_leaving(2, 8000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "");
    seek(&s, 1, STREAM, 1);
    story_is(&s, "send 1 held stream=77.0 found=1 key=0 ids=1\n"
                 "send 1 held stream=77.0 found=0 key=0 ids=0\n");
    story_end(&s);
}

/* The head dies while the engine still saves. */
static void what_is_saved_too_late_is_still_here(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_signal(&s, 8000);
    head_saves(&s);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_forget(&s);
    engine_saved(&s);
    story_is(&s, ""); /* it stays */
    the_next_head_finds_it(&s);
    story_end(&s);
}

/* Given an answer that ended after its head had died; then its end is here and nowhere else, until a head has been told. */
static void an_answer_that_ended_without_its_head_waits_for_another_one(void **state)
{
    (void)state;
    struct story s = in_the_middle();
    story_signal(&s, 8000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    token(&s, 1, 2, "c");
    story_forget(&s);
    done(&s, 1, FINISH_STOP);
    story_is(&s, "");
    head_is_back(&s, 2);
    adopt(&s, 0, 9, 2);
    story_is(&s, "send 0 prefilled job=9.2\n"
                 "send 0 tokens job=9.2 first=2 text=c\n"
                 "send 0 done job=9.2 finish=1 error=0\n"
                 "send 0 bye\nhang up 0\nexit 0 \n");
    story_end(&s);
}

/* Only the link was lost: the head has let others continue it meanwhile. */
static void a_head_that_was_only_out_of_reach_has_it_all(void **state)
{
    (void)state;
    struct story s = just_leaving(1, 8000);
    s.epoch = 0;
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 150);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_welcome(&s, 0);
    story_is(&s, "send 0 availability 2: SIGTERM\nsend 0 actor key=0 state=2 model=smollm2\n"
                 "send 0 bye\nhang up 0\nexit 0 \n");
    story_end(&s);
}

/* However long the grace time is, a worker that drains does not wait for ever for a client. */
static void nobody_asks_for_what_was_saved_and_it_leaves(void **state)
{
    (void)state;
    struct story s = just_leaving(1, 3600000);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 59999);
    assert_null(strstr(buf_cstr(&s.said), "exit"));
    story_wait(&s, 1);
    assert_non_null(strstr(buf_cstr(&s.said), "exit 0 \n"));
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_goes_on_without_its_head_and_the_next_one_takes_it_over),
        cmocka_unit_test(what_is_asked_for_is_kept_as_long_again),
        cmocka_unit_test(the_same_head_has_given_its_jobs_to_others_meanwhile),
        cmocka_unit_test(nobody_asks_for_it_and_it_ends),
        cmocka_unit_test(a_branch_that_ended_long_ago_is_still_told),
        cmocka_unit_test(one_that_ended_meanwhile_is_told_to_its_end),
        cmocka_unit_test(a_client_that_has_less_than_was_sent_gets_it_again),
        cmocka_unit_test(a_cancelled_stream_is_computed_again_after_what_the_client_has),
        cmocka_unit_test(a_client_from_before_the_stream_came_here_is_computed_again),
        cmocka_unit_test(another_head_takes_it_while_the_first_still_has_it),
        cmocka_unit_test(a_head_that_asked_before_another_one_does_not_get_it),
        cmocka_unit_test(what_was_asked_over_a_link_that_has_ended_does_not_count),
        cmocka_unit_test(what_runs_on_another_actor_than_was_told_is_not_adopted),
        cmocka_unit_test(a_head_that_takes_a_place_does_not_get_what_went_elsewhere),
        cmocka_unit_test(what_is_not_kept_cannot_be_adopted),
        cmocka_unit_test(memory_is_bounded_and_the_oldest_goes_first),
        cmocka_unit_test(a_worker_that_leaves_takes_nothing_with_it),
        cmocka_unit_test(what_was_saved_for_a_head_that_died_is_still_here),
        cmocka_unit_test(what_was_saved_for_a_head_that_died_is_told_to_another_one),
        cmocka_unit_test(what_is_saved_too_late_is_still_here),
        cmocka_unit_test(an_answer_that_ended_without_its_head_waits_for_another_one),
        cmocka_unit_test(a_head_that_was_only_out_of_reach_has_it_all),
        cmocka_unit_test(nobody_asks_for_what_was_saved_and_it_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
