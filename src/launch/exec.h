/* Run an engine's command line (squeue, docker compose ps, …) once, with bounds on time and output.
 *
 * The happy path is: exec_start -> the child writes and ends with status 0 -> on_done with its
 * output. It can fail by: no such command (ERR_NOT_FOUND, told by on_done as well, later, so that
 * callers have one path); another status or a signal (ERR_FAILED with its last line on stderr); too
 * much time (ERR_TIMEOUT; the child and its children are killed); more output than
 * EXEC_OUT_BYTES_MAX (ERR_TOO_LARGE, killed). exec_blame() adds the caller's attempted action and a
 * remedy. */
#ifndef MANTA_LAUNCH_EXEC_H
#define MANTA_LAUNCH_EXEC_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/net.h"

enum {
    EXEC_OUT_BYTES_MAX = 256 << 10,
    EXEC_ERR_BYTES_MAX = 8 << 10,   /* the end of stderr */
    EXEC_TIMEOUT_MS = 30000,        /* default */
};

struct exec_result {
    /* err 0: status 0. Else in words: "squeue: error: Invalid user" or "squeue ended with status 1" */
    struct fault fault;
    int64_t status;     /* exit status; -1: it did not exit by itself, or never started */
    int signum;         /* the signal that killed it; 0: none */
    struct str out;     /* stdout, complete unless fault.err is ERR_TOO_LARGE or ERR_TIMEOUT; followed by a 0 byte */
    struct str err;     /* the end of stderr; followed by a 0 byte */
};

struct exec;
typedef void exec_done_fn(const struct exec_result *r, void *user_data);

struct exec_config {
    const char *const *argv;    /* [0] is looked up in PATH; NULL-terminated; borrowed for the call of exec_start() */
    const char *const *env_add; /* as net_child_config.env_add, for secrets; borrowed for the call */
    /* written to its stdin, which is then closed; at most NET_CHILD_INPUT_BYTES_MAX; borrowed for the
     * call */
    struct str input;
    uint32_t timeout_ms;        /* 0: EXEC_TIMEOUT_MS */
    struct exec **slot;         /* the caller's pointer to the exec, set to NULL before on_done; may be NULL */
    /* once, from the loop, never from within exec_start(); the memory of r is borrowed for the call */
    exec_done_fn *on_done;
    void *user_data;
};

/* Starts the command. Never NULL; the exec frees itself after on_done. */
struct exec *exec_start(struct net_loop *l, const struct exec_config *cfg);
/* Kills the command; on_done does not come. NULL is allowed. Cancel every exec before freeing the
 * loop. */
void exec_cancel(struct exec *e);

/* The last non-blank line of stderr, else of stdout, without its line end; empty if there is none. */
struct str exec_reason(const struct exec_result *r);
/* Sets f to "cannot TRIED: WORDS OF THE COMMAND; REMEDY", with the error number of r->fault, or
 * `err` if that is not 0. remedy may be NULL. */
int exec_blame(struct fault *f, const struct exec_result *r, int err, const char *tried, const char *remedy);

#endif
