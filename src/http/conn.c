/* One connection of the server: requests come one behind the other; each is answered before the
 * next is parsed.
 *
 * Invariants:
 *  1. A request is answered or on_gone is called for it, never both: only http_conn_answered() and
 *     http_conn_closed() end a request that the handler has.
 *  2. on_request is never called from within an http_ call of a handler: conn_parse(), further up
 *     on the stack or in the next turn, parses the bytes in `behind`.
 *  3. The memory a client can make us hold is bounded: one request (its limits), HTTP_BEHIND_BYTES
 *     and one read behind it, and server.held_max for all connections together.
 *  4. A connection has one request handled per turn of the loop, however many it sends at once. */
#include "http/conn.h"

#include <stdlib.h>

#include "base/must.h"

/* Schedules the bytes in `behind` for the next turn. There are none while conn_parse() is on the
 * stack: it has them. */
static void conn_go_on(struct http_conn *c)
{
    if (c->behind.n == 0 || list_linked(&c->ready))
        return;
    list_push(&c->server->ready, &c->ready);
    http_server_wake(c->server);
}

void http_conn_answered(struct http_conn *c)
{
    MUST(c->state == CONN_ANSWERING); /* 1 */
    bool keep = c->request->keep_alive && !c->broken && !c->server->closed;
    http_conn_drop_request(c);
    if (!keep) {
        http_conn_close(c);
        return;
    }
    http_conn_move(c, CONN_IDLE);
    conn_go_on(c);
}

void http_conn_hand_over(struct http_conn *c)
{
    MUST(c->state == CONN_ANSWERING);
    if (c->rest.n > 0) /* `behind` is empty while the bytes of that request are being parsed */
        MUST(buf_add_str(&c->behind, c->rest) == 0);
    if (c->paused)
        c->calls->resume(c->link);
    http_conn_drop_request(c);
    http_conn_move(c, CONN_HANDED);
    list_remove(&c->all);
    c->server->conns_n--;
    list_push(&c->server->handed, &c->all);
    http_server_wake(c->server);
}

/* ---- incoming bytes ---- */

/* Returns whether it may parse now. Answers that the client does not read must not pile up: its
 * next pipelined request waits. */
static bool conn_hungry(const struct http_conn *c)
{
    return c->state == CONN_READING ||
           (c->state == CONN_IDLE && c->calls->pending(c->link) < HTTP_STREAM_HIGH_BYTES);
}

/* Returns whether no further request is taken from this connection: incoming bytes are read, to
 * notice a hang-up, and dropped. */
static bool conn_takes_no_more(const struct http_conn *c)
{
    return c->state == CONN_CLOSING || c->state == CONN_HANDED ||
           (c->state == CONN_ANSWERING && !c->request->keep_alive && !c->request->upgrade);
}

/* Keeps bytes that cannot be parsed yet. */
static void conn_keep(struct http_conn *c, struct str bytes)
{
    if (bytes.n == 0 || conn_takes_no_more(c))
        return;
    bool kept = buf_add_str(&c->behind, bytes) == 0;
    http_conn_count(c);
    kept = kept && http_server_relieve(c->server, c);
    if (!kept && c->state == CONN_ANSWERING) {
        http_conn_forget_ahead(c);
    } else if (!kept) {
        c->broken = true;
        c->calls->abort(c->link);
    } else if (c->behind.n >= HTTP_BEHIND_BYTES && !c->paused) {
        c->paused = true;
        c->calls->pause(c->link);
    }
}

/* Asks the handler whether the body, still to come, is welcome. The handler may answer now, as
 * it may a whole request. The rest of the body is then no request, so the connection ends with
 * the answer. */
static bool conn_welcomes(struct http_conn *c)
{
    struct http_request *r = c->request;
    struct http_server *s = c->server;
    r->judged = true;
    if (s->calls.on_head == NULL)
        return true;
    bool keep_alive = r->keep_alive;
    r->keep_alive = false;
    c->state = CONN_ANSWERING;
    if (!s->calls.on_head(r, s->user_data)) {
        if (c->state == CONN_ANSWERING) { /* not answered within on_head */
            http_conn_wait(c, WAITS_N);
            http_conn_seat(c);
        }
        return false;
    }
    r->keep_alive = keep_alive;
    c->state = CONN_READING; /* its wait, which began with its first byte, continues */
    http_conn_seat(c);
    return true;
}

static void conn_take(struct http_conn *c, struct str rest)
{
    MUST(c->behind.n == 0 && c->rest.n == 0); /* 2: no older bytes wait */
    http_conn_move(c, CONN_ANSWERING);
    c->request->whole = true;
    c->continued = false;
    c->rest = rest;
    c->server->calls.on_request(c->request, c->server->user_data);
    c->rest = (struct str){0};
}

