/* Load on a head: clients that ask seeded prompts one after the other, and what each of them saw. */
#ifndef MANTA_CLIENT_LOAD_H
#define MANTA_CLIENT_LOAD_H

#include "base/err.h"
#include "net/net.h"

enum { LOAD_STREAMS_MAX = 256, LOAD_CALLS_MAX = 100000, LOAD_NODES_MAX = 16 };

struct load_result {
    double seconds, tokens_per_s;             /* of the calls that count */
    double ttft_p50_ms, ttft_p95_ms, gap_p95_ms;
    double cached;                            /* share of the prompts' tokens that came from a cache */
    uint32_t calls, nodes;
    struct load_share {
        char node[64];
        double part;                          /* of all answers */
    } shares[LOAD_NODES_MAX];                 /* by node name */
};

struct load_config {
    const char *head;                         /* "127.0.0.1:8470"; borrowed until the end */
    uint64_t seed;                            /* the n-th prompt is the same for one seed, whoever asks it */
    uint32_t streams, calls, warm;            /* clients at once; prompts that count; prompts before them that do not */
    uint32_t prefixes, prefix_words;          /* prompts begin with one of so many texts of that length; 0: none */
    uint32_t prompt_least, prompt_most;       /* words of a prompt's own text */
    uint32_t answer_least, answer_most;       /* tokens */
    void (*on_progress)(uint32_t done, uint32_t of, void *user_data); /* NULL: nobody wants to know */
    /* Once, last: f->err is 0, or why it was given up; the load is freed after it returns. */
    void (*on_end)(const struct load_result *r, const struct fault *f, void *user_data);
    void *user_data;
};

/* Beside whatever else the loop does. The first call that fails ends it. ERR_INVALID with f for sizes beyond the limits. */
int load_start(struct net_loop *loop, const struct load_config *cfg, struct fault *f);

#endif
