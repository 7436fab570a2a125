/* Picks an actor by predicted seconds: the time to the job's first token if it were sent there now. */
#include "brain/policy/router.h"

#include <math.h>

#include "base/must.h"

/* An actor that has measured nothing counts as a slow one of today's laptops (FACTS: 300 and 120
 * tokens/s for a tiny model on 2 cores; bigger models are slower). */
static const double PREFILL_TPS_GUESS = 200, DECODE_TPS_GUESS = 30;
/* People wait for the first token, so it counts in full. The rest of the answer counts in part: it
 * occupies a slot for that long, and a slow actor must not fill up with answers that never end. */
static const double ANSWER_PART = 0.25;
/* Computing a prompt holds up the streams beside it and overwrites another prompt's cache: so a
 * cached prompt is worth some waiting. */
static const double WORK_PART = 1.0;
/* A session returns to its actor as long as this costs at most this much more than the best. */
static const double AFFINITY_PATIENCE_S = 0.5;

const char *balance_name(enum balance balance)
{
    static const char *const names[] = {"predicted", "least-busy", "round-robin", "random", "prefix"};
    _Static_assert(sizeof names / sizeof names[0] == BALANCE_COUNT, "each strategy has a name");
    MUST(balance < BALANCE_COUNT);
    return names[balance];
}

static double decode_tps(const struct candidate *c)
{
    return c->decode_tps > 0 ? c->decode_tps : DECODE_TPS_GUESS;
}

static double prompt_s(const struct candidate *c, uint64_t bytes)
{
    double bytes_per_token = c->bytes_per_token > 0 ? c->bytes_per_token : ROUTER_BYTES_PER_TOKEN;
    return (double)bytes / bytes_per_token / (c->prefill_tps > 0 ? c->prefill_tps : PREFILL_TPS_GUESS);
}

/* Bytes of the job's own prompt that are not cached. */
static uint64_t own_bytes(const struct candidate *c)
{
    return c->cached_bytes < c->prompt_bytes ? c->prompt_bytes - c->cached_bytes : 0;
}

double router_ttft_s(const struct candidate *c)
{
    /* Prompt chunks share each step with the rows of decoding streams: a full actor computes prompts
     * at about half its speed, and the first token itself is one row among those of the others. */
    double contention = 1.0 + (double)c->busy / c->slots;
    return prompt_s(c, c->fresh_bytes + own_bytes(c)) * contention + (1.0 + c->busy) / decode_tps(c);
}

/* Each other stream slows a stream by about half its time alone (FACTS: 124 tokens/s alone, 52 each of four). */
double router_cost_s(const struct candidate *c)
{
    double answer_s = c->answer_tokens * (1.0 + 0.5 * c->busy) / decode_tps(c);
    return router_ttft_s(c) + ANSWER_PART * answer_s + WORK_PART * prompt_s(c, own_bytes(c));
}

static double fullness(const struct candidate *c)
{
    return (double)c->busy / c->slots;
}

/* Lower is better. */
static double cost(enum balance balance, const struct candidate *c)
{
    switch (balance) {
    case BALANCE_PREDICTED: return router_cost_s(c);
    case BALANCE_LEAST_BUSY: return fullness(c);
    case BALANCE_PREFIX: return -(double)c->cached_bytes;
    case BALANCE_ROUND_ROBIN:
    case BALANCE_RANDOM:
    case BALANCE_COUNT: break;
    }
    return 0; /* all equal: the tie-break is round-robin */
}

/* Among equals: the less busy actor, then the one longest without a job, then the lower id. */
static bool tie_better(const struct candidate *a, const struct candidate *b, bool by_load)
{
    if (by_load && fullness(a) != fullness(b))
        return fullness(a) < fullness(b);
    return a->last_pick != b->last_pick ? a->last_pick < b->last_pick : a->actor < b->actor;
}

/* `cost_a`, `cost_b`: computed once per candidate by the caller. */
static bool better(enum balance balance, const struct candidate *a, double cost_a, const struct candidate *b, double cost_b)
{
    if (a->avoid != b->avoid)
        return b->avoid;
    if (cost_a != cost_b)
        return cost_a < cost_b;
    return tie_better(a, b, balance != BALANCE_ROUND_ROBIN);
}

/* Returns the index of the session's candidate if it is worth returning to; else n. */
static size_t affine_one(enum balance balance, const struct candidate *c, size_t n, size_t best)
{
    for (size_t i = 0; i < n; i++) {
        if (!c[i].affine || c[i].avoid)
            continue;
        if (balance != BALANCE_PREDICTED || router_cost_s(&c[i]) <= router_cost_s(&c[best]) + AFFINITY_PATIENCE_S)
            return i;
    }
    return n;
}

size_t router_pick(enum balance balance, const struct candidate *c, size_t n, struct rng *rng)
{
    MUST(n > 0);
    size_t best = 0;
    double least = cost(balance, &c[0]);
    for (size_t i = 1; i < n; i++) {
        double own = cost(balance, &c[i]);
        if (!better(balance, &c[i], own, &c[best], least))
            continue;
        best = i;
        least = own;
    }
    size_t affine = affine_one(balance, c, n, best);
    if (affine < n)
        return affine;
    if (balance == BALANCE_RANDOM && !c[best].avoid) {
        size_t drawn = (size_t)rng_below(rng, n);
        return c[drawn].avoid ? best : drawn;
    }
    return best;
}

float router_speed(float said, float most)
{
    return isfinite(said) && said > 0 ? fminf(said, most) : 0;
}
