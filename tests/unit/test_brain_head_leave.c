/* Why a job leaves its actor: each reason's row of leave_rules[], told in events and seen from outside.
 *
 * Call 1 has two branches; the second one ended at once (on a worker that has left), so that the failure of the first is told with the actor
 * it failed on. The first, job 1, has run for 600 ms on actor 0 of worker a, without a token. The actor of worker b is idle and alike. Then the
 * reason comes. */
#include "head_story.h"

enum rests { RESTS_NOT, RESTS_A_WHILE, RESTS_FOR_A_FAILURE };

struct reason {
    const char *comes;       /* the events */
    const char *closes;      /* more events, after which neither actor takes jobs */
    const char *actors;      /* more about both actors, so that their cells can move */
    uint32_t pad, stall_ms;  /* of the prompt; of --token-stall-ms */
    bool at_once;            /* it goes to b in the same step */
    /* What must be true of it. */
    bool attempt, move, clock_runs, avoid, gone, kv, cancel;
    enum rests rests;        /* of an actor that is not gone */
};

static struct story begun(const struct reason *r, uint32_t attempts_max, uint32_t moves_max)
{
    struct story s = story_begin();
    char lines[512];
    s.cfg.attempts_max = attempts_max;
    s.cfg.moves_max = moves_max;
    if (r->stall_ms > 0)
        s.cfg.token_stall_ms = r->stall_ms;
    snprintf(lines, sizeof lines,
             "open 1\nhello 1 node=a engine=e features=f\nactor 1 %s\nopen 3\nhello 3 node=c\nactor 3\n"
             "prompt 1 count=2 pad=%u deadline=1000\ndone 3 job=2\nbye 3\nclosed 3\n"
             "open 2\nhello 2 node=b engine=e features=f\nactor 2 %s\nwait 600\n", r->actors, r->pad, r->actors);
    given(&s, lines);
    return s;
}

/* How often. */
static int said(struct story *s, const char *line)
{
    int n = 0;
    for (const char *at = buf_cstr(&s->said); (at = strstr(at, line)) != NULL; at++)
        n++;
    return n;
}

/* Only two attempts that count, or two moves: the reason makes one of them, the death of the next worker another one. */
static void counts(const struct reason *r, uint32_t attempts_max, uint32_t moves_max, bool counted)
{
    struct story s = begun(r, attempts_max, moves_max);
    given(&s, r->comes);
    if (!r->at_once)
        given(&s, "availability 2 availability=0\nwait 100\n");
    struct head_actor_view b;
    assert_true(head_actor_at(s.head, 2, &b) && b.in_flight == 1);
    buf_reset(&s.said);
    given(&s, "closed 2\nwait 100\n");
    assert_int_equal(said(&s, "done 1.0 finish=4"), counted);
    story_end(&s);
}

static void follows(const struct reason *r)
{
    counts(r, 2, 9, r->attempt);
    counts(r, 9, 2, r->move);

    struct story s = begun(r, 9, 9);
    struct head_actor_view a;
    given(&s, r->at_once ? "" : "availability 2 availability=1\n");
    given(&s, r->comes);
    assert_int_equal(said(&s, "send 1 cancel job=1.1"), r->cancel);
    assert_int_equal(said(&s, "send 1 kv_pull job=1.1 offset=0\n"), r->kv);
    if (!r->gone) {
        assert_true(head_actor_at(s.head, 0, &a));
        assert_int_equal(a.health == ACTOR_RESTING, r->rests != RESTS_NOT);
        assert_int_equal(a.failures, r->rests == RESTS_FOR_A_FAILURE);
    }
    given(&s, r->closes); /* 400 ms are left of its first deadline, 1,000 of a new one, which also begins where it was sent to b at once */
    buf_reset(&s.said);
    given(&s, "wait 500\n");
    assert_int_equal(said(&s, "done 1.0 finish=4"), r->clock_runs);
    given(&s, "wait 600\n");
    assert_true(said(&s, "done 1.0 finish=4"));
    assert_int_equal(said(&s, "done 1.0 finish=4 actor=0"), r->avoid);
    story_end(&s);
}

