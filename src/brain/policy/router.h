/* Pick an actor for a job.
 *
 * Pure arithmetic over the head's knowledge of each candidate; pick.c selects the candidates. */
#ifndef MANTA_BRAIN_POLICY_ROUTER_H
#define MANTA_BRAIN_POLICY_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "brain/head.h"

enum {
    ROUTER_SAMPLE_MAX = 32,     /* candidates compared: with hundreds of actors a sample of them */
    ROUTER_BYTES_PER_TOKEN = 4, /* of prompt text; the head has no tokenizer. English text: about 4.2 */
};

struct candidate {
    uint32_t actor;         /* id; breaks the last tie */
    uint32_t busy;          /* streams it runs or has accepted, including other heads' */
    uint32_t slots;         /* streams it can run at once; > 0 */
    double prefill_tps;     /* measured; 0: unknown */
    double decode_tps;      /* of one stream alone, measured; 0: unknown */
    double bytes_per_token; /* of prompts, learned; 0: unknown */
    double answer_tokens;   /* expected; 0: unknown */
    uint64_t fresh_bytes;   /* prompt text that it has accepted and not yet computed */
    uint64_t prompt_bytes;  /* of this job */
    uint64_t cached_bytes;  /* of those, in its prefix cache by the head's estimate */
    uint64_t last_pick;     /* number of the pick, from a common counter; 0: never */
    bool affine;            /* the session of this job was here before */
    bool avoid;             /* this job failed here before */
};

/* Predicted seconds to the first token if the job went there now. */
double router_ttft_s(const struct candidate *c);
/* The cost that BALANCE_PREDICTED minimises: those seconds, the work of the prompt, and a part of
 * the rest of the answer. */
double router_cost_s(const struct candidate *c);
/* Returns the index of the best of c[0..n); n > 0. Only BALANCE_RANDOM draws from rng. */
size_t router_pick(enum balance balance, const struct candidate *c, size_t n, struct rng *rng);

/* Bounds a speed that a worker claims: at most `most`; 0 for nonsense. */
float router_speed(float said, float most);

#endif
