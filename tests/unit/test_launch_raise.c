/* The pilot over an engine that is played by this test: what becomes of a head that cannot be raised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "launch/pilot.h"
#include "net/net.h"

/* ---- the engine: answers in the next turn of the loop ---- */

enum asked { ASKED_NOTHING, ASKED_OPEN, ASKED_RAISE, ASKED_DOWN };

struct engine {
    struct launcher base;
    struct net_timer *timer;
    enum asked asked;
    uint64_t ticket;
};

static struct story {
    struct net_loop *loop;
    struct pilot *pilot;
    struct buf told;        /* owned; what was asked and said, a line each */
    const char *raise_fails, *down_fails; /* words; NULL: it does not */
    bool stops;             /* somebody stops it while the head is raised */
    struct fault end;
    unsigned ends;
} s;

static void answer(struct net_timer *t, void *user_data)
{
    struct engine *e = user_data;
    struct fault f = {0};
    enum asked asked = e->asked;
    (void)t;
    e->asked = ASKED_NOTHING;
    if (asked == ASKED_RAISE && s.stops) {
        pilot_stop(s.pilot);
        return;
    }
    if (asked == ASKED_RAISE && s.raise_fails != NULL)
        fault_set(&f, ERR_FORBIDDEN, "%s", s.raise_fails);
    if (asked == ASKED_DOWN)
        e->base.events.took("the head's service", e->base.user_data);
    if (asked == ASKED_DOWN && s.down_fails != NULL)
        fault_set(&f, ERR_UNAVAILABLE, "%s", s.down_fails);
    launcher_ended(&e->base, asked == ASKED_OPEN, e->ticket, &f);
}

static void ask(struct launcher *a, enum asked asked, uint64_t ticket)
{
    struct engine *e = (struct engine *)a;
    e->asked = asked;
    e->ticket = ticket;
    net_timer_set(e->timer, 0);
}

static const struct launcher_ops played;

static struct launcher *engine_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                    struct fault *f)
{
    struct engine *e = xalloc(sizeof *e);
    assert_int_equal(launcher_init(&e->base, &played, l, cfg, events, user_data, f), 0);
    e->timer = net_timer_new(l, answer, e);
    ask(&e->base, ASKED_OPEN, 0);
    return &e->base;
}

static void engine_raise(struct launcher *a, uint64_t ticket)
{
    buf_puts(&s.told, "raise\n");
    ask(a, ASKED_RAISE, ticket);
}

static void engine_down(struct launcher *a, uint64_t ticket)
{
    buf_puts(&s.told, "down\n");
    ask(a, ASKED_DOWN, ticket);
}

static void engine_free(struct launcher *a)
{
    net_timer_free(((struct engine *)a)->timer);
    free(a);
}

/* It has a launcher inside: nothing is listed or started. */
static const struct launcher_ops played = {.engine = "played", .open = engine_open, .raise = engine_raise, .down = engine_down, .free = engine_free};

/* ---- whoever started it ---- */

static void on_took(const char *what, void *user_data)
{
    (void)user_data;
    buf_printf(&s.told, "took %s\n", what);
}

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)event;
    (void)user_data;
    buf_printf(&s.told, "%s%s\n", level == LOG_WARN ? "warning: " : "", text);
}

static void on_ended(const struct fault *f, void *user_data)
{
    (void)user_data;
    s.end = *f;
    s.ends++;
    net_loop_stop(s.loop);
}

static void run(const char *told)
{
    struct fault f = {0};
    s.loop = net_loop_new();
    s.told = buf_max(4096);
    s.ends = 0;
    s.pilot = pilot_start(s.loop, &(struct pilot_config){.engine = &played, .launcher = {.cluster = "lab", .workers = 2}, .mode = PILOT_UP,
                                                         .version = "1", .times = reconcile_times_default(), .on_took = on_took,
                                                         .on_event = on_event, .on_ended = on_ended}, &f);
    assert_non_null(s.pilot);
    net_loop_run(s.loop);
    assert_int_equal(s.ends, 1);
    assert_string_equal(buf_cstr(&s.told), told);
    pilot_free(s.pilot);
    net_loop_free(s.loop);
    buf_fini(&s.told);
}

/* ---- stories ---- */

/* Given an engine that makes half of a head and then refuses; then that half is taken away again, and its words are the end. */
static void what_was_made_of_a_failed_raise_goes(void **state)
{
    (void)state;
    s = (struct story){.raise_fails = "quota exceeded: pods=1"};
    run("raise\ndown\ntook the head's service\n");
    assert_int_equal(s.end.err, ERR_FORBIDDEN);
    assert_string_equal(s.end.text, "quota exceeded: pods=1");
}

/* Given that the clean-up fails, too; then the end is still why the head could not be raised, and people are told what is left and how it goes. */
static void a_failed_clean_up_is_told(void **state)
{
    (void)state;
    s = (struct story){.raise_fails = "quota exceeded: pods=1", .down_fails = "the API server is away"};
    run("raise\ndown\ntook the head's service\n"
        "warning: the API server is away; `manta down --on played --cluster lab` takes away what is left\n");
    assert_int_equal(s.end.err, ERR_FORBIDDEN);
}

/* Given somebody who stops it while the head is raised; then all is taken away, and that is no fault; where it is not, it is. */
static void a_stop_while_it_raises_takes_all_away(void **state)
{
    (void)state;
    s = (struct story){.stops = true};
    run("raise\ndown\ntook the head's service\n");
    assert_int_equal(s.end.err, 0);
    s = (struct story){.stops = true, .down_fails = "the API server is away"};
    run("raise\ndown\ntook the head's service\n");
    assert_int_equal(s.end.err, ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_made_of_a_failed_raise_goes),
        cmocka_unit_test(a_failed_clean_up_is_told),
        cmocka_unit_test(a_stop_while_it_raises_takes_all_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
