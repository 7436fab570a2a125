#include "engine/llama/mirostat.h"

#include <math.h>

enum { ESTIMATED_BY = 100 }; /* the most likely tokens, from which version 1 estimates the whole distribution */

struct mirostat mirostat_of(const struct sampling *s)
{
    return (struct mirostat){.version = s->temperature > 0 ? s->mirostat : 0,
                             .tau = (double)s->mirostat_tau, .eta = (double)s->mirostat_eta, .mu = 2 * (double)s->mirostat_tau};
}

void mirostat_saw(struct mirostat *m, double logprob)
{
    double surprise = -logprob / M_LN2;
    m->mu -= m->eta * (surprise - m->tau);
}

static int32_t keep_best(const float *logits, int32_t vocab, struct candidate *out)
{
    int32_t best = logits_argmax(logits, vocab);
    out[0] = (struct candidate){.token = best, .logit = logits[best]};
    return 1;
}

/* Returns the exponent of the Zipf distribution that the n sorted candidates follow best. */
static double zipf_exponent(const struct candidate *sorted, int32_t n, double temperature)
{
    double ranks = 0, both = 0;
    for (int32_t i = 0; i + 1 < n; i++) {
        double rank = log((double)(i + 2) / (double)(i + 1));
        both += rank * ((double)sorted[i].logit - (double)sorted[i + 1].logit) / temperature;
        ranks += rank * rank;
    }
    return both / ranks;
}

/* Returns how many of the most likely tokens to keep for a surprise of at most mu bits, if the vocabulary
 * follows Zipf's law with this exponent. */
static int32_t count_for(const struct mirostat *m, double exponent, int32_t vocab)
{
    double excess = exponent - 1;
    double k = pow(excess * exp2(m->mu) / (1 - pow((double)vocab, -excess)), 1 / exponent);
    return k >= vocab ? vocab : k >= 1 ? (int32_t)k : 1; /* 1 if it is not a number */
}

static int32_t keep_estimated(const struct mirostat *m, const float *logits, int32_t vocab, double temperature, struct candidate *out)
{
    int32_t n = logits_top(logits, vocab, ESTIMATED_BY < vocab ? ESTIMATED_BY : vocab, out);
    int32_t k = count_for(m, zipf_exponent(out, n, temperature), vocab);
    return k <= n ? k : logits_top(logits, vocab, k, out);
}

/* Keeps the tokens whose surprise is at most mu. */
static int32_t keep_likely(const struct mirostat *m, const float *logits, int32_t vocab, double temperature, struct candidate *out)
{
    float max = logits[logits_argmax(logits, vocab)];
    double sum = logits_sum_exp(logits, vocab, max, (float)(1 / temperature));
    return logits_above(logits, vocab, (float)((double)max + temperature * (log(sum) - m->mu * M_LN2)), out);
}

int32_t mirostat_keep(const struct mirostat *m, const float *logits, int32_t vocab, double temperature, struct candidate *out)
{
    int32_t n = m->version == 1 ? keep_estimated(m, logits, vocab, temperature, out) : keep_likely(m, logits, vocab, temperature, out);
    return n > 0 ? n : keep_best(logits, vocab, out);
}
