#include "engine/plan.h"

#include "base/must.h"

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Returns the chunk of a turn in which little or no time is left for a prompt: a prompt must
 * progress once per turn, even if the streams alone use the whole step. Half of the engine's
 * preferred size costs nearly as much as all of it (at 1,000 cells, 64 rows take 192 ms, 32 rows
 * 146), so the preferred size is used unless it takes far too long, as with a large model. */
static uint32_t least_chunk(const struct plan_input *in)
{
    uint32_t whole = min_u32(in->chunk_rows, in->rows_max);
    if (whole > PLAN_CHUNK_ROWS_MIN && cost_prompt(in->cost, whole) <= (uint64_t)PLAN_STRETCH * in->step_us)
        return whole;
    return min_u32(PLAN_CHUNK_ROWS_MIN, in->rows_max);
}

/* Returns the rows of a prompt call that fit before the streams must have their next token. */
static uint32_t rows_that_fit(const struct plan_input *in)
{
    if (in->streams == 0)
        return in->rows_max;
    uint64_t spent_us = in->waited_us + cost_decode(in->cost, in->streams);
    uint32_t rows = spent_us < in->step_us ? cost_rows_within(in->cost, in->rows_max, in->step_us - spent_us) : 0;
    uint32_t least = least_chunk(in);
    if (!in->prompt_ran && rows < least)
        return least;
    return in->chunk_rows > 1 && rows > in->chunk_rows ? rows - rows % in->chunk_rows : rows;
}

/* Extends a chunk by a small remainder that would otherwise cost a call of its own; a larger
 * remainder would delay the streams more than it saves. */
static uint32_t chunk_of(const struct plan_input *in, uint32_t rest, uint32_t fit)
{
    bool crumb = in->streams > 0 && rest <= fit + fit / 8 && rest <= in->rows_max;
    return rest <= fit || crumb ? rest : fit;
}

/* Returns the oldest prompt; but right after a chunk of it that was not the last, a younger prompt
 * that fits whole. */
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
    if (fit < least_chunk(in) && prompt->rows > fit)
        return (struct plan){.kind = PLAN_STREAMS}; /* too little time left for a worthwhile chunk */
    return (struct plan){.kind = PLAN_PROMPT, .slot = prompt->slot, .rows = chunk_of(in, prompt->rows, fit)};
}
