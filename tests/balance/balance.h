/* A cluster in told time, to compare how the head's strategies do: the real head, real batchers over echo engines.
 *
 * What is left out of a real cluster is the network and the agent: the head's `run` goes straight to a batcher, and what
 * the batcher reports goes straight back. One seed, one story. */
#ifndef TESTS_BALANCE_H
#define TESTS_BALANCE_H

#include "base/rng.h"
#include "brain/head.h"

enum { BALANCE_ACTORS_MAX = 8, BALANCE_STREAMS_MAX = 64, BALANCE_CALLS_MAX = 4000 };

/* A load: who asks what, and of whom. */
struct load {
    const char *name;
    uint32_t actors, slots;
    uint32_t slowness[BALANCE_ACTORS_MAX]; /* 1 or 0: as fast as an actor is; 4: a quarter of that */
    uint32_t streams;                      /* clients that ask one after the other, without a pause */
    uint32_t calls;                        /* of all of them together */
    uint32_t prefixes, prefix_bytes;       /* prompts begin with one of so many texts of this length; 0: none */
    uint32_t prompt_least, prompt_most;    /* bytes of a prompt's own text */
    uint32_t answer_least, answer_most;    /* tokens */
    uint32_t warm;                         /* calls at the beginning that are not counted: nobody has measured himself yet */
};

/* What came of it. */
struct outcome {
    double tokens_per_s, ttft_p50_ms, ttft_p95_ms, gap_p95_ms, cached; /* cached: share of the prompts' tokens */
    double share[BALANCE_ACTORS_MAX];                                  /* of the calls */
};

struct outcome balance_run(const struct load *load, enum balance balance, uint64_t seed);

#endif
