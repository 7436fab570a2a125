/* Draw the next token from a row of logits.
 *
 * The order is llama-server's: bias, penalties, top_k, top_p, min_p, temperature, draw. Each of the three filters keeps a prefix
 * of the tokens sorted by logit, so only tokens that can be in it are sorted: 40 of 49,152 for the usual top_k. Biases and penalties
 * change a few logits of the row in place, which are restored afterwards. A draw costs about 40 microseconds for 49,152 tokens;
 * building and sorting a candidate array costs ten times that. Requests for other filters, or another order, use llama.cpp's own
 * filters (chain.h); the draw is the same.
 *
 * The draw walks the kept tokens by rising id, not by falling probability: if two nearly equal logits swap places (on another
 * machine, in another batch), the same u still selects the same token. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/llama/adjust.h"
#include "engine/llama/chain.h"
#include "engine/llama/guide.h"
#include "engine/llama/logits.h"
#include "engine/llama/mirostat.h"
#include "engine/llama/module.h"

enum { LIKELY_MAX = REQUEST_TOP_LOGPROBS_MAX };

/* Buffers for choosing among the tokens that a guide allows; one block. */
struct guided {
    struct candidate *sorted; /* allowed tokens, most likely first */
    int32_t *ids;             /* tokens to check */
    uint8_t *allowed;         /* the results */
};

struct engine_sampler {
    struct sampling s;
    const struct engine_guide *guide; /* borrowed; NULL: any token is allowed */
    struct guided *guided;        /* owned; with a guide */
    struct chain *chain;          /* owned; NULL: the usual filters */
    int32_t vocab;
    struct adjust adjust;         /* biases and penalties; with a chain or Mirostat only biases */
    struct mirostat mirostat;     /* .version 0: off */
    struct candidate *candidates; /* owned; room for top_k, or for the whole vocabulary */
    int32_t drawn_n;              /* number of candidates of the last draw; 0: it took the best token */
    double drawn_temperature;
};

/* Each array has room for the vocabulary. */
static struct guided *guided_new(size_t vocab)
{
    struct guided *g = xalloc(sizeof *g + vocab * (sizeof *g->sorted + sizeof *g->ids + sizeof *g->allowed));
    g->sorted = (struct candidate *)(void *)(g + 1);
    g->ids = (int32_t *)(void *)(g->sorted + vocab);
    g->allowed = (uint8_t *)(g->ids + vocab);
    return g;
}

struct engine_sampler *sampler_new(struct engine *e, const struct request *r, const struct engine_guide *guide)
{
    struct engine_sampler *s = xalloc(sizeof *s);
    s->s = r->sampling;
    s->guide = guide;
    s->vocab = (int32_t)e->info.vocab;
    s->mirostat = mirostat_of(&s->s);
    if (s->mirostat.version == 0 && chain_is_wanted(&s->s) && (s->chain = chain_new(e->vocab, e->info.context, r)) == NULL) {
        sampler_free(s);
        return NULL;
    }
    adjust_init(&s->adjust, e, r, s->chain == NULL && s->mirostat.version == 0);
    if (guide != NULL) {
        s->candidates = xalloc_array((size_t)s->vocab, sizeof *s->candidates);
        s->guided = guided_new((size_t)s->vocab);
    } else if (s->chain != NULL || s->mirostat.version != 0) {
        s->candidates = xalloc_array((size_t)s->vocab, sizeof *s->candidates);
    } else if (s->s.temperature > 0) {
        bool few = s->s.top_k > 0 && s->s.top_k < s->vocab;
        s->candidates = xalloc_array((size_t)(few ? s->s.top_k : s->vocab), sizeof *s->candidates);
    }
    return s;
}

void sampler_free(struct engine_sampler *s)
{
    if (s == NULL)
        return;
    chain_free(s->chain);
    adjust_fini(&s->adjust);
    free(s->candidates);
    free(s->guided);
    free(s);
}

void sampler_accept(struct engine_sampler *s, int32_t token)
{
    if (s->chain != NULL && token >= 0 && token < s->vocab)
        chain_accept(s->chain, token);
    adjust_accept(&s->adjust, token);
}

/* Returns how many of the sorted candidates carry the fraction top_p of `mass`. */
static int32_t keep_top_p(const struct engine_sampler *s, int32_t n, double mass)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        sum += exp((double)s->candidates[i].logit - (double)s->candidates[0].logit);
        if (sum >= (double)s->s.top_p * mass)
            return i + 1;
    }
    return n;
}

