#include <sched.h>
#include <sys/resource.h>

#include "base/cgroup.h"
#include "worker/program.h"

uint64_t measure_cpu_us(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

uint32_t measure_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    /* A container limits time, not processors: threads beyond its share would only be held up, all of them at once. */
    struct cgroup_limits limits;
    cgroup_read(&limits);
    if (limits.cpus > 0 && (double)n > limits.cpus)
        n = (int)(limits.cpus + 0.5);
    return n > 0 ? (uint32_t)n : 1;
}
