/* One request of a client, on its own connection.
 *
 * The happy path is: net_dial -> on_open: the request is written -> answer head (on_head) -> body
 * (on_body)… -> the message is whole -> the connection is aborted -> on_end(0). It can fail by: no
 * connection; no answer until timeout_ms; a server whose machine is gone (net_conn_probe()); an
 * answer that is not HTTP; a head over its limit; the connection ending too early;
 * http_call_cancel(). Each failure records its reason (call_end) and aborts the connection. All end
 * in on_close, the only place that calls on_end and frees. */
#include "http/call.h"

#include <llhttp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "http/fields.h"
#include "http/text.h"

enum {
    TIMEOUT_MS = 30000,
    REQUEST_BYTES_MAX = 24 << 20, /* under NET_PENDING_BYTES_MAX */
};

struct http_call {
    struct http_call_config cfg;  /* its texts are invalid after call_start(): only callbacks and numbers are used */
    call_up_fn *up;               /* dial.c's; NULL: a plain call */
    char *protocol;               /* owned; the upgrade asked for, or NULL */
    struct net_conn *link;        /* owned by net until on_close */
    struct net_timer *timer;      /* owned; runs until the answer's head */
    struct buf request;           /* owned; freed once written */
    llhttp_t parser;
    struct fields fields;         /* of the answer */
    uint32_t head_bytes;          /* of the answer's head so far */
    bool head_request;            /* HEAD: the answer has no body */
    bool head_whole;              /* the head of the final answer, not of a 100 Continue */
    bool whole;                   /* the answer is whole */
    bool ending;                  /* `err` and `why` are final: no callback but on_end follows */
    int err;
    char why[400];
    struct net_place where;       /* "127.0.0.1:8470", for the sentences */
};

/* ---- ends ---- */

__attribute__((format(printf, 3, 4))) static void call_end(struct http_call *c, int err, const char *fmt, ...)
{
    if (c->ending)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    c->err = err;
    c->ending = true;
    net_conn_abort(c->link); /* after a success, too: both sides have sent everything */
}

static void call_free(struct http_call *c)
{
    net_timer_free(c->timer);
    fields_fini(&c->fields);
    buf_fini(&c->request);
    free(c->protocol);
    free(c);
}

static void on_close(struct net_conn *link, int err, const char *why, void *user_data)
{
    struct http_call *c = user_data;
    (void)link;
    /* A body without a length ends with its connection, if that ended orderly. */
    if (!c->ending && err == 0 && c->head_whole) {
        (void)llhttp_finish(&c->parser); /* calls on_whole() if the message allows it */
        c->ending = c->whole;
    }
    if (!c->ending) {
        c->err = err != 0 ? err : ERR_NET;
        if (err != 0)
            snprintf(c->why, sizeof c->why, "%s", why);
        else
            snprintf(c->why, sizeof c->why, "%s closed the connection %s", c->where.text,
                     c->head_whole ? "in the middle of its answer" : "without an answer");
        c->ending = true;
    }
    c->cfg.on_end(c, c->err, c->why, c->cfg.user_data);
    call_free(c);
}

static void on_timeout(struct net_timer *t, void *user_data)
{
    struct http_call *c = user_data;
    (void)t;
    call_end(c, ERR_TIMEOUT, "no answer from %s within %.1f s", c->where.text, c->cfg.timeout_ms / 1000.0);
}

void http_call_cancel(struct http_call *c)
{
    call_end(c, ERR_CANCELLED, "cancelled");
}

/* ---- parser callbacks ---- */

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct http_call *c = p->data;
    return c->head_whole ? 0 : fields_name(&c->fields, at, n);
}

static int on_name_complete(llhttp_t *p)
{
    struct http_call *c = p->data;
    if (!c->head_whole)
        fields_mark(&c->fields);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http_call *c = p->data;
    return c->head_whole ? 0 : fields_value(&c->fields, at, n);
}

