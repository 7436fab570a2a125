/* The seam between manta and whatever runs its workers: child processes, Docker Compose, Slurm, Kubernetes, Ray, a plug.
 *
 * Three parts, each of which may die and come back. The *head* keeps only the number of workers that is desired. A *launcher*
 * (reconcile.h, pilot.h) compares that with what its *engine* has and asks for the difference. The engine starts workers and keeps
 * each alive. An engine is one table of functions, launcher_ops, in a file of its own, and one line in engines.c.
 *
 * The happy path is: open -> opened; list -> listed; start(2..3) -> done; list -> listed, two more; stop(3..3) -> done; list. It can fail
 * by: the engine is not there, or lets us do nothing (opened with a fault); it refuses or fails at something (done with a fault in
 * its own words; the reconciler waits and tries again); it never answers (the reconciler gives up that operation after its deadline,
 * and an answer that comes later is known by its ticket and ignored); it answers twice, or with workers nobody asked for (ignored).
 *
 * Workers have indices 1..N without gaps. So engines that keep a number of replicas and engines that know each worker by name fit the
 * same functions, which take a range of indices. Worker K is called launcher_name(): "worker-K" at its head, whatever the engine calls it.
 *
 * Rules for an engine:
 *  1. Callbacks come from the loop, never from within the call of an operation, and none after free(). One operation runs at a time.
 *  2. Each operation ends with done(ticket) or, a successful list, with listed(ticket), once. It ends by itself: a call to the engine has a
 *     deadline of its own (exec.h, web.h) shorter than LAUNCHER_PATIENCE_MS.
 *  3. Operations are idempotent. start leaves workers of the range alone that are PENDING or RUNNING, waits for none that is ENDING, and
 *     takes a FAILED one away and starts it anew; stop does nothing for workers that are not there. What tells our
 *     workers from others is the cluster's name, written where the engine keeps it (label, job name, namespace), never a list of ours:
 *     a launcher that starts anew finds the workers of the one before.
 *  4. start does not wait for a worker to run; it ends when the engine has accepted it. The next list shows it, as PENDING at least.
 *  5. Words of the engine go into faults and reasons as they are, bounded, and one sentence says what would help:
 *     "slurm refused 2 workers: sbatch: error: QOSMaxSubmitJobPerUserLimit: ask for fewer, or for a higher limit". Callers print them with plain_print.
 *  6. Secrets (worker_env) never stand on a command line, nor in a file others can read.
 *  7. free() takes nothing away from the engine: what runs continues, for the next launcher. It is never called from within a callback. */
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
    LAUNCHER_WORKERS_MAX = 256,     /* of one launcher; equals HEAD_SCALE_MAX and LAUNCH_WORKERS_MAX */
    LAUNCHER_LISTED_MAX = 1024,     /* entries of one list: a few that are ending or doubled beside those wanted */
    LAUNCHER_PATIENCE_MS = 120000,  /* for one operation; no engine's own deadline is longer */
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
    uint32_t index;            /* 1..; what is out of 1..LAUNCHER_WORKERS_MAX is ignored, and said */
    enum launcher_state state;
    char id[128];              /* the engine's name of it: "4711", "manta-worker-2", an actor's id */
    char place[128];           /* the node it runs on; empty: on none yet, or not known */
    char reason[256];          /* PENDING: why it waits; FAILED: why; in the engine's words. Else empty */
};

struct launcher_range {
    uint32_t first, last;      /* indices, both inclusive; 1 <= first <= last <= LAUNCHER_WORKERS_MAX */
};

/* All that an engine is told once. The texts are borrowed and live as long as the launcher. */
struct launcher_config {
    const char *cluster;            /* "manta"; at most LAUNCHER_CLUSTER_BYTES - 1, see launcher_check_cluster() */
    const char *head;               /* "10.0.0.1:8470": where workers find the head; several with commas. Engines that run the head
                                       themselves may know better */
    const char *program;            /* manta, as this machine knows it (absolute); engines whose nodes have it elsewhere take an option */
    const char *const *worker_args; /* "worker", "--head", ADDRESS, "--model", …; NULL-terminated; an engine adds --node NAME */
    const char *const *worker_env;  /* "NAME=value" for workers, secrets (MANTA_JOIN_TOKEN) among them; "NAME": not that one of ours */
    const char *const *head_args;   /* "head", "--port", …; for engines with raise() */
    const char *const *head_env;
    const char *const *options;     /* "partition=short" of --set, for this engine; NULL-terminated or NULL; see launcher_option_value() */
    uint32_t workers;               /* --workers: the target while no head says another one */
    uint64_t memory_bytes;          /* a worker is to have; 0: the engine's default */
    uint32_t threads;               /* processors of a worker; 0: the engine's default */
    uint32_t gpus;                  /* of a worker */
    uint32_t drain_ms;              /* a worker that is told to go may take so long to end what runs */
};

