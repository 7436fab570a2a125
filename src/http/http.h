/* HTTP/1.1, both sides: bytes in -> requests, responses -> bytes out. llhttp parses.
 *
 * Server: http_server_new() on a listener; every request arrives whole (body bounded) at on_request; the answer is one
 * http_reply(), or a stream: http_stream_begin(), http_stream_write() …, http_stream_end(). A request object lives until
 * it was answered whole or on_gone was called for it, whichever is first. Requests on one connection are answered in
 * order (pipelining waits). Bad requests never reach on_request: they are answered here with the error body of
 * `error_body`.
 *
 * Memory: an idle connection is 250 bytes here, an open stream 550: http_stream_begin() forgets the request's text. A
 * handler that waits long before it answers does the same with http_forget(). */
#ifndef MANTA_HTTP_HTTP_H
#define MANTA_HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"

enum {
    HTTP_HEAD_BYTES_MAX = 32 << 10,     /* request line and headers: 431 */
    HTTP_HEADERS_MAX = 64,
    HTTP_BODY_BYTES_MAX = 4 << 20,      /* 413, answered before the body is read */
    HTTP_CONNS_MAX = 16384,             /* and no more than the open files allow; then the idle give way */
    HTTP_CONNS_KEPT = 64,               /* beyond them, when none is idle: for what is always answered, see http_is_guest() */
    HTTP_IDLE_MS = 75000,               /* a connection without a request */
    HTTP_REQUEST_MS = 30000,            /* from the first byte of a request to its last: 408 */
    HTTP_STREAM_HIGH_BYTES = 64 << 10,  /* http_stream_full() from here on */
    HTTP_DRAIN_MS = 120000,             /* a full stream whose client reads nothing at all is cut */
    HTTP_BEHIND_BYTES = 16 << 10,       /* pipelined behind an open request: then reading pauses */
    HTTP_LINES_BYTES_MAX = 2 << 10,     /* http_answer_with() */
    HTTP_HELD_BYTES_MAX = 64 << 20,     /* heads, bodies and pipelined bytes of all connections together: the greediest give way */
    HTTP_OWN_BYTES = 2 << 10,           /* of them that every connection may hold, whatever others do */
    HTTP_CHUNKS_BYTES = 64 << 10,       /* frames of chunks that a body may have, and as much again as there is of it: 413 */
};

/* ---- server ---- */
struct http_server;
struct http_request;

struct http_server_calls {
    void (*on_request)(struct http_request *r, void *user_data);
    /* Optional. The head is whole and the body is still to come: true takes it, and on_request follows when it is whole. False:
     * the handler answers it without, now or later, and its connection ends with the answer. Not called for a request that came
     * in one piece. */
    bool (*on_head)(struct http_request *r, void *user_data);
    /* The client went away before the answer was whole, once; do not answer. r is freed after it returns. Not called
     * for answered ones. A client that ends its sending side has gone. */
    void (*on_gone)(struct http_request *r, void *user_data);
    /* A stream that was full has drained. */
    void (*on_drain)(struct http_request *r, void *user_data);
    /* Writes the JSON error body for an error found here; `f` says what. */
    void (*error_body)(struct buf *out, const struct fault *f, void *user_data);
    /* Optional. Such an error is of r, whose head is whole: writes the header lines that http_answer_with() would get. */
    void (*error_lines)(struct buf *out, const struct http_request *r, void *user_data);
};
/* Listens; port 0: any. calls and what they point to outlive the server. ERR_IN_USE, ERR_NET with f. */
int http_server_new(struct net_loop *l, const char *host, uint16_t port, const struct http_server_calls *calls,
                    void *user_data, struct http_server **out, struct fault *f);
/* 0 once it is closed. */
uint16_t http_server_port(const struct http_server *s);
/* Connections now, closing ones too. */
uint32_t http_server_conns(const struct http_server *s);
/* At most so many, by the limit and the files the process may have. */
uint32_t http_server_conns_max(const struct http_server *s);
/* Connections, idle or with an unfinished request, that were closed for others: when there was no place, and when requests took
 * too much memory. */
struct http_gave_way {
    uint64_t place, bytes;
};
/* Since it began. */
struct http_gave_way http_server_gave_way(const struct http_server *s);
/* Bytes of requests in memory, of all connections; at most HTTP_HELD_BYTES_MAX. */
size_t http_server_held(const struct http_server *s);
/* Stops listening; open requests continue, and each ends its connection. The server frees itself with the last of them.
 * To be called before net_loop_free(). */
