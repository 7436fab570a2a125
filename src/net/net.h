/* The event loop: timers, TCP, signals, child processes, and mailboxes from other threads. A
 * wrapper around libuv.
 *
 * One thread runs a loop and owns everything made from it; only net_mail_post() may be called from
 * another thread. Callbacks run from net_loop_run() or net_loop_free(), never from within the call
 * that set them up. An object that is closing stays valid until its close callback. Writes are
 * collected and sent once per loop turn, so ten small writes are one send(). Making the first loop
 * also ignores SIGPIPE and raises the soft limit on open files, process-wide. */
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
    NET_PROBE_S = 5,                   /* see net_conn_probe() */
    NET_PENDING_BYTES_MAX = 32 << 20,  /* unsent bytes of one connection; more is ERR_TOO_LARGE */
    NET_KERNEL_BYTES_MAX = 256 << 10,  /* of one connection, the most that the kernel may hold unsent; the rest stays
                                          here, where it is counted */
    NET_ADDRESS_BYTES = 80,
};

struct net_loop;
/* Makes a loop, and prepares the process: ignores SIGPIPE, raises the soft limit on open files. */
struct net_loop *net_loop_new(void);
/* Closes everything still open, runs the close callbacks, frees the loop. Kills running children
 * with SIGKILL. Afterwards nothing made from the loop may be used or freed: remaining timers and
 * mailboxes are freed here. */
void net_loop_free(struct net_loop *l);
/* Runs the loop until net_loop_stop(), or until no event can come any more. */
void net_loop_run(struct net_loop *l);
/* Makes net_loop_run() return at the end of this turn. */
void net_loop_stop(struct net_loop *l);
/* For a loop that has stopped for good: sends the bytes that closing connections still hold, to
 * slow peers too, for some seconds at most. Runs no callback except on_drain. net_loop_free()
 * calls it first; call it earlier when a long task or an _exit() comes before net_loop_free(). */
void net_loop_part(struct net_loop *l);
/* Limits the memory of the unsent bytes of all connections together. Beyond the limit the
 * connection with the most is aborted, then the next; a peer that reads what it is sent has next
 * to none. Without this call: no limit. */
void net_loop_pending_max(struct net_loop *l, size_t bytes);
/* Returns the memory of all unsent bytes now. */
size_t net_loop_pending(const struct net_loop *l);
/* ---- turns: what the loop's thread does between two sleeps ---- */
enum {
    NET_TURN_US = 10000,      /* a turn that has computed this long leaves deferrable work to the next turn */
    NET_TURN_LONG_US = 50000, /* longer than any turn should be */
    NET_TURN_BOUNDS = 10,
};
/* Returns whether this turn has computed for NET_TURN_US. A function with many things to do
 * calls it between two of them, and does at least one in each turn. Cheap. */
bool net_turn_spent(struct net_loop *l);
/* Processor time of the turns of net_loop_run(). */
struct net_turns {
    const uint64_t *bounds_us;            /* NET_TURN_BOUNDS bounds, rising */
    uint64_t counts[NET_TURN_BOUNDS + 1]; /* turns up to each bound and over the one before; the last: beyond all
                                             bounds */
    uint64_t n, sum_us, max_us;
    uint64_t over;                        /* longer than NET_TURN_LONG_US */
};
/* Returns the statistics of all turns so far; borrowed from the loop. */
const struct net_turns *net_turns(const struct net_loop *l);
/* Returns the number of files this process may have open. */
uint32_t net_files_max(void);

/* Returns monotonic microseconds, as clock_us(). */
uint64_t net_now_us(const struct net_loop *l);

/* ---- timers ---- */
struct net_timer;
typedef void net_timer_fn(struct net_timer *t, void *user_data);
/* Makes a disarmed timer. It is freed by net_timer_free(), or with the loop. */
struct net_timer *net_timer_new(struct net_loop *l, net_timer_fn *fn, void *user_data);
/* (Re)arms the timer to fire once, at `at_us` of net_now_us(), never earlier; UINT64_MAX
 * disarms. A past time fires in the next turn. */
void net_timer_set(struct net_timer *t, uint64_t at_us);
/* Frees the timer, which does not fire any more. Allowed from its own callback, and while armed.
 * NULL is allowed. */
void net_timer_free(struct net_timer *t);

/* ---- descriptors that a library reads and writes itself (libcurl) ---- */
struct net_watch;
enum { NET_READABLE = 1, NET_WRITABLE = 2 }; /* bits; an error on the descriptor sets both */
typedef void net_watch_fn(struct net_watch *w, int ready, void *user_data);
/* Makes a watch without events. The descriptor stays the library's, which must not close it
 * before net_watch_free(). Returns NULL when the descriptor cannot be watched. */
