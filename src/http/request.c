/* Parse bytes into a request that a handler can read, or find the status to refuse it with. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "http/conn.h"
#include "http/text.h"

enum { CAME_BYTES_MAX = HTTP_HEAD_BYTES_MAX + HTTP_CHUNKS_BYTES + 2 * HTTP_BODY_BYTES_MAX };

/* ---- refusing ---- */

/* Records the reason. The result, returned from a parser callback, stops the parser. */
__attribute__((format(printf, 4, 5)))
static int refuse(struct http_request *r, int status, int err, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->no->status = status;
    fault_set(&r->no->fault, err, "%s", text);
    return -1;
}

static int refuse_head(struct http_request *r)
{
    return refuse(r, 431, ERR_TOO_LARGE, "the request line and headers are larger than %d bytes", HTTP_HEAD_BYTES_MAX);
}

static int refuse_body(struct http_request *r)
{
    return refuse(r, 413, ERR_TOO_LARGE, "the body is larger than %d bytes", HTTP_BODY_BYTES_MAX);
}

/* ---- parser callbacks ---- */

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct http_request *r = p->data;
    if (buf_add(&r->fields.text, at, n) != 0)
        return refuse_head(r);
    r->target_n = (uint16_t)r->fields.text.n;
    return 0;
}

static int on_url_complete(llhttp_t *p)
{
    struct http_request *r = p->data;
    fields_begin(&r->fields);
    return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct http_request *r = p->data;
    if (r->head_whole) /* a trailer, which we ignore */
        return 0;
    return fields_name(&r->fields, at, n) != 0 ? refuse_head(r) : 0;
}

static int on_name_complete(llhttp_t *p)
{
    struct http_request *r = p->data;
    if (!r->head_whole)
        fields_mark(&r->fields);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http_request *r = p->data;
    if (r->head_whole)
        return 0;
    return fields_value(&r->fields, at, n) != 0 ? refuse_head(r) : 0;
}

static int on_value_complete(llhttp_t *p)
{
    struct http_request *r = p->data;
    if (r->head_whole || fields_end(&r->fields) == 0)
        return 0;
    return refuse(r, 431, ERR_TOO_LARGE, "there are more than %d headers", HTTP_HEADERS_MAX);
}

/* Splits "/path?query#ignored", optionally after "http://host", which servers must accept, or
 * "*". */
static void split_target(struct http_request *r)
{
    const char *text = r->fields.text.p;
    uint16_t at = 0, end = r->target_n;
    if (end > 0 && text[0] != '/' && text[0] != '*') {
        const char *host = memmem(text, end, "://", 3);
        at = host != NULL ? (uint16_t)(host - text + 3) : 0;
        r->host = at;
        while (host != NULL && at < end && text[at] != '/' && text[at] != '?' && text[at] != '#')
            at++;
        r->host_n = (uint16_t)(at - r->host);
    }
    const char *mark = memchr(text + at, '#', (size_t)(end - at));
    if (mark != NULL)
        end = (uint16_t)(mark - text);
    const char *q = memchr(text + at, '?', (size_t)(end - at));
    r->path = at;
    r->path_n = (uint16_t)((q != NULL ? (uint16_t)(q - text) : end) - at);
    r->query = q != NULL ? (uint16_t)(q - text + 1) : end;
    r->query_n = (uint16_t)(end - r->query);
}

static int check_framing(struct http_request *r)
{
    const llhttp_t *p = &r->parser;
    if (p->http_major != 1 || p->http_minor > 1)
        return refuse(r, 505, ERR_VERSION, "HTTP/%u.%u is not spoken here: use HTTP/1.1", p->http_major, p->http_minor);
    uint32_t hosts = fields_count(&r->fields, "host");
    if (hosts > 1 || (hosts == 0 && p->http_minor == 1))
        return refuse(r, 400, ERR_PROTOCOL, "the request has %s Host header", hosts == 0 ? "no" : "more than one");
    uint32_t codings = fields_count(&r->fields, "transfer-encoding");
    if (codings == 0)
        return 0;
    if (codings > 1)
        return refuse(r, 400, ERR_PROTOCOL, "more than one Transfer-Encoding header");
    if (p->http_minor == 0)
        return refuse(r, 400, ERR_PROTOCOL, "Transfer-Encoding needs HTTP/1.1");
    struct str coding = fields_get(&r->fields, "transfer-encoding");
    if (!str_is_nocase(coding, "chunked"))
        return refuse(r, 501, ERR_UNSUPPORTED, "Transfer-Encoding '%.*s' is not supported: only 'chunked' is",
                      STR_ARG(utf8_head(coding, 64)));
    return 0;
}

