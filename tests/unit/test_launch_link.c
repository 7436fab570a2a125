/* The launcher and a head that is played by this test: an HTTP server that upgrades, reads frames and sends some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "http/http.h"
#include "launch/launch.h"
#include "wire/wire.h"

struct story {
    struct net_loop *loop;
    struct http_server *server;
    struct net_conn *link;       /* the launcher's; NULL while there is none */
    struct buf in;               /* owned */
    struct wire_arena arena;     /* owned */
    struct launch *launch;
    struct launch_config cfg;
    struct buf got;              /* owned; what the launcher said, in short */
    struct buf events;           /* owned */
    unsigned links, beats;
    void (*on_hello)(struct story *s, const struct wire_hello *m);
    void (*on_state)(struct story *s, const struct wire_scale_state *m);
    bool deaf;                   /* answers no beat */
};

static void say(struct story *s, const struct wire_msg *msg)
{
    struct buf out = buf_max(1 << 16);
    assert_int_equal(wire_encode(&out, msg), 0);
    net_write(s->link, buf_str(&out));
    buf_fini(&out);
}

static void heard(struct story *s, const struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_hello:
        buf_printf(&s->got, "hello role=%u token=%.*s node=%.*s\n", m->hello.role, STR_ARG(m->hello.token),
                   STR_ARG(m->hello.node));
        s->on_hello(s, &m->hello);
        break;
    case WIRE_beat:
        s->beats++;
        if (!s->deaf)
            say(s, &(struct wire_msg){.type = WIRE_beat_ack, .beat_ack.sent_us = m->beat.sent_us});
        break;
    case WIRE_scale_state:
        buf_printf(&s->got, "running=%u target=%u %.*s", m->scale_state.running, m->scale_state.target,
                   STR_ARG(m->scale_state.note));
        if (m->scale_state.policy == WIRE_SCALE_AUTO)
            buf_printf(&s->got, "auto=%u..%u", m->scale_state.min, m->scale_state.max);
        buf_putc(&s->got, '\n');
        if (s->on_state != NULL)
            s->on_state(s, &m->scale_state);
        break;
    default: buf_printf(&s->got, "%s\n", wire_name(m->type)); break;
    }
}

static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct story *s = user_data;
    (void)c;
    buf_add_str(&s->in, bytes);
    size_t frame = 0;
    while (wire_frame(buf_str(&s->in), WIRE_FRAME_BYTES_MAX, &frame) == 0 && frame > 0) {
        struct wire_msg msg;
        assert_int_equal(wire_decode(&msg, &s->arena, str_n(s->in.p, frame), NULL), 0);
        heard(s, &msg);
        buf_consume(&s->in, frame);
    }
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    struct story *s = user_data;
    (void)err;
    (void)why;
    if (s->link == c)
        s->link = NULL;
    buf_reset(&s->in);
}

static void on_request(struct http_request *r, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    struct story *s = user_data;
    struct str rest;
    assert_true(str_is(http_path(r), WIRE_PATH));
    assert_true(http_wants_upgrade(r, WIRE_UPGRADE));
    s->links++;
    s->link = http_upgrade(r, WIRE_UPGRADE, &rest);
    net_conn_set(s->link, &calls, s);
    if (rest.n > 0)
        on_data(s->link, rest, s);
}

static void on_gone(struct http_request *r, void *user_data)
{
    (void)r;
    (void)user_data;
}

static void error_body(struct buf *out, const struct fault *f, void *user_data)
{
    (void)user_data;
    buf_puts(out, f->text);
}

