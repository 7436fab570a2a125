#include "engine/plan.h"

#include "base/must.h"

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Rows of a prompt call that fit before the streams must have their next token. A prompt goes forward once per turn,
 * also where the streams alone take all of the step. */
static uint32_t rows_that_fit(const struct plan_input *in)
{
    if (in->streams == 0)
        return in->rows_max;
    uint64_t spent_us = in->waited_us + cost_decode(in->cost, in->streams);
    uint32_t rows = spent_us < in->step_us ? cost_rows_within(in->cost, in->rows_max, in->step_us - spent_us) : 0;
    if (!in->prompt_ran && rows < PLAN_CHUNK_ROWS_MIN)
        return min_u32(PLAN_CHUNK_ROWS_MIN, in->rows_max);
    return rows;
}

/* Cuts the rest of a prompt into equal chunks, and leaves no crumb that would cost a call of its own. */
static uint32_t chunk_of(const struct plan_input *in, uint32_t rest, uint32_t fit)
{
    if (rest <= fit || (in->streams > 0 && rest <= fit + fit / 2 && rest <= in->rows_max))
        return rest;
    if (in->streams == 0)
        return fit; /* whole batches are what the backend likes best */
    uint32_t chunks = (rest + fit - 1) / fit;
    return (rest + chunks - 1) / chunks;
}

/* The oldest prompt; after a chunk of it that was not its last, a younger one that fits whole has a turn. */
static const struct plan_prompt *pick_prompt(const struct plan_input *in, uint32_t fit)
{
    const struct plan_prompt *oldest = &in->prompts[0];
    if (in->streams == 0 || oldest->rows <= fit || oldest->slot != in->last_slot)
        return oldest;
    for (uint32_t i = 1; i < in->prompts_n; i++)
        if (in->prompts[i].rows <= fit)
            return &in->prompts[i];
    return oldest;
}

struct plan plan_next(const struct plan_input *in)
{
    MUST(in->rows_max > 0 && in->streams <= in->rows_max);
    if (in->prompts_n == 0)
        return (struct plan){.kind = in->streams > 0 ? PLAN_STREAMS : PLAN_NOTHING};
    uint32_t fit = rows_that_fit(in);
    if (fit == 0)
        return (struct plan){.kind = PLAN_STREAMS};
    const struct plan_prompt *prompt = pick_prompt(in, fit);
    if (fit < PLAN_CHUNK_ROWS_MIN && fit < in->rows_max && prompt->rows > fit)
        return (struct plan){.kind = PLAN_STREAMS}; /* too little time left for a chunk that pays */
    return (struct plan){.kind = PLAN_PROMPT, .slot = prompt->slot, .rows = chunk_of(in, prompt->rows, fit)};
}
