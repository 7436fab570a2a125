/* HTTP/1.1, both sides: bytes in -> requests, responses -> bytes out. llhttp parses.
 *
 * Server: http_server_new() makes a server on a listener; every request arrives whole (its body
 * bounded) at on_request; the answer is one http_reply(), or a stream: http_stream_begin(),
 * http_stream_write() …, http_stream_end(). A request object lives until it is answered whole or
 * on_gone is called for it, whichever is first. Requests on one connection are answered in order
 * (pipelined requests wait). Bad requests never reach on_request: the server answers them with the
 * body that `error_body` writes.
 *
 * Memory: an idle connection takes 250 bytes here, an open stream 550: http_stream_begin() frees
 * the request's text. A handler that waits long before it answers frees the text with
 * http_forget(). */
#ifndef MANTA_HTTP_HTTP_H
#define MANTA_HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"

enum {
    HTTP_HEAD_BYTES_MAX = 32 << 10,     /* request line and headers: 431 */
    HTTP_HEADERS_MAX = 64,
    HTTP_BODY_BYTES_MAX = 4 << 20,      /* 413, answered before the body is read */
    HTTP_CONNS_MAX = 16384,             /* and no more than the open files allow; beyond it, idle connections give
                                           way */
    HTTP_CONNS_KEPT = 64,               /* beyond HTTP_CONNS_MAX, when none is idle: for requests that must always be
                                           answered, see http_is_guest() */
    HTTP_IDLE_MS = 75000,               /* a connection without a request */
    HTTP_REQUEST_MS = 30000,            /* from the first byte of a request to its last: 408 */
    HTTP_STREAM_HIGH_BYTES = 64 << 10,  /* http_stream_full() from here on */
    HTTP_DRAIN_MS = 120000,             /* then a full stream whose client reads nothing at all is cut */
    HTTP_BEHIND_BYTES = 16 << 10,       /* bytes pipelined behind an open request, at which reading pauses */
    HTTP_LINES_BYTES_MAX = 2 << 10,     /* http_answer_with() */
    HTTP_HELD_BYTES_MAX = 64 << 20,     /* heads, bodies and pipelined bytes of all connections together: the largest
                                           holders give way */
    HTTP_OWN_BYTES = 2 << 10,           /* of these, the part that every connection may always hold */
    HTTP_CHUNKS_BYTES = 64 << 10,       /* chunk framing that a body may have, plus once the body's size: 413 */
};

/* ---- server ---- */
struct http_server;
struct http_request;

struct http_server_calls {
    void (*on_request)(struct http_request *r, void *user_data);
    /* Optional. Called when the head is whole and the body is still to come. True: accept the
     * body, on_request follows when it is whole. False: the handler answers without the body,
     * now or later, and the connection ends with the answer. Not called for a request that came
     * in one piece. */
    bool (*on_head)(struct http_request *r, void *user_data);
    /* The client went away before the answer was whole; called once, do not answer. r is freed
     * after the return. Not called for answered requests. A client that ends its sending side
     * counts as gone. */
    void (*on_gone)(struct http_request *r, void *user_data);
    /* A stream that was full has drained. */
    void (*on_drain)(struct http_request *r, void *user_data);
    /* Writes the JSON body of an error that the server found itself, described by `f`. r: the
     * request that it answers, when its head is whole; else NULL. */
    void (*error_body)(struct buf *out, const struct fault *f, const struct http_request *r, void *user_data);
    /* Optional. Writes the header lines of such an error for r, whose head is whole, as
     * http_answer_with() would have set them. */
    void (*error_lines)(struct buf *out, const struct http_request *r, void *user_data);
};
/* Makes a server and listens; port 0: any free port. `calls`, and everything user_data points
 * to, must outlive the server. Returns ERR_IN_USE or ERR_NET with f filled. */
int http_server_new(struct net_loop *l, const char *host, uint16_t port, const struct http_server_calls *calls,
                    void *user_data, struct http_server **out, struct fault *f);
/* Returns the port; 0 once the server is closed. */
uint16_t http_server_port(const struct http_server *s);
/* Returns the number of connections, including closing ones. */
uint32_t http_server_conns(const struct http_server *s);
/* Returns the maximum of connections: HTTP_CONNS_MAX, or fewer when the process may open fewer
 * files. */
uint32_t http_server_conns_max(const struct http_server *s);
/* Counts of idle or unfinished connections closed in favour of others: when there was no place,
 * and when requests took too much memory. */
