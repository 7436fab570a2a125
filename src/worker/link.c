#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "os/secret.h"
#include "worker/program.h"
#include "worker/crash_note.h"

/* The bytes of one link to a head. Happy path: uplink_dial -> on_up -> LINKED -> frames both
 * ways -> closed -> LINK_LOST. It can fail by: no answer, or a peer that is not a manta head
 * (LINK_LOST with words), or a bad frame (the link is closed, LINK_LOST). */

static void lost(struct uplink *u, const char *why)
{
    u->dial = NULL;
    u->conn = NULL;
    crash_note_link(u->index, -1);
    buf_reset(&u->in);
    u->program->feed(u->program, (struct agent_event){.kind = AGENT_LINK_LOST, .head = u->index, .text = str_of(why)});
}

/* ---- incoming frames ---- */

static void bad_frame(struct uplink *u, const char *why)
{
    log_warn("CLUSTER CONNECTION", EVENT("not_a_message", KV("head", u->index)), "the head at %s sent something that is not a manta message: %s",
             net_place(u->at.host, u->at.port).text, why);
    net_conn_abort(u->conn);
    buf_reset(&u->in);
}

static size_t on_msg(const struct wire_msg *msg, size_t frame_bytes, void *user_data)
{
    struct uplink *u = user_data;
    (void)frame_bytes;
    if (log_traces("wire")) {
        struct buf line = buf_max(LOG_LINE_BYTES_MAX);
        wire_print(&line, msg);
        log_line(LOG_TRACE, "wire", NULL, "<- %s", buf_cstr(&line));
        buf_fini(&line);
    }
    u->program->feed(u->program, (struct agent_event){.kind = AGENT_LINK_MSG, .head = u->index, .msg = msg});
    return u->conn != NULL ? WIRE_FRAME_BYTES_MAX : 0;
}

static void on_data(struct net_conn *c, struct str bytes, void *user_data)
{
    struct uplink *u = user_data;
    struct fault f = {.err = ERR_TOO_LARGE, .text = "a frame over the limit"};
    size_t read = buf_add_str(&u->in, bytes) == 0 ? wire_read(buf_str(&u->in), WIRE_FRAME_BYTES_MAX, &u->program->arena, on_msg, u, &f) : 0;
    if (u->conn != c)
        return;
    if (f.err != 0)
        bad_frame(u, f.text);
    else
        buf_consume(&u->in, read);
}

static void on_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)err;
    struct uplink *u = user_data;
    if (u->conn == c)
        lost(u, why);
}

/* ---- dialling ---- */

static void on_up(struct net_conn *c, struct str rest, void *user_data)
{
    static const struct net_conn_calls calls = {.on_data = on_data, .on_close = on_close};
    struct uplink *u = user_data;
    u->dial = NULL;
    u->conn = c;
    net_conn_set(c, &calls, u);
    crash_note_link(u->index, net_conn_descriptor(c));
    u->program->feed(u->program, (struct agent_event){.kind = AGENT_LINKED, .head = u->index});
    if (rest.n > 0 && u->conn == c)
        on_data(c, rest, u);
}

static void on_fail(int status, const char *why, void *user_data)
{
    struct uplink *u = user_data;
    u->dial = NULL;
    char text[400];
    if (status != 0)
        snprintf(text, sizeof text, "%s answered with HTTP %d, so it is not a manta head of this version: is --head right?",
                 net_place(u->at.host, u->at.port).text, status);
    else
        snprintf(text, sizeof text, "%s: %s", net_place(u->at.host, u->at.port).text, why);
    lost(u, text);
}

void uplink_dial(struct uplink *u)
{
    MUST(u->dial == NULL && u->conn == NULL);
    struct http_dial_config cfg = {
        .host = u->at.host,
        .port = u->at.port,
        .path = WIRE_PATH,
        .protocol = WIRE_UPGRADE,
        .on_up = on_up,
        .on_fail = on_fail,
        .user_data = u,
    };
    u->dial = http_dial_start(u->program->loop, &cfg);
}

/* ---- outgoing frames ---- */

/* peer: "127.0.0.1:8470", "[::1]:8470" */
static bool is_loopback(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    bool brackets = peer[0] == '[' && colon != NULL && colon > peer + 1;
    return colon != NULL && net_is_loopback(brackets ? str_n(peer + 1, (size_t)(colon - peer) - 2) : str_n(peer, (size_t)(colon - peer)));
}

/* Returns false for a head of another user, who may listen on the port of a missing head to
 * learn the token. */
static bool is_trusted(const struct uplink *u)
{
    uint32_t uid = 0;
    if (net_conn_peer_uid(u->conn, &uid) != 0 || uid == geteuid() || uid == 0)
        return true;
    log_warn("CLUSTER CONNECTION", EVENT("head_of_another_user", KV("uid", uid)),
             "the head at %s is of another user (%u): it is not told the token of this one, but what --join-token says",
             net_conn_peer(u->conn), uid);
    return false;
}

/* Returns whether hello brings this user's own token, which stands in for a token not given,
 * only for heads on this machine. Read anew each time: it may have been made since. */
static bool brings_own_token(const struct uplink *u, const struct wire_msg *msg, char token[SECRET_BYTES + 1])
{
    return msg->type == WIRE_hello && msg->hello.token.n == 0 && is_loopback(net_conn_peer(u->conn)) && is_trusted(u) &&
           secret_own(SECRET_JOIN_TOKEN, false, token) == 0;
}

void uplink_send(struct uplink *u, const struct wire_msg *msg)
{
    if (u->conn == NULL)
        return;
    struct buf *out = &u->program->out;
    char token[SECRET_BYTES + 1];
    struct wire_msg hello;
    if (brings_own_token(u, msg, token)) {
        hello = *msg;
        hello.hello.token = str_of(token);
        msg = &hello;
    }
    buf_reset(out);
    /* Both fail only for a head that has stopped reading: the link is cut, and on_close reports
     * it. */
    if (wire_encode(out, msg) != 0 || net_write(u->conn, buf_str(out)) != 0)
        net_conn_abort(u->conn);
}

void uplink_send_frames(struct uplink *u, struct str frames)
{
    if (u->conn != NULL && net_write(u->conn, frames) != 0)
        net_conn_abort(u->conn);
}

void uplink_hang_up(struct uplink *u)
{
    if (u->conn != NULL) {
        net_conn_close(u->conn);
    } else if (u->dial != NULL) {
        http_dial_cancel(u->dial); /* on_fail follows */
    }
}

void uplink_fini(struct uplink *u)
{
    buf_fini(&u->in);
}
