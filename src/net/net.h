/* The event loop: timers, TCP, signals, child processes, and mailboxes from other threads. libuv behind.
 *
 * One thread runs a loop and owns everything made from it; only net_mail_post() may be called from elsewhere.
 * Callbacks run from net_loop_run() or net_loop_free(), never from within the call that set them up. A closing thing
 * stays valid until its close callback. Writes are collected and sent once per loop turn, so ten small writes are one
 * send(). Making the first loop also ignores SIGPIPE and raises the soft limit on open files, process-wide. */
#ifndef MANTA_NET_NET_H
#define MANTA_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    NET_READ_BYTES = 64 << 10,         /* one shared read buffer per loop */
    NET_PENDING_BYTES_MAX = 32 << 20,  /* unsent bytes of one connection; more is ERR_TOO_LARGE */
    NET_KERNEL_BYTES_MAX = 256 << 10,  /* of one connection that the kernel may hold unsent; the rest stays here, where it is counted */
    NET_ADDRESS_BYTES = 80,
};

struct net_loop;
/* Also gives the process a network program's manners: no SIGPIPE, as many open files as it may have. */
struct net_loop *net_loop_new(void);
/* Closes whatever is still open, runs the close callbacks, frees. Children still running are killed with SIGKILL.
 * Nothing made from the loop may be touched afterwards, also not to free it: timers and mailboxes left are freed here. */
void net_loop_free(struct net_loop *l);
/* Until net_loop_stop(), or nothing is left to wait for. */
void net_loop_run(struct net_loop *l);
/* net_loop_run() returns at the end of this turn. */
void net_loop_stop(struct net_loop *l);
/* For a loop that has stopped for good: sends the bytes that closing connections still hold, however slowly their peers take
 * them, for some seconds at most. No callback but on_drain runs. net_loop_free() does it first; call it earlier when something long, or
 * an _exit(), comes before that. */
void net_loop_part(struct net_loop *l);
/* From now on the unsent bytes of all connections together may take so much memory. When more is needed, the connection that
 * has the most of them is aborted, and so on; who reads what it is sent has next to none. Without this: no limit. */
void net_loop_pending_max(struct net_loop *l, size_t bytes);
/* Memory they take now. */
size_t net_loop_pending(const struct net_loop *l);
/* ---- turns: what the loop's thread does between two sleeps ---- */
enum {
    NET_TURN_US = 10000,      /* a turn that has computed for so long leaves what can wait to the next one */
    NET_TURN_LONG_US = 50000, /* longer than any turn should be */
    NET_TURN_BOUNDS = 10,
};
/* True: this turn has computed for NET_TURN_US. Who has many things to do asks between two of them, and does at least one of
 * them each turn. Cheap. */
bool net_turn_spent(struct net_loop *l);
/* Processor time of the turns of net_loop_run(). */
struct net_turns {
    const uint64_t *bounds_us;            /* NET_TURN_BOUNDS of them, rising */
    uint64_t counts[NET_TURN_BOUNDS + 1]; /* turns up to each bound and over the one before; the last: beyond all */
    uint64_t n, sum_us, max_us;
    uint64_t over;                        /* longer than NET_TURN_LONG_US */
};
/* Of all turns so far; borrowed from the loop. */
const struct net_turns *net_turns(const struct net_loop *l);
/* Open files that this process may have. */
uint32_t net_files_max(void);

/* Monotonic microseconds, as clock_us(). */
uint64_t net_now_us(const struct net_loop *l);

/* ---- timers ---- */
struct net_timer;
typedef void net_timer_fn(struct net_timer *t, void *user_data);
/* A timer that is not set. Freed by net_timer_free(), or with the loop. */
struct net_timer *net_timer_new(struct net_loop *l, net_timer_fn *fn, void *user_data);
/* (Re)arms it, once, at `at_us` of net_now_us(), never earlier; UINT64_MAX disarms. A time gone by: in the next turn. */
void net_timer_set(struct net_timer *t, uint64_t at_us);
/* Also from its own callback, and while armed: it does not fire any more. */
void net_timer_free(struct net_timer *t);

