/* Try a model in a process of its own, before it is loaded beside others.
 *
 * A file can make an engine end its process (an assertion, a stack that overflows), compute for ever, or take all memory. In a
 * child that happens to nobody else: the parent hears the reason and leaves the model out. Which files have passed is kept
 * (models_proved()), so a file is tried once per engine version.
 *
 * The happy path is: tryout_run() -> the child loads, computes a few tokens, says "ok". It can fail by: the engine refuses the
 * file (its own words), the child dies (ERR_MODEL with the signal and its last line), makes no progress (ERR_TIMEOUT), takes too
 * much memory (ERR_MEMORY), or cannot be started (ERR_FAILED). */
#ifndef MANTA_WORKER_TRYOUT_H
#define MANTA_WORKER_TRYOUT_H

#include "engine/engine.h"

/* First argument of the program that makes it the child of a tryout. */
#define TRYOUT_COMMAND "try-model"

struct tryout {
    const char *engine;            /* as engine_open() takes it; borrowed, as is load.path */
    struct engine_load load;       /* as it will be loaded */
    uint64_t memory_bytes;         /* the most that the child may have; 0: half of the machine's */
    bool whole;                    /* load it and compute; else only read what it needs */
    uint32_t stall_s;              /* without progress for so long it is given up */
};

/* Blocks until the child has ended; from any thread. `progress` (may be NULL) is called now and then; when it returns false, the
 * child is killed: ERR_CANCELLED. */
int tryout_run(const struct tryout *t, engine_progress_fn *progress, void *user_data, struct fault *f);
/* The child: main() hands over what follows TRYOUT_COMMAND. Returns its exit status. */
int tryout_main(int argc, char **argv);

#endif
