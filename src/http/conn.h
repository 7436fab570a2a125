/* The inside of the server: the server, its connections, the request on each. Not for other rooms. */
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
 * From every state but HANDED the link may close: http_conn_closed() frees the connection. A closing link of net/ still
 * reads what comes for a while and throws it away, so that a client gets to read why its large body was refused. */
enum http_conn_state {
    CONN_IDLE,      /* nothing of a request yet; bytes may wait in `behind` for the next turn */
    CONN_READING,   /* a request is coming in */
    CONN_ANSWERING, /* the handler has it; bytes that come now are kept in `behind` */
    CONN_CLOSING,   /* the link was told to close */
    CONN_HANDED,    /* the link belongs to somebody else; freed in the next turn */
    CONN_STATES_N,
};

/* What a connection waits for. Each has one duration, so each queue is in the order of its deadlines. */
enum wait { WAIT_IDLE, WAIT_REQUEST, WAIT_DRAIN, WAITS_N };

struct http_conn {
    struct http_server *server;
    const struct link_calls *calls; /* static */
    void *link;                     /* borrowed; the net_conn, or a loopback */
    struct list all;                /* in server.conns, or server.handed */
    struct list wait;               /* in server.waiting[…], or in none */
    struct list ready;              /* in server.ready while `behind` is to be parsed next turn */
    struct crowd_seat seat;         /* in server.crowds[trusted] while it may give way; in server.closing while it closes */
    struct hoarder greed;           /* in server.greedy[trusted] while it may: what it holds */
    uint64_t since_us;              /* when the wait began */
    struct http_request *request;   /* owned; being read or answered */
    struct buf behind;              /* owned; came behind the request that is being answered */
    struct str rest;                /* during on_request: what is behind that request in the bytes being parsed */
    size_t held;                    /* bytes of buffers counted in server.held */
    size_t seen;                    /* WAIT_DRAIN: pending when last looked at */
    uint8_t state;                  /* enum http_conn_state */
    bool paused;                    /* reading is, `behind` is long enough */
    bool full;                      /* http_stream_full() said so and on_drain is owed */
    bool trusted;                   /* http_trust() */
    bool guest;                     /* http_is_guest() */
    bool broken;                    /* a write failed: nothing more is written */
    bool continued;                 /* "100 Continue" was said by another process */
};

struct http_request {
    struct http_conn *conn;     /* borrowed */
    void *user_data;       /* borrowed; the handler's */
    llhttp_t parser;
    struct fields fields;  /* text begins with the request target */
    struct buf body;       /* owned */
    struct buf came;       /* owned; its bytes so far, while it is not whole: another process would begin with them */
    size_t came_body;      /* bytes of `body` that are in `came`; those behind are as they came */
    struct refusal *no;    /* where to say why it is refused; set while being fed */
    uint32_t head_bytes;   /* of the head, as they came */
    uint16_t target_n;     /* bytes of the target at the start of fields.text */
    uint16_t path, path_n; /* in fields.text; path_n 0: "/" */
    uint16_t query, query_n;
    uint16_t host, host_n; /* in fields.text; host_n 0: the target has none */
    char *lines;           /* owned; for the answer's head, or NULL */
    bool head_whole;
    bool whole;
    bool judged;           /* on_head was called, or is not to be */
    bool expects;          /* "100 Continue" is due */
    bool continued;        /* … and was said */
    bool keep_alive;
    bool old;              /* HTTP/1.0: no chunks */
    bool head_only;        /* HEAD: no body in the answer */
    bool upgrade;          /* Connection: Upgrade */
    bool streaming;        /* http_stream_begin() was called */
};

/* Why a request does not reach the handler. */
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
    struct net_timer *sweep;       /* owned: looks at the queues of `waiting` once a second */
    struct net_timer *turn;        /* owned: http_server_turn() in the next loop turn */
    uint64_t memory_now_us;        /* the time, for a server in memory */
    struct list conns;             /* conn.all */
    struct list handed;            /* conn.all of those upgraded in this turn */
    struct list ready;             /* conn.ready */
    struct list waiting[WAITS_N];  /* conn.wait, oldest first */
    struct crowd crowds[2];        /* conn.seat of those that may give way: not trusted, trusted */
    struct hoard greedy[2];        /* conn.greed, likewise */
    struct list closing;           /* conn.seat of those that only linger */
    struct http_gave_way gave_way;
    uint32_t conns_n, conns_max;
    size_t held, held_max;         /* bytes of requests in memory, of all connections */
    uint32_t depth;                /* conn_parse() calls on the stack: nothing is freed below them */
    bool closed;                   /* freed with its last connection */
    int64_t date_s;                /* of `date` */
    char date[40];                 /* the Date header's value */
};

/* ---- status.c ---- */
/* "Not Found"; "" for a status nobody knows. */
const char *http_reason(int status);
/* The first line of an answer, and its date. */
void reply_status_line(struct http_server *s, struct buf *out, int status);
/* Appends a whole error answer that ends the connection; r: the request it is about, or NULL. */
void reply_refusal(struct http_server *s, struct buf *out, const struct refusal *no, const struct http_request *r);

