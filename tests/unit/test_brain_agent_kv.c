/* A job leaves one worker with what is computed of it, and comes to another one: the agents' part. */
#include "agent_story.h"

#include "base/sum.h"

enum { STATE = 3 * WIRE_KV_PART_BYTES / 2 }; /* a part and a half */
static char state[STATE];

static void make_state(void)
{
    for (size_t i = 0; i < STATE; i++)
        state[i] = (char)(i * 31 + i / 4096);
}

/* ---- leaving ---- */

static void engine_saved(struct story *s, uint64_t ticket, size_t bytes)
{
    struct buf carry = buf_max(STATE);
    buf_add(&carry, state, bytes);
    story_step(s, (struct agent_event){.kind = AGENT_SAVED, .ticket = ticket, .carry = &carry, .text = str_of("too much")});
    buf_fini(&carry);
}

static void engine_done(struct story *s, uint64_t ticket)
{
    struct wire_done done = {.finish = FINISH_CANCELLED};
    story_step(s, (struct agent_event){.kind = AGENT_DONE, .ticket = ticket, .done = &done});
}

static void head_saves(struct story *s, uint64_t job)
{
    story_msg(s, 0, (struct wire_msg){.type = WIRE_kv_save, .kv_save = {.job = job, .attempt = 1}});
}

static void head_pulls(struct story *s, uint64_t job, uint64_t offset)
{
    story_msg(s, 0, (struct wire_msg){.type = WIRE_kv_pull,
                                      .kv_pull = {.job = job, .attempt = 1, .offset = offset, .bytes = WIRE_KV_PART_BYTES}});
}

static void head_drops(struct story *s, uint64_t job)
{
    story_msg(s, 0, (struct wire_msg){.type = WIRE_kv_drop, .kv_drop = {.job = job, .attempt = 1}});
}

/* Job 91 has left: it was saved, the head knows. */
static struct story story_left(void)
{
    struct story s = story_joined();
    story_run(&s, 0, 91, 1, 0);
    head_saves(&s, 91);
    engine_saved(&s, 1, STATE);
    engine_done(&s, 1);
    return s;
}

static void a_job_leaves_with_what_is_computed_of_it(void **arg)
{
    (void)arg;
    struct story s = story_left();
    story_is(&s, "run actor=0 ticket=1 hi\n"
                 "save actor=0 ticket=1\n"
                 "send 0 kv_saved job=91.1 bytes=393216\n"); /* and no done after it */
    head_pulls(&s, 91, 0);
    head_pulls(&s, 91, WIRE_KV_PART_BYTES);
    story_is(&s, "send 0 kv_part job=91.1 offset=0 bytes=262144\n"
                 "send 0 kv_part job=91.1 offset=262144 bytes=131072\n");
    assert_memory_equal(s.fx.ag[0].msg.kv_part.bytes.p, state + WIRE_KV_PART_BYTES, STATE - WIRE_KV_PART_BYTES);
    head_drops(&s, 91);
    head_pulls(&s, 91, 0); /* it is not here any more */
    story_is(&s, "send 0 kv_part job=91.1 offset=0 bytes=0\n");
    story_end(&s);
}

static void a_job_of_which_nothing_can_be_saved_goes_on(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    story_run(&s, 0, 91, 1, 0);
    head_saves(&s, 91);
    story_forget(&s);
    engine_saved(&s, 1, 0);
    story_is(&s, "send 0 kv_saved job=91.1 bytes=0 too much\n");
    struct wire_done done = {.finish = FINISH_STOP};
    story_step(&s, (struct agent_event){.kind = AGENT_DONE, .ticket = 1, .done = &done});
    story_is(&s, "send 0 done job=91.1 finish=1 error=0\n");
    head_saves(&s, 91); /* crossed with done */
    story_is(&s, "");
    engine_saved(&s, 1, STATE); /* of a ticket that has ended */
    story_is(&s, "");
    story_end(&s);
}

static void a_job_that_was_cancelled_meanwhile_is_forgotten(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    story_run(&s, 0, 91, 1, 0);
    head_saves(&s, 91);
    story_cancel(&s, 0, 91, 1);
    story_forget(&s);
    engine_saved(&s, 1, STATE);
    engine_done(&s, 1);
    story_is(&s, "send 0 done job=91.1 finish=3 error=0\n");
    head_pulls(&s, 91, 0);
    story_is(&s, "send 0 kv_part job=91.1 offset=0 bytes=0\n");
    story_end(&s);
}

static void what_nobody_pulls_is_forgotten(void **arg)
{
    (void)arg;
    struct story s = story_left();
    story_forget(&s);
    for (int beat = 0; beat < 6; beat++) { /* the head is there: its link stays up */
        story_wait(&s, 1000);
        story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    }
    story_forget(&s);
    head_pulls(&s, 91, 0); /* which gives it another ten seconds */
    story_is(&s, "send 0 kv_part job=91.1 offset=0 bytes=262144\n");
    for (int beat = 0; beat < 10; beat++) {
        story_wait(&s, 1000);
        story_msg(&s, 0, (struct wire_msg){.type = WIRE_beat_ack});
    }
    story_forget(&s);
    head_pulls(&s, 91, 0);
    story_is(&s, "send 0 kv_part job=91.1 offset=0 bytes=0\n");
    story_end(&s);
}

