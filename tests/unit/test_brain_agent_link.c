/* The link to a head: dialling, welcome, heartbeats, silence, refusal, leaving. */
#include "agent_story.h"

static void a_worker_joins_and_registers(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    s.quiet = false;
    story_actor(&s, 0, WIRE_ACTOR_READY);
    story_simple(&s, AGENT_START, 0);
    story_is(&s, "dial 0\n");
    story_simple(&s, AGENT_LINKED, 0);
    story_is(&s, "send 0 hello node=w1\n");
    assert_int_equal(agent_joined(s.agent), 0);
    story_welcome(&s, 0);
    story_is(&s, "[CLUSTER CONNECTION] event=joined head=0 worker=17 version=0.1.0\n"
                 "[ACTOR REGISTRATION] event=registering actors=1\n"
                 "send 0 actor key=0 state=2 model=smollm2\n");
    assert_int_equal(agent_joined(s.agent), 1);
    story_ack(&s, 0, 0, 5);
    story_is(&s, "[ACTOR REGISTRATION] event=actor_registered actor=5\n"
                 "[ACTOR REGISTRATION] event=all_registered actors=1\n"
                 "[WORKER NODE READY] event=worker_ready head=0\n");
    story_end(&s);
}

static void an_actor_that_gets_ready_later_makes_the_worker_ready(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    story_simple(&s, AGENT_LINKED, 0);
    story_welcome(&s, 0);
    story_forget(&s);
    s.quiet = false;
    story_actor(&s, 0, WIRE_ACTOR_LOADING);
    story_is(&s, "[ACTOR REGISTRATION] event=registering actors=1\n"
                 "send 0 actor key=0 state=1 model=smollm2\n");
    story_ack(&s, 0, 0, 0);
    story_is(&s, "[ACTOR REGISTRATION] event=actor_registered actor=0\n"
                 "[ACTOR REGISTRATION] event=all_registered actors=1\n");
    story_actor(&s, 0, WIRE_ACTOR_READY);
    story_is(&s, "send 0 actor key=0 state=2 model=smollm2\n"
                 "[WORKER NODE READY] event=worker_ready head=0\n");
    story_ack(&s, 0, 0, 0); /* the answer to the second registration says nothing new */
    story_is(&s, "");
    story_actor(&s, 0, WIRE_ACTOR_GONE);
    story_is(&s, "send 0 actor key=0 state=4 model=smollm2\n");
    story_end(&s);
}

static void an_actor_too_many_is_left_out_and_said(void **state)
{
    (void)state;
    struct story s = story_joined();
    for (uint32_t key = 1; key < AGENT_ACTORS_MAX; key++)
        story_actor(&s, key, WIRE_ACTOR_LOADING);
    story_forget(&s);
    s.quiet = false;
    story_actor(&s, 99, WIRE_ACTOR_LOADING);
    story_is(&s, "[ACTOR REGISTRATION] event=actor_not_registered actor=99\n");
    s.quiet = true;
    story_actor(&s, 1, WIRE_ACTOR_GONE); /* one leaves: there is room again */
    story_forget(&s);
    story_actor(&s, 99, WIRE_ACTOR_LOADING);
    story_is(&s, "send 0 actor key=99 state=1 model=smollm2\n");
    story_end(&s);
}

static void failed_dials_are_spaced_out_up_to_the_maximum(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    uint64_t least_ms = 50, most_ms = 100;
    for (int i = 0; i < 10; i++) {
        story_forget(&s);
        story_simple(&s, AGENT_LINK_LOST, 0);
        uint64_t wait_ms = agent_deadline(s.agent) / 1000 - s.now_ms;
        assert_in_range(wait_ms, least_ms, most_ms);
        story_tick(&s, wait_ms - 1);
        story_is(&s, "");
        story_tick(&s, 1);
        story_is(&s, "dial 0\n");
        most_ms = most_ms * 2 > 5000 ? 5000 : most_ms * 2;
        least_ms = most_ms / 2;
    }
    story_end(&s);
}