/* Where the answers go. All are called from the loop; texts and arrays are borrowed for the call. */
struct launcher_events {
    /* Once after open(). f->err 0: the engine is there and lets us in. ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_NET, ERR_BUSY: may pass, another
     * list may succeed; all others need a person: ERR_NOT_FOUND (no such command), ERR_AUTH, ERR_FORBIDDEN, ERR_USAGE, … */
    void (*opened)(const struct fault *f, void *user_data);
    /* The operation of that ticket has ended; f->err 0: well. A list ends here only with a fault. */
    void (*done)(uint64_t ticket, const struct fault *f, void *user_data);
    /* The list of that ticket, in any order; all workers of the cluster and no others. */
    void (*listed)(uint64_t ticket, const struct launcher_worker *workers, size_t n, void *user_data);
    /* While watched: something is different, a list would tell. Seldom too often: callers collect them. */
    void (*changed)(void *user_data);
    /* raise(): the head was given these secrets by its engine: what joins it brings the first, clients the second. "": none. Before head_at; may
     * be NULL, and need not be called: then the settings have them. */
    void (*keys)(const char *join_token, const char *api_key, void *user_data);
    /* raise(): from here the head is reached at this address. Before done. */
    void (*head_at)(const char *address, void *user_data);
    /* down(): this was there and is on its way out: "job 4711 (worker-2)". Before done. */
    void (*took)(const char *what, void *user_data);
    /* A line of a worker's or of the engine's output, for engines that follow it; who: "worker-2", "slurm". May be NULL. */
    void (*line)(const char *who, struct str line, void *user_data);
    /* Something a person may want to know. May be NULL. */
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
    const struct launcher_option *options; /* ended by one without name; NULL: none */
    /* Makes it and begins to look whether the engine is there; ends with events->opened. Checks what is wrong with cfg at once: NULL
     * with f, and no callback. cfg and events are copied, what they point to is not. */
    struct launcher *(*open)(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                             struct fault *f);
    /* NULL for start, stop, list and watch: the engine has a launcher of its own inside (Ray), which the head scales; this one only raises and
     * takes away, and `manta launcher` refuses it. */
    void (*start)(struct launcher *a, uint64_t ticket, struct launcher_range r);
    /* The engine keeps the wanted number itself, and its list shows it, each worker that is wanted and none of them as ENDING: a launcher that was given
     * none begins with that one, so that head and launcher may both start anew. */
    bool remembers;
    /* drain: SIGTERM and cfg.drain_ms before it is killed; else as fast as the engine ends things. */
    void (*stop)(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain);
    void (*list)(struct launcher *a, uint64_t ticket);
    /* On: events->changed from now on, pushed by the engine where it can, else by a poll of its own. NULL: the reconciler's own period is enough. */
    void (*watch)(struct launcher *a, bool on);
    /* The head, and whatever the cluster needs beside workers (a network, a chart, an inner launcher with cfg.workers): there already, or made;
     * events->head_at and done. Idempotent. NULL: the engine runs no head, `manta up` runs it here as its child. */
    void (*raise)(struct launcher *a, uint64_t ticket);
    /* All that carries the cluster's name goes, head included, and nothing else; events->took for each, then done when the engine has it gone.
     * Nothing there is no error. */
    void (*down)(struct launcher *a, uint64_t ticket);
    /* Drops what runs (its callbacks do not come) and the memory. NULL is fine. */
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
/* ERR_USAGE with the list of engines when there is none of that name. */
int launcher_find(const char *engine, const struct launcher_ops **out, struct fault *f);

/* ---- for engines ---- */
/* Checks the cluster's name and the options' names: ERR_USAGE with what would be right. */
int launcher_init(struct launcher *a, const struct launcher_ops *ops, struct net_loop *l, const struct launcher_config *cfg,
                  const struct launcher_events *events, void *user_data, struct fault *f);
/* ERR_USAGE: not a name that every engine takes. */
int launcher_check_cluster(const char *cluster, struct fault *f);
/* The value of `--set NAME=…`, or the option's fallback; never NULL. The last one given counts. */
const char *launcher_option_value(const struct launcher *a, const char *name);
/* "worker-2": what a worker is called at its head, `--node`. Its name at the engine, which others share: "manta-worker-2". */
struct launcher_text {
    char text[LAUNCHER_CLUSTER_BYTES + 24];
};
/* "worker-K". */
struct launcher_text launcher_name(uint32_t index);
/* The same as the engine knows it: with the cluster's name before it. */
struct launcher_text launcher_engine_name(const struct launcher *a, uint32_t index);
/* The index in "worker-2" or in "CLUSTER-worker-2"; 0: neither of it. */
uint32_t launcher_index(const struct launcher *a, const char *name);
/* The end of what an engine was doing: events.opened of its open(), else events.done of that ticket. May end the launcher. */
void launcher_ended(struct launcher *a, bool opening, uint64_t ticket, const struct fault *f);
/* Calls events.said, with the engine's name in front. */
void launcher_say(const struct launcher *a, enum log_level level, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
