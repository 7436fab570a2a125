/* Mirostat: keep as many candidates as the text so far suggests, so that tokens surprise by about the same
 * amount all along (Basu et al., "Mirostat: a neural text decoding algorithm that directly controls
 * perplexity", 2020). Version 1 estimates the number of candidates, version 2 cuts at a probability, both as
 * llama.cpp does; the draw is ours.
 *
 * Its state depends on how likely each token of the answer was. An answer that another worker continues
 * therefore needs the logits of all its tokens again: engine_ops.sampler_replay. */
#ifndef MANTA_ENGINE_LLAMA_MIROSTAT_H
#define MANTA_ENGINE_LLAMA_MIROSTAT_H

#include "base/request.h"
#include "engine/llama/logits.h"

struct mirostat {
    uint32_t version; /* 1, 2; 0: off */
    double tau;       /* the surprise to aim at, in bits */
    double eta;       /* how fast mu follows the error */
    double mu;        /* the greatest surprise that is allowed now; 2 tau at first */
};

/* Returns the initial state. Mirostat is off if the request does not want it, or draws nothing (temperature 0). */
struct mirostat mirostat_of(const struct sampling *s);
/* Writes the candidates that may be drawn, in any order, at least one. Returns their number; out has room for
 * the vocabulary. The temperature is above 0. */
int32_t mirostat_keep(const struct mirostat *m, const float *logits, int32_t vocab, double temperature, struct candidate *out);
/* Learns the logarithm of the probability that the next token of the text had among the kept ones. */
void mirostat_saw(struct mirostat *m, double logprob);

#endif
