/* Share a worker's memory among its models. Pure. */
#ifndef MANTA_WORKER_SHARE_H
#define MANTA_WORKER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct share {
    uint64_t least; /* minimum in bytes: weights, compute, the smallest KV cache */
    uint64_t want;  /* bytes it would take without a limit; >= least */
    uint64_t given; /* result: its share, least … want; 0 when it does not fit */
};

/* Gives each model its minimum, in order; a model that does not fit gets nothing, and later ones
 * may still fit. The rest is shared among the models that fit, in proportion to want - least. */
void share_out(struct share *s, uint32_t n, uint64_t budget);

/* Memory of a worker that is not for models: limits within its total. */
struct beside {
    uint64_t kept_bytes;   /* journals of streams, kept for heads that adopt them */
    uint64_t moving_bytes; /* KV caches that migrate out of and into the worker */
    uint64_t prompt_bytes; /* a long prompt being tokenized: one at a time (scribe.h) */
};

/* Returns at most `most` of each, and no more than a sixteenth of the memory each. memory_bytes
 * 0: no limit. */
struct beside share_beside(uint64_t memory_bytes, struct beside most);

/* Returns the least total memory that leaves `models_bytes` for models. */
uint64_t share_whole(uint64_t models_bytes, struct beside most);

#endif