static int check_body(struct http_request *r)
{
    const llhttp_t *p = &r->parser;
    bool chunked = (p->flags & F_CHUNKED) != 0;
    if (!chunked && p->content_length > HTTP_BODY_BYTES_MAX)
        return refuse(r, 413, ERR_TOO_LARGE, "the body has %llu bytes, the limit is %d",
                      (unsigned long long)p->content_length, HTTP_BODY_BYTES_MAX);
    struct str expect = fields_get(&r->fields, "expect");
    if (expect.n > 0 && !str_is_nocase(expect, "100-continue"))
        return refuse(r, 417, ERR_UNSUPPORTED, "only 'Expect: 100-continue' is supported");
    r->expects = expect.n > 0 && p->http_minor == 1 && (chunked || p->content_length > 0);
    return 0;
}

static int on_head(llhttp_t *p)
{
    struct http_request *r = p->data;
    r->head_whole = true;
    r->head_only = p->method == HTTP_HEAD;
    r->old = p->http_minor == 0;
    r->upgrade = p->upgrade != 0 && p->method != HTTP_CONNECT;
    r->keep_alive = llhttp_should_keep_alive(p) != 0;
    split_target(r);
    return check_framing(r) != 0 || check_body(r) != 0 ? -1 : 0;
}

static int on_chunk(llhttp_t *p)
{
    struct http_request *r = p->data;
    /* The size of a chunk is known before its first byte is read. */
    return p->content_length > HTTP_BODY_BYTES_MAX - r->body.n ? refuse_body(r) : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_request *r = p->data;
    return buf_add(&r->body, at, n) != 0 ? refuse_body(r) : 0;
}

