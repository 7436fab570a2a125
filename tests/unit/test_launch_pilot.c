/* How a launcher begins with the number that its engine remembers: an engine that answers as it is told, and a played head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/pilot.h"
#include "played_head.h"

enum { PATIENCE_S = 60 };

struct story {
    struct net_loop *loop;
    struct net_timer *patience;
    struct played_head head;
    struct pilot *pilot;
    struct pilot_config cfg;
    struct fault opened;            /* what the engine says when it is opened */
    struct fault refusals[4];       /* … and to the first lists */
    size_t refusals_n;
    struct launcher_worker workers[4]; /* … and to those after them */
    size_t n;
    struct net_timer *stop;         /* owned; tells the launcher to end … */
    bool silent;                    /* … at the first list, which is not answered */
    bool stops_at_event;            /* … at the first event */
    unsigned lists;
    struct buf said;                /* owned; events, starts, stops and the end, a line each */
    bool ended;
};
static struct story *story;         /* an engine's open() knows only its own configuration */

/* ---- the engine: one answer at a time, from the loop ---- */

struct told {
    struct launcher launcher;    /* first */
    struct net_timer *answer;    /* owned */
    uint64_t ticket;             /* 0: it is being opened */
    bool lists;
};

static void on_answer(struct net_timer *t, void *user_data)
{
    struct told *e = user_data;
    struct launcher *a = &e->launcher;
    struct story *s = story;
    (void)t;
    if (e->ticket == 0)
        a->events.opened(&s->opened, a->user_data);
    else if (!e->lists)
        a->events.done(e->ticket, &(struct fault){0}, a->user_data);
    else if (s->lists <= s->refusals_n)
        a->events.done(e->ticket, &s->refusals[s->lists - 1], a->user_data);
    else
        a->events.listed(e->ticket, s->workers, s->n, a->user_data);
}

static void answer(struct launcher *a, uint64_t ticket, bool lists)
{
    struct told *e = (struct told *)a;
    e->ticket = ticket;
    e->lists = lists;
    story->lists += lists;
    net_timer_set(lists && story->silent ? story->stop : e->answer, 0);
}

static struct launcher *told_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                  struct fault *f);

static void told_start(struct launcher *a, uint64_t ticket, struct launcher_range r)
{
    buf_printf(&story->said, "start %u to %u\n", r.first, r.last);
    answer(a, ticket, false);
}

static void told_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain)
{
    (void)drain;
    buf_printf(&story->said, "stop %u to %u\n", r.first, r.last);
    answer(a, ticket, false);
}

static void told_list(struct launcher *a, uint64_t ticket)
{
    answer(a, ticket, true);
}

static void told_down(struct launcher *a, uint64_t ticket)
{
    buf_puts(&story->said, "down\n");
    answer(a, ticket, false);
}

static void told_free(struct launcher *a)
{
    net_timer_free(((struct told *)a)->answer);
    free(a);
}

static const struct launcher_ops told_engine = {.engine = "told", .open = told_open, .start = told_start, .remembers = true, .stop = told_stop,
                                                .list = told_list, .down = told_down, .free = told_free};

static struct launcher *told_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                  struct fault *f)
{
    struct told *e = xalloc(sizeof *e);
    *e = (struct told){.answer = net_timer_new(l, on_answer, e)};
    assert_int_equal(launcher_init(&e->launcher, &told_engine, l, cfg, events, user_data, f), 0);
    net_timer_set(e->answer, 0);
    return &e->launcher;
}

/* ---- the story ---- */

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)event;
    struct story *s = user_data;
    (void)level;
    buf_printf(&s->said, "%s\n", text);
    if (s->stops_at_event)
        net_timer_set(s->stop, 0);
}

static void on_stop(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    pilot_stop(s->pilot);
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    buf_printf(&s->said, "ended%s%s\n", f->err != 0 ? ": " : "", f->text);
    pilot_free(s->pilot);
    s->pilot = NULL;
    s->ended = true;
    net_loop_stop(s->loop);
}

static void stop_at_state(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    (void)m;
    pilot_stop(s->pilot);
}

static void on_patience(struct net_timer *t, void *user_data)
{
    (void)t, (void)user_data;
    fail_msg("it has not ended within %d s; it said: %s", PATIENCE_S, buf_cstr(&story->said));
}

static int setup(void **state)
{
    static struct story s;
    static char address[40];
    s = (struct story){.loop = net_loop_new(), .said = buf_max(1 << 20)};
    story = &s;
    played_head_init(&s.head, s.loop, &s);
    s.head.on_state = stop_at_state;
    snprintf(address, sizeof address, "127.0.0.1:%u", http_server_port(s.head.server));
    s.cfg = (struct pilot_config){.engine = &told_engine, .launcher = {.cluster = "manta", .workers = 1}, .mode = PILOT_KEEP, .adopt = true,
                                  .head = address, .join_token = "", .version = "0", .times = reconcile_times_default(), .on_event = on_event,
                                  .on_ended = on_ended, .user_data = &s};
    s.stop = net_timer_new(s.loop, on_stop, &s);
    s.patience = net_timer_new(s.loop, on_patience, &s);
    net_timer_set(s.patience, net_now_us(s.loop) + PATIENCE_S * 1000000u);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    played_head_fini(&s->head);
    net_timer_free(s->patience);
    net_timer_free(s->stop);
    net_loop_free(s->loop);
    buf_fini(&s->said);
    return 0;
}

