#include "engine/llama/join.h"

static const double MEMORY = 0.98;  /* weight of past calls against a new one */
static const uint32_t GAP_UNKNOWN = 1; /* used while the calls were too similar to separate the two costs */
static const uint32_t GAP_MAX = 32;

void join_saw(struct join *j, uint32_t groups, uint32_t rows, uint64_t us)
{
    double g = groups, r = rows, t = (double)us;
    j->groups2 = j->groups2 * MEMORY + g * g;
    j->both = j->both * MEMORY + g * r;
    j->rows2 = j->rows2 * MEMORY + r * r;
    j->groups_us = j->groups_us * MEMORY + g * t;
    j->rows_us = j->rows_us * MEMORY + r * t;
}

/* Least squares with two unknowns. */
uint32_t join_gap_max(const struct join *j)
{
    double det = j->groups2 * j->rows2 - j->both * j->both;
    if (det <= 0.01 * j->groups2 * j->rows2)
        return GAP_UNKNOWN;
    double group_us = (j->groups_us * j->rows2 - j->rows_us * j->both) / det;
    double row_us = (j->rows_us * j->groups2 - j->groups_us * j->both) / det;
    if (group_us <= 0)
        return 0;
    if (row_us <= 0 || group_us > row_us * GAP_MAX)
        return GAP_MAX;
    return (uint32_t)(group_us / row_us);
}