static int on_whole(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED; /* one request at a time; the next one gets its own parser */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_chunk_header = on_chunk,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

/* ---- feeding ---- */

struct http_request *http_request_new(struct http_conn *c)
{
    struct http_request *r = xalloc(sizeof *r);
    r->conn = c;
    fields_init(&r->fields);
    r->body = buf_max(HTTP_BODY_BYTES_MAX);
    r->came = buf_max(CAME_BYTES_MAX);
    llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    r->parser.data = r;
    return r;
}

void http_request_free(struct http_request *r)
{
    if (r == NULL)
        return;
    fields_fini(&r->fields);
    buf_fini(&r->body);
    buf_fini(&r->came);
    free(r->lines);
    free(r);
}

/* Records the parser's own error, unless a callback has filled r->no. */
static void explain(struct http_request *r, llhttp_errno_t err, bool first, char begins_with)
{
    const char *reason = llhttp_get_error_reason(&r->parser);
    if (r->no->status != 0)
        return;
    if (first && begins_with == 0x16)
        refuse(r, 400, ERR_PROTOCOL, "this port speaks plain HTTP, not TLS: use http://");
    else if (err == HPE_PAUSED_H2_UPGRADE || (reason != NULL && strcmp(reason, "Invalid HTTP version") == 0))
        refuse(r, 505, ERR_VERSION, "this HTTP version is not spoken here: use HTTP/1.1");
    else
        refuse(r, 400, ERR_PROTOCOL, "malformed request: %s", reason != NULL ? reason : "not HTTP");
}

/* Keeps the received bytes of an unfinished request. A request that arrives in one piece, as
 * most do, keeps nothing; a body with a Content-Length is kept only once. Returns false when too
 * much of the bytes is framing. */
static bool keep_came(struct http_request *r, struct str bytes, bool head_was_whole)
{
    if (head_was_whole && (r->parser.flags & F_CHUNKED) == 0)
        return true;
    if (buf_add_str(&r->came, bytes) != 0)
        return false;
    r->came_body = r->body.n;
    return r->came.n <= HTTP_HEAD_BYTES_MAX + HTTP_CHUNKS_BYTES + 2 * r->body.n;
}

int http_request_came(const struct http_request *r, struct buf *out)
{
    int err = buf_add_str(out, buf_str(&r->came));
    return err != 0 ? err : buf_add(out, r->body.p + r->came_body, r->body.n - r->came_body);
}

enum request_step http_request_feed(struct http_request *r, struct str bytes, size_t *out_used, struct refusal *no)
{
    no->status = 0;
    r->no = no;
    bool first = r->head_bytes == 0, head_was_whole = r->head_whole;
    /* Before the head is whole, parse no more bytes than a head may have: so its limit is exact,
     * however the bytes arrive, and covers blanks and line ends that the parser skips. */
    size_t n = bytes.n;
    if (!r->head_whole && n > HTTP_HEAD_BYTES_MAX - r->head_bytes)
        n = HTTP_HEAD_BYTES_MAX - r->head_bytes;
    llhttp_errno_t err = llhttp_execute(&r->parser, bytes.p, n);
    if (err == HPE_OK || err == HPE_PAUSED) {
        *out_used = err == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(&r->parser) - bytes.p) : n;
        if (!r->head_whole) {
            r->head_bytes += (uint32_t)n;
            if (r->head_bytes >= HTTP_HEAD_BYTES_MAX) {
                refuse_head(r);
                return REQUEST_REFUSED;
            }
        }
        if (err == HPE_PAUSED) {
            buf_fini(&r->came);
            return REQUEST_WHOLE;
        }
        if (keep_came(r, str_n(bytes.p, n), head_was_whole))
            return REQUEST_MORE;
        refuse(r, 413, ERR_TOO_LARGE, "the body comes in too many small chunks");
        return REQUEST_REFUSED;
    }
    explain(r, err, first, bytes.p[0]);
    *out_used = bytes.n;
    return REQUEST_REFUSED;
}

/* ---- read by the handler ---- */

/* Empty after http_forget(). */
static struct str piece(const struct http_request *r, uint16_t at, uint16_t n)
{
    return n > 0 && r->fields.text.p != NULL ? str_n(r->fields.text.p + at, n) : (struct str){0};
}

struct str http_method(const struct http_request *r)
{
    return str_of(llhttp_method_name((llhttp_method_t)r->parser.method));
}

struct str http_path(const struct http_request *r)
{
    return r->path_n > 0 ? piece(r, r->path, r->path_n) : str_of("/");
}

struct str http_query(const struct http_request *r, const char *name)
{
    struct str rest = piece(r, r->query, r->query_n);
    while (rest.n > 0) {
        struct str value = str_cut(&rest, '&');
        if (str_is(str_cut(&value, '='), name))
            return value;
    }
    return (struct str){0};
}

struct str http_header(const struct http_request *r, const char *lower_name)
{
    return fields_get(&r->fields, lower_name);
}

struct str http_authority(const struct http_request *r)
{
    return piece(r, r->host, r->host_n);
}

struct str http_body(const struct http_request *r)
{
    return buf_str(&r->body);
}

void http_set_user_data(struct http_request *r, void *p)
{
    r->user_data = p;
}

void *http_user_data(const struct http_request *r)
{
    return r->user_data;
}

bool http_is_whole(const struct http_request *r)
{
    return r->whole;
}

bool http_is_head(const struct http_request *r)
{
    return r->head_only;
}

bool http_is_guest(const struct http_request *r)
{
    return r->conn->guest && r->conn->server->conns_n > r->conn->server->conns_max;
}

bool http_wants_upgrade(const struct http_request *r, const char *protocol)
{
    return r->upgrade && str_lists(http_header(r, "upgrade"), protocol);
}
