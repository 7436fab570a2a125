/* Jobs of an agent: run, engine events, cancel, refusals, and what a lost link does to them. */
#include "agent_story.h"

static void engine_says(struct story *s, enum agent_event_kind kind, uint64_t ticket)
{
    struct wire_prefilled prefilled = {.prompt_tokens = 3};
    struct wire_tokens tokens = {.first = 0, .text = str_of("hello")};
    struct wire_done done = {.finish = FINISH_STOP};
    story_step(s, (struct agent_event){
                      .kind = kind, .ticket = ticket, .prefilled = &prefilled, .tokens = &tokens, .done = &done});
}

static void a_job_runs_and_its_messages_carry_the_heads_numbers(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 91, 2, 0);
    story_is(&s, "run actor=0 ticket=1 hi\n");
    engine_says(&s, AGENT_PREFILLED, 1);
    engine_says(&s, AGENT_TOKENS, 1);
    engine_says(&s, AGENT_DONE, 1);
    story_is(&s, "send 0 prefilled job=91.2\n"
                 "send 0 tokens job=91.2 first=0 text=hello\n"
                 "send 0 done job=91.2 finish=1 error=0\n");
    story_run(&s, 0, 91, 2, 0); /* the number is free again, the ticket is not */
    story_is(&s, "run actor=0 ticket=2 hi\n");
    story_end(&s);
}

static void a_job_for_an_actor_that_is_not_there_ends_at_once(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 7);
    story_is(&s, "send 0 done job=1.1 finish=4 error=4\n");
    story_actor(&s, 3, WIRE_ACTOR_LOADING);
    story_forget(&s);
    story_run(&s, 0, 2, 1, 3);
    story_is(&s, "send 0 done job=2.1 finish=4 error=9\n");
    story_end(&s);
}

static void a_cancelled_job_says_nothing_more_but_done(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_cancel(&s, 0, 1, 2); /* another attempt: not ours */
    story_is(&s, "");
    story_cancel(&s, 0, 1, 1);
    story_is(&s, "cancel actor=0 ticket=1\n");
    story_cancel(&s, 0, 1, 1);
    engine_says(&s, AGENT_TOKENS, 1);
    story_is(&s, "");
    engine_says(&s, AGENT_DONE, 1);
    story_is(&s, "send 0 done job=1.1 finish=1 error=0\n");
    story_cancel(&s, 0, 1, 1); /* crossed with done */
    story_is(&s, "");
    story_end(&s);
}

static void two_jobs_of_one_number_end_with_one_done(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_run(&s, 0, 1, 1, 0);
    story_is(&s, "cancel actor=0 ticket=1\nsend 0 done job=1.1 finish=4 error=20\n");
    engine_says(&s, AGENT_DONE, 1);
    story_is(&s, "");
    story_end(&s);
}

static void a_lost_link_cancels_its_jobs_and_drops_what_they_still_say(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_run(&s, 0, 2, 1, 0);
    story_cancel(&s, 0, 2, 1);
    story_forget(&s);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "cancel actor=0 ticket=1\n"); /* the other one was cancelled before */
    story_wait(&s, 100);
    story_simple(&s, AGENT_LINKED, 0);
    story_welcome(&s, 0);
    story_forget(&s);
    story_run(&s, 0, 1, 1, 0); /* a restarted head counts from 1 again: this is another job */
    story_is(&s, "run actor=0 ticket=3 hi\n");
    engine_says(&s, AGENT_TOKENS, 1);
    engine_says(&s, AGENT_DONE, 1);
    engine_says(&s, AGENT_DONE, 2);
    story_is(&s, "");
    engine_says(&s, AGENT_DONE, 3);
    story_is(&s, "send 0 done job=1.1 finish=1 error=0\n");
    story_end(&s);
}

static void jobs_of_two_heads_do_not_meet(void **state)
{
    (void)state;
    struct story s = story_joined_by(2);
    story_run(&s, 0, 1, 1, 0);
    story_run(&s, 1, 1, 1, 0);
    story_forget(&s);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "cancel actor=0 ticket=1\n");
    engine_says(&s, AGENT_TOKENS, 2);
    story_is(&s, "send 1 tokens job=1.1 first=0 text=hello\n");
    story_end(&s);
}

static void more_jobs_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct story s = story_joined();
    for (uint64_t job = 1; job <= AGENT_JOBS_MAX; job++) {
        struct wire_msg run = {.type = WIRE_run, .run = {.job = job, .attempt = 1}};
        ag_effects_reset(&s.fx);
        agent_step(s.agent, &(struct agent_event){.kind = AGENT_LINK_MSG, .now_us = s.now_ms * 1000, .msg = &run},
                   &s.fx);
        assert_int_equal(s.fx.ag[0].kind, AG_RUN);
    }
    story_run(&s, 0, 9999, 1, 0);
    story_is(&s, "send 0 done job=9999.1 finish=4 error=8\n");
    engine_says(&s, AGENT_DONE, 1);
    story_forget(&s);
    story_run(&s, 0, 9999, 1, 0);
    story_is(&s, "run actor=0 ticket=4097 hi\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_and_its_messages_carry_the_heads_numbers),
        cmocka_unit_test(a_job_for_an_actor_that_is_not_there_ends_at_once),
        cmocka_unit_test(a_cancelled_job_says_nothing_more_but_done),
        cmocka_unit_test(two_jobs_of_one_number_end_with_one_done),
        cmocka_unit_test(a_lost_link_cancels_its_jobs_and_drops_what_they_still_say),
        cmocka_unit_test(jobs_of_two_heads_do_not_meet),
        cmocka_unit_test(more_jobs_than_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
