/* A launcher in the life of brain/dialler.h: hello -> welcome -> scale_state, then a beat every
 * beat_ms and scale_state at each change. After a failure it dials its next place. It can fail by:
 * what fails a dialler; a frame that is not manta's (hang up, dial again); `refuse` (reported to the
 * user; final: no further try). */
#include "launch/head_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "http/http.h"
#include "launch/say.h"

enum {
    OUT_BYTES_MAX = 4 << 10, /* one of our frames: all are small */
    DEFAULT_PORT = 8470,
};

struct head_link {
    struct net_loop *loop;     /* borrowed */
    struct head_link_config cfg;
    struct listener listener;  /* of cfg */
    struct http_address places[HEAD_LINK_PLACES_MAX];
    uint32_t places_n, next;   /* next: the place to dial */
    struct dialler dialler;
    struct rng rng;            /* its seed identifies this process */
    struct http_dial *dial;    /* while DIALLING */
    struct net_conn *conn;     /* in HELLO and WELCOMED, and until it has closed */
    struct net_timer *timer;   /* owned; the dialler's deadline */
    struct buf in;             /* owned; bytes of an unfinished frame */
    struct wire_arena arena;   /* owned */
    struct wire_scale told;    /* the last order, repeated to a head that knows none, for example after its crash */
    struct fault refusal;
    bool stopping;
    bool abandoned;            /* the owner is gone: no callbacks */
};

static void set_timer(struct head_link *k)
{
    net_timer_set(k->timer, dialler_deadline(&k->dialler));
}

/* ---- out ---- */

static void send_msg(struct head_link *k, const struct wire_msg *msg)
{
    struct buf out = buf_max(OUT_BYTES_MAX);
    if (wire_encode(&out, msg) != 0 || net_write(k->conn, buf_str(&out)) != 0)
        net_conn_abort(k->conn); /* the head does not read; on_close takes over */
    buf_fini(&out);
}

static void send_hello(struct head_link *k)
{
    const struct head_link_config *cfg = &k->cfg;
    send_msg(k, &(struct wire_msg){.type = WIRE_hello, .hello = {
        .proto = WIRE_VERSION,
        .version = str_of(cfg->version),
        .role = WIRE_ROLE_LAUNCHER,
        .token = str_of(cfg->join_token),
        .node = str_of(cfg->node),
        .epoch = k->rng.seed,
        .pid = (uint32_t)getpid(),
    }});
}

/* True between the head's welcome and the end of the connection. */
static bool is_joined(const struct head_link *k)
{
    return k->dialler.state == DIALLER_WELCOMED;
}

void head_link_tell(struct head_link *k, const struct head_link_state *state)
{
    if (!is_joined(k))
        return;
    send_msg(k, &(struct wire_msg){.type = WIRE_scale_state, .scale_state = {
        .running = state->running,
        .target = state->target,
        .policy = k->told.policy,
        .min = k->told.min,
        .max = k->told.max,
        .note = str_of(state->note),
    }});
}

/* ---- in ---- */

static void on_welcome(struct head_link *k, const struct wire_welcome *m)
{
    if (k->dialler.state != DIALLER_HELLO)
        return;
    dialler_welcomed(&k->dialler, m, net_now_us(k->loop));
    set_timer(k);
    k->refusal = (struct fault){0};
    struct head_link_state now = {0};
    say(&k->listener, LOG_INFO, EVENT("launcher_joined"), "the launcher has joined the head");
    if (k->cfg.on_joined(&now, k->cfg.user_data))
        head_link_tell(k, &now);
}

static void on_refuse(struct head_link *k, const struct wire_refuse *m)
{
    struct fault f;
    fault_set(&f, -(int)m->error, "the head refused the launcher: %.*s", STR_ARG(m->message));
    if (strcmp(f.text, k->refusal.text) != 0) /* a repeated try gets the same refusal: report it once */
        say(&k->listener, LOG_ERROR, EVENT("launcher_refused", KV("code", err_name(f.err))), "%s", f.text);
    k->refusal = f;
    if (m->final)
        dialler_leave(&k->dialler);
    else
        dialler_hung_up(&k->dialler, &k->cfg.times, net_now_us(k->loop));
    set_timer(k);
    if (!m->final && k->cfg.on_refused != NULL)
        k->cfg.on_refused(&k->refusal, false, k->cfg.user_data);
    net_conn_close(k->conn);
}

/* False: we have hung up. */
static bool is_up(const struct head_link *k)
{
    return k->dialler.state == DIALLER_HELLO || k->dialler.state == DIALLER_WELCOMED;
}

static size_t on_msg(const struct wire_msg *msg, size_t frame_bytes, void *user_data)
{
    struct head_link *k = user_data;
    (void)frame_bytes;
    k->dialler.heard_us = net_now_us(k->loop);
    switch (msg->type) {
    case WIRE_welcome: on_welcome(k, &msg->welcome); break;
    case WIRE_refuse: on_refuse(k, &msg->refuse); break;
    case WIRE_scale:
        k->told = msg->scale;
        if (is_joined(k))
            k->cfg.on_scale(msg->scale.workers, k->cfg.user_data);
        break;
    default: break; /* receiving beat_ack is enough: it updated heard_us */
    }
    return is_up(k) ? WIRE_HELLO_BYTES_MAX : 0;
}

