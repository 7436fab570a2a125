#include "engine/cost.h"

#include "base/must.h"
#include "base/smooth.h"

/* One call may be slow because the machine was busy with something else: a sample counts for at
 * most this many averages. */
static const float OUTLIER = 2.0f;
static const float WEIGHT = 0.4f; /* of the newest sample; rows of a long prompt cost more with every chunk */
static const float WEIGHT_COPY_UP = 0.05f;

static void average(float *known, float sample, float weight)
{
    if (*known > 0 && sample > OUTLIER * *known)
        sample = OUTLIER * *known;
    *known = (float)smooth((double)*known, (double)sample, (double)weight);
}

static uint32_t class_of(uint32_t rows)
{
    uint32_t class = 0;
    while ((1u << class) < rows && class < COST_CLASSES - 1)
        class++;
    return class;
}

void cost_saw_decode(struct cost *c, uint32_t streams, uint64_t us)
{
    MUST(streams > 0 && streams <= ENGINE_SLOTS_MAX);
    average(&c->decode_us[streams], (float)us, WEIGHT);
}

void cost_saw_prompt(struct cost *c, uint32_t rows, uint64_t us)
{
    MUST(rows > 0);
    average(&c->row_us[class_of(rows)], (float)us / (float)rows, WEIGHT);
}

/* The time of a copy is often measured together with the call after it, which may have been slow for other
 * reasons. A lower sample is therefore accepted at once, and a higher one has little weight. */
void cost_saw_copy(struct cost *c, uint64_t us)
{
    average(&c->copy_us, (float)us + 1, (float)us < c->copy_us ? 1.0f : WEIGHT_COPY_UP);
}

static const float MIB = 1 << 20;

/* Less than a MiB counts as one: the cost of a small transfer is its calls, not its bytes. */
static float mib_of(uint64_t bytes)
{
    return (float)bytes > MIB ? (float)bytes / MIB : 1;
}

void cost_saw_save(struct cost *c, uint64_t bytes, uint64_t us)
{
    average(&c->save_us, ((float)us + 1) / mib_of(bytes), WEIGHT);
}

void cost_saw_load(struct cost *c, uint64_t bytes, uint64_t us)
{
    average(&c->load_us, ((float)us + 1) / mib_of(bytes), WEIGHT);
}

/* Returns known[at], or an interpolation between its known neighbours, or the nearest known value;
 * 0 if nothing is known. */
static float read_off(const float *known, uint32_t n, uint32_t at)
{
    uint32_t below = at, above = at;
    while (below > 0 && known[below] <= 0)
        below--;
    while (above < n - 1 && known[above] <= 0)
        above++;
    if (known[below] <= 0)
        return known[above];
    if (known[above] <= 0 || above == below)
        return known[below];
    float part = (float)(at - below) / (float)(above - below);
    return known[below] + part * (known[above] - known[below]);
}

uint64_t cost_decode(const struct cost *c, uint32_t streams)
{
    if (streams == 0)
        return 0;
    MUST(streams <= ENGINE_SLOTS_MAX);
    float us = read_off(c->decode_us + 1, ENGINE_SLOTS_MAX, streams - 1);
    return us > 0 ? (uint64_t)us : COST_DECODE_US_GUESS;
}

uint64_t cost_prompt(const struct cost *c, uint32_t rows)
{
    if (rows == 0)
        return 0;
    float us = read_off(c->row_us, COST_CLASSES, class_of(rows));
    return (uint64_t)((us > 0 ? us : COST_ROW_US_GUESS) * (float)rows);
}

uint64_t cost_copy(const struct cost *c)
{
    return c->copy_us > 0 ? (uint64_t)c->copy_us : COST_COPY_US_GUESS;
}

uint64_t cost_save(const struct cost *c, uint64_t bytes)
{
    return (uint64_t)((c->save_us > 0 ? c->save_us : COST_CELLS_US_GUESS) * mib_of(bytes));
}

uint64_t cost_load(const struct cost *c, uint64_t bytes)
{
    return (uint64_t)((c->load_us > 0 ? c->load_us : COST_CELLS_US_GUESS) * mib_of(bytes));
}

/* Cost per row falls as calls grow, and classes are steps, so the cost of a call is not monotonic:
 * search the classes, from the largest, for the first that contains a number of rows that fits. */
uint32_t cost_rows_within(const struct cost *c, uint32_t rows, uint64_t us)
{
    if (rows == 0)
        return 0;
    for (uint32_t class = class_of(rows) + 1; class-- > 0;) {
        uint32_t most = class == COST_CLASSES - 1 || (1u << class) > rows ? rows : 1u << class;
        uint32_t least = class == 0 ? 1 : (1u << (class - 1)) + 1;
        uint64_t row_us = cost_prompt(c, most) / most;
        uint64_t fit = row_us > 0 ? us / row_us : most;
        if (fit >= least)
            return fit < most ? (uint32_t)fit : most;
    }
    return 0;
}

float cost_prefill_tps(const struct cost *c)
{
    for (uint32_t class = COST_CLASSES; class-- > 0;)
        if (c->row_us[class] > 0)
            return 1e6f / c->row_us[class];
    return 0;
}

float cost_decode_tps(const struct cost *c)
{
    float us = read_off(c->decode_us + 1, ENGINE_SLOTS_MAX, 0);
    return us > 0 ? 1e6f / us : 0;
}
