/* Keep a head or a worker within its configured share of the machine, as far as the system
 * permits. */
#ifndef MANTA_MAIN_LIMITS_H
#define MANTA_MAIN_LIMITS_H

#include <stdint.h>

/* For the process itself, before its work: limits memory by a control group and RLIMIT_DATA, and
 * processor time by a control group; 0: no limit. Logs which limits were applied and which not, and
 * why: a missing permission is no error. A container's own limits are recognised and left alone. */
void limits_apply(uint64_t memory_bytes, uint32_t cpus);
/* Limits memory only, without logging: holds a worker to the memory that it plans with. Does
 * nothing in builds with sanitizers, which need more. */
void limits_hold(uint64_t memory_bytes);
/* Undoes limits_apply(): removes this process's control groups. */
void limits_end(void);
/* Returns the memory that a worker may plan with: `wanted` (0: no limit), or its control group's
 * limit if that is lower, which is logged. */
uint64_t limits_memory(uint64_t wanted);

#endif