static int32_t keep_min_p(const struct engine_sampler *s, int32_t n)
{
    float least = s->candidates[0].logit + logf(s->s.min_p);
    int32_t kept = 1;
    while (kept < n && s->candidates[kept].logit >= least)
        kept++;
    return kept;
}

/* Applies top_p and min_p to n sorted candidates. */
static int32_t keep_of_sorted(struct engine_sampler *s, int32_t n)
{
    int32_t kept = n;
    if (s->s.top_p < 1) {
        double mass = 0;
        for (int32_t i = 0; i < n; i++)
            mass += exp((double)s->candidates[i].logit - (double)s->candidates[0].logit);
        kept = keep_top_p(s, n, mass);
    }
    return s->s.min_p > 0 ? keep_min_p(s, kept) : kept;
}

/* With top_k: sort k, cut. */
static int32_t keep_of_top_k(struct engine_sampler *s, const float *logits)
{
    return keep_of_sorted(s, logits_top(logits, s->vocab, s->s.top_k, s->candidates));
}

/* Without top_k: applies min_p first, which needs no sorting and cuts the same tail. Then sorts more and more of the row
 * until the sorted part carries top_p: usually a few hundred tokens. */
static int32_t keep_of_all(struct engine_sampler *s, const float *logits)
{
    float max = logits[logits_argmax(logits, s->vocab)];
    float least = s->s.min_p > 0 ? max + logf(s->s.min_p) : -INFINITY;
    if (s->s.top_p >= 1)
        return logits_above(logits, s->vocab, least, s->candidates);
    double mass = logits_sum_exp(logits, s->vocab, max, 1);
    for (float depth = 6;; depth *= 2) {
        bool all = depth > 64 || max - depth <= least;
        int32_t n = logits_above(logits, s->vocab, all ? least : max - depth, s->candidates);
        logits_sort(s->candidates, n);
        int32_t kept = keep_top_p(s, n, mass);
        if (all || kept < n)
            return kept;
    }
}

