/* Share a worker's memory out among its models. Pure. */
#ifndef MANTA_WORKER_SHARE_H
#define MANTA_WORKER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct share {
    uint64_t least; /* bytes without which it cannot run: weights, compute, the smallest KV cache */
    uint64_t want;  /* bytes it would take if there were no limit; >= least */
    uint64_t given; /* result: its share, least ... want; 0 when it does not fit */
};

/* First come, first served, down to the least that each needs: who finds no room any more gets nothing, and those
 * behind it may still fit. What is left after that goes to all that fit, in proportion to what they want beyond it. */
void share_out(struct share *s, uint32_t n, uint64_t budget);

/* What a worker holds beside its models: limits within its memory. */
struct beside {
    uint64_t kept_bytes;   /* streams kept for heads that take them over */
    uint64_t moving_bytes; /* what is computed of answers that leave and come */
    uint64_t prompt_bytes; /* a long prompt that is turned into tokens: one at a time (scribe.h) */
};

/* At most `most` of each, and of each no more than a sixteenth of the memory. memory_bytes 0: there is no limit. */
struct beside share_beside(uint64_t memory_bytes, struct beside most);

/* The least memory that leaves `models_bytes` for models. */
uint64_t share_whole(uint64_t models_bytes, struct beside most);

#endif