struct net_watch *net_watch_new(struct net_loop *l, int fd, net_watch_fn *fn, void *user_data);
/* Watches for these bits from now on; 0: for none. */
void net_watch_set(struct net_watch *w, int wanted);
/* Frees the watch. Allowed from its own callback. NULL is allowed. */
void net_watch_free(struct net_watch *w);

/* ---- TCP ---- */
struct net_conn;
struct net_conn_calls {
    void (*on_open)(struct net_conn *c, void *user_data); /* only after net_dial(): connected */
    void (*on_data)(struct net_conn *c, struct str bytes, void *user_data); /* borrowed for the call */
    void (*on_drain)(struct net_conn *c, void *user_data); /* pending bytes fell to half of their peak since the last
                                                              call, or less */
    /* Called once, last: `err` is 0 for an orderly end, `why` says it in words. The net_conn is
     * freed after the return. */
    void (*on_close)(struct net_conn *c, int err, const char *why, void *user_data);
};
struct net_listener;
/* Receives a new connection: set its calls with net_conn_set() before returning, or close it. */
typedef void net_accept_fn(struct net_conn *c, void *user_data);
/* A host and a port in one text: "head:8470", "[::1]:8470". */
struct net_place {
    char text[300];
};
/* Returns "host:port", with brackets around an IPv6 address. */
struct net_place net_place(const char *host, unsigned port);
/* Returns the address at which this machine reaches a listener on `host`: the loopback address
 * for a wildcard in any spelling ("::", "0"), else `host` itself. */
const char *net_reachable(const char *host);
/* Listens on host: "127.0.0.1", "::1", "0.0.0.0", "localhost"; port 0: any free port. Returns
 * ERR_IN_USE or ERR_NET with f filled. */
int net_listen(struct net_loop *l, const char *host, uint16_t port, net_accept_fn *fn, void *user_data,
               struct net_listener **out, struct fault *f);
/* Returns the listener's port, which matters after port 0. */
uint16_t net_listener_port(const struct net_listener *l);
/* Writes the numeric address of the listener's socket; "" when the system does not say. */
void net_listener_host(const struct net_listener *l, char out[static NET_ADDRESS_BYTES]);
/* Writes the numeric address that net_listen() would use for `host`; blocks on the resolver.
 * Returns ERR_NET with f filled. */
int net_resolve(struct net_loop *l, const char *host, char out[static NET_ADDRESS_BYTES], struct fault *f);
/* Returns whether text is a numeric address, not a name: IPv4 in four parts, or IPv6, also with
 * a zone ("fe80::1%eth0"). */
bool net_is_address(struct str text);
/* Returns whether text is an address that only programs of this machine reach: 127.0.0.0/8, ::1,
 * ::ffff:127.0.0.0/104. */
bool net_is_loopback(struct str text);
/* Stops accepting and frees the listener. NULL is allowed. */
void net_listener_close(struct net_listener *l);
/* Resolves and connects. A failure is reported by on_close, with no on_open before it. */
struct net_conn *net_dial(struct net_loop *l, const char *host, uint16_t port, const struct net_conn_calls *calls,
                          void *user_data);
/* Replaces the callbacks; `calls` is copied. */
void net_conn_set(struct net_conn *c, const struct net_conn_calls *calls, void *user_data);
/* Queues a copy of the bytes, to be sent at the end of the turn, or after dialling has
 * succeeded. Returns ERR_TOO_LARGE when NET_PENDING_BYTES_MAX would be passed: nothing was
 * queued; or when the loop's limit was passed and this connection had the most: it is closing
 * now. Returns ERR_NET when the connection is closing or closed, also because the peer ended its
 * stream. */
int net_write(struct net_conn *c, struct str bytes);
/* Returns the bytes not yet given to the kernel. A caller that sees too many stops writing and
 * waits for on_drain. */
size_t net_conn_pending(const struct net_conn *c);
/* Stops on_data until net_conn_resume(); the peer's end is not noticed meanwhile. */
void net_conn_pause(struct net_conn *c);
/* Resumes reading. */
void net_conn_resume(struct net_conn *c);
/* Closes in good order: no more on_data; queued bytes are sent while the peer keeps taking them,
 * with 2 s of patience; then on_close follows, at the latest 2 s after the last byte.
 * Idempotent. */
void net_conn_close(struct net_conn *c);
/* Closes at once and drops unsent bytes. on_close follows with ERR_CANCELLED. Idempotent. */
void net_conn_abort(struct net_conn *c);
/* Appends the bytes that were written and not yet given to the kernel. Returns ERR_TOO_LARGE
 * when out is full. */
int net_conn_unsent(const struct net_conn *c, struct buf *out);
/* Has the system ask the peer's machine, whenever nothing comes from it for NET_PROBE_S, whether it
 * still knows the connection: one that it does not know, or four questions without an answer, end
 * it with ERR_NET. For an open connection whose peer may rightly be silent for long. */