static int by_token(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* Returns the sum of the kept candidates' e^((logit - max) / temperature). Without fmax(), on which GCC 12 for arm64 crashes here. */
static double sum_of_kept(const struct engine_sampler *s, double *out_max)
{
    double max = -INFINITY, total = 0;
    for (int32_t i = 0; i < s->drawn_n; i++)
        max = (double)s->candidates[i].logit > max ? (double)s->candidates[i].logit : max;
    for (int32_t i = 0; i < s->drawn_n; i++)
        total += exp(((double)s->candidates[i].logit - max) / s->drawn_temperature);
    *out_max = max;
    return total;
}

/* Draws one of the n kept candidates, which are ordered by id. */
static int32_t draw_kept(struct engine_sampler *s, int32_t n, double temperature, double u)
{
    s->drawn_n = n;
    s->drawn_temperature = temperature;
    double max, total = sum_of_kept(s, &max), sum = 0;
    for (int32_t i = 0; i < n; i++) {
        sum += exp(((double)s->candidates[i].logit - max) / temperature);
        if (sum > u * total)
            return s->candidates[i].token;
    }
    return s->candidates[n - 1].token;
}

/* Draws from the n candidates with the request's own filters, which include the temperature. */
static int32_t draw_of_chain(struct engine_sampler *s, int32_t n, double u)
{
    n = chain_narrow(s->chain, s->candidates, n, u);
    if (n <= 0)
        return -1;
    qsort(s->candidates, (size_t)n, sizeof *s->candidates, by_token);
    if (s->s.temperature > 0)
        return draw_kept(s, n, 1, u);
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        best = s->candidates[i].logit > s->candidates[best].logit ? i : best;
    return s->candidates[best].token;
}

static int32_t draw_by_chain(struct engine_sampler *s, const float *logits, double u)
{
    int32_t token = draw_of_chain(s, logits_above(logits, s->vocab, -FLT_MAX, s->candidates), u);
    return token >= 0 ? token : logits_argmax(logits, s->vocab);
}

/* Keeps what Mirostat keeps, ordered by id. */
static int32_t keep_of_mirostat(struct engine_sampler *s, const float *logits)
{
    int32_t n = mirostat_keep(&s->mirostat, logits, s->vocab, (double)s->s.temperature, s->candidates);
    qsort(s->candidates, (size_t)n, sizeof *s->candidates, by_token);
    return n;
}

/* Tells Mirostat how likely the token was among those kept. */
static void mirostat_learns(struct engine_sampler *s, int32_t token)
{
    float logprob;
    sampler_drawn(s, token, 0, NULL, &logprob);
    mirostat_saw(&s->mirostat, (double)logprob);
}

static int32_t draw_by_mirostat(struct engine_sampler *s, const float *logits, double u)
{
    int32_t token = draw_kept(s, keep_of_mirostat(s, logits), (double)s->s.temperature, u);
    mirostat_learns(s, token);
    return token;
}

static int32_t draw(struct engine_sampler *s, const float *logits, double u)
{
    if (s->mirostat.version != 0)
        return draw_by_mirostat(s, logits, u);
    if (s->chain != NULL)
        return draw_by_chain(s, logits, u);
    bool few = s->s.top_k > 0 && s->s.top_k < s->vocab;
    int32_t n = few ? keep_of_top_k(s, logits) : keep_of_all(s, logits);
    if (n <= 0) /* all NaN or minus infinity: there is nothing to choose from */
        return logits_argmax(logits, s->vocab);
    if (few || s->s.top_p < 1) /* otherwise they are still ordered by id */
        qsort(s->candidates, (size_t)n, sizeof *s->candidates, by_token);
    return draw_kept(s, n, (double)s->s.temperature, u);
}

/* ---- with a guide: the filters choose among the allowed tokens ---- */

enum { FIRST_LOOK = 64, MORE = 4 };
static const float NEVER = 20; /* a token that is e^20 times less likely than another one is never drawn */

/* Returns how far below the best a logit may be to matter. */
static float depth_of(const struct sampling *s)
{
    float depth = NEVER * fmaxf(s->temperature, 1);
    return s->min_p > 0 ? fminf(depth, -logf(s->min_p)) : depth;
}

/* Appends the allowed candidates in [from, to) to the first `kept` of s->guided->sorted. Returns
 * their new number; -1: the guide exceeded its limits. */
static int32_t keep_allowed(struct engine_sampler *s, int32_t kept, int32_t from, int32_t to)
{
    int32_t *tokens = s->guided->ids;
    for (int32_t i = from; i < to; i++)
        tokens[i - from] = s->candidates[i].token;
    if (to > from && guide_allow(s->guide, tokens, to - from, s->guided->allowed) != BRIDGE_DONE)
        return -1;
    for (int32_t i = from; i < to; i++)
        if (s->guided->allowed[i - from] && s->candidates[i].logit > -INFINITY)
            s->guided->sorted[kept++] = s->candidates[i];
    return kept;
}

/* Checking all tokens would take as long as a decode call (200 ns each). The most likely ones mostly include some that are
 * allowed, and the filters cut much less likely ones anyway. Returns the number in s->guided->sorted, or -1 as above. */
static int32_t find_allowed(struct engine_sampler *s, const float *logits)
{
    int32_t wanted = s->chain != NULL ? s->vocab : s->s.temperature <= 0 ? 1 : s->s.top_k > 0 ? s->s.top_k : s->vocab;
    float depth = depth_of(&s->s);
    int32_t kept = 0, looked = 0;
    for (int32_t n = FIRST_LOOK;; n = n > s->vocab / MORE ? s->vocab : n * MORE) {
        int32_t found = logits_top(logits, s->vocab, n < s->vocab ? n : s->vocab, s->candidates);
        kept = keep_allowed(s, kept, looked, found);
        looked = found;
        if (kept < 0 || kept >= wanted || found >= s->vocab || (kept > 0 && s->candidates[found - 1].logit < s->guided->sorted[0].logit - depth))
            return kept < wanted ? kept : wanted;
    }
}

static int32_t draw_guided(struct engine_sampler *s, const float *logits, double u, struct fault *f)
{
    int32_t n = find_allowed(s, logits);
    if (n < 0)
        fault_set(f, ERR_FORM, "finding the tokens that the answer's form allows next takes too long; simplify the form");
    if (n == 0)
        fault_set(f, ERR_FORM, "the model has no token that the answer's form allows next");
    if (n <= 0)
        return -1;
    if (s->chain != NULL) {
        memcpy(s->candidates, s->guided->sorted, (size_t)n * sizeof *s->guided->sorted);
        int32_t token = draw_of_chain(s, n, u);
        return token >= 0 ? token : s->guided->sorted[0].token;
    }
    if (s->s.temperature <= 0)
        return s->guided->sorted[0].token;
    float least = s->guided->sorted[0].logit - depth_of(&s->s);
    while (n > 1 && s->guided->sorted[n - 1].logit < least)
        n--;
    memcpy(s->candidates, s->guided->sorted, (size_t)n * sizeof *s->guided->sorted);
    n = keep_of_sorted(s, n);
    qsort(s->candidates, (size_t)n, sizeof *s->candidates, by_token);
    return draw_kept(s, n, (double)s->s.temperature, u);
}

static float logprob(const float *logits, int32_t vocab, int32_t token)
{
    float max = logits[logits_argmax(logits, vocab)];
    return (float)((double)logits[token] - (double)max - log(logits_sum_exp(logits, vocab, max, 1)));
}

int32_t sampler_draw(struct engine *e, struct engine_sampler *s, uint32_t row, double u, float *out_logprob, struct fault *f)
{
    MUST(row < e->info.batch_rows_max);
    float *logits = e->row_logits[row];
    MUST(logits != NULL);
    adjust_apply(&s->adjust, logits);
    s->drawn_n = 0;
    bool guided = s->guide != NULL && !guide_rests(s->guide);
    int32_t token = guided                                       ? draw_guided(s, logits, u, f)
                    : s->s.temperature > 0 || s->chain != NULL ? draw(s, logits, u)
                                           : logits_argmax(logits, s->vocab);
    adjust_undo(&s->adjust, logits);
    if (out_logprob != NULL && token >= 0)
        *out_logprob = logprob(logits, s->vocab, token);
    return token;
}

void sampler_replay(struct engine *e, struct engine_sampler *s, uint32_t row, int32_t token)
{
    MUST(row < e->info.batch_rows_max && e->row_logits[row] != NULL);
    if (s->mirostat.version == 0)
        return;
    adjust_apply(&s->adjust, e->row_logits[row]);
    s->drawn_n = keep_of_mirostat(s, e->row_logits[row]);
    s->drawn_temperature = (double)s->s.temperature;
    mirostat_learns(s, token);
    adjust_undo(&s->adjust, e->row_logits[row]);
}

float sampler_logprob(struct engine *e, uint32_t row, int32_t token)
{
    MUST(row < e->info.batch_rows_max && e->row_logits[row] != NULL);
    return logprob(e->row_logits[row], (int32_t)e->info.vocab, token);
}

/* Inserts an entry into the `found` most likely so far, of which at most n are kept. */
static uint32_t insert(struct engine_likely *out, uint32_t found, uint32_t n, struct engine_likely one)
{
    uint32_t at = found;
    while (at > 0 && out[at - 1].logprob < one.logprob)
        at--;
    if (at == n)
        return found;
    found = found < n ? found + 1 : n;
    memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
    out[at] = one;
    return found;
}

uint32_t sampler_drawn(const struct engine_sampler *s, int32_t token, uint32_t n, struct engine_likely *out, float *out_logprob)
{
    uint32_t found = 0;
    *out_logprob = 0; /* nothing else was possible */
    if (s->drawn_n == 0)
        return n > 0 ? insert(out, 0, n, (struct engine_likely){.token = token}) : 0;
    double max, total = sum_of_kept(s, &max);
    for (int32_t i = 0; i < s->drawn_n; i++) {
        float logprob = (float)(((double)s->candidates[i].logit - max) / s->drawn_temperature - log(total));
        if (n > 0)
            found = insert(out, found, n, (struct engine_likely){.token = s->candidates[i].token, .logprob = logprob});
        if (s->candidates[i].token == token)
            *out_logprob = logprob;
    }
    return found;
}

uint32_t sampler_likely(struct engine *e, uint32_t row, uint32_t n, struct engine_likely *out)
{
    MUST(row < e->info.batch_rows_max);
    MUST(n > 0 && n <= LIKELY_MAX);
    struct candidate top[LIKELY_MAX];
    const float *logits = e->row_logits[row];
    MUST(logits != NULL);
    int32_t vocab = (int32_t)e->info.vocab, found = logits_top(logits, vocab, (int32_t)n, top);
    double all = log(logits_sum_exp(logits, vocab, top[0].logit, 1));
    for (int32_t i = 0; i < found; i++)
        out[i] = (struct engine_likely){.token = top[i].token,
                                        .logprob = (float)((double)top[i].logit - (double)top[0].logit - all)};
    return (uint32_t)found;
}
