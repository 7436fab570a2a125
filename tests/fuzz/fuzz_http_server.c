/* Any bytes at the server: nothing breaks, every request is answered or gone, and cutting the bytes changes nothing.
 *
 * The first input byte is the size of the pieces (0: the sizes are the bytes' own); the rest is what a client sends. It
 * goes to one server whole and to another in pieces. What handlers do hangs on the second letter of the path. */
#include <stdint.h>

#include "base/must.h"
#include "../unit/http_loopback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    struct http_server *server;
    struct loopback client;
    struct http_request *open; /* waits for its answer */
    size_t asked, answered, gone;
};

static void look_at(const struct http_request *r)
{
    MUST(http_method(r).n > 0);
    MUST(http_path(r).n > 0);
    MUST(http_body(r).n <= HTTP_BODY_BYTES_MAX);
    struct buf out = buf_max(HTTP_HEAD_BYTES_MAX);
    (void)http_decode(&out, http_query(r, "a"), true);
    (void)http_decode(&out, http_path(r), false);
    buf_add_str(&out, http_header(r, "host"));
    buf_fini(&out);
}

static void answer(struct side *t, struct http_request *r)
{
    struct str path = http_path(r);
    char letter = path.n > 1 ? path.p[1] : '/';
    t->answered++;
    if (letter == 's') {
        http_stream_begin(r, "text/event-stream", NULL);
        http_stream_write(r, str_of("one"));
        http_stream_write(r, (struct str){0});
        http_stream_write(r, str_of("two"));
        http_stream_end(r);
    } else if (letter == 'f') {
        http_forget(r);
        http_reply(r, 404, NULL, NULL, (struct str){0});
    } else {
        http_reply(r, 200, "text/plain", "X: y\r\n", http_body(r));
    }
}

static void on_request(struct http_request *r, void *user_data)
{
    struct side *t = user_data;
    struct str path = http_path(r), rest;
    MUST(t->open == NULL);
    t->asked++;
    look_at(r);
    if (http_wants_upgrade(r, "manta")) {
        t->answered++;
        http_upgrade(r, "manta", &rest);
    } else if (path.n > 1 && path.p[1] == 'l') {
        t->open = r;
    } else {
        answer(t, r);
    }
}

static void on_gone(struct http_request *r, void *user_data)
{
    struct side *t = user_data;
    MUST(t->open == r);
    t->open = NULL;
    t->gone++;
}

static void error_body(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data)
{
    (void)user_data;
    (void)r;
    MUST(f->err < 0 && f->text[0] != '\0');
    buf_puts(out, f->text);
}

static void answer_late(struct side *t)
{
    while (t->open != NULL) {
        struct http_request *r = t->open;
        t->open = NULL;
        answer(t, r);
        loopback_turn(&t->client, t->server);
    }
}

static void side_begin(struct side *t)
{
    static const struct http_server_calls calls = {.on_request = on_request, .on_gone = on_gone, .error_body = error_body};
    *t = (struct side){.server = loopback_server(&calls, t)};
    loopback_open(&t->client, t->server);
}

static void side_end(struct side *t)
{
    if (t->client.conn != NULL)
        loopback_hang_up(&t->client);
    MUST(t->asked == t->answered + t->gone);
    MUST(loopback_held(t->server) == 0);
    MUST(http_server_conns(t->server) == 0);
    http_server_close(t->server);
    loopback_fini(&t->client);
}

/* The Date header changes with the clock. */
static void forget_dates(struct buf *out)
{
    if (out->n == 0)
        return;
    char *p = out->p, *end = out->p + out->n;
    while ((p = memmem(p, (size_t)(end - p), "\r\nDate: ", 8)) != NULL) {
        memset(p + 8, 'd', 29);
        p += 8;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str text = str_n((const char *)data + 1, size - 1);
    struct side whole, cut;
    side_begin(&whole);
    side_begin(&cut);
    loopback_send(&whole.client, whole.server, text);
    answer_late(&whole);
    for (struct str rest = text; rest.n > 0;) {
        size_t n = data[0] != 0 ? data[0] : (size_t)(unsigned char)rest.p[0] % 32 + 1;
        if (n > rest.n)
            n = rest.n;
        loopback_send(&cut.client, cut.server, str_n(rest.p, n));
        rest = str_n(rest.p + n, rest.n - n);
        if (rest.n % 3 == 0)
            answer_late(&cut);
    }
    answer_late(&cut);
    forget_dates(&whole.client.out);
    forget_dates(&cut.client.out);
    MUST(str_eq(buf_str(&whole.client.out), buf_str(&cut.client.out)));
    side_end(&whole);
    side_end(&cut);
    return 0;
}
