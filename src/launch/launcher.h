/* The interface between manta and an engine that runs its workers: child processes, Docker Compose,
 * Slurm, Kubernetes, Ray, a plug.
 *
 * Three parts, each of which may die and come back. The *head* keeps only the desired number of
 * workers. A *launcher* (reconcile.h, pilot.h) compares it with the workers its *engine* has and
 * asks for the difference. The engine starts workers and keeps each alive. An engine is one table
 * of functions, launcher_ops, in a file of its own, and one line in engines.c.
 *
 * The happy path is: open -> opened; list -> listed; start(2..3) -> done; list -> listed, two more;
 * stop(3..3) -> done; list. It can fail by: an engine that is absent or denies access (opened with
 * a fault); a refusal or failure (done with a fault in the engine's words; the reconciler waits and
 * tries again); no answer (the reconciler gives the operation up after its deadline, and recognises
 * a later answer by its ticket and ignores it); a second answer, or workers that were not asked for
 * (ignored).
 *
 * Workers have indices 1..N without gaps, and operations take a range of indices. So the same
 * functions fit engines that keep a number of replicas and engines that know each worker by name.
 * Worker K is launcher_name() at its head, "worker-K", whatever the engine calls it.
 *
 * Rules for an engine:
 *  1. Callbacks come from the loop, never from within the call of an operation, and none after
 *     free(). One operation runs at a time.
 *  2. Each operation ends exactly once, with done(ticket) or, for a successful list,
 *     listed(ticket). It always ends: a call to the engine has a deadline of its own (exec.h,
 *     web.h) shorter than LAUNCHER_PATIENCE_MS.
 *  3. Operations are idempotent. start skips workers of the range that are PENDING or RUNNING, does
 *     not wait for any that is ENDING, and removes and restarts a FAILED one; stop skips workers
 *     that are not there. The cluster's name, written where the engine keeps it (label, job name,
 *     namespace), tells our workers from others, never a list of ours: a restarted launcher finds
 *     its predecessor's workers.
 *  4. start does not wait until a worker runs; it ends when the engine has accepted it. The next
 *     list shows it, as PENDING at least.
 *  5. The engine's words go into faults and reasons unchanged but bounded, followed by one sentence
 *     with a remedy: "slurm refused 2 workers: sbatch: error: QOSMaxSubmitJobPerUserLimit: ask for
 *     fewer, or for a higher limit". Callers print them with plain_print.
 *  6. Secrets (worker_env) never stand on a command line, nor in a file that others can read.
 *  7. free() removes nothing from the engine: running workers continue, for the next launcher. It
 *     is never called from within a callback. */
#ifndef MANTA_LAUNCH_LAUNCHER_H
#define MANTA_LAUNCH_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "net/net.h"

enum {
    LAUNCHER_WORKERS_MAX = 256,     /* per launcher; equals HEAD_SCALE_MAX and LAUNCH_WORKERS_MAX */
    LAUNCHER_LISTED_MAX = 1024,     /* entries of one list: leaves room for workers that are ending or listed twice */
    LAUNCHER_PATIENCE_MS = 120000,  /* for one operation; every engine's own deadline is shorter */
    LAUNCHER_CLUSTER_BYTES = 41,    /* a cluster's name with its end: 40 of a-z, 0-9 and '-', a letter first */
};

/*            accepted          started              stop()             gone
 *   (none) ------------> PENDING ------> RUNNING ----------> ENDING ------------> (none)
 *                           |               |  ^
 *                           v               v  | the engine starts it again by itself (then it may show PENDING)
 *                         FAILED <----------+--+     FAILED: it will not come back by itself */
enum launcher_state { LAUNCHER_PENDING, LAUNCHER_RUNNING, LAUNCHER_ENDING, LAUNCHER_FAILED };