/* ---- descriptors of a library that reads and writes them itself (libcurl) ---- */
struct net_watch;
enum { NET_READABLE = 1, NET_WRITABLE = 2 }; /* bits; an error of the descriptor is both */
typedef void net_watch_fn(struct net_watch *w, int ready, void *user_data);
/* The descriptor stays the library's, which must not close it before net_watch_free(). Nothing is watched at first. NULL: it cannot be. */
struct net_watch *net_watch_new(struct net_loop *l, int fd, net_watch_fn *fn, void *user_data);
/* From now on for these bits; 0: not at all. */
void net_watch_set(struct net_watch *w, int wanted);
/* Also from its own callback. NULL is fine. */
void net_watch_free(struct net_watch *w);

/* ---- TCP ---- */
struct net_conn;
struct net_conn_calls {
    void (*on_open)(struct net_conn *c, void *user_data); /* dialled ones: connected */
    void (*on_data)(struct net_conn *c, struct str bytes, void *user_data); /* borrowed for the call */
    void (*on_drain)(struct net_conn *c, void *user_data); /* pending fell to half of its peak since the last call, or less */
    /* Once, last: `err` 0 for an orderly end, `why` in words. The net_conn is freed after it returns. */
    void (*on_close)(struct net_conn *c, int err, const char *why, void *user_data);
};
struct net_listener;
/* A new connection: set its calls with net_conn_set() before returning, or close it. */
typedef void net_accept_fn(struct net_conn *c, void *user_data);
/* A host and a port as one writes them together: "head:8470", "[::1]:8470". */
struct net_place {
    char text[300];
};
/* "host:port", with brackets around an IPv6 address. */
struct net_place net_place(const char *host, unsigned port);
/* Where a listener on `host` is dialled from this machine: the loopback address for a wildcard of any spelling ("::", "0"), else
 * `host` itself. */
const char *net_reachable(const char *host);
/* host: "127.0.0.1", "::1", "0.0.0.0", "localhost". port 0: any. ERR_IN_USE, ERR_NET with f filled. */
int net_listen(struct net_loop *l, const char *host, uint16_t port, net_accept_fn *fn, void *user_data,
               struct net_listener **out, struct fault *f);
/* The one it got, where any was asked for. */
uint16_t net_listener_port(const struct net_listener *l);
/* The numeric address of its socket; "" when the system does not say. */
void net_listener_host(const struct net_listener *l, char out[static NET_ADDRESS_BYTES]);
/* The numeric address that net_listen() takes for `host` now; waits for the resolver. ERR_NET with f. */
int net_resolve(struct net_loop *l, const char *host, char out[static NET_ADDRESS_BYTES], struct fault *f);
/* A numeric address, as IPv4 in four parts or IPv6, also with a zone ("fe80::1%eth0"): no name. */
bool net_is_address(struct str text);
/* … and one that only programs of this machine reach: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104. */
bool net_is_loopback(struct str text);
/* Nobody is accepted any more; frees it. NULL is fine. */
void net_listener_close(struct net_listener *l);
/* Resolves and connects; failure comes as on_close with no on_open before it. */
struct net_conn *net_dial(struct net_loop *l, const char *host, uint16_t port, const struct net_conn_calls *calls,
                          void *user_data);
/* Who is called from now on; calls are copied. */
void net_conn_set(struct net_conn *c, const struct net_conn_calls *calls, void *user_data);
/* Copies the bytes; sent at the end of the turn, or when dialling has succeeded. ERR_TOO_LARGE: NET_PENDING_BYTES_MAX
 * would be passed, nothing was taken; or the loop's limit, and this connection has the most: it is closing then. ERR_NET:
 * closing or closed; the peer's end of stream closes it, too. */
int net_write(struct net_conn *c, struct str bytes);
/* Bytes not yet given to the kernel. A caller that sees too many stops writing and waits for on_drain. */
size_t net_conn_pending(const struct net_conn *c);
/* No more on_data until resumed; the peer's end is not noticed meanwhile. */
void net_conn_pause(struct net_conn *c);
/* Reads again. */
void net_conn_resume(struct net_conn *c);
/* Ends it orderly: no more on_data; what was written is sent (for as long as the peer keeps taking it, with 2 s of
 * patience), then on_close follows, at the latest 2 s after the last byte. Idempotent. */