static void add(struct story *s, uint32_t index, enum launcher_state state)
{
    s->workers[s->n++] = (struct launcher_worker){.index = index, .state = state};
}

static void run(struct story *s)
{
    struct fault f = {0};
    s->pilot = pilot_start(s->loop, &s->cfg, &f);
    assert_non_null(s->pilot);
    net_loop_run(s->loop);
    assert_true(s->ended);
}

static void expect(struct story *s, const char *said)
{
    assert_string_equal(buf_cstr(&s->said), said);
}

/* It told its head, and first of all, that so many are wanted; how many run may be known by then or not. */
static void expect_told(struct story *s, uint32_t target)
{
    char told[40];
    const char *got = buf_cstr(&s->head.got), *state = strstr(got, "\nrunning=");
    snprintf(told, sizeof told, " target=%u \n", target);
    assert_non_null(state);
    assert_memory_equal(strchr(state, ' '), told, strlen(told));
}

/* Given an engine with two workers that run, one that waits and one that ends; when launcher and head are new; then the head learns of three, and nothing
 * is started or stopped. */
static void a_new_head_learns_the_engines_number(void **state)
{
    struct story *s = *state;
    add(s, 1, LAUNCHER_RUNNING);
    add(s, 4, LAUNCHER_ENDING);
    add(s, 3, LAUNCHER_PENDING);
    add(s, 2, LAUNCHER_RUNNING);
    run(s);
    expect(s, "told has 3 workers\nthe launcher has joined the head\nended\n");
    expect_told(s, 3);
}

/* Given an engine without a worker, which is a number like others; then that is kept, whatever this launcher would begin with. */
static void none_is_a_number(void **state)
{
    struct story *s = *state;
    run(s);
    expect(s, "told has 0 workers\nthe launcher has joined the head\nended\n");
    expect_told(s, 0);
}

static void order_two(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    if (m->target == 3)
        played_head_say(h, &(struct wire_msg){.type = WIRE_scale, .scale.workers = 2});
    else
        pilot_stop(s->pilot);
}

/* Given a head that has a number of its own; then that one counts. */
static void a_head_that_knows_is_obeyed(void **state)
{
    struct story *s = *state;
    s->head.on_state = order_two;
    add(s, 1, LAUNCHER_RUNNING);
    add(s, 2, LAUNCHER_RUNNING);
    add(s, 3, LAUNCHER_RUNNING);
    run(s);
    assert_non_null(strstr(buf_cstr(&s->said), "told has 3 workers\nthe launcher has joined the head\nkeeping up 2 workers\n"));
    expect_told(s, 3);
    assert_non_null(strstr(buf_cstr(&s->head.got), "target=2 \n"));
}

/* Given an engine that is away or busy, when it is opened and at the first lists; then no number is made up: the list is asked for again until there
 * is one, and the head is not dialled before. */
static void an_engine_that_is_away_is_asked_again(void **state)
{
    struct story *s = *state;
    fault_set(&s->opened, ERR_UNAVAILABLE, "connection refused");
    fault_set(&s->refusals[0], ERR_BUSY, "too many requests");
    fault_set(&s->refusals[1], ERR_TIMEOUT, "no answer");
    s->refusals_n = 2;
    add(s, 1, LAUNCHER_RUNNING);
    add(s, 2, LAUNCHER_RUNNING);
    run(s);
    expect(s, "connection refused; trying again\ntoo many requests; trying again\nno answer; trying again\ntold has 2 workers\n"
              "the launcher has joined the head\nended\n");
    expect_told(s, 2);
    assert_true(s->lists >= 3);
}

/* Given an engine that is busy when it is opened; then that passes, too. */
static void a_busy_engine_is_waited_for(void **state)
{
    struct story *s = *state;
    fault_set(&s->opened, ERR_BUSY, "too many requests");
    add(s, 1, LAUNCHER_RUNNING);
    run(s);
    expect(s, "too many requests; trying again\ntold has 1 workers\nthe launcher has joined the head\nended\n");
    expect_told(s, 1);
}

/* Given an engine that does not let this launcher read the number; then the launcher ends with its words, and has dialled nobody. */
static void a_refusal_ends_it(void **state)
{
    struct story *s = *state;
    fault_set(&s->refusals[0], ERR_FORBIDDEN, "statefulsets.apps \"manta-worker\" is forbidden");
    s->refusals_n = 1;
    run(s);
    expect(s, "ended: statefulsets.apps \"manta-worker\" is forbidden\n");
    assert_int_equal(s->head.links, 0);
}

/* Given a first list that is not answered, or was refused for a while; when the launcher is told to end; then it ends at once, and touches nothing. */
static void it_ends_while_it_reads_the_number(void **state)
{
    struct story *s = *state;
    s->silent = true;
    run(s);
    expect(s, "ended\n");
    assert_int_equal(s->head.links, 0);
}

static void it_ends_between_two_tries(void **state)
{
    struct story *s = *state;
    fault_set(&s->refusals[0], ERR_UNAVAILABLE, "connection refused");
    s->refusals_n = 1;
    s->stops_at_event = true;
    run(s);
    expect(s, "connection refused; trying again\nended\n");
    assert_int_equal(s->head.links, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_new_head_learns_the_engines_number),
        STORY(none_is_a_number),
        STORY(a_head_that_knows_is_obeyed),
        STORY(an_engine_that_is_away_is_asked_again),
        STORY(a_busy_engine_is_waited_for),
        STORY(a_refusal_ends_it),
        STORY(it_ends_while_it_reads_the_number),
        STORY(it_ends_between_two_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