void net_conn_probe(struct net_conn *c);
/* Returns the peer's address as "127.0.0.1:4312", valid while the connection is. */
const char *net_conn_peer(const struct net_conn *c);
/* Finds the user who owns the other end of a connection within this machine. Returns
 * ERR_NOT_FOUND when the peer is on another machine, or the system does not say. Reads a list of
 * all connections of the machine, so ask rarely. */
int net_conn_peer_uid(const struct net_conn *c, uint32_t *out_uid);
/* Returns a number that is equal for connections from one IPv4 address, or from one IPv6 /64,
 * all of which one machine may own. */
uint64_t net_conn_origin(const struct net_conn *c);
/* Returns the descriptor, for the crash report of a dying process only; -1 while the connection
 * is not open. */
int net_conn_descriptor(const struct net_conn *c);

/* ---- fdpass: pass frames and open connections to another process of the same user on this
 * machine ---- */
enum { NET_FDPASS_BYTES_MAX = 8 << 20 }; /* of a frame */
/* A blocking channel to another process. Sends and receives wait for the other side, all
 * together no longer than the channel's patience; the process does nothing else meanwhile. They
 * fail with ERR_NET, ERR_TIMEOUT, ERR_PROTOCOL or ERR_TOO_LARGE; a channel that failed cannot be
 * used any more. */
struct net_fdpass;
/* Receives the channel of a caller whose first bytes have arrived; the callee owns f. */
typedef void net_call_fn(struct net_fdpass *f, void *user_data);
struct net_fdpass_listener;
/* Listens at `path` for processes of our own user, and hangs up on others. Replaces a file left
 * by a process that is gone; with `over`, also that of a process that is about to go. Returns
 * ERR_IN_USE when another process listens there, ERR_TOO_LARGE for a path that is too long, or
 * ERR_IO. */
int net_fdpass_listener_open(struct net_loop *l, const char *path, bool over, uint32_t patience_ms, net_call_fn *fn, void *user_data,
                     struct net_fdpass_listener **out, struct fault *f);
/* Closes the listener; forget_path: removes the file, too. NULL is allowed. */
void net_fdpass_listener_close(struct net_fdpass_listener *s, bool forget_path);
/* Connects to the listener at `path`. Returns ERR_NOT_FOUND when no process listens there,
 * ERR_FORBIDDEN when the listener is another user's. */
int net_fdpass_dial(const char *path, uint32_t patience_ms, struct net_fdpass **out, struct fault *f);
/* Closes the channel, with a descriptor it may hold. NULL is allowed. */
void net_fdpass_free(struct net_fdpass *f);
/* Restarts the patience. */
void net_fdpass_wait(struct net_fdpass *f, uint32_t ms);
/* Sends a frame. Returns ERR_TIMEOUT when the other side does not read within the patience,
 * ERR_NET when it is gone. */
int net_fdpass_send(struct net_fdpass *f, struct str bytes, struct fault *fault);
/* Sends a frame with a connection, which both processes own from now on: it ends when the last
 * of them lets go of it (net_conn_abort(): the peer sees nothing). An orderly close by one
 * closes it for both. */
int net_fdpass_send_conn(struct net_fdpass *f, struct str bytes, const struct net_conn *c, struct fault *fault);
/* Sends a frame with a listener. A caller that the listener held back is handed to its
 * net_accept_fn first. */
int net_fdpass_send_listener(struct net_fdpass *f, struct str bytes, struct net_listener *s, struct fault *fault);
/* Receives a frame; *out is valid until the next receive. */
int net_fdpass_receive(struct net_fdpass *f, struct str *out, struct fault *fault);
/* Returns whether a descriptor came with the last frame. */
bool net_fdpass_carries(const struct net_fdpass *f);
/* Takes the descriptor out of the channel, for net_conn_take() or net_listener_take(). Returns
 * -1 when there is none. */
int net_fdpass_keep(struct net_fdpass *f);
/* Closes a descriptor from net_fdpass_keep() that is not wanted. -1 is allowed. */
void net_fd_drop(int fd);
/* Makes a connection from a passed descriptor: set its calls. A descriptor that is no connection
 * gives one that closes in the next turn. */
struct net_conn *net_conn_take(struct net_loop *l, int fd);
/* Makes a listener from a passed descriptor. Returns ERR_NET when the descriptor is no listener.
 * The fd is used up in any case. */
int net_listener_take(struct net_loop *l, int fd, net_accept_fn *fn, void *user_data, struct net_listener **out,
                      struct fault *f);

