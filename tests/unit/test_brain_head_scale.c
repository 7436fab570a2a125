/* How many workers the head asks its launcher for: taught, asked for, decided by the load; and what a crash of either side leaves. */
#include "head_story.h"

static struct head_scale_view view(const struct story *s)
{
    struct head_scale_view v;
    head_scale_view(s->head, &v);
    return v;
}

/* A worker that the launcher started joins and is ready, over the link of that number. */
static void comes(struct story *s, int link, const char *node, uint32_t slots)
{
    char text[128];
    snprintf(text, sizeof text, "open %d\nhello %d node=%s\nactor %d slots=%u\n", link, link, node, link, slots);
    given(s, text);
}

static void beats(struct story *s, int from, int to)
{
    for (int link = from; link <= to; link++) {
        char text[32];
        snprintf(text, sizeof text, "beat %d\n", link);
        given(s, text);
    }
}

/* So many seconds, in which those links beat. */
static void pass(struct story *s, int seconds, int from, int to)
{
    for (int i = 0; i < seconds; i++) {
        given(s, "wait 1000\n");
        beats(s, from, to);
    }
}

/* ---- who says how many ---- */

/* Given a head that knows of no number; when a launcher joins that keeps three up; then it is three, and nothing is sent. */
static void a_launcher_teaches_its_number(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> open 1\n"
              "> hello 1 node=up role=2\n"
              "send 1 welcome worker=0\n"
              "> scaled 1 running=0 target=3\n");
    assert_true(view(&s).known && view(&s).desired == 3 && view(&s).reason == SCALE_TAUGHT);
    given(&s, "scaled 1 running=1 target=4\n"); /* `manta up` has begun */
    assert_int_equal(view(&s).desired, 4);
    story_end(&s);
}

/* Given that five were asked for; when the launcher dies and another one comes that would keep three up; then it is told five. */
static void a_new_launcher_is_told(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=3 target=3\n");
    story(&s, "> scale 1 workers=5\n"
              "send 1 scale workers=5\n"
              "end 1 of 0\n"
              "> scaled 1 running=3 target=5\n"
              "> closed 1\n"
              "> scale 2 workers=6\n"
              "end 2 of 0\n"
              "> open 2\n"
              "> hello 2 node=up role=2\n"
              "send 2 welcome worker=0\n"
              "send 2 scale workers=6\n"
              "> scaled 2 running=3 target=3\n" /* said before it heard */
              "> scaled 2 running=3 target=6\n");
    assert_int_equal(view(&s).desired, 6);
    story_end(&s);
}

#define TWO \
    "a launcher 'slurm/a' is here already, from 10.0.0.1:4312: two of them would start and end each other's workers. End one, or give them names " \
    "with --cluster"

/* Given a launcher; when another process of its name comes from somewhere else; then it is refused, not for good, and the first one continues being
 * asked. When the first one has been silent for as long as makes a worker lost, or is the same process on another connection, then the new one
 * takes its place. One of another name is none of these. */
static void two_launchers_of_a_name_are_told_apart(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=slurm/a role=2 epoch=7\nscaled 1 running=2 target=2\n");
    story(&s, "> open 2\n"
              "> hello 2 node=slurm/a role=2 epoch=8\n"
              "send 2 refuse ERR_IN_USE: " TWO "\n"
              "close 2: " TWO "\n"
              "> closed 2\n"
              "> scale 1 workers=3\n"
              "send 1 scale workers=3\n"
              "end 1 of 0\n"
              "> open 3\n"
              "> hello 3 node=slurm/b role=2 epoch=8\n"
              "send 3 welcome worker=0\n"
              "send 3 scale workers=3\n"
              "> open 4\n"
              "> hello 4 node=slurm/a role=2 epoch=7\n"
              "close 1: the launcher came back on a new link\n"
              "send 4 welcome worker=0\n"
              "send 4 scale workers=3\n"
              "> closed 1\n"
              "> wait 3000\n"
              "> open 5\n"
              "> hello 5 node=slurm/a role=2 epoch=9\n"
              "close 4: no sign of life, and another launcher of its name has come\n"
              "send 5 welcome worker=0\n"
              "send 5 scale workers=3\n");
    story_end(&s);
}

/* Given a head that decides by the load, and a launcher that keeps up none; when that one dies, and just before the hold time is over the next
 * one comes with one worker; then that worker is held for the whole time from then on. */
static void a_number_that_a_launcher_brings_is_held(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 0, .max = 4, .idle_s = 60};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=0 target=0\n");
    pass(&s, 55, 1, 1);
    given(&s, "closed 1\nopen 2\nhello 2 node=up role=2\nscaled 2 running=0 target=1\n");
    assert_true(view(&s).desired == 1 && view(&s).reason == SCALE_TAUGHT);
    pass(&s, 58, 2, 2);
    assert_int_equal(view(&s).desired, 1);
    pass(&s, 3, 2, 2);
    assert_true(view(&s).desired == 0 && view(&s).reason == SCALE_IDLE);
    story_end(&s);
}