void http_server_close(struct http_server *s);

/* ---- server: another process continues it ---- */
enum http_stage {
    HTTP_IDLE = 1,  /* no request, or one that is not whole yet */
    HTTP_ANSWERING, /* the handler has one */
    HTTP_STREAMING, /* … and its answer has begun */
    HTTP_CLOSING,   /* nothing but what is unsent */
};
/* What another process must know of a connection to continue it. */
struct http_state {
    uint8_t stage;     /* enum http_stage */
    bool keep_alive;   /* ANSWERING, STREAMING: as in the request */
    bool old;          /* same: HTTP/1.0 */
    bool head_only;    /* same: HEAD */
    bool continued;    /* IDLE: "100 Continue" was said to the request in `came` */
    struct str lines;  /* ANSWERING: of http_answer_with() */
    struct str came;   /* IDLE: from the first byte of a request on; else behind the one that is being answered */
    struct str unsent; /* written, and not yet given to the kernel */
};
/* `r`: the open request, or NULL. */
typedef int http_state_fn(struct net_conn *link, struct http_request *r, const struct http_state *is, void *user_data);
/* Shows every connection of a server on net/, oldest first; nothing changes. Ends with the first result but 0. */
int http_server_each(struct http_server *s, http_state_fn *fn, void *user_data);
/* Borrowed. */
struct net_listener *http_server_listener(struct http_server *s);
/* It is another process's now: listener and connections are let go of without a word to the peers, open requests without
 * on_gone; those are freed, and so is s. Not from within a call of the server. */
void http_server_let_go(struct http_server *s);
/* The other process: a server on a listener that came over a fdpass (net.h), which is used up in any case … */
int http_server_take(struct net_loop *l, int fd, const struct http_server_calls *calls, void *user_data,
                     struct http_server **out, struct fault *f);
/* … and each of its connections. Returns the open request for the handler to continue, or NULL where there is none. */
struct http_request *http_server_take_conn(struct http_server *s, int fd, const struct http_state *is);

/* ---- server: requests ---- */
/* "GET", "POST", … */
struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r);               /* without the query, still %-encoded */
/* Value of a query parameter, still %-encoded, or empty. */
struct str http_query(const struct http_request *r, const char *name);
struct str http_header(const struct http_request *r, const char *lower_name); /* or empty */
/* "name:80" of a target in absolute form (GET http://name:80/path), which counts instead of the Host header; or empty. */
struct str http_authority(const struct http_request *r);
/* Empty before it is whole, and once it was taken or forgotten. */
struct str http_body(const struct http_request *r);
/* Appends s with %41 and, in queries, '+' decoded. ERR_INVALID: a '%' without two hex digits. ERR_TOO_LARGE: out is
 * full. */
int http_decode(struct buf *out, struct str s, bool in_query);
/* The address of the other side, "127.0.0.1:4312". */
const char *http_peer(const struct http_request *r);
/* The body becomes the caller's, who frees it; http_body() is empty then. */
struct buf http_take_body(struct http_request *r);
/* The handler's own, for its other callbacks. */
void http_set_user_data(struct http_request *r, void *p);
/* What was set last, or NULL. */
void *http_user_data(const struct http_request *r);

/* Who asks has shown that they may, by a key. While idle, and while its next request is coming in, the connection gives way
 * after all those of which that is not known. */
void http_trust(struct http_request *r);
/* All places are taken by requests that are being answered, and this connection has one of the few that are kept beyond them: what
 * can wait is to be refused. */
bool http_is_guest(const struct http_request *r);
/* The body is there; false within on_head. */
bool http_is_whole(const struct http_request *r);
/* A HEAD: nobody will see the body of the answer. */
bool http_is_head(const struct http_request *r);

/* The handler has all it needs: frees head and body now. What http_path(), http_header(), http_body()… gave ends here;
 * from now on they are empty. */
void http_forget(struct http_request *r);

/* Header lines, each ending in \r\n, that the answer will have, whoever writes it; copied, at most HTTP_LINES_BYTES_MAX.
 * Before the answer begins; the last call counts. */
void http_answer_with(struct http_request *r, struct str lines);

/* The whole answer. `extra` are header lines each ending in \r\n, or NULL. r is freed. To a HEAD an empty body means that its
 * length is not known. */
void http_reply(struct http_request *r, int status, const char *content_type, const char *extra, struct str body);
/* Begins an answer of unknown length (in chunks; to an HTTP/1.0 client: until the connection's end) and forgets the
 * request's text, as http_forget(). */
