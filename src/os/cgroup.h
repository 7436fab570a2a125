/* Read the limits of this process's control group, and enter a smaller group.
 *
 * Supports both versions of the kernel's interface, as they are mounted under /sys/fs/cgroup;
 * within a container the group is the container's. Files here may be missing or forbidden: then
 * there is no limit to read, or the fault says why. */
#ifndef MANTA_OS_CGROUP_H
#define MANTA_OS_CGROUP_H

#include <stdint.h>

#include "base/err.h"

struct cgroup_limits {
    uint64_t memory_bytes; /* 0: no limit */
    double cpus;           /* processors' worth of time; 0: no limit */
};
/* Reads the tightest limits of this process's group and of the groups above it. */
void cgroup_read(struct cgroup_limits *out);

/* Returns the memory that this process's group uses, less file pages that the kernel can drop at
 * once; 0: unknown. */
uint64_t cgroup_memory_used(void);

/* Returns how many processes of this machine the kernel has killed for lack of memory, in any
 * group; 0: unknown. */
uint64_t cgroup_oom_kills(void);

/* Makes groups below this process's own with these limits (0: none) and moves this process into
 * them, once. Removes groups of processes that are gone on the way. Returns ERR_FORBIDDEN with f
 * filled when that is not allowed; a limit that could be applied stays (memory first). */
int cgroup_enter(uint64_t memory_bytes, uint32_t cpus, struct fault *f);

/* Leaves and removes the groups of cgroup_enter(). Allowed without any. A killed process leaves
 * its empty groups behind: the next process that enters any removes them. */
void cgroup_leave(void);

/* For tests: makes the functions above use other places than /sys/fs/cgroup and
 * /proc/self/cgroup. */
void cgroup_set_root(const char *mounts, const char *own);

#endif
