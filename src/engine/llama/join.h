/* Decide whether to run idle slots along with their neighbours in one pass.
 *
 * libllama computes rows of several sequences in one pass only if their slots are neighbours. Each
 * further group is another pass over all weights, which for a model of some gigabytes costs as much
 * as dozens of rows. Small gaps are therefore bridged with a row of each idle slot between, which
 * is cut off again afterwards. The profitable gap is learned from the times of calls: us = groups x
 * group_us + rows x row_us. */
#ifndef MANTA_ENGINE_LLAMA_JOIN_H
#define MANTA_ENGINE_LLAMA_JOIN_H

#include <stdint.h>

/* Weighted sums over past calls; recent ones weigh more. All zero at first. */
struct join {
    double groups2, both, rows2, groups_us, rows_us;
};

/* Records that a call with that many groups and rows took `us`. */
void join_saw(struct join *j, uint32_t groups, uint32_t rows, uint64_t us);
/* Returns the largest gap, in slots, that is worth bridging. */
uint32_t join_gap_max(const struct join *j);

#endif
