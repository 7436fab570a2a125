/* The worker program: loads models, runs one engine thread per actor, and serves the heads it
 * dials.
 *
 * worker_main() owns its loop and returns the process's exit status; main/ calls it once. */
#ifndef MANTA_WORKER_WORKER_H
#define MANTA_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "models/models.h"

struct worker_options {
    const char *heads;      /* "host:port[,host:port]…" */
    const char *node;       /* name; empty: worker-<host name> */
    const char *join_token; /* empty: this user's own token for a head on loopback (os/secret.h), else none */
    const char *const *models; /* references, see models.h; with the echo engine: its scripts */
    uint32_t models_n;      /* 1 ... AGENT_ACTORS_MAX */
    const char *engine;     /* "llama", "echo" */
    const char *version;    /* manta's */
    uint32_t slots, context, threads, step_ms;
    uint32_t throttle;      /* the engine is slowed down by this factor; 0, 1: not slowed */
    const char *pace;       /* for tests: a file with the minimum milliseconds per call (engine_throttle); empty:
                               none */
    const char *chat_template; /* a file with a Jinja template for its chat models, or "chatml"; empty: the models' own */
    uint8_t kv;             /* enum engine_kv */
    bool exact, repack;
    uint64_t memory_bytes;  /* 0: no limit */
    uint64_t prefix_bytes;  /* for prompts that lost their slots, of all models together; less when memory_bytes
                               leaves less */
    bool patient;           /* restarted by a launcher: when no model can be loaded, it waits for their files instead
                               of ending */
    uint32_t load_stall_s;  /* a load is given up after this long without progress */
    uint32_t drain_grace_s; /* after SIGTERM: time for running answers to end */
    struct models_pull pull; /* how a missing model is downloaded; the worker sets on_progress */
};

/* Runs a worker until it is stopped. Returns the process's exit status. */
int worker_main(const struct worker_options *o);

#endif
