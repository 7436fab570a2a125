/* The unit is seconds: how long until the first token of this job, were it sent there now. */
#include "brain/policy/router.h"

#include <math.h>

#include "base/must.h"

/* Until any worker has measured itself all count as slow ones of today's laptops (FACTS: 300 and 120 tokens/s for a tiny
 * model on 2 cores; bigger models are slower). */
static const double PREFILL_TPS_GUESS = 200, DECODE_TPS_GUESS = 30;
/* The first token is what people wait for, so it counts in full. Of the rest of the answer a part does: it holds a slot
 * of the actor for so long, and a slow actor must not fill up with answers that never end. */
static const double ANSWER_PART = 0.25;
/* Computing a prompt holds up the streams beside it and overwrites what the cache held for somebody else: what one actor
 * knows already is worth some waiting there. */
static const double WORK_PART = 1.0;
/* A session goes back to where it was as long as this costs at most so much against the best. */
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

/* What of the job's own prompt is to be computed. */
static uint64_t own_bytes(const struct candidate *c)
{
    return c->cached_bytes < c->prompt_bytes ? c->prompt_bytes - c->cached_bytes : 0;
}

double router_ttft_s(const struct candidate *c)
{
    /* Prompt chunks share each step with the rows of decoding streams: a full actor computes prompts at about half
     * its speed, and the first token itself is one row among those of the others. */
    double contention = 1.0 + (double)c->busy / c->slots;
    return prompt_s(c, c->fresh_bytes + own_bytes(c)) * contention + (1.0 + c->busy) / decode_tps(c);
}

/* A stream beside others is about half as slow again for each of them (FACTS: 124 tokens/s alone, 52 each of four). */
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
    return 0; /* all alike: the tie-break below is round-robin */
}

/* Of equally good ones: the less busy, then the one that waited longest for a job, then the lower id. */
static bool tie_better(const struct candidate *a, const struct candidate *b, bool by_load)
{
    if (by_load && fullness(a) != fullness(b))
        return fullness(a) < fullness(b);
    return a->last_pick != b->last_pick ? a->last_pick < b->last_pick : a->actor < b->actor;
}

/* `cost_a`, `cost_b`: worked out once for each, as there are many. */
static bool better(enum balance balance, const struct candidate *a, double cost_a, const struct candidate *b, double cost_b)
{
    if (a->avoid != b->avoid)
        return b->avoid;
    if (cost_a != cost_b)
        return cost_a < cost_b;
    return tie_better(a, b, balance != BALANCE_ROUND_ROBIN);
}

/* The candidate the session knows, when it is worth going back there; else n. */
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