void http_stream_begin(struct http_request *r, int status, const char *content_type, const char *extra);
/* One chunk per call; nothing when empty. Cheap: any number of them goes out with one send() per loop turn. */
void http_stream_write(struct http_request *r, struct str bytes);
/* The client reads slower than we write: keep new bytes back until on_drain. */
bool http_stream_full(const struct http_request *r);
/* Ends the answer; r is freed. */
void http_stream_end(struct http_request *r);
/* For a request with `Connection: Upgrade`: answers 101 for `protocol` and hands the connection over, with the bytes
 * that came behind the request in *out_rest (borrowed until the next loop turn). The caller must net_conn_set(). r is
 * freed. */
struct net_conn *http_upgrade(struct http_request *r, const char *protocol, struct str *out_rest);
/* True when the request asks for an upgrade to that protocol. */
bool http_wants_upgrade(const struct http_request *r, const char *protocol);

/* ---- client ---- */
struct http_call;
struct http_call_config {
    const char *host;
    uint16_t port;
    const char *method, *path;
    const char *headers;        /* lines each ending in \r\n, or NULL */
    struct str body;            /* copied */
    uint32_t timeout_ms;        /* until the response head; 0: 30 s */
    void (*on_head)(struct http_call *c, int status, void *user_data);
    void (*on_body)(struct http_call *c, struct str bytes, void *user_data);
    /* Once, last: 0 when the response was whole. c is freed after it returns. */
    void (*on_end)(struct http_call *c, int err, const char *why, void *user_data);
    void *user_data;
};
/* One request on a fresh connection. Every failure comes through on_end, never before this returns: no connection,
 * no answer in time (ERR_TIMEOUT), an answer that is not HTTP (ERR_PROTOCOL), one that breaks off (ERR_NET). */
struct http_call *http_call_start(struct net_loop *l, const struct http_call_config *cfg);
/* Value of a response header after on_head; empty when absent. */
struct str http_call_header(const struct http_call *c, const char *lower_name);
/* Gives up: on_end follows, in a later turn, with ERR_CANCELLED; no other callback comes before it. */
void http_call_cancel(struct http_call *c);

/* Dials and upgrades: on_up gets the connection (set its calls in it) and the bytes already read behind the 101;
 * else on_fail with the status (0: no HTTP answer) and a sentence. Exactly one of them is called, once, never before
 * http_dial_start() returns; the http_dial is freed after it returns. */
struct http_dial_config {
    const char *host;
    uint16_t port;
    const char *path, *protocol, *headers;
    uint32_t timeout_ms;
    void (*on_up)(struct net_conn *c, struct str rest, void *user_data);
    void (*on_fail)(int status, const char *why, void *user_data);
    void *user_data;
};
/* Dials and asks for the upgrade; exactly one of on_up and on_fail follows, in a later turn. */
struct http_dial *http_dial_start(struct net_loop *l, const struct http_dial_config *cfg);
/* Gives up: on_fail follows, in a later turn, with status 0 and "cancelled". */
void http_dial_cancel(struct http_dial *d);

/* ---- server-sent events, client side ---- */
enum { SSE_EVENT_BYTES_MAX = 1 << 20 };
struct sse {
    struct buf line, data, event, id; /* owned */
    bool cr;    /* the last byte was a CR: an LF now belongs to it */
    bool begun; /* the first line is behind us, where a byte order mark may be */
};
/* For each whole event: its fields (event empty: "message"; id: the last one sent, also by an earlier event). Comments
 * come with event ":" and the comment as data. */
typedef void sse_event_fn(struct str event, struct str data, struct str id, void *user_data);
/* Nothing was read yet. */
void sse_init(struct sse *s);
/* Frees what it holds. */
void sse_fini(struct sse *s);
/* ERR_TOO_LARGE when a line or an event passes SSE_EVENT_BYTES_MAX; the stream is then of no more use. */
int sse_feed(struct sse *s, struct str bytes, sse_event_fn *fn, void *user_data);

/* "http://host:port" or "host:port" or "host" -> parts; default_port where none is given. ERR_INVALID with f. */
int http_parse_address(const char *text, uint16_t default_port, char *host, size_t host_cap, uint16_t *port,
                       struct fault *f);

struct http_address {
    char host[256];
    uint16_t port;
};
/* "host:port,host:port": `max` of them at most. ERR_INVALID with f: one that is none, also an empty one, or too many. */
int http_parse_addresses(const char *list, uint16_t default_port, struct http_address *out, uint32_t max, uint32_t *out_n,
                         struct fault *f);

#endif