static int on_value_complete(llhttp_t *p)
{
    struct http_call *c = p->data;
    return c->head_whole ? 0 : fields_end(&c->fields);
}

static bool is_interim(const llhttp_t *p)
{
    return p->status_code < 200 && p->status_code != 101;
}

/* Returns 1 when the answer has no body. */
static int on_head(llhttp_t *p)
{
    struct http_call *c = p->data;
    if (is_interim(p)) /* 100 Continue and the like: the answer follows */
        return 1;
    c->head_whole = true;
    net_timer_set(c->timer, UINT64_MAX);
    if (c->cfg.on_head != NULL && p->status_code != 101)
        c->cfg.on_head(c, p->status_code, c->cfg.user_data);
    return c->head_request ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_call *c = p->data;
    if (!c->ending && c->cfg.on_body != NULL)
        c->cfg.on_body(c, str_n(at, n), c->cfg.user_data);
    return 0;
}

static int on_whole(llhttp_t *p)
{
    struct http_call *c = p->data;
    c->whole = c->head_whole;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

static void expect_answer(struct http_call *c)
{
    llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
    c->parser.data = c;
    fields_fini(&c->fields);
    fields_begin(&c->fields);
}

/* ---- the answer ---- */

/* Ends the call with the first bytes of another protocol: an SSH server introduces itself in its
 * first line. */
static void not_http(struct http_call *c, struct str bytes)
{
    char said[48];
    size_t n = 0;
    while (n < bytes.n && n + 1 < sizeof said && bytes.p[n] >= ' ' && bytes.p[n] <= '~') {
        said[n] = bytes.p[n];
        n++;
    }
    said[n] = '\0';
    bool tls = bytes.n > 1 && bytes.p[0] == 0x15 && bytes.p[1] == 0x03;
    if (tls)
        call_end(c, ERR_PROTOCOL, "%s does not speak plain HTTP: it wants TLS", c->where.text);
    else if (n >= 3)
        call_end(c, ERR_PROTOCOL, "%s does not speak HTTP: it says '%s'", c->where.text, said);
    else
        call_end(c, ERR_PROTOCOL, "%s does not speak HTTP", c->where.text);
}

static void parser_failed(struct http_call *c, struct str bytes, bool first)
{
    if (c->fields.text.overflowed || c->fields.n == HTTP_HEADERS_MAX || c->head_bytes >= HTTP_HEAD_BYTES_MAX)
        call_end(c, ERR_TOO_LARGE, "the headers of the answer from %s are over the limit (%d bytes, %d headers)",
                 c->where.text, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX);
    else if (first && (bytes.n < 5 || memcmp(bytes.p, "HTTP/", 5) != 0))
        not_http(c, bytes);
    else
        call_end(c, ERR_PROTOCOL, "malformed answer from %s: %s", c->where.text, llhttp_get_error_reason(&c->parser));
}

/* The server has switched: hands over the connection with the bytes behind the answer. */
static void hand_over(struct http_call *c, struct str rest)
{
    struct str protocol = fields_get(&c->fields, "upgrade");
    if (c->up == NULL || !str_is_nocase(protocol, c->protocol)) {
        call_end(c, ERR_PROTOCOL, "%s switched to another protocol than was asked for: '%.*s'", c->where.text,
                 STR_ARG(utf8_head(protocol, 40)));
        return;
    }
    static const struct net_conn_calls nobody = {0};
    net_conn_set(c->link, &nobody, NULL);
    c->up(c->link, rest, c->cfg.user_data);
    call_free(c);
}

/* Parses one message, interim ones included. Returns the number of bytes used. */
static size_t feed(struct http_call *c, struct str bytes)
{
    bool first = c->head_bytes == 0;
    size_t n = bytes.n;
    if (!c->head_whole && n > HTTP_HEAD_BYTES_MAX - c->head_bytes)
        n = HTTP_HEAD_BYTES_MAX - c->head_bytes;
    llhttp_errno_t err = llhttp_execute(&c->parser, bytes.p, n);
    if (!c->head_whole)
        c->head_bytes += (uint32_t)n;
    if (err == HPE_PAUSED)
        return (size_t)(llhttp_get_error_pos(&c->parser) - bytes.p);
    if (err != HPE_OK || (!c->head_whole && c->head_bytes >= HTTP_HEAD_BYTES_MAX))
        parser_failed(c, bytes, first);
    return n;
}

static void on_data(struct net_conn *link, struct str bytes, void *user_data)
{
    struct http_call *c = user_data;
    (void)link;
    while (bytes.n > 0 && !c->ending) {
        size_t used = feed(c, bytes);
        bytes = str_n(bytes.p + used, bytes.n - used);
        if (c->whole && c->parser.status_code == 101 && !c->ending) {
            hand_over(c, bytes);
            return;
        }
        if (c->whole)
            call_end(c, 0, "the answer is whole");
        else if (llhttp_get_errno(&c->parser) == HPE_PAUSED)
            expect_answer(c);
    }
}

/* ---- the request ---- */

static void on_open(struct net_conn *link, void *user_data)
{
    struct http_call *c = user_data;
    if (c->up == NULL)
        net_conn_probe(link); /* a link of workers has heartbeats, which are as slow as its operator wants them */
    int err = net_write(link, buf_str(&c->request));
    buf_fini(&c->request);
    if (err != 0)
        call_end(c, err, "sending the request to %s: %s", c->where.text, err_text(err));
}

static const struct net_conn_calls calls = {.on_open = on_open, .on_data = on_data, .on_close = on_close};

static void write_request(struct http_call *c, const struct http_call_config *cfg)
{
    struct buf *out = &c->request;
    char host[256];
    snprintf(host, sizeof host, "%.*s", (int)strcspn(cfg->host, "%"), cfg->host); /* the zone, a local interface, means nothing to the peer */
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", cfg->method, cfg->path, net_place(host, cfg->port).text);
    if (c->protocol != NULL)
        buf_printf(out, "Connection: Upgrade\r\nUpgrade: %s\r\n", c->protocol);
    else
        buf_puts(out, "Connection: close\r\n");
    if (cfg->body.n > 0 || strcmp(cfg->method, "POST") == 0 || strcmp(cfg->method, "PUT") == 0)
        buf_printf(out, "Content-Length: %zu\r\n", cfg->body.n);
    if (cfg->headers != NULL)
        buf_puts(out, cfg->headers);
    buf_puts(out, "\r\n");
    buf_add_str(out, cfg->body);
}

struct http_call *call_start(struct net_loop *l, const struct http_call_config *cfg, const char *protocol,
                             call_up_fn *up)
{
    struct http_call *c = xalloc(sizeof *c);
    c->cfg = *cfg;
    c->up = up;
    c->protocol = protocol != NULL ? xstrdup(protocol) : NULL;
    if (c->cfg.timeout_ms == 0)
        c->cfg.timeout_ms = TIMEOUT_MS;
    c->where = net_place(cfg->host, cfg->port);
    c->head_request = strcmp(cfg->method, "HEAD") == 0;
    c->request = buf_max(REQUEST_BYTES_MAX);
    write_request(c, cfg);
    fields_init(&c->fields);
    expect_answer(c);
    c->timer = net_timer_new(l, on_timeout, c);
    net_timer_set(c->timer, net_now_us(l) + c->cfg.timeout_ms * 1000ull);
    c->link = net_dial(l, cfg->host, cfg->port, &calls, c);
    if (c->request.overflowed)
        call_end(c, ERR_TOO_LARGE, "the request is larger than %d bytes", REQUEST_BYTES_MAX);
    return c;
}

struct http_call *http_call_start(struct net_loop *l, const struct http_call_config *cfg)
{
    return call_start(l, cfg, NULL, NULL);
}

struct str http_call_header(const struct http_call *c, const char *lower_name)
{
    return fields_get(&c->fields, lower_name);
}

const char *call_where(const struct http_call *c)
{
    return c->where.text;
}