/* Given a launcher that has not seen its engine; then it is not said that none of its workers run, but that it is not known, and why. */
static void an_engine_that_was_not_seen_is_not_known(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=slurm/a role=2\nscaled 1 running=4294967295 target=2 note=squeue-is-not-there\n");
    struct head_scale_view v = view(&s);
    assert_true(v.launcher && !v.running_known && v.running == 0 && v.desired == 2);
    assert_true(str_is(v.note, "squeue-is-not-there"));
    given(&s, "scaled 1 running=2 target=2\n");
    v = view(&s);
    assert_true(v.running_known && v.running == 2 && v.note.n == 0);
    story_end(&s);
}

/* Given that two were asked for; when the launcher says by itself that it keeps up four; then it is told two, once. */
static void a_launcher_that_differs_is_told_once(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=2 target=2\nscale 1 workers=2\n");
    story(&s, "> scaled 1 running=2 target=4\n"
              "send 1 scale workers=2\n"
              "> scaled 1 running=3 target=4\n");
    story_end(&s);
}

/* Given a head that began anew and was given no policy; when its launcher repeats what the one before said; then the load decides on. */
static void a_policy_outlives_the_head(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=2 target=2 policy=2 min=1 max=6\n");
    struct head_scale_view v = view(&s);
    assert_true(v.limits.mode == SCALE_AUTO && v.limits.min == 1 && v.limits.max == 6 && v.desired == 2);
    story_end(&s);

    s = story_begin(); /* one with settings of its own keeps to these */
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 3, .max = 4};
    s.cfg.scale_given = true;
    story(&s, "> open 1\n"
              "> hello 1 node=up role=2\n"
              "send 1 welcome worker=0\n"
              "> scaled 1 running=2 target=2 policy=2 min=1 max=6\n"
              "> wait 1000\n"
              "send 1 scale workers=3 auto=3..4\n");
    story_end(&s);
}

/* Given a head that was taught its limits and has decided on eight since; when the launcher comes back with narrower ones, which another head gave it; then
 * the number is within them at once. */
static void narrower_limits_move_the_number_at_once(void **state)
{
    (void)state;
    struct story s = story_begin();
    story(&s, "> open 1\n"
              "> hello 1 node=up role=2\n"
              "send 1 welcome worker=0\n"
              "> scaled 1 running=2 target=2 policy=2 min=8 max=9\n"
              "> wait 1000\n"
              "send 1 scale workers=8 auto=8..9\n"
              "> closed 1\n"
              "> open 2\n"
              "> hello 2 node=up role=2\n"
              "send 2 welcome worker=0\n"
              "send 2 scale workers=8 auto=8..9\n"
              "> scaled 2 running=2 target=3 policy=2 min=1 max=5\n"
              "send 2 scale workers=5 auto=1..5\n");
    assert_true(view(&s).desired == 5 && view(&s).reason == SCALE_LIMITS);
    story_end(&s);
}

static void limits_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=1 target=1\n");
    story(&s, "> scale 1 auto=1 min=5 max=3\n"
              "failed 1 ERR_INVALID: min is 5, more than max, 3\n"
              "> scale 2 auto=1 min=0 max=0\n"
              "failed 2 ERR_INVALID: max is 0: 1 to 256 workers can be\n"
              "> scale 3 auto=1 max=257\n"
              "failed 3 ERR_INVALID: max is 257: 1 to 256 workers can be\n"
              "> scale 4 auto=1 min=2\n"
              "send 1 scale workers=2 auto=2..8\n"
              "end 4 of 0\n"
              "> scale 5\n"
              "send 1 scale workers=2\n"
              "end 5 of 0\n");
    assert_int_equal(view(&s).limits.mode, SCALE_FIXED);
    story_end(&s);
}

/* ---- by the load ---- */

/* Given nobody there and a load of nothing; when a request comes; then a worker is asked for at once, the request waits and is told
 * what for, and runs when the worker is ready. What that took is known then. */
