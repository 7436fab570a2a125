/* Any bytes as a server's answer: the call ends once, with a sentence where it failed, and cutting the bytes changes nothing.
 *
 * The first input byte: its lowest bit asks for an upgrade, the next for HEAD, the others are the size of the pieces. Over
 * loopback, for the client knows no other transport. */
#include <stdint.h>

#include "base/must.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 64 }; /* each takes a turn of the loop */

static struct net_loop *loop;
static struct net_listener *listener;

/* One call, and what it made of the answer. */
static struct side {
    struct str bytes; /* of the answer, not sent yet */
    size_t piece;     /* sent in one turn; 0: all */
    struct net_conn *server;
    struct net_timer *next;
    int heads, ends, status, err;
    struct buf body;
} side;

static void send_more(struct net_timer *t, void *user_data)
{
    (void)user_data;
    if (side.server == NULL)
        return;
    size_t n = side.piece != 0 && side.piece < side.bytes.n ? side.piece : side.bytes.n;
    net_write(side.server, str_n(side.bytes.p, n));
    side.bytes = str_n(side.bytes.p + n, side.bytes.n - n);
    if (side.bytes.n > 0)
        net_timer_set(t, 0);
    else
        net_conn_close(side.server);
}

static void on_server_close(struct net_conn *c, int err, const char *why, void *user_data)
{
    (void)c;
    (void)err;
    (void)why;
    (void)user_data;
    side.server = NULL;
    if (side.ends > 0)
        net_loop_stop(loop);
}

static void on_accept(struct net_conn *c, void *user_data)
{
    static const struct net_conn_calls calls = {.on_close = on_server_close};
    (void)user_data;
    net_conn_set(c, &calls, NULL);
    side.server = c;
    net_timer_set(side.next, 0);
}

static void ended(int err, const char *why)
{
    MUST(err == 0 || why[0] != '\0');
    side.ends++;
    side.err = err;
    if (side.server == NULL)
        net_loop_stop(loop);
}

static void on_head(struct http_call *c, int status, void *user_data)
{
    (void)user_data;
    MUST(side.heads++ == 0 && side.ends == 0);
    MUST(status >= 100 && status <= 999);
    buf_add_str(&side.body, http_call_header(c, "content-type"));
    side.status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user_data)
{
    (void)c;
    (void)user_data;
    MUST(side.heads == 1 && side.ends == 0);
    buf_add_str(&side.body, bytes);
}

static void on_end(struct http_call *c, int err, const char *why, void *user_data)
{
    (void)c;
    (void)user_data;
    ended(err, why);
}

static void on_up(struct net_conn *c, struct str rest, void *user_data)
{
    (void)user_data;
    buf_add_str(&side.body, rest);
    net_conn_abort(c);
    ended(0, "");
}

static void on_fail(int status, const char *why, void *user_data)
{
    (void)user_data;
    side.status = status;
    ended(ERR_NET, why);
}

static void call(struct str bytes, size_t piece, uint8_t how)
{
    side = (struct side){.bytes = bytes, .piece = piece, .next = side.next, .body = buf_max(64 << 20)};
    uint16_t port = net_listener_port(listener);
    struct http_call_config plain = {.host = "127.0.0.1", .port = port, .method = how & 2 ? "HEAD" : "GET", .path = "/",
                                     .on_head = on_head, .on_body = on_body, .on_end = on_end};
    struct http_dial_config up = {.host = "127.0.0.1", .port = port, .path = "/", .protocol = "manta", .on_up = on_up, .on_fail = on_fail};
    if (how & 1)
        http_dial_start(loop, &up);
    else
        http_call_start(loop, &plain);
    net_loop_run(loop);
    MUST(side.ends == 1 && side.server == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (loop == NULL) {
        loop = net_loop_new();
        side.next = net_timer_new(loop, send_more, NULL);
        MUST(net_listen(loop, "127.0.0.1", 0, on_accept, NULL, &listener, NULL) == 0);
    }
    struct str text = str_n((const char *)data + 1, size - 1);
    size_t piece = data[0] / 4 + 1u, least = size / PIECES_MAX + 1;
    call(text, 0, data[0]);
    struct side whole = side;
    call(text, piece > least ? piece : least, data[0]);
    MUST(whole.err == side.err && whole.status == side.status && whole.heads == side.heads);
    /* what comes behind a switch of protocols in the same turn is given at once, else later: not compared */
    MUST((data[0] & 1) != 0 || str_eq(buf_str(&whole.body), buf_str(&side.body)));
    buf_fini(&whole.body);
    buf_fini(&side.body);
    return 0;
}
