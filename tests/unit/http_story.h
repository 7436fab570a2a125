/* A server in memory with one client, for the stories of test_http_*.c. What the handler does is in the path:
 * /now… is answered at once with "METHOD path body", /later… waits for the test in story.open[], /stream begins a
 * stream that waits there too, /up is upgraded when it asks for it. Who sends `authorization: yes` is trusted; /secret takes bodies
 * of nobody else, and /guest says whether the connection is one. */
#ifndef MANTA_TESTS_HTTP_STORY_H
#define MANTA_TESTS_HTTP_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "http_loopback.h"

enum { STORY_OPEN_MAX = 128 };

struct story {
    struct http_server *server;
    struct loopback client;
    struct buf log;                            /* what the handler saw, in order */
    struct buf said;                           /* story_said() */
    struct http_request *open[STORY_OPEN_MAX]; /* not answered yet */
    size_t open_n;
    char rest[256];                            /* came with an upgrade */
};

static inline bool story_is_known(struct http_request *r)
{
    bool known = str_is(http_header(r, "authorization"), "yes");
    if (known)
        http_trust(r);
    return known;
}

static inline bool story_on_head(struct http_request *r, void *user_data)
{
    struct story *t = user_data;
    bool known = story_is_known(r);
    if (known || !str_begins(http_path(r), "/secret"))
        return true;
    buf_printf(&t->log, "no %.*s;", STR_ARG(http_path(r)));
    http_reply(r, 401, "text/plain", NULL, str_of("who?"));
    return false;
}

static inline void story_on_request(struct http_request *r, void *user_data)
{
    struct story *t = user_data;
    struct str path = http_path(r);
    buf_printf(&t->log, "%.*s %.*s;", STR_ARG(http_method(r)), STR_ARG(path));
    story_is_known(r);
    if (http_wants_upgrade(r, "manta")) {
        struct str rest;
        http_upgrade(r, "manta", &rest);
        snprintf(t->rest, sizeof t->rest, "%.*s", STR_ARG(rest));
    } else if (str_begins(path, "/guest")) {
        http_reply(r, 200, "text/plain", NULL, str_of(http_is_guest(r) ? "guest" : "own"));
    } else if (str_begins(path, "/now") || str_begins(path, "/secret")) {
        struct buf body = buf_max(8 << 20);
        buf_printf(&body, "%.*s %.*s ", STR_ARG(http_method(r)), STR_ARG(path));
        buf_add_str(&body, http_body(r));
        http_reply(r, 200, "text/plain", NULL, buf_str(&body));
        buf_fini(&body);
    } else {
        if (str_begins(path, "/stream"))
            http_stream_begin(r, "text/event-stream", "Cache-Control: no-cache\r\n");
        assert_true(t->open_n < STORY_OPEN_MAX);
        t->open[t->open_n++] = r;
    }
}

static inline void story_forget(struct story *t, const struct http_request *r)
{
    for (size_t i = 0; i < t->open_n; i++) {
        if (t->open[i] == r) {
            t->open[i] = t->open[--t->open_n];
            return;
        }
    }
    fail_msg("a request was ended that was not open");
}

static inline void story_on_gone(struct http_request *r, void *user_data)
{
    struct story *t = user_data;
    buf_puts(&t->log, "gone;");
    story_forget(t, r);
}

static inline void story_on_drain(struct http_request *r, void *user_data)
{
    struct story *t = user_data;
    (void)r;
    buf_puts(&t->log, "drain;");
}

static inline void story_error_body(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data)
{
    (void)user_data;
    (void)r;
    buf_printf(out, "{\"error\":\"%s\"}", f->text);
}

static const struct http_server_calls story_calls = {
    .on_request = story_on_request, .on_head = story_on_head, .on_gone = story_on_gone,
    .on_drain = story_on_drain, .error_body = story_error_body,
};

static inline void story_begin(struct story *t)
{
    *t = (struct story){.log = buf_max(1 << 20), .said = buf_max(LOOPBACK_BYTES_MAX)};
    t->server = loopback_server(&story_calls, t);
    loopback_open(&t->client, t->server);
}

static inline void story_end(struct story *t)
{
    if (t->client.conn != NULL)
        loopback_hang_up(&t->client);
    http_server_close(t->server);
    loopback_fini(&t->client);
    buf_fini(&t->log);
    buf_fini(&t->said);
}

static inline void story_send(struct story *t, const char *text)
{
    loopback_send(&t->client, t->server, str_of(text));
}

/* Everything the server wrote since the last call, without the Date headers, which change. */
static inline const char *story_said(struct story *t)
{
    struct str rest = buf_str(&t->client.out);
    buf_reset(&t->said);
    while (rest.n > 0) {
        const char *date = memmem(rest.p, rest.n, "Date: ", 6);
        size_t n = date != NULL ? (size_t)(date - rest.p) : rest.n;
        buf_add(&t->said, rest.p, n);
        rest = str_n(rest.p + n, rest.n - n);
        if (rest.n > 0) {
            size_t line = (size_t)((const char *)memchr(rest.p, '\n', rest.n) - rest.p) + 1;
            rest = str_n(rest.p + line, rest.n - line);
        }
    }
    buf_reset(&t->client.out);
    return buf_cstr(&t->said);
}

static inline const char *story_log(struct story *t)
{
    return buf_cstr(&t->log);
}

/* Answers the i-th open request with that text, and lets the rest of the turn happen. */
static inline void story_answer(struct story *t, size_t i, const char *text)
{
    struct http_request *r = t->open[i];
    story_forget(t, r);
    http_reply(r, 200, "text/plain", NULL, str_of(text));
    loopback_turn(&t->client, t->server);
}

static inline void story_stream_end(struct story *t, size_t i)
{
    struct http_request *r = t->open[i];
    story_forget(t, r);
    http_stream_end(r);
    loopback_turn(&t->client, t->server);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: head\r\n\r\n"
#define OK(n, body) "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " #n "\r\n\r\n" body

#endif
