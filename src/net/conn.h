/* Inside of a TCP connection, shared by conn.c (its life), read.c and write.c (its bytes), dial.c and listen.c (its birth).
 *
 *     net_dial()              accept
 *        |                      |
 *        v                      v        close(), peer's end            all sent
 *     DIALLING --connected--> OPEN -----------------------> FLUSHING -------------> LINGERING
 *        |                      |                               |                       |
 *        | failed               | abort(), reset                | reset, no progress    | peer's end, deadline
 *        +----------------------+-------------> CLOSED <--------+-----------------------+
 *                                               on_close, then freed
 *
 * LINGERING: our end is sent and what still comes is thrown away. Closing at once with unread bytes in the kernel
 * would reset the connection, and the peer could lose the answer it has not read yet. */
#ifndef MANTA_NET_CONN_H
#define MANTA_NET_CONN_H

#include "base/buf.h"
#include "net/loop.h"

enum {
    CLOSE_MS = 2000,   /* a closing connection that makes no progress for this long is cut */
    CONNECT_MS = 5000, /* for one address; then the next one is tried */
    SWEEP_MS = 100,    /* how often the deadlines above are looked at, while there are any */
};

enum conn_state { CONN_DIALLING, CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_CLOSED, CONN_STATES };

/* Thousands may be idle: what only some need hangs off a pointer. */
struct net_conn {
    struct net_object object;   /* first */
    uv_tcp_t tcp;
    struct net_loop *loop;      /* borrowed */
    struct net_conn_calls calls;
    void *user_data;            /* borrowed */
    struct list dirty;          /* in net_loop.dirty while `out` waits for the end of the turn; in net_loop.gone at last */
    struct list hungry;         /* in net_loop.hungry, again or sated while it waits to be read, and libuv does not look at it */
    struct list timed;          /* in net_loop.timed while it has a deadline */
    uint64_t deadline_ms;       /* in uv_now() time; holds while timed */
    size_t deadline_pending;    /* unsent bytes when the deadline was set: fewer now is progress */
    struct buf out;             /* owned; written, not yet given to libuv */
    size_t pending_peak;        /* most that was pending since the last on_drain */
    struct flight *flight;      /* owned; bytes libuv is sending; NULL: none */
    size_t counted;             /* memory of `out` and `flight`, as counted in net_loop.pending */
    struct dialling *dialling;  /* owned; NULL once connected, or when a resolve in progress outlives us */
    char *peer;                 /* owned */
    uint64_t origin;            /* net_conn_origin() */
    char *why;                  /* owned; first reason for closing, NULL while there is none */
    int err;                    /* goes with why */
    enum conn_state state;
    uint32_t turn;              /* in which it read last: net_loop.turn */
    bool fed;                   /* it was hungry, and is to be read before those that are not */
    bool paused;
    bool peer_ended;            /* nothing more will come */
    bool given_calls;           /* net_conn_set() was called */
};

struct flight {
    uv_write_t req;
    struct buf bytes; /* owned */
};

enum { DIAL_ADDRESSES_MAX = 8 };

struct dialling {
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct net_conn *conn; /* borrowed; NULL: it ended while the name was being resolved */
    bool resolving;        /* libuv holds `resolve`: this may not be freed yet */
    char *host;            /* owned, as the caller gave it */
    uint16_t port;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    unsigned addresses_n;
    unsigned tried;        /* addresses[0 … tried-1] were */
};

/* conn.c */
/* A connection without a socket yet; it is freed by its end. */
struct net_conn *conn_new(struct net_loop *l, enum conn_state state);
/* Notes why it closes; the first reason stays. */
void conn_reason(struct net_conn *c, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* -> CLOSED; a reason must have been noted. */
void conn_shut(struct net_conn *c);
/* A read or write failed: -> CLOSED. */
void conn_lost(struct net_conn *c, int uv_err);
/* FLUSHING and nothing is pending any more. */
void conn_all_sent(struct net_conn *c);
/* -> to; a move that the drawing does not have is a MUST(). */
void conn_move(struct net_conn *c, enum conn_state to);
/* It waits to be read no more. */
void conn_not_hungry(struct net_conn *c);
/* It was to end for another reason than it does. */
void conn_forget_reason(struct net_conn *c);
/* Ended in so many ms unless it makes progress. */
void conn_deadline(struct net_conn *c, unsigned ms);
/* The uv handle is closed for good: tells the owner, frees. */
void conn_closed(struct net_conn *c);
/* Tells owners of connections whose handle is closed, until the turn is spent. */
void conns_tell(struct net_loop *l);

/* The connection that owns this handle; NULL: another thing does. */
struct net_conn *conn_of(const uv_handle_t *h);
/* The connection with the most unsent bytes, NULL: none has any. */
struct net_conn *conns_greediest(struct net_loop *l);

/* Counts the memory of its unsent bytes anew. */
void conn_count(struct net_conn *c);
/* The connection ends: stops a resolve in progress. */
void dialling_abandon(struct net_conn *c);
/* Only when libuv holds no request of it any more. */
void dialling_free(struct net_conn *c);
/* The same of a record whose connection is gone. */
void dialling_delete(struct dialling *d);

/* read.c */
/* Lets some of those that are hungry be read in this turn, who waits longest first. */
void conns_feed(struct net_loop *l);
/* Newly connected or accepted: OPEN from here on. */
void conn_opened(struct net_conn *c);

/* write.c */
/* Unsent bytes are worth a flush at the end of the turn. */
void conn_touch(struct net_conn *c);
/* `all`: also when the turn is spent; else the rest waits for the next one. */
void conns_flush(struct net_loop *l, bool all);

/* parting.c */
/* Sends what closing connections still hold, without callbacks; takes PARTING_MS at most. */
void conns_part(struct net_loop *l);

/* address.c */
/* Equal for addresses of one machine or household: see net_conn_origin(). */
uint64_t address_origin(const struct sockaddr_storage *a);

/* dial.c */
/* The address being tried does not answer. */
void dialling_timeout(struct net_conn *c);

/* fdpass.c */
/* A fdpass over that socket, which is its own from now on; patience for all it does. */
struct net_fdpass *fdpass_new(int fd, uint32_t patience_ms);

/* listen.c */
/* Its socket; a caller that was held back is handed over first. */
int listener_fd(struct net_listener *s);

/* address.c */
/* "127.0.0.1:80", "[::1]:80". */
void address_text(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES]);
/* A numeric address; false when `host` is a name. */
bool address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);
/* Without the port; a link-local address with its zone. */
void address_host(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES]);

#endif