void net_conn_close(struct net_conn *c);
/* At once, unsent bytes are dropped. on_close follows with ERR_CANCELLED. Idempotent. */
void net_conn_abort(struct net_conn *c);
/* Appends the bytes that were written and not yet given to the kernel. ERR_TOO_LARGE: out is full. */
int net_conn_unsent(const struct net_conn *c, struct buf *out);
/* "127.0.0.1:4312"; valid while the connection is. */
const char *net_conn_peer(const struct net_conn *c);
/* The user who has the other end, where that is on this machine. ERR_NOT_FOUND: it is elsewhere, or the system does not say. Reads a
 * list of all connections of the machine: for rare questions. */
int net_conn_peer_uid(const struct net_conn *c, uint32_t *out_uid);
/* Equal for connections from one IPv4 address, or from one /64 of IPv6, which one machine may have all of. */
uint64_t net_conn_origin(const struct net_conn *c);
/* For the last words of a crashing process only; -1 while it is not open. */
int net_conn_descriptor(const struct net_conn *c);

/* ---- fdpass: frames and open connections, to another process of the same user on this machine ---- */
enum { NET_FDPASS_BYTES_MAX = 8 << 20 }; /* of a frame */
/* Sends and receives wait for the other side, all together no longer than its patience: nothing else of the process
 * happens in between. All of it fails with ERR_NET, ERR_TIMEOUT, ERR_PROTOCOL; a fdpass that failed is of no more use. */
struct net_fdpass;
/* Somebody has dialled and said something; the callee owns the fdpass. */
typedef void net_call_fn(struct net_fdpass *f, void *user_data);
struct net_fdpass_listener;
/* Waits at `path` for those of our own user; others are hung up on. A file left there by a process that has gone is
 * replaced; `over`: so is one whose owner is about to go. ERR_IN_USE: somebody listens there; ERR_IO. */
int net_fdpass_listener_open(struct net_loop *l, const char *path, bool over, uint32_t patience_ms, net_call_fn *fn, void *user_data,
                     struct net_fdpass_listener **out, struct fault *f);
/* forget_path: the file goes, too. NULL is fine. */
void net_fdpass_listener_close(struct net_fdpass_listener *s, bool forget_path);
/* ERR_NOT_FOUND: nobody listens there. */
int net_fdpass_dial(const char *path, uint32_t patience_ms, struct net_fdpass **out, struct fault *f);
/* Closes it, with what it carries. NULL is fine. */
void net_fdpass_free(struct net_fdpass *f);
/* Its patience begins anew. */
void net_fdpass_wait(struct net_fdpass *f, uint32_t ms);
/* A frame; waits as long as its patience. ERR_TIMEOUT, ERR_NET: the other side is gone or does not read. */
int net_fdpass_send(struct net_fdpass *f, struct str bytes, struct fault *fault);
/* The same with a connection: from now on it is of both processes, and ends with the last of them that lets go of it
 * (net_conn_abort(): the peer sees nothing). Who closes it orderly closes it for both. */
int net_fdpass_send_conn(struct net_fdpass *f, struct str bytes, const struct net_conn *c, struct fault *fault);
/* The same with a listener. A caller that it had held back is handed to its net_accept_fn first. */
int net_fdpass_send_listener(struct net_fdpass *f, struct str bytes, struct net_listener *s, struct fault *fault);
/* *out is valid until the next one. */
int net_fdpass_receive(struct net_fdpass *f, struct str *out, struct fault *fault);
/* A connection or a listener came with the last frame. */
bool net_fdpass_carries(const struct net_fdpass *f);
/* Takes it out of the fdpass, as something to be made a connection or a listener of, later. */
int net_fdpass_keep(struct net_fdpass *f);
/* What was kept is not wanted: closes it. -1 is fine. */
void net_fd_drop(int fd);
/* The connection continues here: set its calls. What is no connection closes in the next turn. */
struct net_conn *net_conn_take(struct net_loop *l, int fd);
/* ERR_NET: it is no listener. The fd is used up in any case. */
int net_listener_take(struct net_loop *l, int fd, net_accept_fn *fn, void *user_data, struct net_listener **out,
                      struct fault *f);

