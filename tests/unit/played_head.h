/* A head that a test plays for a launcher: an HTTP server that upgrades, reads frames, notes them in a text and sends some. */
#ifndef MANTA_TESTS_PLAYED_HEAD_H
#define MANTA_TESTS_PLAYED_HEAD_H

#include "base/buf.h"
#include "http/http.h"
#include "wire/wire.h"

struct played_head {
    struct http_server *server;  /* owned */
    struct net_conn *link;       /* the launcher's; NULL while there is none */
    struct buf in;               /* owned */
    struct wire_arena arena;     /* owned */
    struct buf got;              /* owned; what the launcher said, a line each */
    unsigned links, beats;
    bool deaf;                   /* answers no beat */
    void (*on_hello)(struct played_head *h, const struct wire_hello *m);
    void (*on_state)(struct played_head *h, const struct wire_scale_state *m); /* may be NULL */
    void *user_data;             /* of the two */
};

static inline void played_head_say(struct played_head *h, const struct wire_msg *msg)
{
    struct buf out = buf_max(1 << 16);
    assert_int_equal(wire_encode(&out, msg), 0);
    net_write(h->link, buf_str(&out));
    buf_fini(&out);
}

static inline void played_head_heard(struct played_head *h, const struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_hello:
        buf_printf(&h->got, "hello role=%u token=%.*s node=%.*s\n", m->hello.role, STR_ARG(m->hello.token), STR_ARG(m->hello.node));
        h->on_hello(h, &m->hello);
        break;
    case WIRE_beat:
        h->beats++;
        if (!h->deaf)
            played_head_say(h, &(struct wire_msg){.type = WIRE_beat_ack, .beat_ack.sent_us = m->beat.sent_us});
        break;
    case WIRE_scale_state:
        buf_printf(&h->got, "running=%u target=%u %.*s", m->scale_state.running, m->scale_state.target, STR_ARG(m->scale_state.note));
        if (m->scale_state.policy == WIRE_SCALE_AUTO)
            buf_printf(&h->got, "auto=%u..%u", m->scale_state.min, m->scale_state.max);
        buf_putc(&h->got, '\n');
        if (h->on_state != NULL)
            h->on_state(h, &m->scale_state);
        break;
    default: buf_printf(&h->got, "%s\n", wire_name(m->type)); break;
    }
}

static inline void played_head_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct played_head *h = user_data;
    (void)c;
    buf_add_str(&h->in, bytes);
    size_t frame = 0;
    while (wire_frame(buf_str(&h->in), WIRE_FRAME_BYTES_MAX, &frame) == 0 && frame > 0) {
        struct wire_msg msg;
        assert_int_equal(wire_decode(&msg, &h->arena, str_n(h->in.p, frame), NULL), 0);
        played_head_heard(h, &msg);
        buf_consume(&h->in, frame);
    }
}

static inline void played_head_closed(struct net_conn *c, int err, const char *why, void *user_data)
{
    struct played_head *h = user_data;
    (void)err, (void)why;
    if (h->link == c)
        h->link = NULL;
    buf_reset(&h->in);
}

static inline void played_head_request(struct http_request *r, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = played_head_data, .on_close = played_head_closed};
    struct played_head *h = user_data;
    struct str rest;
    assert_true(str_is(http_path(r), WIRE_PATH));
    assert_true(http_wants_upgrade(r, WIRE_UPGRADE));
    h->links++;
    h->link = http_upgrade(r, WIRE_UPGRADE, &rest);
    net_conn_set(h->link, &calls, h);
    if (rest.n > 0)
        played_head_data(h->link, rest, h);
}

static inline void played_head_gone(struct http_request *r, void *user_data)
{
    (void)r, (void)user_data;
}

static inline void played_head_error(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data)
{
    (void)user_data;
    (void)r;
    buf_puts(out, f->text);
}

static inline void played_head_welcome(struct played_head *h, const struct wire_hello *m)
{
    (void)m;
    played_head_say(h, &(struct wire_msg){.type = WIRE_welcome, .welcome = {.beat_ms = 20, .lost_after_ms = 60000}});
}

/* Listens on 127.0.0.1, on http_server_port(h->server); welcomes whoever comes, until the test says otherwise. */
static inline void played_head_init(struct played_head *h, struct net_loop *l, void *user_data)
{
    static const struct http_server_calls calls = {
        .on_request = played_head_request, .on_gone = played_head_gone, .error_body = played_head_error};
    struct fault f = {0};
    *h = (struct played_head){.in = buf_max(1 << 20), .got = buf_max(1 << 20), .on_hello = played_head_welcome, .user_data = user_data};
    assert_int_equal(http_server_new(l, "127.0.0.1", 0, &calls, h, &h->server, &f), 0);
}

static inline void played_head_fini(struct played_head *h)
{
    http_server_close(h->server);
    buf_fini(&h->in);
    buf_fini(&h->got);
    wire_arena_fini(&h->arena);
}

#endif
