/* The event loop: timers, TCP, signals, child processes, and mailboxes from other threads. libuv behind.
 *
 * One thread runs a loop and owns everything made from it; only net_mail_post() may be called from elsewhere.
 * Callbacks run from net_loop_run(), never from within the call that set them up. A closing thing stays valid until
 * its close callback. Writes are collected and sent once per loop turn, so ten small writes are one send(). */
#ifndef MANTA_NET_NET_H
#define MANTA_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    NET_READ_BYTES = 64 << 10,         /* one shared read buffer per loop */
    NET_PENDING_BYTES_MAX = 32 << 20,  /* unsent bytes of one connection; more is ERR_TOO_LARGE */
    NET_ADDRESS_BYTES = 80,
};

struct net_loop;
struct net_loop *net_loop_new(void);
/* Closes whatever is still open, runs the close callbacks, frees. */
void net_loop_free(struct net_loop *l);
/* Until net_loop_stop(), or nothing is left to wait for. */
void net_loop_run(struct net_loop *l);
void net_loop_stop(struct net_loop *l);
/* The loop's idea of now, monotonic microseconds; read once per turn. */
uint64_t net_now_us(const struct net_loop *l);

/* ---- timers ---- */
struct net_timer;
typedef void net_timer_fn(struct net_timer *t, void *user_data);
struct net_timer *net_timer_new(struct net_loop *l, net_timer_fn *fn, void *user_data);
/* (Re)arms it, once, at `at_us`; UINT64_MAX disarms. */
void net_timer_set(struct net_timer *t, uint64_t at_us);
void net_timer_free(struct net_timer *t);

/* ---- TCP ---- */
struct net_conn;
struct net_conn_calls {
    void (*on_open)(struct net_conn *c, void *user_data);               /* dialled ones: connected */
    void (*on_data)(struct net_conn *c, struct str bytes, void *user_data); /* borrowed for the call */
    void (*on_drain)(struct net_conn *c, void *user_data);              /* pending fell to half of what it was asked at, see net_conn_pending */
    /* Once, last: `err` 0 for an orderly end, `why` in words. The net_conn is freed after it returns. */
    void (*on_close)(struct net_conn *c, int err, const char *why, void *user_data);
};
struct net_listener;
/* A new connection: set its calls with net_conn_set() before returning, or close it. */
typedef void net_accept_fn(struct net_conn *c, void *user_data);
/* host: "127.0.0.1", "::1", "0.0.0.0", "localhost". port 0: any. ERR_IN_USE, ERR_NET with f filled. */
int net_listen(struct net_loop *l, const char *host, uint16_t port, net_accept_fn *fn, void *user_data,
               struct net_listener **out, struct fault *f);
uint16_t net_listener_port(const struct net_listener *l);
void net_listener_close(struct net_listener *l);
/* Resolves and connects; failure comes as on_close with no on_open before it. */
struct net_conn *net_dial(struct net_loop *l, const char *host, uint16_t port, const struct net_conn_calls *calls,
                          void *user_data);
void net_conn_set(struct net_conn *c, const struct net_conn_calls *calls, void *user_data);
/* Copies the bytes. ERR_TOO_LARGE: NET_PENDING_BYTES_MAX reached, nothing was taken. ERR_NET: closing or closed. */
int net_write(struct net_conn *c, struct str bytes);
/* Bytes not yet given to the kernel. A caller that sees too many stops writing and waits for on_drain. */
size_t net_conn_pending(const struct net_conn *c);
void net_conn_pause(struct net_conn *c);  /* no more on_data until resumed */
void net_conn_resume(struct net_conn *c);
/* After what was written was sent (at most 2 s later). on_close follows. Idempotent. */
void net_conn_close(struct net_conn *c);
/* At once. on_close follows in the next turn. */
void net_conn_abort(struct net_conn *c);
/* "127.0.0.1:4312"; valid while the connection is. */
const char *net_conn_peer(const struct net_conn *c);
struct net_loop *net_conn_loop(const struct net_conn *c);

/* ---- mailboxes: other threads -> loop ---- */
struct net_mail;
struct net_mail_item { struct net_mail_item *next; }; /* embed it first in a message */
/* All items posted since the last call, oldest first; the callee owns them. */
typedef void net_mail_fn(struct net_mail *m, struct net_mail_item *items, void *user_data);
struct net_mail *net_mail_new(struct net_loop *l, net_mail_fn *fn, void *user_data);
/* From any thread. */
void net_mail_post(struct net_mail *m, struct net_mail_item *item);
void net_mail_free(struct net_mail *m);

/* ---- signals and children ---- */
typedef void net_signal_fn(int signum, void *user_data);
void net_signal(struct net_loop *l, int signum, net_signal_fn *fn, void *user_data);
struct net_child;
struct net_child_config {
    const char *const *argv;   /* argv[0] is the program; NULL-terminated */
    const char *const *env_add; /* "NAME=value" on top of ours; NULL-terminated or NULL */
    void (*on_line)(struct net_child *c, struct str line, void *user_data); /* its stdout and stderr, by line; NULL: inherited */
    void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data); /* freed after it returns */
    void *user_data;
};
struct net_child *net_spawn(struct net_loop *l, const struct net_child_config *cfg, struct fault *f);
int net_child_pid(const struct net_child *c);
void net_child_kill(struct net_child *c, int signum);

#endif
