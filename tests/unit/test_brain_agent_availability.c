/* Whether a worker takes new jobs: told by heads and signals, and told to all heads. */
#include "agent_story.h"

static void the_engine_ends(struct story *s, uint64_t ticket)
{
    struct wire_done done = {.finish = FINISH_STOP};
    story_step(s, (struct agent_event){.kind = AGENT_DONE, .ticket = ticket, .done = &done});
}

static void a_signal_lets_what_runs_end_and_refuses_the_rest(void **state)
{
    (void)state;
    struct story s = story_joined_by(2);
    story_run(&s, 0, 1, 1, 0);
    story_run(&s, 1, 1, 1, 0);
    story_forget(&s);
    story_signal(&s, 8000);
    story_is(&s, "send 0 availability 2: SIGTERM\nsend 1 availability 2: SIGTERM\n");
    story_run(&s, 0, 2, 1, 0); /* it was on its way */
    story_is(&s, "send 0 done job=2.1 finish=4 error=9\n");
    the_engine_ends(&s, 1);
    story_is(&s, "send 0 done job=1.1 finish=1 error=0\n");
    the_engine_ends(&s, 2); /* the last one, of the other head */
    story_is(&s, "send 1 done job=1.1 finish=1 error=0\n"
                 "send 0 bye\nhang up 0\nsend 1 bye\nhang up 1\nexit 0 \n");
    story_end(&s);
}

static void with_nothing_running_it_leaves_at_once(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_signal(&s, 8000);
    story_is(&s, "send 0 availability 2: SIGTERM\nsend 0 bye\nhang up 0\nexit 0 \n");
    story_end(&s);
}

static void with_no_head_it_leaves_at_once(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_forget(&s);
    story_signal(&s, 8000);
    story_is(&s, "exit 0 \n");
    story_end(&s);
}

static void after_the_grace_time_it_leaves_with_jobs_running(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_signal(&s, 800);
    story_forget(&s);
    story_wait(&s, 399);
    story_is(&s, "");
    story_wait(&s, 1); /* half of a short time: what runs shall go elsewhere */
    story_is(&s, "send 0 availability 2: SIGTERM moves\n");
    story_wait(&s, 399);
    story_is(&s, "");
    story_wait(&s, 1);
    story_is(&s, "send 0 bye\ncancel actor=0 ticket=1\nhang up 0\nexit 0 \n");
    story_end(&s);
}

static void what_runs_goes_elsewhere_when_the_time_is_nearly_over(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_drain(&s, 0, 60000);
    for (int i = 0; i < 57; i++) {
        story_is(&s, i == 0 ? "run actor=0 ticket=1 hi\nsend 0 availability 2: a head asked for it\n" : "measure 0\n");
        story_wait(&s, 1000);
        story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    }
    story_is(&s, "send 0 availability 2: a head asked for it moves\nmeasure 0\n"); /* three seconds are left */

    story_msg(&s, 0, (struct wire_msg){.type = WIRE_kv_save, .kv_save = {.job = 1, .attempt = 1}});
    struct buf carry = buf_max(100);
    buf_puts(&carry, "what is computed of it");
    story_step(&s, (struct agent_event){.kind = AGENT_SAVED, .ticket = 1, .carry = &carry});
    story_step(&s, (struct agent_event){.kind = AGENT_DONE, .ticket = 1, .done = &(struct wire_done){.finish = FINISH_CANCELLED}});
    story_is(&s, "save actor=0 ticket=1\nsend 0 kv_saved job=1.1 bytes=22\n"); /* nothing runs, but this is wanted yet */
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_kv_pull, .kv_pull = {.job = 1, .attempt = 1, .bytes = 100}});
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_kv_drop, .kv_drop = {.job = 1, .attempt = 1}});
    story_is(&s, "send 0 kv_part job=1.1 offset=0 bytes=22\nsend 0 bye\nhang up 0\nexit 0 \n");
    story_end(&s);
}

