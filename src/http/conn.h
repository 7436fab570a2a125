/* The inside of the server: the server, its connections, the request of each. Not for other
 * rooms. */
#ifndef MANTA_HTTP_CONN_H
#define MANTA_HTTP_CONN_H

#include <llhttp.h>

#include "base/crowd.h"
#include "base/list.h"
#include "http/fields.h"
#include "http/http.h"
#include "http/link.h"

enum { BEHIND_BYTES_MAX = 128 << 10 }; /* pipelined bytes of one connection; reading pauses at HTTP_BEHIND_BYTES */

/*               first byte              whole                 answered, kept alive
 *        IDLE ─────────────▶ READING ──────────▶ ANSWERING ─────────────────────────▶ IDLE
 *          │ 75 s              │ bad, 30 s          │  │ answered, not kept alive
 *          └────▶ CLOSING ◀────┘                    │  └──────────────▶ CLOSING
 *                                                   └──▶ HANDED (http_upgrade)
 *
 * In every state but HANDED the link may close: http_conn_closed() frees the connection. A closing
 * link of net/ reads and discards incoming bytes for a while, so that the client can read why its
 * large body was refused. */
enum http_conn_state {
    CONN_IDLE,      /* no byte of a request yet; bytes may wait in `behind` for the next turn */
    CONN_READING,   /* a request is arriving */
    CONN_ANSWERING, /* the handler has the request; new bytes are kept in `behind` */
    CONN_CLOSING,   /* the link was told to close */
    CONN_HANDED,    /* the link has another owner; this is freed in the next turn */
    CONN_STATES_N,
};

/* The waits of a connection. Each wait has one duration, so each queue is in the order of its
 * deadlines. */
enum conn_wait { WAIT_IDLE, WAIT_REQUEST, WAIT_DRAIN, WAITS_N };

struct http_conn {
    struct http_server *server;
    const struct link_calls *calls; /* static */
    void *link;                     /* borrowed; the net_conn, or a loopback */
    struct list all;                /* in server.conns, or server.handed */
    struct list wait;               /* in server.waiting[…], or in none */
    struct list ready;              /* in server.ready while `behind` is to be parsed in the next turn */
    struct crowd_seat seat;         /* in server.crowds[trusted] while it may give way; in server.closing while it
                                       closes */
    struct hoarder greed;           /* in server.greedy[trusted], by the bytes it could give; in none while it has
                                       none */
    uint64_t since_us;              /* when the wait began */
    struct http_request *request;   /* owned; being read or answered */
    struct buf behind;              /* owned; bytes behind the request that is being answered */
    struct str rest;                /* during on_request: the bytes behind that request in the input being parsed */
    size_t held;                    /* bytes of its buffers, as counted in server.held */
    size_t seen;                    /* WAIT_DRAIN: pending bytes when last checked */
    uint8_t state;                  /* enum http_conn_state */
    bool paused;                    /* reading is paused: `behind` is long enough */
    bool full;                      /* http_stream_full() returned true and on_drain must be called */
    bool trusted;                   /* http_trust() */
    bool guest;                     /* http_is_guest() */
    bool broken;                    /* a write failed: nothing more is written */
    bool evicted;                   /* counted in server.evicted_n */
    bool continued;                 /* another process has sent "100 Continue" */
};

struct http_request {
    struct http_conn *conn;     /* borrowed */
    void *user_data;       /* borrowed; the handler's */
    llhttp_t parser;
    struct fields fields;  /* its text begins with the request target */
    struct buf body;       /* owned */
    struct buf came;       /* owned; received bytes while the request is unfinished: another process would begin with
                              them */
    size_t came_body;      /* bytes of `body` that are also in `came`; the rest of `body` arrived unframed */
    struct refusal *no;    /* receives the reason for a refusal; set while being fed */
    uint32_t head_bytes;   /* received bytes of the head */
    uint16_t target_n;     /* bytes of the target, at the start of fields.text */
    uint16_t path, path_n; /* in fields.text; path_n 0: "/" */
    uint16_t query, query_n;
    uint16_t host, host_n; /* in fields.text; host_n 0: the target has none */
    char *lines;           /* owned; header lines for the answer, or NULL */
    bool head_whole;
    bool whole;
    bool judged;           /* on_head was called, or must not be */
    bool expects;          /* "100 Continue" must be sent */
    bool continued;        /* … and was sent */
    bool keep_alive;
    bool old;              /* HTTP/1.0: no chunks */
    bool head_only;        /* HEAD: no body in the answer */
    bool upgrade;          /* Connection: Upgrade */
    bool streaming;        /* http_stream_begin() was called */
};

