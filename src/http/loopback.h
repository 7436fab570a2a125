/* A connection made of memory: bytes go in, answers come out, time passes when told. For unit tests and fuzzing. */
#ifndef MANTA_HTTP_LOOPBACK_H
#define MANTA_HTTP_LOOPBACK_H

#include "http/http.h"

enum { LOOPBACK_BYTES_MAX = 64 << 20 };

/* A server without a listener, whose time only loopback_wait() moves. Ends as any other, by http_server_close(). */
struct http_server *loopback_server(const struct http_server_calls *calls, void *user_data);
/* Lower limits than HTTP_CONNS_MAX and HTTP_HELD_BYTES_MAX, to reach them in a test. */
void loopback_limits(struct http_server *s, uint32_t conns_max, size_t held_max);
/* Request bytes the server holds now, of all connections. */
size_t loopback_held(const struct http_server *s);

struct loopback {
    struct http_conn *conn; /* NULL once closed, handed over, or never accepted */
    struct buf out;     /* owned: what the server wrote */
    struct buf in;      /* owned: what came while reading was paused */
    uint64_t origin;    /* where it comes from: set before loopback_open(), and kept by it */
    size_t unread;      /* of `out`, what the client has not read yet; grows only while `slow` */
    bool slow;          /* the client does not read until loopback_read() */
    bool paused;
    bool closing, aborted; /* asked by the server */
    bool deaf;          /* writes fail, as on a connection just lost */
};

/* A connection arrives at the server. All of *l but `origin` is set here. */
void loopback_open(struct loopback *l, struct http_server *s);
void loopback_fini(struct loopback *l);
/* The client sends, and that is all; loopback_turn() is still to come. */
void loopback_bytes(struct loopback *l, struct str bytes);
/* One turn of the loop, for the server: see http_server_turn(). Then for the client's connection loopback_turn(). */
void loopback_server_turn(struct http_server *s);
/* The client sends; then the rest of this loop turn happens, and as many as there is something to do for. */
void loopback_send(struct loopback *l, struct http_server *s, struct str bytes);
/* The client reads what it was sent, but for the last `left` bytes. */
void loopback_read(struct loopback *l, struct http_server *s, size_t left);
/* The client goes away. */
void loopback_hang_up(struct loopback *l);
/* Time passes. */
void loopback_wait(struct loopback *l, struct http_server *s, uint32_t ms);
/* The rest of a loop turn, and more until nothing waits to be parsed: ready connections, bytes held back, the close callback.
 * A closed server may be gone then. */
void loopback_turn(struct loopback *l, struct http_server *s);

#endif