static void on_event(enum log_level level, const char *text, void *user_data)
{
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

static void welcome(struct story *s, const struct wire_hello *m)
{
    (void)m;
    say(s, &(struct wire_msg){.type = WIRE_welcome, .welcome = {.beat_ms = 20, .lost_after_ms = 60000}});
}

static int setup(void **state)
{
    static struct story s;
    static const char *const script[] = {"-c", "exec sleep 60", NULL};
    static const struct http_server_calls calls = {.on_request = on_request, .on_gone = on_gone, .error_body = error_body};
    s = (struct story){.loop = net_loop_new(), .in = buf_max(1 << 20), .got = buf_max(1 << 20),
                       .events = buf_max(1 << 20), .on_hello = welcome};
    struct fault f = {0};
    assert_int_equal(http_server_new(s.loop, "127.0.0.1", 0, &calls, &s, &s.server, &f), 0);
    s.cfg = launch_config_default();
    s.cfg.program = "/bin/sh";
    s.cfg.head_args = s.cfg.worker_args = script;
    s.cfg.workers = 2;
    s.cfg.host = "127.0.0.1";
    s.cfg.port = http_server_port(s.server);
    s.cfg.join_token = "open sesame";
    s.cfg.version = "0";
    s.cfg.times.redial_first_ms = 10;
    s.cfg.on_event = on_event;
    s.cfg.on_ended = on_ended;
    s.cfg.user_data = &s;
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    http_server_close(s->server);
    net_loop_free(s->loop);
    buf_fini(&s->in);
    buf_fini(&s->got);
    buf_fini(&s->events);
    wire_arena_fini(&s->arena);
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

static void order_three(struct story *s, const struct wire_scale_state *m)
{
    if (m->target == 2)
        say(s, &(struct wire_msg){.type = WIRE_scale, .scale = {.workers = 3, .policy = WIRE_SCALE_AUTO, .min = 1, .max = 8}});
    else
        launch_stop(s->launch);
}

/* Given a head that welcomes and orders three workers, the launcher says who it is, obeys, tells, repeats who decides, and leaves with
 * a bye. */
static void test_hello_scale_bye(void **state)
{
    struct story *s = *state;
    s->on_state = order_three;
    run(s);
    assert_string_equal(buf_cstr(&s->got), "hello role=2 token=open sesame node=launcher\n"
                                           "running=2 target=2 \n"
                                           "running=3 target=3 auto=1..8\n"
                                           "bye\n");
}

static void order_too_many(struct story *s, const struct wire_scale_state *m)
{
    if (m->target == 0)
        say(s, &(struct wire_msg){.type = WIRE_scale, .scale.workers = UINT32_MAX});
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
    s->on_state = order_too_many;
    run(s);
    assert_non_null(strstr(buf_cstr(&s->got), "target=256 at most 256 workers on one machine\n"));
}

static void hang_up_once(struct story *s, const struct wire_scale_state *m)
{
    (void)m;
    if (s->links == 1)
        net_conn_abort(s->link);
    else
        launch_stop(s->launch);
}

/* Given a link that breaks, the launcher dials again and its workers run on. */
static void test_a_broken_link_is_dialled_again(void **state)
{
    struct story *s = *state;
    s->on_state = hang_up_once;
    run(s);
    assert_int_equal(s->links, 2);
    assert_non_null(strstr(buf_cstr(&s->events), "the launcher lost the head ("));
    assert_null(strstr(buf_cstr(&s->events), "worker-1 was"));
}

static void be_deaf_once(struct story *s, const struct wire_scale_state *m)
{
    (void)m;
    s->deaf = s->links == 1;
    if (s->links == 2)
        launch_stop(s->launch);
}

static void welcome_impatiently(struct story *s, const struct wire_hello *m)
{
    (void)m;
    say(s, &(struct wire_msg){.type = WIRE_welcome, .welcome = {.beat_ms = 20, .lost_after_ms = 2000}});
}

/* Given a head that falls silent, the launcher beats, waits as long as it was told, and dials again. */
static void test_a_silent_head_is_given_up(void **state)
{
    struct story *s = *state;
    s->on_hello = welcome_impatiently;
    s->on_state = be_deaf_once;
    run(s);
    assert_int_equal(s->links, 2);
    assert_true(s->beats >= 3);
}

static void stop_later(struct net_timer *t, void *user_data)
{
    struct story *s = user_data;
    (void)t;
    launch_stop(s->launch);
}

/* A launcher that does not take it for final has time to dial again many times. */
static void refuse(struct story *s, const struct wire_hello *m)
{
    (void)m;
    say(s, &(struct wire_msg){.type = WIRE_refuse, .refuse = {.error = -ERR_AUTH, .message = str_of("wrong token"), .final = 1}});
    net_timer_set(net_timer_new(s->loop, stop_later, s), net_now_us(s->loop) + 200000);
}

static void test_a_final_refusal_is_final(void **state)
{
    struct story *s = *state;
    s->on_hello = refuse;
    run(s);
    assert_int_equal(s->links, 1);
    assert_non_null(strstr(buf_cstr(&s->events), "the head refused the launcher: wrong token\n"));
}

static void garbage(struct story *s, const struct wire_hello *m)
{
    if (s->links > 1)
        welcome(s, m);
    else
        net_write(s->link, str_n("\xff\xff\xff\xff garbage", 12));
}

static void stop_at_state(struct story *s, const struct wire_scale_state *m)
{
    (void)m;
    launch_stop(s->launch);
}

/* Given bytes that are no frame, the launcher hangs up and tries again. */
static void test_garbage_ends_the_link_only(void **state)
{
    struct story *s = *state;
    s->on_hello = garbage;
    s->on_state = stop_at_state;
    run(s);
    assert_int_equal(s->links, 2);
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