struct http_gave_way {
    uint64_t place, bytes;
};
/* Returns the counts since the server's start. */
struct http_gave_way http_server_gave_way(const struct http_server *s);
/* Returns the bytes of requests in memory, of all connections; at most HTTP_HELD_BYTES_MAX. */
size_t http_server_held(const struct http_server *s);
/* Stops listening; open requests continue, and each ends its connection. The server frees itself
 * with the last of them. Call before net_loop_free(). */
void http_server_close(struct http_server *s);

/* ---- server: handoff to another process ---- */
enum http_stage {
    HTTP_IDLE = 1,  /* no request, or an unfinished one */
    HTTP_ANSWERING, /* the handler has a request */
    HTTP_STREAMING, /* … and its answer has begun */
    HTTP_CLOSING,   /* only unsent bytes are left */
};
/* The state of a connection that another process needs to continue it. */
struct http_state {
    uint8_t stage;     /* enum http_stage */
    bool keep_alive;   /* ANSWERING, STREAMING: as in the request */
    bool old;          /* likewise: HTTP/1.0 */
    bool head_only;    /* likewise: HEAD */
    bool continued;    /* IDLE: "100 Continue" was sent for the request in `came` */
    struct str lines;  /* ANSWERING: header lines of http_answer_with() */
    struct str came;   /* IDLE: received bytes of the unfinished request; else bytes behind the request that is being
                          answered */
    struct str unsent; /* written, not yet given to the kernel */
};
/* Receives the state of one connection. `r`: its open request, or NULL. A result other than 0
 * ends http_server_each(). */
typedef int http_state_fn(struct net_conn *link, struct http_request *r, const struct http_state *is, void *user_data);
/* Calls fn for every connection of a server on net/, oldest first; changes nothing. Returns the
 * first result other than 0, or 0. */
int http_server_each(struct http_server *s, http_state_fn *fn, void *user_data);
/* Returns the server's listener, borrowed. */
struct net_listener *http_server_listener(struct http_server *s);
/* Lets go of the server after another process has taken it: drops listener and connections
 * without a word to the peers, frees open requests without on_gone, and frees s. Not from within
 * a callback of the server. */
void http_server_let_go(struct http_server *s);
/* In the other process: makes a server from a listener's descriptor received over fdpass
 * (net.h), which is used up in any case. Returns ERR_NET with f filled. */
int http_server_take(struct net_loop *l, int fd, const struct http_server_calls *calls, void *user_data,
                     struct http_server **out, struct fault *f);
/* In the other process: adds a received connection. Returns its open request for the handler to
 * continue, or NULL when there is none. */
struct http_request *http_server_take_conn(struct http_server *s, int fd, const struct http_state *is);

/* ---- server: requests ---- */
/* Returns "GET", "POST", … */
struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r);               /* without the query, still %-encoded */
/* Returns the value of a query parameter, still %-encoded; empty when absent. */
struct str http_query(const struct http_request *r, const char *name);
struct str http_header(const struct http_request *r, const char *lower_name); /* or empty */
/* Returns "name:80" from a target in absolute form (GET http://name:80/path), which overrides
 * the Host header; or empty. */
struct str http_authority(const struct http_request *r);
/* Returns the body; empty before it is whole, and after it was taken or forgotten. */
struct str http_body(const struct http_request *r);
/* Appends s with %41 and, in queries, '+' decoded. Returns ERR_INVALID for a '%' without two hex
 * digits, ERR_TOO_LARGE when out is full. */
int http_decode(struct buf *out, struct str s, bool in_query);
/* Moves the body to the caller, who frees it; http_body() is empty then. */
struct buf http_take_body(struct http_request *r);
/* Sets a pointer of the handler's own, for its other callbacks. */
void http_set_user_data(struct http_request *r, void *p);
/* Returns the pointer set last, or NULL. */
void *http_user_data(const struct http_request *r);

/* Marks the connection as trusted, because its request came with a valid key. While idle, and
 * while its next request is arriving, it gives way only after all untrusted connections. */
void http_trust(struct http_request *r);
/* Returns whether all places are taken by requests that are being answered, and this connection
 * has one of the few extra places: the handler should refuse anything that can wait. */
bool http_is_guest(const struct http_request *r);
/* Returns whether the body has arrived; false within on_head. */
bool http_is_whole(const struct http_request *r);
/* Returns whether this is a HEAD request: the body of the answer is not sent. */
bool http_is_head(const struct http_request *r);

/* Frees head and body early. Results of http_path(), http_header(), http_body()… become invalid;
 * from now on these functions return empty texts. */
void http_forget(struct http_request *r);