static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct head_link *k = user_data;
    struct fault f = {.err = ERR_TOO_LARGE, .text = "more than any message to a launcher"};
    if (!is_up(k))
        return;
    if (buf_add_str(&k->in, bytes) == 0)
        buf_consume(&k->in, wire_read(buf_str(&k->in), WIRE_HELLO_BYTES_MAX, &k->arena, on_msg, k, &f));
    if (f.err == 0 || !is_up(k))
        return;
    say(&k->listener, LOG_WARN, EVENT("not_a_message"), "the head sent something that is not a manta message: %s", f.text);
    net_conn_abort(c);
}

/* ---- its life ---- */

static void over(struct head_link *k)
{
    struct head_link_config cfg = k->cfg;
    bool told = !k->abandoned;
    net_timer_free(k->timer);
    buf_fini(&k->in);
    wire_arena_fini(&k->arena);
    free(k);
    if (told)
        cfg.on_over(cfg.user_data);
}

/* The link to a head that had welcomed us ends. */
static void say_lost(const struct head_link *k, const char *why)
{
    if (k->dialler.state == DIALLER_WELCOMED)
        say(&k->listener, LOG_WARN, EVENT("head_lost"), "the launcher lost the head (%s): dialling again", why);
}

/* No answer is not reported: it is normal while the head starts or restarts. */
static void lost(struct head_link *k, const char *why)
{
    k->dial = NULL;
    k->conn = NULL;
    buf_reset(&k->in);
    say_lost(k, why);
    if (k->stopping)
        over(k);
    else if (dialler_lost(&k->dialler, &k->cfg.times, net_now_us(k->loop), &k->rng) > 0)
        set_timer(k);
    else if (k->cfg.on_refused != NULL)
        k->cfg.on_refused(&k->refusal, true, k->cfg.user_data);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c;
    (void)err;
    lost(user_data, why);
}

static void on_up(struct net_conn *c, struct str rest, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    struct head_link *k = user_data;
    k->dial = NULL;
    k->conn = c;
    net_conn_set(c, &calls, k);
    if (!dialler_linked(&k->dialler)) {
        net_conn_abort(c);
        return;
    }
    send_hello(k);
    if (rest.n > 0)
        on_data(c, rest, k);
}

static void on_fail(int status, const char *why, void *user_data)
{
    (void)status;
    lost(user_data, why);
}

static void dial(struct head_link *k)
{
    const struct http_address *place = &k->places[k->next];
    k->next = (k->next + 1) % k->places_n;
    dialler_start(&k->dialler, &k->cfg.times, net_now_us(k->loop));
    k->dial = http_dial_start(k->loop, &(struct http_dial_config){
        .host = place->host,
        .port = place->port,
        .path = WIRE_PATH,
        .protocol = WIRE_UPGRADE,
        .on_up = on_up,
        .on_fail = on_fail,
        .user_data = k,
    });
}

/* on_close or on_fail follows. */
static void cut(struct head_link *k)
{
    if (k->conn != NULL)
        net_conn_abort(k->conn);
    else if (k->dial != NULL)
        http_dial_cancel(k->dial);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    struct head_link *k = user_data;
    const char *why;
    if (k->stopping) {
        over(k); /* there was no link */
        return;
    }
    switch (dialler_tick(&k->dialler, net_now_us(k->loop), &why)) {
    case DIALLER_NOTHING: break;
    case DIALLER_DIAL: dial(k); break;
    case DIALLER_BEAT: send_msg(k, &(struct wire_msg){.type = WIRE_beat, .beat.sent_us = net_now_us(k->loop)}); break;
    case DIALLER_HANG_UP:
        say_lost(k, why);
        dialler_hung_up(&k->dialler, &k->cfg.times, net_now_us(k->loop));
        cut(k);
        break;
    }
    set_timer(k);
}

static int read_places(struct head_link *k, struct fault *f)
{
    if (k->cfg.port == 0)
        return http_parse_addresses(k->cfg.host, DEFAULT_PORT, k->places, HEAD_LINK_PLACES_MAX, &k->places_n, f);
    snprintf(k->places[0].host, sizeof k->places[0].host, "%s", k->cfg.host);
    k->places[0].port = k->cfg.port;
    k->places_n = 1;
    return 0;
}

int head_link_new(struct net_loop *l, const struct head_link_config *cfg, struct head_link **out, struct fault *f)
{
    struct head_link *k = xalloc(sizeof *k);
    MUST(cfg->on_scale != NULL && cfg->on_joined != NULL && cfg->on_over != NULL);
    k->loop = l;
    k->cfg = *cfg;
    k->listener = cfg->listener;
    int err = read_places(k, f);
    if (err != 0) {
        free(k);
        return err;
    }
    k->in = buf_max(WIRE_HELLO_BYTES_MAX + NET_READ_BYTES);
    k->timer = net_timer_new(l, on_timer, k);
    k->rng.seed = rng_at(net_now_us(l), (uint64_t)getpid());
    *out = k;
    dial(k);
    set_timer(k);
    return 0;
}

/* No further dial or beat: a beat on a closing connection would abort it before the bye is sent. */
static void leave(struct head_link *k)
{
    k->stopping = true;
    dialler_leave(&k->dialler);
    set_timer(k);
}

void head_link_stop(struct head_link *k)
{
    if (is_joined(k))
        send_msg(k, &(struct wire_msg){.type = WIRE_bye, .bye.reason = str_of("the launcher is stopping")});
    leave(k);
    if (k->conn != NULL)
        net_conn_close(k->conn);
    else if (k->dial != NULL)
        http_dial_cancel(k->dial);
    else
        net_timer_set(k->timer, 0);
}

void head_link_abandon(struct head_link *k)
{
    leave(k);
    k->abandoned = true;
    k->listener.on_event = NULL;
    if (k->conn != NULL || k->dial != NULL)
        cut(k);
    else
        over(k);
}
