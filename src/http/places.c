/* The memory of a connection, and its places in the server's lists: waiting, able to give way,
 * closing. The largest holder gives way first. */
#include "http/conn.h"

#include <stdlib.h>

#include "base/states.h"

static const struct state conn_states[] = {
    [CONN_IDLE] = {"IDLE", TO(CONN_READING) | TO(CONN_CLOSING)},
    [CONN_READING] = {"READING", TO(CONN_ANSWERING) | TO(CONN_CLOSING)},
    [CONN_ANSWERING] = {"ANSWERING", TO(CONN_IDLE) | TO(CONN_CLOSING) | TO(CONN_HANDED)},
    [CONN_CLOSING] = {"CLOSING", 0},
    [CONN_HANDED] = {"HANDED", 0},
};

static const enum conn_wait wait_of[CONN_STATES_N] = {
    [CONN_IDLE] = WAIT_IDLE,  [CONN_READING] = WAIT_REQUEST, [CONN_ANSWERING] = WAITS_N,
    [CONN_CLOSING] = WAITS_N, [CONN_HANDED] = WAITS_N,
};

/* ---- the server, called by its connections ---- */

uint64_t http_server_now_us(const struct http_server *s)
{
    return s->loop != NULL ? net_now_us(s->loop) : s->memory_now_us;
}

bool http_server_spent(struct http_server *s)
{
    return s->loop != NULL && net_turn_spent(s->loop);
}

void http_server_wake(struct http_server *s)
{
    if (s->turn != NULL)
        net_timer_set(s->turn, http_server_now_us(s));
}

/* ---- places ---- */

static bool conn_may_give_way(const struct http_conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_READING;
}

/* Returns the bytes it could free: while a request is answered, the bytes pipelined behind it. */
static size_t conn_could_give(const struct http_conn *c)
{
    if (c->state == CONN_ANSWERING)
        return c->behind.cap;
    return conn_may_give_way(c) ? c->held : 0;
}

void http_conn_seat(struct http_conn *c)
{
    struct http_server *s = c->server;
    crowd_remove(&s->crowds[c->trusted], &c->seat);
    list_remove(&c->seat.link);
    if (conn_may_give_way(c))
        crowd_add(&s->crowds[c->trusted], &c->seat, c->calls->origin(c->link));
    else if (c->state == CONN_CLOSING)
        list_push(&s->closing, &c->seat.link);
    hoard_set(&s->greedy[c->trusted], &c->greed, conn_could_give(c));
}

void http_trust(struct http_request *r)
{
    struct http_conn *c = r->conn;
    if (c->trusted)
        return;
    crowd_remove(&c->server->crowds[0], &c->seat);
    hoard_set(&c->server->greedy[0], &c->greed, 0);
    c->trusted = true; /* it gets its new place when its request is answered or taken */
}

void http_conn_wait(struct http_conn *c, enum conn_wait what)
{
    list_remove(&c->wait);
    if (what == WAITS_N)
        return;
    c->since_us = http_server_now_us(c->server);
    list_push(&c->server->waiting[what], &c->wait);
}

void http_conn_move(struct http_conn *c, enum http_conn_state to)
{
    c->state = (uint8_t)state_next(conn_states, "connection", c->state, to);
    http_conn_wait(c, wait_of[to]);
    http_conn_seat(c);
}

void http_conn_count(struct http_conn *c)
{
    size_t held = c->behind.cap;
    if (c->request != NULL)
        held += c->request->body.cap + c->request->fields.text.cap + c->request->came.cap;
    c->server->held += held - c->held;
    c->held = held;
    hoard_set(&c->server->greedy[c->trusted], &c->greed, conn_could_give(c));
}

/* ---- writing, and the end ---- */

void http_conn_write(struct http_conn *c, struct str bytes)
{
    if (c->broken || bytes.n == 0 || c->calls->write(c->link, bytes) == 0)
        return;
    /* Half an answer is worth nothing: the client notices the cut, and http_conn_closed() tells
     * us. */
    c->broken = true;
    c->calls->abort(c->link);
}