static void what_runs_goes_elsewhere_at_once_when_that_is_asked_for(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_drain, .drain = {.grace_ms = 60000, .move = 1}});
    story_is(&s, "send 0 availability 2: a head asked for it moves\n");
    story_end(&s);
}

static void a_second_signal_does_not_wait(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_signal(&s, 8000);
    story_forget(&s);
    story_signal(&s, 8000);
    story_is(&s, "send 0 availability 2: SIGTERM moves\nsend 0 bye\ncancel actor=0 ticket=1\nhang up 0\nexit 0 \n");
    story_end(&s);
}

static void a_head_may_change_the_grace_time_of_a_drain_but_not_make_a_signal_wait(void **state)
{
    (void)state;
    struct story s = story_joined_by(2);
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_drain(&s, 0, 500);
    story_is(&s, "send 0 availability 2: a head asked for it\nsend 1 availability 2: a head asked for it\n");
    story_drain(&s, 1, 60000); /* the other head gives more time */
    story_forget(&s);
    story_tick(&s, 10000);
    story_wait(&s, 500);
    story_forget(&s);
    assert_true(agent_joined(s.agent) == 2);
    story_signal(&s, 800); /* now somebody waits */
    story_drain(&s, 1, 60000);
    story_forget(&s);
    story_wait(&s, 800);
    assert_true(agent_joined(s.agent) == 0);
    story_end(&s);
}

static void a_cordon_is_told_to_all_heads_and_taken_back(void **state)
{
    (void)state;
    struct story s = story_joined_by(2);
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_cordon(&s, 0, 1);
    story_is(&s, "send 0 availability 1: a head asked for it\nsend 1 availability 1: a head asked for it\n");
    story_run(&s, 1, 7, 1, 0);
    story_is(&s, "send 1 done job=7.1 finish=4 error=9\n");
    the_engine_ends(&s, 1); /* and it stays */
    story_is(&s, "send 0 done job=1.1 finish=1 error=0\n");
    story_cordon(&s, 1, 1); /* who asks for what is so hears it */
    story_is(&s, "send 1 availability 1: a head asked for it\n");
    story_cordon(&s, 1, 0);
    story_is(&s, "send 0 availability 0: \nsend 1 availability 0: \n");
    story_run(&s, 1, 7, 1, 0);
    story_is(&s, "run actor=0 ticket=2 hi\n");
    story_end(&s);
}

static void a_drain_is_not_taken_back(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_drain(&s, 0, 5000);
    story_forget(&s);
    story_cordon(&s, 0, 0);
    story_is(&s, "send 0 availability 2: a head asked for it\n");
    story_end(&s);
}

static void a_head_that_welcomes_it_again_hears_of_it_first(void **state)
{
    (void)state;
    struct story s = story_joined_by(2);
    story_cordon(&s, 0, 1);
    story_simple(&s, AGENT_LINK_LOST, 1);
    story_wait(&s, 100);
    story_simple(&s, AGENT_LINKED, 1);
    story_forget(&s);
    story_welcome(&s, 1);
    story_is(&s, "send 1 availability 1: a head asked for it\nsend 1 actor key=0 state=2 model=smollm2\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_lets_what_runs_end_and_refuses_the_rest),
        cmocka_unit_test(with_nothing_running_it_leaves_at_once),
        cmocka_unit_test(with_no_head_it_leaves_at_once),
        cmocka_unit_test(after_the_grace_time_it_leaves_with_jobs_running),
        cmocka_unit_test(what_runs_goes_elsewhere_when_the_time_is_nearly_over),
        cmocka_unit_test(what_runs_goes_elsewhere_at_once_when_that_is_asked_for),
        cmocka_unit_test(a_second_signal_does_not_wait),
        cmocka_unit_test(a_head_may_change_the_grace_time_of_a_drain_but_not_make_a_signal_wait),
        cmocka_unit_test(a_cordon_is_told_to_all_heads_and_taken_back),
        cmocka_unit_test(a_drain_is_not_taken_back),
        cmocka_unit_test(a_head_that_welcomes_it_again_hears_of_it_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
