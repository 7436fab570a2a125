/* Send answers: heads, bodies, chunks of a stream. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "http/conn.h"

enum { REPLY_HEAD_BYTES_MAX = 64 << 10 }; /* the content is ours, so exceeding it is a MUST; `extra` may echo a
                                             header of the client */

/* ---- the head ---- */

static bool may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* Appends everything before the framing header: status, date, type, connection. */
static void add_head(const struct http_request *r, struct buf *out, int status, const char *content_type,
                     const char *extra)
{
    struct http_server *s = r->conn->server;
    reply_status_line(s, out, status);
    if (content_type != NULL)
        buf_printf(out, "Content-Type: %s\r\n", content_type);
    if (!r->keep_alive || s->closed)
        buf_puts(out, "Connection: close\r\n");
    else if (r->old)
        buf_puts(out, "Connection: keep-alive\r\n");
    if (r->lines != NULL)
        buf_puts(out, r->lines);
    if (extra != NULL)
        buf_puts(out, extra);
}

void http_answer_with(struct http_request *r, struct str lines)
{
    MUST(!r->streaming && lines.n <= HTTP_LINES_BYTES_MAX);
    free(r->lines);
    r->lines = xstr_dup(lines);
}

static void send_head(struct http_conn *c, struct buf *head)
{
    buf_puts(head, "\r\n");
    MUST(!head->overflowed);
    http_conn_write(c, buf_str(head));
    buf_fini(head);
}

/* ---- whole answers ---- */

void http_reply(struct http_request *r, int status, const char *content_type, const char *extra, struct str body)
{
    struct http_conn *c = r->conn;
    MUST(c->request == r);
    MUST(!r->streaming);
    struct buf head = buf_max(REPLY_HEAD_BYTES_MAX);
    add_head(r, &head, status, content_type, extra);
    if (may_have_body(status) && (body.n > 0 || !r->head_only))
        buf_printf(&head, "Content-Length: %zu\r\n", body.n);
    send_head(c, &head);
    if (may_have_body(status) && !r->head_only)
        http_conn_write(c, body);
    http_conn_answered(c);
}

/* ---- streams ---- */

void http_stream_begin(struct http_request *r, const char *content_type, const char *extra)
{
    struct http_conn *c = r->conn;
    MUST(c->request == r);
    MUST(!r->streaming);
    r->streaming = true;
    if (r->old) /* HTTP/1.0 has no chunks: the end of the connection ends the answer */
        r->keep_alive = false;
    struct buf head = buf_max(REPLY_HEAD_BYTES_MAX);
    add_head(r, &head, 200, content_type, extra);
    if (!r->old)
        buf_puts(&head, "Transfer-Encoding: chunked\r\n");
    send_head(c, &head);
    free(r->lines);
    r->lines = NULL;
    http_forget(r);
}

/* Writes "1f4\\r\n" into out. Returns its length. */
static size_t chunk_size(char out[20], size_t n)
{
    char digits[16];
    size_t len = 0, used = 0;
    for (; n > 0; n >>= 4)
        digits[len++] = "0123456789abcdef"[n & 15];
    while (len > 0)
        out[used++] = digits[--len];
    out[used++] = '\r';
    out[used++] = '\n';
    return used;
}

void http_stream_write(struct http_request *r, struct str bytes)
{
    struct http_conn *c = r->conn;
    MUST(r->streaming);
    if (bytes.n == 0 || r->head_only) /* an empty chunk would end the answer */
        return;
    if (r->old) {
        http_conn_write(c, bytes);
        return;
    }
    char size[20];
    http_conn_write(c, str_n(size, chunk_size(size, bytes.n)));
    http_conn_write(c, bytes);
    http_conn_write(c, str_n("\r\n", 2));
}

bool http_stream_full(const struct http_request *r)
{
    struct http_conn *c = r->conn;
    if (c->full)
        return true;
    if (c->broken || c->calls->pending(c->link) < HTTP_STREAM_HIGH_BYTES)
        return false;
    c->full = true;
    c->seen = c->calls->pending(c->link);
    http_conn_wait(c, WAIT_DRAIN);
    return true;
}

void http_stream_end(struct http_request *r)
{
    MUST(r->streaming);
    if (!r->old && !r->head_only)
        http_conn_write(r->conn, str_n("0\r\n\r\n", 5));
    http_conn_answered(r->conn);
}

/* ---- upgrade to another protocol ---- */

struct net_conn *http_upgrade(struct http_request *r, const char *protocol, struct str *out_rest)
{
    struct http_conn *c = r->conn;
    MUST(c->request == r);
    MUST(!r->streaming);
    struct buf head = buf_max(REPLY_HEAD_BYTES_MAX);
    reply_status_line(c->server, &head, 101);
    buf_printf(&head, "Connection: Upgrade\r\nUpgrade: %s\r\n", protocol);
    send_head(c, &head);
    struct net_conn *link = c->link;
    http_conn_hand_over(c);
    *out_rest = c->server->closed ? (struct str){0} : buf_str(&c->behind); /* a closed server has no next turn */
    http_server_settle(c->server);
    return link;
}