static void two_workers_do_not_redial_in_the_same_millisecond(void **state)
{
    (void)state;
    uint64_t due[2][6];
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct agent_config cfg = agent_config_default();
        cfg.seed = seed;
        struct agent *a = agent_new(&cfg, 0);
        struct ag_effects fx = {0};
        agent_step(a, &(struct agent_event){.kind = AGENT_START}, &fx);
        for (size_t i = 0; i < 6; i++) {
            uint64_t now = i == 0 ? 0 : due[seed][i - 1];
            agent_step(a, &(struct agent_event){.kind = AGENT_TICK, .now_us = now}, &fx);
            agent_step(a, &(struct agent_event){.kind = AGENT_LINK_LOST, .now_us = now}, &fx);
            due[seed][i] = agent_deadline(a);
        }
        ag_effects_fini(&fx);
        agent_free(a);
    }
    assert_memory_not_equal(due[0], due[1], sizeof due[0]);
}

static void a_dial_nobody_welcomes_is_given_up(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    story_tick(&s, 3000);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_tick(&s, 1999);
    story_is(&s, "");
    story_tick(&s, 1);
    story_is(&s, "hang up 0\n");
    assert_true(agent_deadline(s.agent) == UINT64_MAX); /* until we are told that the link is gone */
    story_welcome(&s, 0);                               /* too late */
    story_is(&s, "");
    assert_int_equal(agent_joined(s.agent), 0);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 100);
    story_is(&s, "dial 0\n");
    story_end(&s);
}

static void a_heartbeat_goes_out_every_second(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_tick(&s, 999);
    story_is(&s, "");
    story_tick(&s, 1);
    story_is(&s, "measure 0\n");
    struct wire_beat beat = {.rss_bytes = 42};
    story_step(&s, (struct agent_event){.kind = AGENT_BEAT, .beat = &beat});
    story_is(&s, "send 0 beat rss=42\n");
    assert_int_equal(s.fx.ag[0].msg.beat.sent_us, s.now_ms * 1000);
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    story_tick(&s, 1000);
    story_is(&s, "measure 0\n");
    story_end(&s);
}

static void a_beat_asked_for_before_the_link_broke_is_dropped(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_forget(&s);
    story_step(&s, (struct agent_event){.kind = AGENT_BEAT, .beat = &(struct wire_beat){0}});
    story_is(&s, "");
    story_end(&s);
}

static void a_silent_head_is_left_and_dialled_again(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_wait(&s, 2999);
    story_is(&s, "measure 0\nmeasure 0\n");
    s.quiet = false;
    story_wait(&s, 1);
    story_is(&s, "[CLUSTER CONNECTION] event=head_lost head=0 worker=17\nhang up 0\n");
    s.quiet = true;
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 200);
    story_is(&s, "dial 0\n");
    story_end(&s);
}

static void any_word_of_the_head_counts_as_life(void **state)
{
    (void)state;
    struct story s = story_joined();
    for (int i = 0; i < 5; i++) {
        story_wait(&s, 2900);
        story_ack(&s, 0, 0, 0);
    }
    assert_int_equal(agent_joined(s.agent), 1);
    story_end(&s);
}

static void a_laptop_that_slept_does_not_blame_the_head(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_tick(&s, 60000); /* not one step in a minute: we were not running */
    story_is(&s, "measure 0\n");
    story_wait(&s, 2999); /* now we are, and there is still no word */
    story_forget(&s);
    story_wait(&s, 1);
    story_is(&s, "hang up 0\n");
    story_end(&s);
}

static void a_clock_that_falls_stands_still(void **state)
{
    (void)state;
    struct story s = story_joined();
    s.now_ms -= 900;
    story_tick(&s, 0);
    story_tick(&s, 999);
    story_is(&s, "");
    assert_true(agent_deadline(s.agent) == (s.now_ms + 1) * 1000); /* in the program's own time */
    story_tick(&s, 1);
    story_is(&s, "measure 0\n");
    story_end(&s);
}

static void a_final_refusal_ends_the_worker_with_the_heads_words(void **state)
{
    (void)state;
    struct story s = story_begin(2);
    story_simple(&s, AGENT_START, 0);
    story_simple(&s, AGENT_LINKED, 0);
    story_simple(&s, AGENT_LINKED, 1);
    story_welcome(&s, 1);
    story_forget(&s);
    story_msg(&s, 0,
              (struct wire_msg){.type = WIRE_refuse,
                                .refuse = {.error = 15, .message = str_of("speak version 2"), .final = 1}});
    story_is(&s, "hang up 0\nsend 1 bye\nhang up 1\nexit -15 the head refused this worker: speak version 2\n");
    assert_true(agent_deadline(s.agent) == UINT64_MAX);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "");
    story_end(&s);
}

