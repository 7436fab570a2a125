/* A head and its workers as child processes of this one: started, kept up, scaled, ended together.
 *
 * The happy path: launch_start -> head and workers run -> the link to the head is welcomed -> `scale` changes how many
 * workers there are -> launch_stop -> workers end, then the head -> on_ended. It can fail by: a child dies (it is started
 * again, after a pause that grows until it has run for a stable minute); a child ends by itself with a status that
 * says another try would end the same way (it is given up; when it was the head or the last worker, everything ends and
 * on_ended has the fault); a child ignores the signal (SIGKILL after the grace); this process is killed (each child asked the
 * kernel to be killed with it: launch_die_with_parent). */
#ifndef MANTA_LAUNCH_LAUNCH_H
#define MANTA_LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "net/net.h"

enum {
    LAUNCH_WORKERS_MAX = 256,
    LAUNCH_ARGS_MAX = 96,       /* arguments of a child, ours and the caller's */
};

/* Pauses and patience, in ms; tests shorten them. */
struct launch_times {
    uint32_t restart_first_ms;  /* 250: pause before a dead child is started again; doubles each time ... */
    uint32_t restart_max_ms;    /* 10000: ... up to this */
    uint32_t stable_ms;         /* 60000: a child that ran for this long starts again from the first pause */
    uint32_t grace_ms;          /* 5000: from SIGINT to SIGKILL */
    uint32_t drain_ms;          /* 8000: on top of it for a worker that is too many: its --drain-grace */
    uint32_t redial_first_ms;   /* 100: to the head; doubles ... */
    uint32_t redial_max_ms;     /* 5000 */
};

struct launch_config {
    const char *program;            /* the binary; NULL: this one */
    const char *const *head_args;   /* "head", "--port", "8470", …; NULL-terminated. Added: --die-with-parent PID */
    const char *const *worker_args; /* "worker", "--head", …; NULL-terminated. Added: --node worker-K --threads T
                                       --die-with-parent PID */
    const char *const *head_env;    /* as net_child_config.env_add: secrets come by environment, and no child has another one's */
    const char *const *worker_env;
    uint32_t workers;               /* how many to begin with; at most LAUNCH_WORKERS_MAX */
    bool begins_later;              /* launch_begin() will say how many: until then the head is told no number */
    bool head_only;                 /* workers, and the link to the head, are somebody else's business (pilot.h) */
    uint32_t worker_threads;        /* 0: the processors of this process shared out, at least 1 */
    const char *host;               /* where the launcher finds its head; never a wildcard address */
    uint16_t port;
    const char *join_token;         /* empty: none */
    const char *version;            /* manta's */
    struct launch_times times;
    /* A line of a child's output; who is "head", "worker-1", … */
    void (*on_line)(const char *who, struct str line, void *user_data);
    /* Something a person may want to know: "worker-2 was killed by signal 9 (Killed): starting it again in 250 ms". */
    void (*on_event)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
    /* Once, last: no child is left. f->err is 0 after launch_stop(); else f is borrowed for the call. */
    void (*on_ended)(const struct fault *f, void *user_data);
    void *user_data;
};
/* Everything zero but the times. */
struct launch_config launch_config_default(void);

struct launch;
/* Starts head and workers. The loop must be run by the thread that calls this and lives as long as the process, the
 * main thread: the kernel's promise to kill the children is tied to it. What cfg points to must live as long as the launch.
 * NULL with f when a child cannot even be started. */
struct launch *launch_start(struct net_loop *l, const struct launch_config *cfg, struct fault *f);
/* The first workers, for a launch that was started without: their models are not known to be good, as those of workers are that
 * launch_scale() adds. */
void launch_begin(struct launch *a, uint32_t workers);
/* Keeps this many workers up from now on: new ones get the lowest free names, surplus ones with the highest names are
 * asked to drain with SIGTERM. Returns the number it was bounded to. */
uint32_t launch_scale(struct launch *a, uint32_t workers);
/* Ends all of it: workers, then the head, each with SIGINT and a grace: nobody is left to continue what runs, so nothing
 * is waited for. A second call does not wait any longer: SIGKILL. */
void launch_stop(struct launch *a);
/* After on_ended, or in it. Earlier: children that still run are killed with SIGKILL, and no callback follows. */
void launch_free(struct launch *a);
/* Worker processes running. */
uint32_t launch_running(const struct launch *a);
/* Pid of the child of that name ("head", "worker-1"), or 0. */
int launch_pid(const struct launch *a, const char *who);

/* Appends "worker-1 | " and the line; to one that is JSON, the member "part":"worker-1". */
void launch_prefix(struct buf *out, const char *who, struct str line);

/* f: ERR_FAILED, "worker-1 ended with status 5: cannot start …", from the child's last line, without its time and tag. What is too
 * long loses its middle: the beginning says what was tried, the end what would be right. */
void launch_reason(struct fault *f, const char *name, const char *how, const char *line);

/* For the children, first thing in main(): from now on we are killed when `parent`'s thread that started us ends.
 * `own_group`: and are in a process group of our own, so that a Ctrl-C in the terminal reaches only the parent, which then
 * ends us in order, and a hang-up likewise; a prompt that reads the terminal must stay in its group. Exits at once when the parent is gone already.
 * 0: not started by a launcher, nothing happens. */
void launch_die_with_parent(int parent, bool own_group);

#endif