/* One worker, as the engine sees it. */
struct launcher_worker {
    uint32_t index;            /* 1..; a worker outside 1..LAUNCHER_WORKERS_MAX is ignored, with a message */
    enum launcher_state state;
    char id[128];              /* the engine's id: "4711", "manta-worker-2", an actor's id */
    char place[128];           /* the node it runs on; empty: none yet, or not known */
    char reason[256];          /* in the engine's words: why it is PENDING or FAILED; else empty */
};

struct launcher_range {
    uint32_t first, last;      /* indices, both inclusive; 1 <= first <= last <= LAUNCHER_WORKERS_MAX */
};

/* An engine's configuration. The texts are borrowed and live as long as the launcher. */
struct launcher_config {
    const char *cluster;            /* "manta"; at most LAUNCHER_CLUSTER_BYTES - 1, see launcher_check_cluster() */
    /* "10.0.0.1:8470": where workers find the head; several with commas. Engines that run the head
     * may use another */
    const char *head;
    /* absolute path of manta on this machine; engines whose nodes have it elsewhere take an option */
    const char *program;
    /* "worker", "--head", ADDRESS, "--model", …; NULL-terminated; an engine adds --node NAME */
    const char *const *worker_args;
    /* "NAME=value" for workers, including secrets (MANTA_JOIN_TOKEN); "NAME": remove this process's
     * variable */
    const char *const *worker_env;
    const char *const *head_args;   /* "head", "--port", …; for engines with raise() */
    const char *const *head_env;
    /* "partition=short" from --set, for this engine; NULL-terminated or NULL; see
     * launcher_option_value() */
    const char *const *options;
    uint32_t workers;               /* --workers: the target until a head sets another */
    uint64_t memory_bytes;          /* memory per worker; 0: the engine's default */
    uint32_t threads;               /* processors per worker; 0: the engine's default */
    uint32_t gpus;                  /* per worker */
    uint32_t drain_ms;              /* how long a worker that is told to leave may take to finish its jobs */
};

/* Receives the answers. All functions are called from the loop; texts and arrays are borrowed for
 * the call. */
struct launcher_events {
    /* Once after open(). f->err 0: the engine is there and grants access. ERR_UNAVAILABLE,
     * ERR_TIMEOUT, ERR_NET, ERR_BUSY may pass: a later list may succeed. All others need a person:
     * ERR_NOT_FOUND (no such command), ERR_AUTH, ERR_FORBIDDEN, ERR_USAGE, … */
    void (*opened)(const struct fault *f, void *user_data);
    /* The operation with that ticket has ended; f->err 0: successfully. A list ends here only with
     * a fault. */
    void (*done)(uint64_t ticket, const struct fault *f, void *user_data);
    /* The answer to the list with that ticket: all workers of the cluster and no others, in any
     * order. */
    void (*listed)(uint64_t ticket, const struct launcher_worker *workers, size_t n, void *user_data);
    /* While watched: a list would show a change. May come often; callers collect the calls. */
    void (*changed)(void *user_data);
    /* raise(): the engine gave the head these secrets, the first for joining workers and launchers,
     * the second for clients; "": none. Comes before head_at. May be NULL, and an engine need not
     * call it: then the settings' secrets apply. */
    void (*keys)(const char *join_token, const char *api_key, void *user_data);
    /* raise(): the address at which this process reaches the head. Before done. */
    void (*head_at)(const char *address, void *user_data);
    /* down(): this was found and is being removed: "job 4711 (worker-2)". Before done. */
    void (*took)(const char *what, void *user_data);
    /* A line of output of a worker or the engine, if the engine follows it; who: "worker-2",
     * "slurm". May be NULL. */
    void (*line)(const char *who, struct str line, void *user_data);
    /* A line for people. May be NULL. */
    void (*said)(enum log_level level, const struct event_field *event, const char *text, void *user_data);
};

/* An option of an engine: `--set partition=short`. */
struct launcher_option {
    const char *name, *fallback, *help; /* fallback: the default, "" for none */
};

struct launcher;