static void a_refusal_that_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_refuse, .refuse = {.error = 8, .message = str_of("full")}});
    story_is(&s, "hang up 0\n");
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_wait(&s, 100);
    story_is(&s, "dial 0\n");
    story_end(&s);
}

static void a_head_that_talks_nonsense_is_hung_up_on(void **state)
{
    (void)state;
    struct wire_msg nonsense[] = {
        {.type = WIRE_hello}, {.type = WIRE_welcome}, {.type = WIRE_scale}, {.type = WIRE_tokens}};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct story s = story_joined();
        story_msg(&s, 0, nonsense[i]);
        story_is(&s, "hang up 0\n");
        story_end(&s);
    }
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    story_simple(&s, AGENT_LINKED, 0);
    story_forget(&s);
    story_run(&s, 0, 1, 1, 0); /* work before a welcome */
    story_is(&s, "hang up 0\n");
    story_end(&s);
}

static void an_absurd_heartbeat_interval_is_brought_into_range(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    story_simple(&s, AGENT_LINKED, 0);
    story_msg(&s, 0, (struct wire_msg){.type = WIRE_welcome, .welcome = {.beat_ms = 0, .lost_after_ms = 0}});
    assert_true(agent_deadline(s.agent) == (s.now_ms + 20) * 1000);
    story_forget(&s);
    story_tick(&s, 20);
    story_is(&s, "measure 0\n"); /* one beat without an answer is no silence yet */
    story_end(&s);
}

static void a_link_that_breaks_right_after_its_welcome_backs_off(void **state)
{
    (void)state;
    struct story s = story_begin(1);
    story_simple(&s, AGENT_START, 0);
    for (int i = 0; i < 8; i++) { /* another worker of our name pushes us out each time */
        story_simple(&s, AGENT_LINKED, 0);
        story_welcome(&s, 0);
        story_simple(&s, AGENT_LINK_LOST, 0);
        story_tick(&s, agent_deadline(s.agent) / 1000 - s.now_ms);
    }
    assert_true(s.now_ms > 1000 + 6000);
    story_simple(&s, AGENT_LINKED, 0);
    story_welcome(&s, 0);
    for (int i = 0; i < 6; i++) { /* this time it holds */
        story_wait(&s, 1000);
        story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    }
    story_simple(&s, AGENT_LINK_LOST, 0);
    assert_in_range(agent_deadline(s.agent) / 1000 - s.now_ms, 50, 100);
    story_end(&s);
}

static void stop_says_bye_and_exits(void **state)
{
    (void)state;
    struct story s = story_joined();
    story_run(&s, 0, 1, 1, 0);
    story_forget(&s);
    story_simple(&s, AGENT_STOP, 0);
    story_is(&s, "send 0 bye\ncancel actor=0 ticket=1\nhang up 0\nexit 0 \n");
    story_step(&s, (struct agent_event){.kind = AGENT_DONE, .ticket = 1, .done = &(struct wire_done){0}});
    story_tick(&s, 10000);
    story_is(&s, "");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_joins_and_registers),
        cmocka_unit_test(an_actor_that_gets_ready_later_makes_the_worker_ready),
        cmocka_unit_test(an_actor_too_many_is_left_out_and_said),
        cmocka_unit_test(failed_dials_are_spaced_out_up_to_the_maximum),
        cmocka_unit_test(two_workers_do_not_redial_in_the_same_millisecond),
        cmocka_unit_test(a_dial_nobody_welcomes_is_given_up),
        cmocka_unit_test(a_heartbeat_goes_out_every_second),
        cmocka_unit_test(a_beat_asked_for_before_the_link_broke_is_dropped),
        cmocka_unit_test(a_silent_head_is_left_and_dialled_again),
        cmocka_unit_test(any_word_of_the_head_counts_as_life),
        cmocka_unit_test(a_laptop_that_slept_does_not_blame_the_head),
        cmocka_unit_test(a_clock_that_falls_stands_still),
        cmocka_unit_test(a_final_refusal_ends_the_worker_with_the_heads_words),
        cmocka_unit_test(a_refusal_that_may_pass_is_tried_again),
        cmocka_unit_test(a_head_that_talks_nonsense_is_hung_up_on),
        cmocka_unit_test(an_absurd_heartbeat_interval_is_brought_into_range),
        cmocka_unit_test(a_link_that_breaks_right_after_its_welcome_backs_off),
        cmocka_unit_test(stop_says_bye_and_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
