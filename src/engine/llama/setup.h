/* Choose how an exact engine computes: the fastest way that was measured to be exact. */
#ifndef MANTA_ENGINE_LLAMA_SETUP_H
#define MANTA_ENGINE_LLAMA_SETUP_H

#include "engine/llama/module.h"

struct setup {
    bool repack;       /* the weights may be repacked */
    bool measured;     /* now, not at an earlier load */
    uint32_t spent_ms;
};

/* Loads the weights of e in the first of the possible ways that is exact. e->info.kind is known. Errors as
 * engine_ops.load; ERR_UNSUPPORTED if none is exact, with the measured difference and advice. */
int setup_find(struct engine *e, const struct engine_load *load, struct load_progress *l, struct setup *out, struct fault *f);
/* Call it once the context exists: measures vectors, and records in info how the engine
 * computes. */
int setup_finish(struct engine *e, const struct engine_load *load, const struct setup *s, struct fault *f);

#endif