struct launcher_ops {
    const char *engine;                    /* "slurm": the word after --on */
    const char *about;                     /* one line for --help: "one Slurm job per worker; the head runs here" */
    const struct launcher_option *options; /* ended by one without a name; NULL: none */
    /* Creates the launcher and checks whether the engine is there; ends with events->opened. An
     * error in cfg is found at once: NULL with f, and no callback. Copies cfg and events, not the
     * memory they point to. */
    struct launcher *(*open)(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                             struct fault *f);
    /* start, stop, list and watch are NULL if the engine has its own launcher inside (Ray), which
     * the head scales. This one then only raises the cluster and takes it down, and `manta
     * launcher` refuses the engine. */
    void (*start)(struct launcher *a, uint64_t ticket, struct launcher_range r);
    /* The engine itself stores the wanted number, and its list shows every wanted worker, none of
     * them as ENDING. A launcher without a number then begins with the engine's, so that head and
     * launcher may both restart. */
    bool remembers;
    /* drain: SIGTERM, and cfg.drain_ms before SIGKILL; else as fast as the engine can. */
    void (*stop)(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain);
    void (*list)(struct launcher *a, uint64_t ticket);
    /* on: call events->changed from now on, pushed by the engine if it can, else by polling. NULL:
     * the reconciler's period is enough. */
    void (*watch)(struct launcher *a, bool on);
    /* Makes the head, and whatever the cluster needs beside workers (a network, a chart, an inner
     * launcher with cfg.workers), unless they exist; events->head_at, then done. Idempotent. NULL:
     * the engine runs no head; `manta up` runs it as its own child. */
    void (*raise)(struct launcher *a, uint64_t ticket);
    /* Removes everything that carries the cluster's name, head included, and nothing else;
     * events->took for each object, then done once it is gone. An empty cluster is no error. */
    void (*down)(struct launcher *a, uint64_t ticket);
    /* Abandons operations in progress (without callbacks) and frees the memory. NULL is allowed. */
    void (*free)(struct launcher *a);
};

/* First member of an engine's own struct; launcher_init() fills it. */
struct launcher {
    const struct launcher_ops *ops;
    struct net_loop *loop;         /* borrowed */
    struct launcher_config cfg;
    struct launcher_events events;
    void *user_data;               /* of the events */
};

/* The engines of this build, ended by NULL; engines.c. */
extern const struct launcher_ops *const launcher_engines[];
/* Finds an engine by name. ERR_USAGE with f, which lists the engines, if there is none of that
 * name. */
int launcher_find(const char *engine, const struct launcher_ops **out, struct fault *f);

/* ---- for engines ---- */
/* Fills `a`, and checks the names of the cluster and of the options: ERR_USAGE with a remedy in f. */
int launcher_init(struct launcher *a, const struct launcher_ops *ops, struct net_loop *l, const struct launcher_config *cfg,
                  const struct launcher_events *events, void *user_data, struct fault *f);
/* ERR_USAGE with f if the name would not be valid for every engine. */
int launcher_check_cluster(const char *cluster, struct fault *f);
/* The value of the last `--set NAME=…`, or the option's fallback; never NULL. */
const char *launcher_option_value(const struct launcher *a, const char *name);
/* Names as values: "worker-2", a worker's name at its head (`--node`), or "manta-worker-2", its
 * name at the engine, which others share. */
struct launcher_text {
    char text[LAUNCHER_CLUSTER_BYTES + 24];
};
/* "worker-K". */
struct launcher_text launcher_name(uint32_t index);
/* The name at the engine, with the cluster's name in front: "CLUSTER-worker-K". */
struct launcher_text launcher_engine_name(const struct launcher *a, uint32_t index);
/* The index in "worker-2" or "CLUSTER-worker-2"; 0 for any other name. */
uint32_t launcher_index(const struct launcher *a, const char *name);
/* Reports the end of an operation: events.opened for open(), else events.done with the ticket. May
 * free the launcher. */
void launcher_ended(struct launcher *a, bool opening, uint64_t ticket, const struct fault *f);
/* Calls events.said, with the engine's name in front. */
void launcher_say(const struct launcher *a, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
