/* Is it cheaper to run an idle slot along than to run its neighbours apart?
 *
 * libllama computes rows of several sequences in one pass only when their slots are neighbours. Each further group is a
 * pass over all weights: for a model of some gigabytes that costs as much as dozens of rows. So small gaps are bridged
 * with a row of the idle slot in between, which is cut off again afterwards. How small is learned from the calls' times:
 * us = groups x group_us + rows x row_us. */
#ifndef MANTA_ENGINE_LLAMA_JOIN_H
#define MANTA_ENGINE_LLAMA_JOIN_H

#include <stdint.h>

/* Weighted sums over past calls; recent ones weigh more. All zero at first. */
struct join {
    double groups2, both, rows2, groups_us, rows_us;
};

/* A call of so many groups and rows took us. */
void join_saw(struct join *j, uint32_t groups, uint32_t rows, uint64_t us);
/* The largest gap, in slots, that is worth bridging. */
uint32_t join_gap_max(const struct join *j);

#endif
