/* Run a head and its workers as child processes: start them, keep them up, scale them, end them
 * together.
 *
 * The happy path: launch_start -> head and workers run -> the head welcomes the link -> `scale`
 * changes the number of workers -> launch_stop -> workers end, then the head -> on_ended. It can
 * fail by: a child that dies (it is restarted after a pause that grows until a child has run for
 * stable_ms); a child that exits with a status that another try would repeat (it is given up; if it
 * was the head or the last worker, everything ends and on_ended has the fault); a child that
 * ignores the signal (SIGKILL after the grace); the death of this process (each child asked the
 * kernel to be killed with it: launch_die_with_parent). */
#ifndef MANTA_LAUNCH_LAUNCH_H
#define MANTA_LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "brain/dialler.h"
#include "net/net.h"

enum {
    LAUNCH_WORKERS_MAX = 256,
    LAUNCH_ARGS_MAX = 96,       /* arguments of a child, the launch's and the caller's */
};

/* Pauses and patience, in ms; tests shorten them. */
struct launch_times {
    uint32_t restart_first_ms;  /* 250: pause before a dead child is restarted; doubles each time ... */
    uint32_t restart_max_ms;    /* 10000: ... up to this */
    uint32_t stable_ms;         /* 60000: after running this long, a child's next pause is the first one again */
    uint32_t grace_ms;          /* 5000: from SIGINT to SIGKILL */
    uint32_t drain_ms;          /* 8000: added for a surplus worker: its --drain-grace */
    struct dialler_times dial;  /* of the link to the head */
};

struct launch_config {
    const char *program;            /* the binary; NULL: this process's */
    const char *const *head_args;   /* "head", "--port", "8470", …; NULL-terminated. Added: --die-with-parent PID */
    const char *const *worker_args; /* "worker", "--head", …; NULL-terminated. Added: --node worker-K --threads T
                                       --die-with-parent PID */
    /* as net_child_config.env_add: secrets pass by the environment, and each child gets only its
     * own */
    const char *const *head_env;
    const char *const *worker_env;
    uint32_t workers;               /* initial number; at most LAUNCH_WORKERS_MAX */
    bool begins_later;              /* launch_begin() will set the number; until then the head learns none */
    bool head_only;                 /* the caller handles workers and the link to the head (pilot.h) */
    uint32_t worker_threads;        /* 0: an equal share of this process's processors, at least 1 */
    const char *host;               /* where the launcher finds its head; no wildcard address */
    uint16_t port;
    const char *join_token;         /* empty: none */
    const char *version;            /* manta's version */
    struct launch_times times;
    /* A line of a child's output; who is "head", "worker-1", … */
    void (*on_line)(const char *who, struct str line, void *user_data);
    /* A line for people: "worker-2 was killed by signal 9 (Killed): starting it again in 250 ms". */
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
    /* Once, last: no child is left. f->err is 0 after launch_stop(); f is borrowed for the call. */
    void (*on_ended)(const struct fault *f, void *user_data);
    void *user_data;
};
/* Zero everywhere except the times. */
struct launch_config launch_config_default(void);

struct launch;
/* Starts head and workers. The calling thread must run the loop and live as long as the process, so
 * it must be the main thread: the kernel kills the children when the thread that started them ends.
 * The memory of cfg must live as long as the launch. NULL with f if a child cannot even be
 * started. */
struct launch *launch_start(struct net_loop *l, const struct launch_config *cfg, struct fault *f);
/* Starts the first workers of a launch with begins_later. Their models are not known to be good,
 * unlike those of workers added by launch_scale(). */
void launch_begin(struct launch *a, uint32_t workers);
/* Keeps this many workers up from now on: new ones get the lowest free names; surplus ones, with
 * the highest names, get SIGTERM and drain. Returns the number after bounding it. */
uint32_t launch_scale(struct launch *a, uint32_t workers);
/* Ends the workers, then the head, each with SIGINT and a grace. No head would be left to resume
 * running jobs, so nothing drains. A second call sends SIGKILL at once. */
void launch_stop(struct launch *a);
/* Frees the launch, after on_ended or in it. Earlier: children that still run get SIGKILL, and no
 * callback follows. */
void launch_free(struct launch *a);
/* How many worker processes run. */
uint32_t launch_running(const struct launch *a);
/* Pid of the child with that name ("head", "worker-1"), or 0. */
int launch_pid(const struct launch *a, const char *who);

/* Appends the line with "worker-1 | " in front; a JSON line gets the member "part":"worker-1"
 * instead. */
void launch_prefix(struct buf *out, const char *who, struct str line);

/* Sets f to ERR_FAILED, "worker-1 ended with status 5: cannot start …", from the child's last line
 * without its time and tag. A text that is too long loses its middle: the beginning tells the
 * attempt, the end the remedy. */
void launch_reason(struct fault *f, const char *name, const char *how, const char *line);

/* For children, first in main(): makes the kernel kill this process when the thread of `parent`
 * that started it ends. `own_group`: also moves it to its own process group, so that Ctrl-C and
 * hang-up reach only the parent, which then ends its children in order; a prompt that reads the
 * terminal must stay in its group. Exits at once if the parent is already gone. parent 0: not
 * started by a launcher, does nothing. */
void launch_die_with_parent(int parent, bool own_group);

#endif