/* The reason for refusing a request without its handler. */
struct refusal {
    int status;
    struct fault fault;
};

enum request_step { REQUEST_MORE, REQUEST_WHOLE, REQUEST_REFUSED };

struct http_server {
    struct http_server_calls calls;
    void *user_data;
    struct net_loop *loop;         /* borrowed; NULL: a server in memory */
    struct net_listener *listener; /* owned; NULL once closed */
    struct net_timer *sweep;       /* owned: checks the queues of `waiting` once a second */
    struct net_timer *turn;        /* owned: calls http_server_turn() in the next loop turn */
    uint64_t memory_now_us;        /* the time, in a server in memory */
    struct list conns;             /* conn.all */
    struct list handed;            /* conn.all of connections upgraded in this turn */
    struct list ready;             /* conn.ready */
    struct list waiting[WAITS_N];  /* conn.wait, oldest first */
    struct crowd crowds[2];        /* conn.seat of connections that may give way: untrusted, trusted */
    struct hoard greedy[2];        /* conn.greed, likewise */
    struct list closing;           /* conn.seat of connections in CONN_CLOSING */
    struct http_gave_way gave_way;
    uint32_t conns_n, conns_max;
    uint32_t places_max;           /* conns_max, had nothing else open files */
    uint32_t kept;                 /* more of them, see HTTP_CONNS_KEPT; fewer where few files may be open */
    uint32_t evicted_n;            /* of conns_n: evicted, so that their descriptors are free already */
    uint32_t others;               /* open files that are not of conns_n, as far as new descriptors show */
    uint32_t files;                /* that the process may have open; 0: no limit */
    size_t held, held_max;         /* bytes of requests in memory, of all connections */
    uint32_t depth;                /* conn_parse() and http_conn_closed() calls on the stack: nothing is freed below
                                      them */
    bool closed;                   /* freed with its last connection */
    int64_t date_s;                /* of `date` */
    char date[40];                 /* the Date header's value */
};

/* ---- server.c ---- */
/* Limits the places to those that a process with so many open files has: a part of them, and fewer
 * as links and others hold files. */
void http_server_files(struct http_server *s, uint32_t files);

/* ---- status.c ---- */
/* Returns "Not Found"; "" for an unknown status. */
const char *http_reason(int status);
/* Appends the status line and the Date header. */
void reply_status_line(struct http_server *s, struct buf *out, int status);
/* Appends a whole error answer that ends the connection. r: the refused request, or NULL. */
void reply_refusal(struct http_server *s, struct buf *out, const struct refusal *no, const struct http_request *r);

/* ---- request.c ---- */
/* Makes an empty request. */
struct http_request *http_request_new(struct http_conn *c);
/* Frees the request. NULL is allowed. */
void http_request_free(struct http_request *r);
/* Appends the received bytes of an unfinished request, from its first one. Returns ERR_TOO_LARGE
 * when out is full. */
int http_request_came(const struct http_request *r, struct buf *out);
/* Parses bytes up to the end of this request; *out_used is the number used. REQUEST_REFUSED
 * fills `no`. */
enum request_step http_request_feed(struct http_request *r, struct str bytes, size_t *out_used, struct refusal *no);

/* ---- places.c: the server, as its connections see it ---- */
/* Returns the loop's time; in a server in memory, memory_now_us. */
uint64_t http_server_now_us(const struct http_server *s);
/* Returns whether this turn has computed enough: defer what can wait. */
bool http_server_spent(struct http_server *s);
/* Schedules http_server_turn() for the next turn. */
void http_server_wake(struct http_server *s);
/* Brings the memory of requests within its limit: unfinished requests of other connections, and
 * bytes pipelined behind requests being answered, give way. Returns false when c is the largest
 * holder and must give way itself. */