/* ---- work on another thread ---- */
typedef void net_work_fn(void *data);
/* Calls `work` on another thread, then `done` in the loop. net_loop_free() waits for both. */
void net_work(struct net_loop *l, net_work_fn *work, net_work_fn *done, void *data);
/* Starts the threads of net_work() now. libuv starts them with the first work, and aborts the process
 * when its user has no threads left by then. */
void net_work_begin(struct net_loop *l);
/* ---- a witness: a process that outlives this one by a moment ---- */
enum { NET_WITNESS_PLACES = 8 };
/* Called in the witness, which shares nothing with its parent except copies of the descriptors
 * it holds (-1: none) and memory mapped shared; other memory is as it was at the fork. */
typedef void net_witness_fn(const int fds[NET_WITNESS_PLACES]);
/* Forks the witness; call once, before there are other threads. The witness calls on_look about
 * once a second and after each change of its descriptors, and on_gone when the process has ended
 * for any reason; its copies of the connections close after on_gone. Returns ERR_NET when the
 * fork failed. */
int net_witness_start(net_witness_fn *on_look, net_witness_fn *on_gone);
/* Gives the witness a copy of that descriptor, in place of the one it holds in `place`; -1:
 * none. */
void net_witness_hold(uint32_t place, int fd);
/* Ends the witness before it returns. Allowed without a witness. */
void net_witness_end(void);

/* ---- mailboxes: other threads -> loop ---- */
struct net_mail;
struct net_mail_item { struct net_mail_item *next; }; /* embed it first in a message */
/* Receives all items posted since the last call, oldest first; the callee owns them. */
typedef void net_mail_fn(struct net_mail *m, struct net_mail_item *items, void *user_data);
/* Makes a mailbox of this loop; fn runs in the loop. */
struct net_mail *net_mail_new(struct net_loop *l, net_mail_fn *fn, void *user_data);
/* Posts an item, which the mailbox owns until delivery. Callable from any thread. */
void net_mail_post(struct net_mail *m, struct net_mail_item *item);
/* Frees the mailbox; no thread may post any more. Returns the undelivered items, oldest first,
 * for the caller to free. NULL is allowed. */
struct net_mail_item *net_mail_free(struct net_mail *m);

/* ---- signals and children ---- */
typedef void net_signal_fn(int signum, void *user_data);
/* Calls fn on this signal from now on, in place of an earlier fn. NULL restores the system's
 * default action. Watching a signal does not keep the loop running. SIGHUP stays ignored when it
 * was ignored at the start (nohup). */
void net_signal(struct net_loop *l, int signum, net_signal_fn *fn, void *user_data);

enum { NET_CHILD_INPUT_BYTES_MAX = 1 << 20 };
struct net_child;
struct net_child_config {
    const char *const *argv;   /* argv[0] is the program; NULL-terminated */
    const char *const *env_add; /* "NAME=value" on top of ours, "NAME" to leave out; NULL-terminated or NULL */
    /* Its stdout and stderr, merged, line by line without the line end (over 8 KiB: in pieces).
     * NULL: inherited. */
    void (*on_line)(struct net_child *c, struct str line, void *user_data);
    /* After its last line; signum is the signal that killed it, or 0. Freed after the return. */
    void (*on_exit)(struct net_child *c, int64_t status, int signum, void *user_data);
    /* Instead of on_line, both or neither: the bytes of stdout and of stderr, in separate
     * streams. */
    void (*on_out)(struct net_child *c, struct str bytes, void *user_data);
    void (*on_err)(struct net_child *c, struct str bytes, void *user_data);
    bool keep_input;           /* stdin is inherited: for a child that talks to the person at the terminal */
    bool pipe_input;           /* stdin receives the bytes of net_child_write() */
    bool own_group;            /* it leads a session of its own: Ctrl-C in our terminal does not reach it;
                                  net_child_kill() reaches its children */
    void *user_data;
};
/* Starts a child, with stdin from /dev/null unless configured otherwise. Returns NULL with f
 * filled when the start fails (no such program, …): no callback follows. */
struct net_child *net_spawn(struct net_loop *l, const struct net_child_config *cfg, struct fault *f);
/* Returns the process id. */
int net_child_pid(const struct net_child *c);
/* Queues a copy of the bytes for the child's stdin; needs pipe_input. Returns ERR_TOO_LARGE when
 * more than NET_CHILD_INPUT_BYTES_MAX would be unread: nothing was queued; ERR_NET when the
 * child's stdin or the child has ended. */
int net_child_write(struct net_child *c, struct str bytes);
/* Ends the child's stdin after the bytes already queued. Idempotent. */
void net_child_end_input(struct net_child *c);
/* Sends a signal. Allowed while the child has ended and on_exit is still to come. */
void net_child_kill(struct net_child *c, int signum);
/* Kills the child with SIGKILL; no callback follows. For an owner that goes away. */
void net_child_abandon(struct net_child *c);

#endif