#define ALIKE "kv=q8_0 cells=12000 prefill=100"

/* Given a job, when its worker's connection breaks, then the attempt counts, as the job may have killed the worker. */
static void its_worker_crashes(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "closed 1\n", .closes = "", .actors = "", .gone = true,
                             .attempt = true, .move = true, .avoid = true});
}

/* Given a job, when its worker says goodbye, then the attempt does not count: no job does that. */
static void its_worker_leaves(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "bye 1\nclosed 1\n", .closes = "", .actors = "", .gone = true, .move = true, .avoid = true});
}

/* Given a job, when its actor is unloaded while the worker stays, then its run is cancelled, should it still be on its way, and counts. */
static void its_actor_is_unloaded(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "actor 1 state=gone\n", .closes = "", .actors = "", .gone = true,
                             .attempt = true, .move = true, .avoid = true, .cancel = true});
}

/* Given a job, when its actor brings no token for too long, then it is cancelled there and counts; an actor that hangs needs no rest. */
static void its_actor_hangs(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "beat 1 busy=1 age=600\n", .closes = "", .actors = "", .stall_ms = 300,
                             .attempt = true, .move = true, .avoid = true, .cancel = true});
}

/* Given a job, when the engine breaks under it, then it counts, and the actor rests for its failure. */
static void its_engine_fails(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "done 1 job=1 finish=4 error=1 message=broke\n", .closes = "availability 1 availability=1\n", .actors = "",
                             .attempt = true, .move = true, .avoid = true, .rests = RESTS_FOR_A_FAILURE});
}

/* Given a job, when its worker has no room for it, then nothing counts but the time, and the actor has a pause. */
static void its_worker_is_full(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "done 1 job=1 finish=4 error=8\n", .closes = "availability 1 availability=1\n", .actors = "",
                             .clock_runs = true, .avoid = true, .rests = RESTS_A_WHILE});
}

/* Given a job, when its worker had stopped taking jobs before it arrived, then nothing counts but the time, and nobody has failed. */
static void it_crosses_with_a_cordon(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "availability 1 availability=1\ndone 1 job=1 finish=4 error=9\n", .closes = "", .actors = "", .clock_runs = true});
}

/* b drains, and what it got crosses with that: the last reason is a job that was turned away. */
#define IT_CROSSES_AT_B "availability 2 availability=1\ndone 2 job=1.2 finish=4 error=9\n"

/* Given a job of a worker that drains, when nobody alike is there, then it is computed elsewhere, which is no attempt of the job's. */
static void it_is_computed_again_elsewhere(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "drains 1\n", .closes = IT_CROSSES_AT_B, .actors = "", .at_once = true, .move = true, .cancel = true});
}

/* Given a long prompt of a worker that drains, when it was saved, then it goes with its KV cache, which is no attempt of the job's. */
static void it_migrates(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "drains 1\nsaved 1 job=1 bytes=800000\n", .closes = IT_CROSSES_AT_B, .actors = ALIKE, .pad = 8000,
                             .at_once = true, .move = true, .kv = true});
}

/* Given a long prompt that was saved, when nobody takes it any more, then it waits anew, which is no attempt of the job's. */
static void it_was_saved_for_nobody(void **state)
{
    (void)state;
    follows(&(struct reason){.comes = "drains 1\navailability 2 availability=1\nsaved 1 job=1 bytes=800000\n", .closes = "", .actors = ALIKE, .pad = 8000,
                              .move = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_worker_crashes),
        cmocka_unit_test(its_worker_leaves),
        cmocka_unit_test(its_actor_is_unloaded),
        cmocka_unit_test(its_actor_hangs),
        cmocka_unit_test(its_engine_fails),
        cmocka_unit_test(its_worker_is_full),
        cmocka_unit_test(it_crosses_with_a_cordon),
        cmocka_unit_test(it_is_computed_again_elsewhere),
        cmocka_unit_test(it_migrates),
        cmocka_unit_test(it_was_saved_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