/* ---- request.c ---- */
/* A request of which nothing has come yet. */
struct http_request *http_request_new(struct http_conn *c);
/* r NULL: nothing. */
void http_request_free(struct http_request *r);
/* Appends the bytes of an unfinished request, from its first one. ERR_TOO_LARGE: out is full. */
int http_request_came(const struct http_request *r, struct buf *out);
/* Parses bytes up to the end of this request; *out_used of them were taken. REQUEST_REFUSED fills `no`. */
enum request_step http_request_feed(struct http_request *r, struct str bytes, size_t *out_used, struct refusal *no);

/* ---- places.c: the server, as its connections see it ---- */
/* The loop's time; the told one of a server in memory. */
uint64_t http_server_now_us(const struct http_server *s);
/* This turn has computed enough: what can wait does. */
bool http_server_spent(struct http_server *s);
/* Asks for http_server_turn(). */
void http_server_wake(struct http_server *s);
/* Unfinished requests of other connections, and bytes sent ahead behind those being answered, give way until all are within the
 * limit. False: it is c's own turn to. */
bool http_server_relieve(struct http_server *s, struct http_conn *c);
/* Frees a closed server when nothing needs it any more; call it last, before returning to the loop. */
void http_server_settle(struct http_server *s);
/* Frees it at once; no connection MUST be left. */
void http_server_free(struct http_server *s);

/* ---- places.c: what a connection holds, and its places ---- */
/* -> to, with its wait and its place; a move that the drawing does not have is a MUST(). */
void http_conn_move(struct http_conn *c, enum http_conn_state to);
/* Puts c into a queue; WAITS_N: into none. */
void http_conn_wait(struct http_conn *c, enum wait what);
/* Gives it its place among those that may give way, or takes it out. */
void http_conn_seat(struct http_conn *c);
/* Counts the buffers of c into server.held. */
void http_conn_count(struct http_conn *c);
/* Sends bytes; when they cannot be sent the link is cut. */
void http_conn_write(struct http_conn *c, struct str bytes);
/* Frees its request; the handler has answered it, or never had it. */
void http_conn_drop_request(struct http_conn *c);
/* The requests it sent ahead are dropped, and it ends with the answer that is being made. */
void http_conn_forget_ahead(struct http_conn *c);
/* Answers with an error of the server's own, and closes. */
void http_conn_refuse(struct http_conn *c, const struct refusal *no);
/* Closes after what was written; http_conn_closed() follows. */
void http_conn_close(struct http_conn *c);
/* It is closed for others: with a word when it has begun a request, or at once. */
void http_conn_give_way(struct http_conn *c);
/* It is closed at once. */
void http_conn_evict(struct http_conn *c);
/* Off all lists, and freed. */
void http_conn_free(struct http_conn *c);

/* ---- conn.c: what the link calls ---- */
/* Bytes came. */
void http_conn_data(struct http_conn *c, struct str bytes);
/* Much of what was written is sent. */
void http_conn_drained(struct http_conn *c);
/* The link is gone: the handler is told, and c is freed. */
void http_conn_closed(struct http_conn *c);
/* ---- conn.c: what server.c and reply.c call ---- */
/* Parses what waits in `behind`. */
void http_conn_again(struct http_conn *c);
/* It waited too long. */
void http_conn_wait_over(struct http_conn *c, enum wait what);
/* For a connection from another process, newly accepted here: what came of requests that are not begun, … */
void http_conn_begins(struct http_conn *c, const struct http_state *is);
/* … or the request that is being answered, which the caller fills, with what came behind it. */
void http_conn_answers(struct http_conn *c, struct http_request *r, const struct http_state *is);
/* The answer is whole: frees the request, closes or continues to the next. */
void http_conn_answered(struct http_conn *c);
/* Takes the connection out of the server's hands; what came behind its request is in c->behind until the next turn. */
void http_conn_hand_over(struct http_conn *c);

/* ---- server.c ---- */
/* A server without a listener and timers, for tests; free it with http_server_close(). */
struct http_server *http_server_new_in_memory(const struct http_server_calls *calls, void *user_data);
/* A connection over that link, or NULL: too many, an error was written and the link told to close. */
struct http_conn *http_server_accept(struct http_server *s, const struct link_calls *calls, void *link);
/* Parses what waits in `behind` of ready connections, one request of each, until the turn is spent; frees those handed over. */
void http_server_turn(struct http_server *s);
/* Ends the waits that took too long. False: the turn was spent before all were looked at. */
bool http_server_sweep(struct http_server *s);
/* A connection over net/. NULL: as above. */
struct http_conn *http_server_connect(struct http_server *s, struct net_conn *link);
/* Lets go of it without a word to the peer, and frees it. */
void http_server_disconnect(struct http_conn *c);

#endif
