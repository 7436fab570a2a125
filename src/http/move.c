/* Hand a server over to another process: read the state of each connection here, rebuild the
 * connection there.
 *
 * The happy path is: http_server_each() shows every connection; each crosses over fdpass with its
 * state -> http_server_take(), http_server_take_conn() there -> http_server_let_go() here. Before
 * the last step this server can continue as if nothing had happened: showing a connection changes
 * nothing, and the other process reads nothing until it knows that it has taken over. An unfinished
 * request begins anew there, from its first byte: no parser state crosses. */
#include "base/must.h"
#include "http/conn.h"

enum { STATE_BYTES_MAX = NET_PENDING_BYTES_MAX }; /* of each of the two texts of a state: the largest possible */

static const enum http_stage stages[CONN_STATES_N] = {
    [CONN_IDLE] = HTTP_IDLE, [CONN_READING] = HTTP_IDLE, [CONN_ANSWERING] = HTTP_ANSWERING, [CONN_CLOSING] = HTTP_CLOSING,
};

static int show(struct http_conn *c, http_state_fn *fn, void *user_data)
{
    struct http_request *r = c->request;
    struct buf came = buf_max(STATE_BYTES_MAX), unsent = buf_max(STATE_BYTES_MAX);
    struct http_state is = {.stage = (uint8_t)stages[c->state]};
    if (c->state == CONN_ANSWERING) {
        is.stage = r->streaming ? HTTP_STREAMING : HTTP_ANSWERING;
        is.keep_alive = r->keep_alive;
        is.old = r->old;
        is.head_only = r->head_only;
        is.lines = str_of(r->lines);
    } else if (c->state == CONN_READING) {
        is.continued = r->continued;
        MUST(http_request_came(r, &came) == 0);
    }
    is.continued = is.continued || c->continued;
    MUST(buf_add_str(&came, buf_str(&c->behind)) == 0);
    MUST(net_conn_unsent(c->link, &unsent) == 0);
    is.came = buf_str(&came);
    is.unsent = buf_str(&unsent);
    int result = fn(c->link, c->state == CONN_ANSWERING ? r : NULL, &is, user_data);
    buf_fini(&came);
    buf_fini(&unsent);
    return result;
}

int http_server_each(struct http_server *s, http_state_fn *fn, void *user_data)
{
    int result = 0;
    LIST_EACH(pos, &s->conns) {
        struct http_conn *c = list_item(pos, struct http_conn, all);
        if (!c->broken) /* its half answer ends here */
            result = show(c, fn, user_data);
        if (result != 0)
            break;
    }
    return result;
}

struct net_listener *http_server_listener(struct http_server *s)
{
    return s->listener;
}

/* ---- the other process ---- */

static struct http_request *take_request(struct http_conn *c, const struct http_state *is)
{
    struct http_request *r = http_request_new(c);
    r->head_whole = r->whole = r->judged = true;
    r->keep_alive = is->keep_alive;
    r->old = is->old;
    r->head_only = is->head_only;
    r->streaming = is->stage == HTTP_STREAMING;
    if (!r->streaming && is->lines.n > 0 && is->lines.n <= HTTP_LINES_BYTES_MAX)
        http_answer_with(r, is->lines);
    http_conn_answers(c, r, is);
    http_forget(r);
    return r;
}

struct http_request *http_server_take_conn(struct http_server *s, int fd, const struct http_state *is)
{
    struct net_conn *link = net_conn_take(s->loop, fd);
    struct http_conn *c = is->stage == HTTP_CLOSING ? NULL : http_server_connect(s, link);
    if (is->stage == HTTP_CLOSING) {
        static const struct net_conn_calls nobody = {0};
        net_conn_set(link, &nobody, NULL);
    }
    (void)net_write(link, is->unsent); /* it fits: it fitted there; a lost connection reports itself */
    if (c == NULL) {
        net_conn_close(link);
        return NULL;
    }
    if (is->stage != HTTP_IDLE)
        return take_request(c, is);
    if (is->came.n > 0)
        http_conn_begins(c, is);
    return NULL;
}