/* ---- work on another thread ---- */
typedef void net_work_fn(void *data);
/* `work` is called there, then `done` in the loop, also when the loop is being freed: that waits for it. */
void net_work(struct net_loop *l, net_work_fn *work, net_work_fn *done, void *data);
/* ---- a witness: a process beside this one that outlives it by a moment ---- */
enum { NET_WITNESS_PLACES = 8 };
/* Called in the witness, which has nothing of the process but its memory as it was (what is mapped shared is shared) and copies of
 * the descriptors it holds; -1: of none. */
typedef void net_witness_fn(const int fds[NET_WITNESS_PLACES]);
/* Forks it: before there are other threads, and once. on_look: now and then, and whenever it holds something else; on_gone: the process
 * has ended, however that was; the connections that the witness holds end after it. ERR_NET: there is none. */
int net_witness_start(net_witness_fn *on_look, net_witness_fn *on_gone);
/* It holds a copy of that descriptor in that place from now on, and no longer what it had there; -1: nothing. */
void net_witness_hold(uint32_t place, int fd);
/* It ends before this returns. Harmless without one. */
void net_witness_end(void);

/* ---- mailboxes: other threads -> loop ---- */
struct net_mail;
struct net_mail_item { struct net_mail_item *next; }; /* embed it first in a message */
/* All items posted since the last call, oldest first; the callee owns them. */
typedef void net_mail_fn(struct net_mail *m, struct net_mail_item *items, void *user_data);
/* A mailbox of that loop; fn runs there. */
struct net_mail *net_mail_new(struct net_loop *l, net_mail_fn *fn, void *user_data);
/* From any thread; the item is the mailbox's until it is delivered. */
void net_mail_post(struct net_mail *m, struct net_mail_item *item);
/* Nobody may post any more. Returns what was posted and not delivered, oldest first, for the caller to free. */
struct net_mail_item *net_mail_free(struct net_mail *m);

/* ---- signals and children ---- */
typedef void net_signal_fn(int signum, void *user_data);
/* From now on this signal is a call of fn; the last one set counts. NULL: back to what the system does by itself.
 * Watching a signal does not keep the loop running. SIGHUP stays ignored where it was ignored at the start (nohup). */
void net_signal(struct net_loop *l, int signum, net_signal_fn *fn, void *user_data);

enum { NET_CHILD_INPUT_BYTES_MAX = 1 << 20 };
struct net_child;
struct net_child_config {
    const char *const *argv;   /* argv[0] is the program; NULL-terminated */
    const char *const *env_add; /* "NAME=value" on top of ours, "NAME" to leave out; NULL-terminated or NULL */
    /* Its stdout and stderr, merged, line by line without the line end (over 8 KiB: in pieces); NULL: inherited. */
    void (*on_line)(struct net_child *c, struct str line, void *user_data);
    /* After its last line; signum is 0, or what killed it. Freed after it returns. */
    void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data);
    /* Instead of on_line, both or neither: the bytes of stdout and of stderr, each as they come. */
    void (*on_out)(struct net_child *c, struct str bytes, void *user_data);
    void (*on_err)(struct net_child *c, struct str bytes, void *user_data);
    bool keep_input;           /* stdin is ours, too: for a child that talks to the person at the terminal */
    bool pipe_input;           /* stdin is what net_child_write() writes */
    bool own_group;            /* it leads a session of its own: a Ctrl-C in our terminal does not reach it, net_child_kill() reaches its children */
    void *user_data;
};
/* Starts it, with stdin from /dev/null unless told otherwise. NULL with f when that fails (no such program, …): no
 * callback follows then. */
struct net_child *net_spawn(struct net_loop *l, const struct net_child_config *cfg, struct fault *f);
/* The number of its process. */
int net_child_pid(const struct net_child *c);
/* With pipe_input: copies the bytes. ERR_TOO_LARGE: more than NET_CHILD_INPUT_BYTES_MAX would wait for it to read, nothing was taken;
 * ERR_NET: it reads no more, or has ended. */
int net_child_write(struct net_child *c, struct str bytes);
/* … and that was all: its stdin ends after what was written. Idempotent. */
void net_child_end_input(struct net_child *c);
/* Harmless when it has ended and on_exit is still to come. */
void net_child_kill(struct net_child *c, int signum);
/* Its owner goes: SIGKILL, and no callback follows. */
void net_child_abandon(struct net_child *c);

#endif