static void from_zero_the_first_request_wakes(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 0, .max = 4};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=0 target=0\n");
    assert_true(view(&s).sleeps);
    story(&s, "> wait 60000\n"
              "> prompt 1 model=m\n"
              "send 1 scale workers=1 auto=0..4\n"
              "> wait 2000\n");
    struct head_wait w = {0};
    assert_true(head_call_waits(s.head, 1, &w) && w.starting == 1 && w.ready == 0);
    given(&s, "scaled 1 running=1 target=1\n");
    given(&s, "wait 7000\n");
    story(&s, "> open 2\n"
              "> hello 2 node=worker-1\n"
              "send 2 welcome worker=1\n"
              "> actor 2\n"
              "send 2 actor_ack key=0 id=0\n"
              "send 2 run job=1.1 key=0 seed=0 hi\n");
    struct head_scale_view v = view(&s);
    assert_true(v.starting == 0 && v.start_s > 8.9 && v.start_s < 9.1 && v.changes[SCALE_WAKE] == 1);
    story_end(&s);
}

/* Given one worker that nobody asks anything; when its time is over; then it is given up, once, and not before. */
static void an_idle_cluster_goes_to_zero(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 0, .max = 4, .idle_s = 60};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=1 target=1\n");
    comes(&s, 2, "worker-1", 4);
    pass(&s, 59, 2, 2);
    assert_int_equal(view(&s).desired, 1);
    pass(&s, 3, 2, 2);
    assert_true(view(&s).desired == 0 && view(&s).reason == SCALE_IDLE);
    pass(&s, 600, 2, 2);
    assert_int_equal(view(&s).changes[SCALE_IDLE], 1);
    story_end(&s);
}

/* Given the same, and one request that computes all the time; then its worker stays. */
static void who_works_is_not_given_up(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 0, .max = 4, .idle_s = 30};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=1 target=1\n");
    comes(&s, 2, "worker-1", 4);
    given(&s, "prompt 1 model=m\nprefilled 2 job=1.1\n");
    for (int i = 0; i < 30; i++) {
        char text[48];
        snprintf(text, sizeof text, "tokens 2 job=1.1 first=%d\n", i);
        given(&s, text);
        pass(&s, 20, 2, 2);
    }
    assert_int_equal(view(&s).desired, 1);
    given(&s, "done 2 job=1.1\n");
    pass(&s, 90, 2, 2);
    assert_int_equal(view(&s).desired, 0);
    story_end(&s);
}

/* Given one worker of two slots; when forty requests come that take long; then more workers are asked for, no more than the limit, and
 * the reason is the queue. */
static void a_queue_that_will_last_asks_for_more(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 1, .max = 5};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=1 target=1\n");
    comes(&s, 2, "worker-1", 2);
    for (int i = 1; i <= 40; i++) {
        char text[48];
        snprintf(text, sizeof text, "prompt %d model=m\n", i);
        given(&s, text);
    }
    pass(&s, 2, 2, 2);
    struct head_scale_view v = view(&s);
    assert_true(v.desired == 5 && v.reason == SCALE_QUEUE && v.wait_s > 1 && v.starting == 4);
    struct head_scale_model m;
    assert_int_equal(head_scale_models(s.head, &m, 1), 1);
    assert_true(m.busy == 2 && m.waiting == 38 && m.slots == 2 && m.gains);
    story_end(&s);
}

/* Given a model that only a worker started by hand has; when workers that were asked for come without it; then its queue asks for no
 * more of them. */
static void a_model_that_does_not_come_with_workers_asks_for_none(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.scale = (struct scale_limits){.mode = SCALE_AUTO, .min = 1, .max = 20};
    s.cfg.scale_given = true;
    given(&s, "open 1\nhello 1 node=up role=2\nscaled 1 running=0 target=0\n"
              "open 2\nhello 2 node=oak\nactor 2 model=rare slots=1\n"
              "wait 1000\n"); /* min: one is asked for … */
    comes(&s, 3, "worker-1", 4); /* … and has model m */
    for (int i = 1; i <= 40; i++) {
        char text[48];
        snprintf(text, sizeof text, "prompt %d model=rare\n", i);
        given(&s, text);
    }
    pass(&s, 60, 2, 3);
    assert_int_equal(view(&s).desired, 1);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_launcher_teaches_its_number),
        cmocka_unit_test(a_new_launcher_is_told),
        cmocka_unit_test(two_launchers_of_a_name_are_told_apart),
        cmocka_unit_test(an_engine_that_was_not_seen_is_not_known),
        cmocka_unit_test(a_launcher_that_differs_is_told_once),
        cmocka_unit_test(a_number_that_a_launcher_brings_is_held),
        cmocka_unit_test(a_policy_outlives_the_head),
        cmocka_unit_test(narrower_limits_move_the_number_at_once),
        cmocka_unit_test(limits_that_cannot_be_are_refused),
        cmocka_unit_test(from_zero_the_first_request_wakes),
        cmocka_unit_test(an_idle_cluster_goes_to_zero),
        cmocka_unit_test(who_works_is_not_given_up),
        cmocka_unit_test(a_queue_that_will_last_asks_for_more),
        cmocka_unit_test(a_model_that_does_not_come_with_workers_asks_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
