/* The launcher and a head that is played by this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "launch/launch.h"
#include "played_head.h"

struct story {
    struct net_loop *loop;
    struct played_head head;
    struct launch *launch;
    struct launch_config cfg;
    struct buf events;           /* owned */
};

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)event;
    struct story *s = user_data;
    (void)level;
    buf_printf(&s->events, "%s\n", text);
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct story *s = user_data;
    (void)f;
    launch_free(s->launch);
    s->launch = NULL;
    net_loop_stop(s->loop);
}

static int setup(void **state)
{
    static struct story s;
    static const char *const script[] = {"-c", "exec sleep 60", NULL};
    s = (struct story){.loop = net_loop_new(), .events = buf_max(1 << 20)};
    played_head_init(&s.head, s.loop, &s);
    s.cfg = launch_config_default();
    s.cfg.program = "/bin/sh";
    s.cfg.head_args = s.cfg.worker_args = script;
    s.cfg.workers = 2;
    s.cfg.host = "127.0.0.1";
    s.cfg.port = http_server_port(s.head.server);
    s.cfg.join_token = "open sesame";
    s.cfg.version = "0";
    s.cfg.times.dial.redial_first_ms = 10;
    s.cfg.on_event = on_event;
    s.cfg.on_ended = on_ended;
    s.cfg.user_data = &s;
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    played_head_fini(&s->head);
    net_loop_free(s->loop);
    buf_fini(&s->events);
    return 0;
}

static void run(struct story *s)
{
    struct fault f = {0};
    s->launch = launch_start(s->loop, &s->cfg, &f);
    assert_non_null(s->launch);
    net_loop_run(s->loop);
    assert_null(s->launch);
}

static void order_three(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    if (m->target == 2)
        played_head_say(h, &(struct wire_msg){.type = WIRE_scale, .scale = {.workers = 3, .policy = WIRE_SCALE_AUTO, .min = 1, .max = 8}});
    else
        launch_stop(s->launch);
}

/* Given a head that welcomes and orders three workers, the launcher says who it is, obeys, tells, repeats who decides, and leaves with
 * a bye. */
static void test_hello_scale_bye(void **state)
{
    struct story *s = *state;
    s->head.on_state = order_three;
    run(s);
    assert_string_equal(buf_cstr(&s->head.got), "hello role=2 token=open sesame node=launcher\n"
                                                "running=2 target=2 \n"
                                                "running=3 target=3 auto=1..8\n"
                                                "bye\n");
}

static void order_too_many(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    if (m->target == 0)
        played_head_say(h, &(struct wire_msg){.type = WIRE_scale, .scale.workers = UINT32_MAX});
    else
        launch_stop(s->launch);
}

/* An order for four billion workers is bounded, and answered with why. */
static void test_scale_is_bounded(void **state)
{
    struct story *s = *state;
    static const char *const nothing[] = {"-c", ":", NULL};
    s->cfg.worker_args = nothing;
    s->cfg.workers = 0;
    s->head.on_state = order_too_many;
    run(s);
    assert_non_null(strstr(buf_cstr(&s->head.got), "target=256 at most 256 workers on one machine\n"));
}

static void hang_up_once(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    (void)m;
    if (s->head.links == 1)
        net_conn_abort(h->link);
    else
        launch_stop(s->launch);
}

/* Given a link that breaks, the launcher dials again and its workers run on. */
static void test_a_broken_link_is_dialled_again(void **state)
{
    struct story *s = *state;
    s->head.on_state = hang_up_once;
    run(s);
    assert_int_equal(s->head.links, 2);
    assert_non_null(strstr(buf_cstr(&s->events), "the launcher lost the head ("));
    assert_null(strstr(buf_cstr(&s->events), "worker-1 was"));
}

static void be_deaf_once(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    (void)m;
    h->deaf = s->head.links == 1;
    if (s->head.links == 2)
        launch_stop(s->launch);
}

static void welcome_impatiently(struct played_head *h, const struct wire_hello *m)
{
    (void)m;
    played_head_say(h, &(struct wire_msg){.type = WIRE_welcome, .welcome = {.beat_ms = 20, .lost_after_ms = 2000}});
}

/* Given a head that falls silent, the launcher beats, waits as long as it was told, and dials again. */
static void test_a_silent_head_is_given_up(void **state)
{
    struct story *s = *state;
    s->head.on_hello = welcome_impatiently;
    s->head.on_state = be_deaf_once;
    run(s);
    assert_int_equal(s->head.links, 2);
    assert_true(s->head.beats >= 3);
}

static void stop_later(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    launch_stop(s->launch);
}

/* A launcher that does not take it for final has time to dial again many times. */
static void refuse(struct played_head *h, const struct wire_hello *m)
{
    struct story *s = h->user_data;
    (void)m;
    played_head_say(h, &(struct wire_msg){.type = WIRE_refuse, .refuse = {.error = -ERR_AUTH, .message = str_of("wrong token"), .final = 1}});
    net_timer_set(net_timer_new(s->loop, stop_later, s), net_now_us(s->loop) + 200000);
}

static void test_a_final_refusal_is_final(void **state)
{
    struct story *s = *state;
    s->head.on_hello = refuse;
    run(s);
    assert_int_equal(s->head.links, 1);
    assert_non_null(strstr(buf_cstr(&s->events), "the head refused the launcher: wrong token\n"));
}

static void garbage(struct played_head *h, const struct wire_hello *m)
{
    if (h->links > 1)
        played_head_welcome(h, m);
    else
        net_write(h->link, str_n("\xff\xff\xff\xff garbage", 12));
}

static void stop_at_state(struct played_head *h, const struct wire_scale_state *m)
{
    struct story *s = h->user_data;
    (void)m;
    launch_stop(s->launch);
}

/* Given bytes that are no frame, the launcher hangs up and tries again. */
static void test_garbage_ends_the_link_only(void **state)
{
    struct story *s = *state;
    s->head.on_hello = garbage;
    s->head.on_state = stop_at_state;
    run(s);
    assert_int_equal(s->head.links, 2);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_hello_scale_bye),
        STORY(test_scale_is_bounded),
        STORY(test_a_broken_link_is_dialled_again),
        STORY(test_a_silent_head_is_given_up),
        STORY(test_a_final_refusal_is_final),
        STORY(test_garbage_ends_the_link_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