/* One step of parsing. Returns the remaining bytes. */
static struct str conn_step(struct http_conn *c, struct str bytes)
{
    if (c->state == CONN_IDLE) {
        c->request = http_request_new(c);
        http_conn_move(c, CONN_READING);
    }
    struct refusal no;
    size_t used = 0;
    enum request_step step = http_request_feed(c->request, bytes, &used, &no);
    struct str rest = str_n(bytes.p + used, bytes.n - used);
    http_conn_count(c);
    if (step == REQUEST_MORE && c->request->head_whole && !c->request->judged && !conn_welcomes(c))
        return (struct str){0};
    if (step != REQUEST_REFUSED && !http_server_relieve(c->server, c)) {
        no.status = 503;
        fault_set(&no.fault, ERR_UNAVAILABLE, "too many request bytes in memory: try again in a moment");
        step = REQUEST_REFUSED;
    }
    if (step != REQUEST_REFUSED && c->request->expects) {
        c->request->expects = false;
        c->request->continued = true;
        if (!c->continued)
            http_conn_write(c, str_of("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (step == REQUEST_REFUSED)
        http_conn_refuse(c, &no);
    else if (step == REQUEST_WHOLE)
        conn_take(c, rest);
    return rest;
}

static void conn_parse(struct http_conn *c, struct str bytes)
{
    struct http_server *s = c->server;
    s->depth++;
    bool handled = false; /* 4 */
    while (bytes.n > 0 && !c->broken && conn_hungry(c) && !handled) {
        bytes = conn_step(c, bytes);
        handled = c->state != CONN_READING;
    }
    conn_keep(c, bytes);
    if (handled && conn_hungry(c))
        conn_go_on(c);
    s->depth--;
    http_server_settle(s);
}

void http_conn_data(struct http_conn *c, struct str bytes)
{
    if (c->behind.n > 0) /* older bytes come first */
        conn_keep(c, bytes);
    else
        conn_parse(c, bytes);
}

void http_conn_again(struct http_conn *c)
{
    struct buf taken = c->behind;
    c->behind = buf_max(BEHIND_BYTES_MAX);
    http_conn_count(c);
    conn_parse(c, buf_str(&taken));
    buf_fini(&taken);
    /* Otherwise a pipelined request is still being answered, or the client does not read its
     * answers. */
    if (c->paused && c->behind.n < HTTP_BEHIND_BYTES && c->state != CONN_HANDED) {
        c->paused = false;
        c->calls->resume(c->link);
    }
}

void http_conn_drained(struct http_conn *c)
{
    if (c->state == CONN_IDLE)
        conn_go_on(c);
    /* The link drains at half of its peak, which may still be too much: it drains again at half
     * of that. */
    if (!c->full || c->calls->pending(c->link) > HTTP_STREAM_HIGH_BYTES / 2)
        return;
    c->full = false;
    http_conn_wait(c, WAITS_N);
    if (c->server->calls.on_drain != NULL)
        c->server->calls.on_drain(c->request, c->server->user_data);
}

/* ---- from another process ---- */

/* Queues received bytes, to be parsed in the next turn with the bytes that arrive until then. */
static void conn_came(struct http_conn *c, struct str came)
{
    c->behind.max = came.n + BEHIND_BYTES_MAX;
    MUST(buf_add_str(&c->behind, came) == 0);
    http_conn_count(c);
}

void http_conn_begins(struct http_conn *c, const struct http_state *is)
{
    c->continued = is->continued;
    conn_came(c, is->came);
    conn_go_on(c);
}

void http_conn_answers(struct http_conn *c, struct http_request *r, const struct http_state *is)
{
    c->request = r;
    http_conn_move(c, CONN_READING);
    http_conn_move(c, CONN_ANSWERING);
    conn_came(c, is->came);
    if (c->behind.n < HTTP_BEHIND_BYTES)
        return;
    c->paused = true;
    c->calls->pause(c->link);
}

/* ---- ends ---- */

static void conn_drain_over(struct http_conn *c)
{
    size_t pending = c->calls->pending(c->link);
    if (pending < c->seen) {
        c->seen = pending;
        http_conn_wait(c, WAIT_DRAIN);
        return;
    }
    http_conn_wait(c, WAITS_N);
    c->broken = true;
    c->calls->abort(c->link);
}

void http_conn_wait_over(struct http_conn *c, enum conn_wait what)
{
    if (what == WAIT_REQUEST) {
        struct refusal no = {.status = 408};
        fault_set(&no.fault, ERR_TIMEOUT, "the request was not whole after %d s", HTTP_REQUEST_MS / 1000);
        http_conn_refuse(c, &no);
    } else if (what == WAIT_DRAIN) {
        conn_drain_over(c);
    } else {
        http_conn_close(c);
    }
}

void http_conn_closed(struct http_conn *c)
{
    struct http_server *s = c->server;
    s->depth++;
    c->broken = true;
    if (c->state == CONN_ANSWERING && s->calls.on_gone != NULL)
        s->calls.on_gone(c->request, s->user_data);
    s->conns_n--;
    http_conn_free(c);
    s->depth--;
    http_server_settle(s);
}