static void only_so_many_leave_at_once(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    for (uint64_t job = 1; job <= AGENT_CARRIES_MAX + 1; job++) {
        story_run(&s, 0, job, 1, 0);
        head_saves(&s, job);
        if (job <= AGENT_CARRIES_MAX) {
            engine_saved(&s, job, STATE);
            engine_done(&s, job);
            story_forget(&s);
        }
    }
    story_is(&s, "run actor=0 ticket=3 hi\n"
                 "send 0 kv_saved job=3.1 bytes=0 others are being moved\n");
    head_drops(&s, 1);
    head_saves(&s, 3);
    story_is(&s, "save actor=0 ticket=3\n");
    story_simple(&s, AGENT_LINK_LOST, 0); /* what is kept for that head goes with its link */
    story_end(&s);
}

/* Given several jobs that are to be saved before the engine has saved the first, then no more are than may be kept. */
static void no_more_are_saved_than_can_be_kept(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    for (uint64_t job = 1; job <= AGENT_CARRIES_MAX + 1; job++)
        story_run(&s, 0, job, 1, 0);
    story_forget(&s);
    for (uint64_t job = 1; job <= AGENT_CARRIES_MAX + 1; job++)
        head_saves(&s, job);
    head_saves(&s, 1); /* once more: it is on its way */
    story_is(&s, "save actor=0 ticket=1\n"
                 "save actor=0 ticket=2\n"
                 "send 0 kv_saved job=3.1 bytes=0 others are being moved\n");
    engine_saved(&s, 1, STATE);
    engine_done(&s, 1);
    engine_saved(&s, 2, 0); /* which makes room */
    story_forget(&s);
    head_saves(&s, 3);
    story_is(&s, "save actor=0 ticket=3\n");
    story_end(&s);
}

/* ---- coming ---- */

static void comes(struct story *s, uint64_t job, uint64_t bytes)
{
    struct wire_run run = {.job = job, .attempt = 1, .text = str_of("hi"), .kv_bytes = bytes,
                           .kv_sum = sum_of(str_n(state, STATE))};
    story_msg(s, 0, (struct wire_msg){.type = WIRE_run, .run = run});
}

static void part(struct story *s, uint64_t job, size_t offset, const char *bytes, size_t n)
{
    story_msg(s, 0, (struct wire_msg){.type = WIRE_kv_part,
                                      .kv_part = {.job = job, .attempt = 1, .offset = offset, .bytes = str_n(bytes, n)}});
}

static void what_is_computed_comes_in_parts(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    comes(&s, 7, STATE);
    assert_true(s.fx.ag[0].msg.run.kv_bytes == STATE); /* so the engine holds it */
    part(&s, 7, 0, state, WIRE_KV_PART_BYTES);
    part(&s, 7, WIRE_KV_PART_BYTES, state + WIRE_KV_PART_BYTES, STATE - WIRE_KV_PART_BYTES);
    story_is(&s, "run actor=0 ticket=1 hi\n"
                 "send 0 kv_ack job=7.1 bytes=262144\n"
                 "send 0 kv_ack job=7.1 bytes=393216\n"
                 "give actor=0 ticket=1 bytes=393216\n");
    part(&s, 7, STATE, state, 1); /* more than there was to come: of no job that waits */
    story_is(&s, "");
    story_end(&s);
}

/* Given a part that is changed, missing, doubled, empty or too long, then the engine computes, and the head is told. */
static void what_is_wrong_is_refused_and_computed(void **arg)
{
    (void)arg;
    static char wrong[STATE];
    memcpy(wrong, state, STATE);
    wrong[WIRE_KV_PART_BYTES + 5] ^= 4;
    struct { size_t offset, n; } second[] = {
        {WIRE_KV_PART_BYTES, STATE - WIRE_KV_PART_BYTES},     /* one bit is another */
        {WIRE_KV_PART_BYTES + 1, STATE - WIRE_KV_PART_BYTES - 1}, /* a byte is missing */
        {0, WIRE_KV_PART_BYTES},                              /* the first once more */
        {WIRE_KV_PART_BYTES, 0},                              /* it is gone */
        {WIRE_KV_PART_BYTES, WIRE_KV_PART_BYTES},             /* more than was announced */
    };
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        struct story s = story_joined();
        comes(&s, 7, STATE);
        part(&s, 7, 0, wrong, WIRE_KV_PART_BYTES);
        story_forget(&s);
        part(&s, 7, second[i].offset, wrong + (second[i].n == WIRE_KV_PART_BYTES ? 0 : second[i].offset), second[i].n);
        story_is(&s, "send 0 kv_ack job=7.1 bytes=0 refused\n"
                     "give actor=0 ticket=1 bytes=0\n");
        part(&s, 7, WIRE_KV_PART_BYTES, state, 1);
        story_is(&s, "");
        story_end(&s);
    }
}

