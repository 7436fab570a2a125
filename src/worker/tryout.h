/* Try a model in a separate process before it is loaded beside others.
 *
 * A file can make an engine end its process (an assertion, a stack overflow), compute for ever, or
 * take all memory. In a child that harms no other model: the parent learns the reason and leaves
 * the model out. Files that have passed are remembered (models_proved()), so a file is tried once
 * per engine version.
 *
 * The happy path is: tryout_run() -> the child loads, computes a few tokens, prints "ok". It can
 * fail by: the engine refuses the file (its own words), the child dies (ERR_MODEL with the signal
 * and its last line), makes no progress (ERR_TIMEOUT), takes too much memory (ERR_MEMORY), or
 * cannot be started (ERR_FAILED). */
#ifndef MANTA_WORKER_TRYOUT_H
#define MANTA_WORKER_TRYOUT_H

#include "engine/engine.h"

/* First argument of the program that makes it a tryout's child. */
#define TRYOUT_COMMAND "try-model"

struct tryout {
    const char *engine;            /* as for engine_open(); borrowed, like load.path */
    struct engine_load load;       /* as it will be loaded */
    uint64_t memory_bytes;         /* memory limit of the child; 0: half of the machine's */
    bool whole;                    /* load the model and compute; else only read its needs */
    uint32_t stall_s;              /* given up after this long without progress */
};

/* Runs the child and blocks until it has ended; callable from any thread. `progress` (NULL is
 * allowed) is called now and then; when it returns false, the child is killed: ERR_CANCELLED. */
int tryout_run(const struct tryout *t, engine_progress_fn *progress, void *user_data, struct fault *f);
/* The child's main(), with the arguments after TRYOUT_COMMAND. Returns its exit status. */
int tryout_main(int argc, char **argv);

#endif
