/* Passes over one row of logits, 50,000 floats and more, written so that the compiler vectorizes
 * them. */
#ifndef MANTA_ENGINE_LLAMA_LOGITS_H
#define MANTA_ENGINE_LLAMA_LOGITS_H

#include <stdint.h>

struct candidate {
    int32_t token;
    float logit;
};

/* Returns the token with the greatest logit, the first of equals; n > 0. NaN never wins. */
int32_t logits_argmax(const float *logits, int32_t n);
/* Returns the sum of exp((logit - max) * scale) over the row; relative error below 1e-6. */
double logits_sum_exp(const float *logits, int32_t n, float max, float scale);
/* Writes the k greatest logits, greatest first, equal ones in order of tokens. Returns their number: k or
 * n. */
int32_t logits_top(const float *logits, int32_t n, int32_t k, struct candidate *out);
/* Writes the logits >= `least`, in order of tokens. Returns their number; out has room for n. */
int32_t logits_above(const float *logits, int32_t n, float least, struct candidate *out);
/* Sorts in the order of logits_top(). */
void logits_sort(struct candidate *c, int32_t n);

#endif