void http_conn_drop_request(struct http_conn *c)
{
    http_request_free(c->request);
    c->request = NULL;
    c->full = false;
    http_conn_count(c);
}

void http_conn_close(struct http_conn *c)
{
    if (c->request != NULL)
        http_conn_drop_request(c);
    list_remove(&c->ready);
    http_conn_move(c, CONN_CLOSING);
    c->calls->close(c->link);
}

void http_conn_evict(struct http_conn *c)
{
    if (c->request != NULL)
        http_conn_drop_request(c);
    list_remove(&c->ready);
    if (c->state != CONN_CLOSING)
        http_conn_move(c, CONN_CLOSING);
    list_remove(&c->seat.link); /* it has nothing left to give */
    c->broken = c->evicted = true;
    c->server->evicted_n++;
    c->calls->abort(c->link);
}

void http_conn_refuse(struct http_conn *c, const struct refusal *no)
{
    struct buf out = buf_max(64 << 10);
    reply_refusal(c->server, &out, no, c->request);
    http_conn_write(c, buf_str(&out));
    buf_fini(&out);
    http_conn_close(c);
}

void http_conn_free(struct http_conn *c)
{
    c->server->held -= c->held;
    c->server->evicted_n -= c->evicted;
    crowd_remove(&c->server->crowds[c->trusted], &c->seat);
    hoard_set(&c->server->greedy[c->trusted], &c->greed, 0);
    list_remove(&c->seat.link);
    list_remove(&c->all);
    list_remove(&c->wait);
    list_remove(&c->ready);
    http_request_free(c->request);
    buf_fini(&c->behind);
    free(c);
}

void http_server_free(struct http_server *s)
{
    for (int trusted = 0; trusted < 2; trusted++)
        crowd_fini(&s->crowds[trusted]);
    free(s);
}

void http_server_settle(struct http_server *s)
{
    if (!s->closed || s->depth > 0)
        return;
    LIST_EACH_SAFE(pos, next, &s->handed)
        http_conn_free(list_item(pos, struct http_conn, all));
    if (s->conns_n == 0)
        http_server_free(s);
}

/* ---- giving way ---- */

/* The client re-sends the dropped requests: RFC 9112, 9.3.2. */
void http_conn_forget_ahead(struct http_conn *c)
{
    c->request->keep_alive = false;
    buf_fini(&c->behind);
    c->behind = buf_max(BEHIND_BYTES_MAX);
    http_conn_count(c);
}

/* Makes room for others: with an error answer when c has begun a request, silently when idle;
 * while a request is being answered, as http_conn_forget_ahead(). */
static void give_way(struct http_conn *c)
{
    struct refusal no = {.status = 503};
    if (c->state == CONN_ANSWERING) {
        http_conn_forget_ahead(c);
        return;
    }
    if (c->state != CONN_READING) {
        http_conn_evict(c);
        return;
    }
    fault_set(&no.fault, ERR_UNAVAILABLE, "this request was unfinished and gave way: too many request bytes in memory, try again in a moment");
    http_conn_refuse(c, &no);
}

bool http_server_relieve(struct http_server *s, struct http_conn *c)
{
    while (s->held > s->held_max) {
        struct hoarder *most = hoard_heaviest(&s->greedy[0]);
        if (most == NULL)
            most = hoard_heaviest(&s->greedy[1]);
        if (most == NULL || most == &c->greed)
            return c->held <= HTTP_OWN_BYTES;
        s->gave_way.bytes++;
        give_way(list_item(most, struct http_conn, greed));
    }
    return true;
}

/* ---- freed early by a handler ---- */

struct buf http_take_body(struct http_request *r)
{
    struct buf body = r->body;
    r->body = buf_max(HTTP_BODY_BYTES_MAX);
    http_conn_count(r->conn);
    return body;
}

void http_forget(struct http_request *r)
{
    fields_fini(&r->fields);
    buf_fini(&r->body);
    http_conn_count(r->conn);
}
