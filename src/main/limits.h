/* Keeps a head or a worker within what the settings allow it of this machine, where the system lets us. */
#ifndef MANTA_MAIN_LIMITS_H
#define MANTA_MAIN_LIMITS_H

#include <stdint.h>

/* For the process itself, before it starts its work: memory by a control group and by RLIMIT_DATA, processor time by a
 * control group; 0: no limit wanted. Logs which was applied and which was not, and why: not being allowed to is no error.
 * A container's own limits are recognised and left alone. */
void limits_apply(uint64_t memory_bytes, uint32_t cpus);
/* The same for memory, quietly: what a worker plans with is what it may have. Not in a build with sanitizers, which need more. */
void limits_hold(uint64_t memory_bytes);
/* The end of what limits_apply() began: control groups of this process are removed. */
void limits_end(void);
/* The memory a worker may plan with: `wanted` (0: no limit), or what its control group allows if that is less; said then. */
uint64_t limits_memory(uint64_t wanted);

#endif
