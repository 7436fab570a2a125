/* Passes over one row of logits, 50,000 floats and more: written so that the compiler makes vector code of them. */
#ifndef MANTA_ENGINE_LLAMA_LOGITS_H
#define MANTA_ENGINE_LLAMA_LOGITS_H

#include <stdint.h>

struct candidate {
    int32_t token;
    float logit;
};

/* The token with the greatest logit, the first of equals; n > 0. NaN never wins. */
int32_t logits_argmax(const float *logits, int32_t n);
/* Sum of exp(logit - max) over the row; relative error below 1e-6. */
double logits_sum_exp(const float *logits, int32_t n, float max);
/* The k greatest logits, greatest first, equals by rising token. Returns how many: k or n. */
int32_t logits_top(const float *logits, int32_t n, int32_t k, struct candidate *out);
/* Those of at least `least`, in rising order of tokens. Returns how many; out has room for n. */
int32_t logits_above(const float *logits, int32_t n, float least, struct candidate *out);
/* Sorts as logits_top does. */
void logits_sort(struct candidate *c, int32_t n);

#endif
