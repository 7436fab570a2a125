/* Runs a command line of an engine (squeue, docker compose ps, …) once, with a bound on time and output.
 *
 * The happy path is: exec_start -> the child writes and ends with status 0 -> on_done with what it wrote. It can fail by: there is no such
 * command (ERR_NOT_FOUND, on_done all the same, later: callers have one path), it ends with another status or by a signal (ERR_FAILED with its
 * last line on stderr), it takes too long (ERR_TIMEOUT, the child and its children are killed), it writes more than EXEC_OUT_BYTES_MAX
 * (ERR_TOO_LARGE, killed). The caller adds what was tried and what would be right: exec_blame(). */
#ifndef MANTA_LAUNCH_EXEC_H
#define MANTA_LAUNCH_EXEC_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/net.h"

enum {
    EXEC_OUT_BYTES_MAX = 256 << 10,
    EXEC_ERR_BYTES_MAX = 8 << 10,   /* stderr: the last so many */
    EXEC_INPUT_BYTES_MAX = 1 << 20,
    EXEC_TIMEOUT_MS = 30000,        /* where the caller names none */
};

struct exec_result {
    struct fault fault; /* err 0: status 0. Else in words: "squeue: error: Invalid user" or "squeue ended with status 1" */
    int64_t status;     /* its exit status; -1: it did not end by itself, or never began */
    int signum;         /* what killed it, 0: nothing */
    struct str out;     /* stdout, complete unless fault.err is ERR_TOO_LARGE or ERR_TIMEOUT; terminated by a 0 that is not counted */
    struct str err;     /* stderr, its end; terminated likewise */
};

struct exec;
typedef void exec_done_fn(const struct exec_result *r, void *user_data);

struct exec_config {
    const char *const *argv;    /* [0] is looked up in PATH; NULL-terminated; borrowed for the call of exec_start() */
    const char *const *env_add; /* as net_child_config.env_add: secrets go here; borrowed for the call */
    struct str input;           /* written to its stdin, which then ends; at most EXEC_INPUT_BYTES_MAX; borrowed for the call */
    uint32_t timeout_ms;        /* 0: EXEC_TIMEOUT_MS */
    struct exec **slot;         /* where the caller keeps it: NULL again before on_done; may be NULL */
    exec_done_fn *on_done;      /* once, from the loop, never from within exec_start(); what r points to is borrowed for the call */
    void *user_data;
};

/* Never NULL. It frees itself after on_done. */
struct exec *exec_start(struct net_loop *l, const struct exec_config *cfg);
/* Kills it; on_done does not come. NULL is fine. Before the loop is freed: none may be left. */
void exec_cancel(struct exec *e);

/* The last line of stderr, else of stdout, that says something; without its end; empty: none. */
struct str exec_reason(const struct exec_result *r);
/* "cannot TRIED: WORDS OF THE COMMAND; REMEDY", with the error number of r->fault, or `err` when that is not 0. remedy may be NULL. */
int exec_blame(struct fault *f, const struct exec_result *r, int err, const char *tried, const char *remedy);

#endif