/* Sets header lines, each ending in \\r\n, that the answer will have; copied, at most
 * HTTP_LINES_BYTES_MAX. Call before the answer begins; the last call counts. */
void http_answer_with(struct http_request *r, struct str lines);

/* Sends the whole answer and frees r. `extra`: header lines each ending in \\r\n, or NULL. For a
 * HEAD, an empty body means that its length is unknown. */
void http_reply(struct http_request *r, int status, const char *content_type, const char *extra, struct str body);
/* Begins an answer of unknown length, with status 200 (in chunks; to an HTTP/1.0 client: until the
 * connection's end), and frees the request's text, as http_forget(). */
void http_stream_begin(struct http_request *r, const char *content_type, const char *extra);
/* Sends one chunk; nothing when empty. Cheap: all chunks of a loop turn go out with one send(). */
void http_stream_write(struct http_request *r, struct str bytes);
/* Returns whether the client reads slower than we write: hold new bytes back until on_drain. */
bool http_stream_full(const struct http_request *r);
/* Ends the answer and frees r. */
void http_stream_end(struct http_request *r);
/* For a request with `Connection: Upgrade`: answers 101 for `protocol` and returns the
 * connection, with the bytes that came behind the request in *out_rest (borrowed until the next
 * loop turn). The caller must net_conn_set(). Frees r. */
struct net_conn *http_upgrade(struct http_request *r, const char *protocol, struct str *out_rest);
/* Returns whether the request asks for an upgrade to that protocol. */
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
    /* Called once, last: err is 0 when the response was whole. c is freed after the return. */
    void (*on_end)(struct http_call *c, int err, const char *why, void *user_data);
    void *user_data;
};
/* Sends one request on a fresh connection. Every failure comes through on_end, never before the
 * return: no connection, no answer in time (ERR_TIMEOUT), an answer that is not HTTP
 * (ERR_PROTOCOL), an answer that breaks off (ERR_NET). */
struct http_call *http_call_start(struct net_loop *l, const struct http_call_config *cfg);
/* Returns the value of a response header, after on_head; empty when absent. */
struct str http_call_header(const struct http_call *c, const char *lower_name);
/* Cancels: on_end follows, in a later turn, with ERR_CANCELLED; no other callback comes before
 * it. */
void http_call_cancel(struct http_call *c);

/* Callbacks of a dial with upgrade: on_up gets the connection (call net_conn_set() in it) and
 * the bytes already read behind the 101; on_fail gets the status (0: no HTTP answer) and a
 * sentence. Exactly one of them is called, once, never before http_dial_start() returns; the
 * http_dial is freed after it returns. */
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
/* Cancels: on_fail follows, in a later turn, with status 0 and "cancelled". */
void http_dial_cancel(struct http_dial *d);

/* ---- server-sent events, client side ---- */
enum { SSE_EVENT_BYTES_MAX = 1 << 20 };
struct sse {
    struct buf line, data, event, id; /* owned */
    bool cr;    /* the last byte was a CR: a following LF belongs to it */
    bool begun; /* the first line, which may have a byte order mark, is past */
};
/* Called for each whole event with its fields (event empty: "message"; id: the last id seen,
 * also in an earlier event), and for each comment, with event ":" and the comment as data. */
typedef void sse_event_fn(struct str event, struct str data, struct str id, void *user_data);
/* Starts a new stream. */
void sse_init(struct sse *s);
/* Frees its memory. */
void sse_fini(struct sse *s);
/* Parses bytes. Returns ERR_TOO_LARGE when a line or an event passes SSE_EVENT_BYTES_MAX; the
 * stream cannot be used further then. */
int sse_feed(struct sse *s, struct str bytes, sse_event_fn *fn, void *user_data);

/* Returns whether browsers, and Node.js, refuse to connect to this port (6000, 10080, …), so that
 * no page can be opened there. */
bool http_browsers_refuse(uint16_t port);

/* Parses "http://host:port", "host:port" or "host"; default_port when the text has no port.
 * Returns ERR_INVALID or ERR_UNSUPPORTED (TLS) with f filled. */
int http_parse_address(const char *text, uint16_t default_port, char *host, size_t host_cap, uint16_t *port,
                       struct fault *f);

struct http_address {
    char host[256];
    uint16_t port;
};
/* Parses "host:port,host:port", at most `max` addresses. Returns ERR_INVALID or ERR_UNSUPPORTED
 * with f filled when an address is wrong or empty, or there are too many. */
int http_parse_addresses(const char *list, uint16_t default_port, struct http_address *out, uint32_t max, uint32_t *out_n,
                         struct fault *f);

#endif
