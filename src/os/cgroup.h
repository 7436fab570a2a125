/* The control group of this process: what it allows, and a smaller one to go into.
 *
 * Both versions of the kernel's interface, as they are mounted under /sys/fs/cgroup; within a container the group is the
 * container's. Everything here may be missing or forbidden: then there is no limit to be read, or the reason is told. */
#ifndef MANTA_OS_CGROUP_H
#define MANTA_OS_CGROUP_H

#include <stdint.h>

#include "base/err.h"

struct cgroup_limits {
    uint64_t memory_bytes; /* 0: none */
    double cpus;           /* processors' worth of time; 0: no limit */
};
/* The tightest limits of this process's group and of those above it. */
void cgroup_read(struct cgroup_limits *out);

/* Memory that this process's group uses, less file pages that the kernel can drop at once; 0: not known. */
uint64_t cgroup_memory_used(void);

/* How many processes of this machine the kernel has killed for want of memory, in any group; 0: not known. */
uint64_t cgroup_oom_kills(void);

/* Makes groups below this process's own with these limits (0: none) and moves this process into them, once. Groups of
 * processes that are gone are removed on the way. Where it was not allowed: ERR_FORBIDDEN, *f has the reason, and what
 * could be applied stays (memory first). */
int cgroup_enter(uint64_t memory_bytes, uint32_t cpus, struct fault *f);

/* Back out of the groups of cgroup_enter() and removes them; harmless when there are none. A process that is killed leaves
 * its groups behind, empty: the next one that enters any removes them. */
void cgroup_leave(void);

/* For tests: as cgroup_read() and cgroup_enter() with other places than /sys/fs/cgroup and /proc/self/cgroup. */
void cgroup_set_root(const char *mounts, const char *own);

#endif
