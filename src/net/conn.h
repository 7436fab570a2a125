/* The inside of a TCP connection, shared by conn.c (its life), read.c and write.c (its bytes),
 * dial.c and listen.c (its birth).
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
 * FLUSHING goes to CLOSED at once when the peer has ended, too. In LINGERING our end is sent and
 * incoming bytes are discarded: closing with unread bytes in the kernel would reset the connection,
 * and the peer could lose the answer it has not read yet. */
#ifndef MANTA_NET_CONN_H
#define MANTA_NET_CONN_H

#include "base/buf.h"
#include "net/loop.h"

enum {
    CLOSE_MS = 2000,   /* a closing connection that makes no progress for this long is cut */
    CONNECT_MS = 5000, /* for one address; then the next one is tried */
    SWEEP_MS = 100,    /* interval at which these deadlines are checked, while there are any */
};

enum conn_state { CONN_DIALLING, CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_CLOSED, CONN_STATES };

/* Thousands may be idle, so state that only some need hangs off a pointer. */
struct net_conn {
    struct net_object object;   /* first */
    uv_tcp_t tcp;
    struct net_loop *loop;      /* borrowed */
    struct net_conn_calls calls;
    void *user_data;            /* borrowed */
    struct list dirty;          /* in net_loop.dirty while `out` waits for the end of the turn; in net_loop.gone at
                                   the end */
    struct list hungry;         /* in net_loop.hungry, again or sated while it waits to be read; libuv does not poll
                                   it meanwhile */
    struct list timed;          /* in net_loop.timed while it has a deadline */
    uint64_t deadline_ms;       /* in uv_now() time; valid while in `timed` */
    size_t deadline_pending;    /* unsent bytes when the deadline was set: fewer is progress */
    struct buf out;             /* owned; written, not yet given to libuv */
    size_t pending_peak;        /* maximum of pending bytes since the last on_drain */
    struct flight *flight;      /* owned; bytes libuv is sending; NULL: none */
    size_t counted;             /* memory of `out` and `flight`, as counted in net_loop.pending */
    struct dialling *dialling;  /* owned; NULL once connected, or when the running resolve outlives the connection */
    char *peer;                 /* owned */
    uint64_t origin;            /* net_conn_origin() */
    char *why;                  /* owned; first reason for closing, NULL while open */
    int err;                    /* belongs to why */
    enum conn_state state;
    uint32_t turn;              /* net_loop.turn in which it read last */
    bool fed;                   /* it was hungry, and is read before connections that were not */
    bool paused;
    bool peer_ended;            /* the peer has ended its stream */
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
    struct net_conn *conn; /* borrowed; NULL: the connection ended while the name was being resolved */
    bool resolving;        /* libuv holds `resolve`: do not free this yet */
    char *host;            /* owned, as the caller gave it */
    uint16_t port;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    unsigned addresses_n;
    unsigned tried;        /* addresses[0 … tried-1] have been tried */
};

/* conn.c */
/* Makes a connection without a socket. It is freed when it has closed. */
struct net_conn *conn_new(struct net_loop *l, enum conn_state state);
/* Records why the connection closes; the first reason stays. */
void conn_reason(struct net_conn *c, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Moves to CLOSED; a reason must have been recorded. */
void conn_shut(struct net_conn *c);
/* Handles a failed read or write: moves to CLOSED. */
void conn_lost(struct net_conn *c, int uv_err);
/* In FLUSHING, when nothing is pending any more: moves to LINGERING, or to CLOSED when the peer
 * has ended. */
void conn_all_sent(struct net_conn *c);
/* Moves to a state; a move that is not in the drawing fails a MUST(). */
void conn_move(struct net_conn *c, enum conn_state to);
/* Removes it from the queues of connections that wait to be read. */
void conn_not_hungry(struct net_conn *c);
/* Drops the recorded reason, for a connection that ends otherwise than planned. */
void conn_forget_reason(struct net_conn *c);
/* Ends the connection in `ms` unless it makes progress. */
void conn_deadline(struct net_conn *c, unsigned ms);
/* After the uv handle has closed: tells the owner, frees the connection. */
void conn_closed(struct net_conn *c);
/* Tells the owners of connections whose handle has closed, until the turn is spent. */
void conns_tell(struct net_loop *l);

/* Returns the connection that owns this handle; NULL for a handle of another object. */
struct net_conn *conn_of(const uv_handle_t *h);
/* Returns the connection with the most unsent bytes; NULL when there are none. */
struct net_conn *conns_greediest(struct net_loop *l);

/* Updates the count of the memory of its unsent bytes. */
void conn_count(struct net_conn *c);
/* Frees the dialling record; libuv must hold no request of it any more. */
void dialling_free(struct net_conn *c);
/* Frees a dialling record whose connection is gone. */
void dialling_delete(struct dialling *d);

/* read.c */
/* Lets some hungry connections read in this turn, the longest waiting first. */
void conns_feed(struct net_loop *l);
/* Called once connected or accepted: the connection is OPEN from here on. */
void conn_opened(struct net_conn *c);

/* write.c */
/* Schedules a flush of the unsent bytes at the end of the turn. */
void conn_touch(struct net_conn *c);
/* Flushes the dirty connections. `all`: even when the turn is spent; else the rest waits for the
 * next turn. */
void conns_flush(struct net_loop *l, bool all);

/* parting.c */
/* Sends the bytes that closing connections still hold, without callbacks; takes PARTING_MS at
 * most. */
void conns_part(struct net_loop *l);

/* address.c */
/* Returns a number that is equal for addresses of one machine or household: see
 * net_conn_origin(). */
uint64_t address_origin(const struct sockaddr_storage *a);

/* dial.c */
/* Called when the address being tried does not answer in time. */
void dialling_timeout(struct net_conn *c);

/* fdpass.c */
/* Makes an fdpass channel over a socket, which it owns from now on. The patience covers
 * everything it does. */
struct net_fdpass *fdpass_new(int fd, uint32_t patience_ms);

/* listen.c */
/* Returns the listener's socket; hands over a caller that was held back first. */
int listener_fd(struct net_listener *s);

/* address.c */
/* Writes "127.0.0.1:80", "[::1]:80". */
void address_text(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES]);
/* Parses a numeric address; false when `host` is a name. */
bool address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);
/* Writes the address without the port; a link-local address with its zone. */
void address_host(const struct sockaddr_storage *a, char out[static NET_ADDRESS_BYTES]);

#endif