static void when_no_more_comes_it_is_computed(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    comes(&s, 7, STATE);
    part(&s, 7, 0, state, WIRE_KV_PART_BYTES);
    story_forget(&s);
    head_drops(&s, 7);
    story_is(&s, "give actor=0 ticket=1 bytes=0\n");
    head_drops(&s, 7);
    story_is(&s, "");

    comes(&s, 8, STATE); /* cancelled while it waits */
    story_forget(&s);
    story_cancel(&s, 0, 8, 1);
    story_is(&s, "cancel actor=0 ticket=2\n");
    part(&s, 8, 0, state, WIRE_KV_PART_BYTES);
    story_is(&s, "");

    comes(&s, 9, (uint64_t)WIRE_KV_BYTES_MAX + 1); /* more than anybody has */
    story_is(&s, "send 0 kv_ack job=9.1 bytes=0 refused\n"
                 "run actor=0 ticket=3 hi\n");
    assert_true(s.fx.ag[1].msg.run.kv_bytes == 0);
    story_end(&s);
}

static void a_lost_link_frees_the_engine_of_waiting(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    comes(&s, 7, STATE);
    part(&s, 7, 0, state, WIRE_KV_PART_BYTES);
    story_forget(&s);
    story_simple(&s, AGENT_LINK_LOST, 0);
    story_is(&s, "give actor=0 ticket=1 bytes=0\n"
                 "cancel actor=0 ticket=1\n");
    story_end(&s);
}

/* ---- memory ---- */

/* What it tells its head. */
static uint64_t moving_bytes(struct story *s)
{
    struct wire_beat beat = {0};
    story_step(s, (struct agent_event){.kind = AGENT_BEAT, .beat = &beat});
    return s->fx.ag[0].msg.beat.moving_bytes;
}

/* Given one that comes and takes the most of the memory for that; then a second one is computed, one that is to be saved may take
 * what is left, and no third. When the first has come no more, there is room. */
static void memory_for_what_moves_has_a_limit(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    enum { LARGE = 200 << 20, REST = WIRE_KV_BYTES_MAX - LARGE };
    comes(&s, 7, LARGE);
    story_forget(&s);
    comes(&s, 8, REST + 1);
    story_is(&s, "send 0 kv_ack job=8.1 bytes=0 refused\nrun actor=0 ticket=2 hi\n");
    assert_int_equal(moving_bytes(&s), LARGE);
    story_forget(&s);
    head_saves(&s, 8);
    assert_true(s.fx.ag[0].kind == AG_SAVE && s.fx.ag[0].bytes_max == REST);
    story_run(&s, 0, 9, 1, 0);
    story_forget(&s);
    head_saves(&s, 9);
    story_is(&s, "send 0 kv_saved job=9.1 bytes=0 others that move take all the memory for that (moving_bytes_max)\n");
    engine_saved(&s, 2, STATE);
    engine_done(&s, 2);
    assert_int_equal(moving_bytes(&s), LARGE + STATE);
    head_drops(&s, 7);
    head_drops(&s, 8);
    assert_int_equal(moving_bytes(&s), 0);
    story_end(&s);
}

/* What the engine was given is counted until it has read it. */
static void what_the_engine_was_given_counts_until_it_is_read(void **arg)
{
    (void)arg;
    struct story s = story_joined();
    comes(&s, 7, STATE);
    part(&s, 7, 0, state, WIRE_KV_PART_BYTES);
    part(&s, 7, WIRE_KV_PART_BYTES, state + WIRE_KV_PART_BYTES, STATE - WIRE_KV_PART_BYTES);
    assert_int_equal(moving_bytes(&s), STATE);
    struct wire_prefilled prefilled = {.prompt_tokens = 3};
    story_step(&s, (struct agent_event){.kind = AGENT_PREFILLED, .ticket = 1, .prefilled = &prefilled});
    assert_int_equal(moving_bytes(&s), 0);
    story_end(&s);
}

int main(void)
{
    make_state();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_leaves_with_what_is_computed_of_it),
        cmocka_unit_test(a_job_of_which_nothing_can_be_saved_goes_on),
        cmocka_unit_test(a_job_that_was_cancelled_meanwhile_is_forgotten),
        cmocka_unit_test(what_nobody_pulls_is_forgotten),
        cmocka_unit_test(only_so_many_leave_at_once),
        cmocka_unit_test(no_more_are_saved_than_can_be_kept),
        cmocka_unit_test(what_is_computed_comes_in_parts),
        cmocka_unit_test(what_is_wrong_is_refused_and_computed),
        cmocka_unit_test(when_no_more_comes_it_is_computed),
        cmocka_unit_test(a_lost_link_frees_the_engine_of_waiting),
        cmocka_unit_test(memory_for_what_moves_has_a_limit),
        cmocka_unit_test(what_the_engine_was_given_counts_until_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
