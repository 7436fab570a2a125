#include "engine/llama/chain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/llama/guard.h"

enum { ORDER_MAX = 16, ORDER_BITS = 4 };

/* The same order as llama-server. */
static const uint8_t usual[] = {SAMPLER_PENALTIES, SAMPLER_DRY, SAMPLER_TOP_N_SIGMA, SAMPLER_TOP_K, SAMPLER_TYPICAL_P,
                                SAMPLER_TOP_P, SAMPLER_MIN_P, SAMPLER_XTC, SAMPLER_TEMPERATURE};

struct chain {
    struct sampling s;
    size_t keep;                     /* minimum number of candidates that a filter leaves */
    struct llama_sampler *filters[ORDER_MAX]; /* owned; NULL: XTC, which is made for each draw, because its random
                                               * generator would be a state */
    uint32_t n;
    llama_token_data *data;          /* owned; room for the vocabulary */
};

bool chain_is_wanted(const struct sampling *s)
{
    return s->typical_p < 1 || s->top_n_sigma > 0 || s->xtc_probability > 0 || s->dynatemp_range > 0 || s->dry_multiplier > 0 || s->min_keep > 1 ||
           s->order != 0;
}

static uint32_t look_back(int32_t tokens, uint32_t context)
{
    return tokens < 0 || (uint32_t)tokens > context ? context : (uint32_t)tokens;
}

static struct llama_sampler *dry_new(const struct llama_vocab *vocab, uint32_t context, const struct request *r)
{
    const struct sampling *s = &r->sampling;
    char texts[REQUEST_BREAKERS_MAX][REQUEST_BREAKER_BYTES_MAX + 1] = {{0}};
    const char *breakers[REQUEST_BREAKERS_MAX];
    uint32_t n = 0;
    for (; n < r->breakers_n && n < REQUEST_BREAKERS_MAX; n++) {
        size_t bytes = r->breakers[n].n < REQUEST_BREAKER_BYTES_MAX ? r->breakers[n].n : REQUEST_BREAKER_BYTES_MAX;
        memcpy(texts[n], r->breakers[n].p, bytes);
        breakers[n] = texts[n];
    }
    const struct guard_dry dry = {.multiplier = s->dry_multiplier, .base = s->dry_base, .allowed_length = s->dry_allowed_length,
                                  .last_n = (int32_t)look_back(s->dry_last_n, context), .breakers = breakers, .breakers_n = n};
    return guard_dry_new(vocab, &dry);
}

/* Returns NULL for XTC, and if there is no memory. */
static struct llama_sampler *filter_new(const struct chain *c, enum sampler what, const struct llama_vocab *vocab, uint32_t context, const struct request *r)
{
    const struct sampling *s = &c->s;
    switch (what) {
    case SAMPLER_PENALTIES:
        return llama_sampler_init_penalties(llama_vocab_n_tokens(vocab), (int32_t)look_back(s->penalty_last_n, context), s->repeat_penalty,
                                            s->frequency_penalty, s->presence_penalty);
    case SAMPLER_DRY: return dry_new(vocab, context, r);
    case SAMPLER_TOP_N_SIGMA: return llama_sampler_init_top_n_sigma(s->top_n_sigma);
    case SAMPLER_TOP_K: return llama_sampler_init_top_k(s->top_k);
    case SAMPLER_TYPICAL_P: return llama_sampler_init_typical(s->typical_p, c->keep);
    case SAMPLER_TOP_P: return llama_sampler_init_top_p(s->top_p, c->keep);
    case SAMPLER_MIN_P: return llama_sampler_init_min_p(s->min_p, c->keep);
    case SAMPLER_TEMPERATURE: return llama_sampler_init_temp_ext(s->temperature, s->dynatemp_range, s->dynatemp_exponent);
    case SAMPLER_NONE:
    case SAMPLER_XTC:
    case SAMPLERS: break;
    }
    return NULL;
}

/* Returns false if there is no memory. */
static bool add(struct chain *c, enum sampler what, const struct llama_vocab *vocab, uint32_t context, const struct request *r)
{
    if (what == SAMPLER_NONE || what >= SAMPLERS)
        return true;
    c->filters[c->n] = filter_new(c, what, vocab, context, r);
    return c->filters[c->n++] != NULL || what == SAMPLER_XTC;
}

struct chain *chain_new(const struct llama_vocab *vocab, uint32_t context, const struct request *r)
{
    struct chain *c = xalloc(sizeof *c);
    bool made = true;
    *c = (struct chain){.s = r->sampling, .keep = r->sampling.min_keep};
    c->data = xalloc_array((size_t)llama_vocab_n_tokens(vocab), sizeof *c->data);
    for (uint32_t i = 0; r->sampling.order == 0 && made && i < sizeof usual; i++)
        made = add(c, (enum sampler)usual[i], vocab, context, r);
    for (uint64_t order = r->sampling.order; order != 0 && made; order >>= ORDER_BITS)
        made = add(c, (enum sampler)(order & ((1u << ORDER_BITS) - 1)), vocab, context, r);
    if (made)
        return c;
    chain_free(c);
    return NULL;
}

void chain_free(struct chain *c)
{
    for (uint32_t i = 0; c != NULL && i < c->n; i++)
        if (c->filters[i] != NULL)
            llama_sampler_free(c->filters[i]);
    if (c != NULL)
        free(c->data);
    free(c);
}

void chain_accept(struct chain *c, int32_t token)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->filters[i] != NULL)
            llama_sampler_accept(c->filters[i], token);
}

/* XTC randomly removes the most likely candidates; seeded by u, so that it draws no randomness of its
 * own. */
static void apply_xtc(const struct chain *c, llama_token_data_array *all, double u)
{
    uint32_t seed = (uint32_t)rng_mix((uint64_t)(u * 9007199254740992.0));
    struct llama_sampler *xtc = llama_sampler_init_xtc(c->s.xtc_probability, c->s.xtc_threshold, c->keep, seed == LLAMA_DEFAULT_SEED ? 0 : seed);
    llama_sampler_apply(xtc, all);
    llama_sampler_free(xtc);
}

int32_t chain_narrow(struct chain *c, struct candidate *candidates, int32_t n, double u)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        c->data[i] = (llama_token_data){.id = candidates[i].token, .logit = candidates[i].logit};
    llama_token_data_array all = {.data = c->data, .size = (size_t)n, .selected = -1, .sorted = false};
    for (uint32_t i = 0; i < c->n && all.size > 0; i++) {
        if (c->filters[i] != NULL)
            llama_sampler_apply(c->filters[i], &all);
        else
            apply_xtc(c, &all, u);
    }
    for (size_t i = 0; i < all.size; i++)
        if (all.data[i].logit > -INFINITY)
            candidates[kept++] = (struct candidate){.token = all.data[i].id, .logit = all.data[i].logit};
    return kept;
}