bool http_server_relieve(struct http_server *s, struct http_conn *c);
/* Frees a closed server when nothing needs it any more. Call it last, before returning to the
 * loop. */
void http_server_settle(struct http_server *s);
/* Frees the server at once; no connection MUST be left. */
void http_server_free(struct http_server *s);

/* ---- places.c: the memory of a connection, and its places ---- */
/* Moves to a state, with its wait and its place; a move that is not in the drawing fails a
 * MUST(). */
void http_conn_move(struct http_conn *c, enum http_conn_state to);
/* Puts c into a queue of waiting connections; WAITS_N: into none. */
void http_conn_wait(struct http_conn *c, enum conn_wait what);
/* Puts c among the connections that may give way, or takes it out, by its state. */
void http_conn_seat(struct http_conn *c);
/* Updates the count of the buffers of c in server.held. */
void http_conn_count(struct http_conn *c);
/* Sends bytes; aborts the link when they cannot be sent. */
void http_conn_write(struct http_conn *c, struct str bytes);
/* Frees the request, which the handler has answered or never had. */
void http_conn_drop_request(struct http_conn *c);
/* Drops the requests pipelined behind the current one; the connection ends with the current
 * answer. */
void http_conn_forget_ahead(struct http_conn *c);
/* Answers with an error of the server's own, and closes. */
void http_conn_refuse(struct http_conn *c, const struct refusal *no);
/* Closes after the written bytes are sent; http_conn_closed() follows. */
void http_conn_close(struct http_conn *c);
/* Closes at once. */
void http_conn_evict(struct http_conn *c);
/* Removes c from all lists and frees it. */
void http_conn_free(struct http_conn *c);

/* ---- conn.c: called by the link ---- */
/* Takes received bytes. */
void http_conn_data(struct http_conn *c, struct str bytes);
/* Most of the written bytes are sent. */
void http_conn_drained(struct http_conn *c);
/* The link has closed: tells the handler, frees c. */
void http_conn_closed(struct http_conn *c);
/* ---- conn.c: called by server.c and reply.c ---- */
/* Parses the bytes in `behind`. */
void http_conn_again(struct http_conn *c);
/* Ends a wait that took too long. */
void http_conn_wait_over(struct http_conn *c, enum conn_wait what);
/* For a connection received from another process: takes the bytes of requests that have not
 * begun. */
void http_conn_begins(struct http_conn *c, const struct http_state *is);
/* For a connection received from another process: takes the request being answered, which the
 * caller fills, and the bytes behind it. */
void http_conn_answers(struct http_conn *c, struct http_request *r, const struct http_state *is);
/* The answer is whole: frees the request, closes or continues with the next request. */
void http_conn_answered(struct http_conn *c);
/* Takes the connection away from the server; the bytes behind its request are in c->behind until
 * the next turn. */
void http_conn_hand_over(struct http_conn *c);

/* ---- server.c ---- */
/* Makes a server without a listener and timers, for tests, too. The seed decides which origins share
 * a group (base/crowd.h). Free it with http_server_close(). */
struct http_server *http_server_new_in_memory(uint64_t seed, const struct http_server_calls *calls, void *user_data);
/* Adds a connection over a link. Returns NULL when there are too many: an error was written and
 * the link told to close. */
struct http_conn *http_server_accept(struct http_server *s, const struct link_calls *calls, void *link);
/* Parses the waiting bytes of ready connections, one request of each, until the turn is spent;
 * frees upgraded connections. */
void http_server_turn(struct http_server *s);
/* Ends the waits that took too long. Returns false when the turn was spent: call it again in the
 * next one. */
bool http_server_sweep(struct http_server *s);
/* Adds a connection over net/. Returns NULL as http_server_accept(). */
struct http_conn *http_server_connect(struct http_server *s, struct net_conn *link);

#endif
