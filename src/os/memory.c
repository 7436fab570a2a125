#include "os/memory.h"

#include <stdio.h>
#include <unistd.h>

#include "os/cgroup.h"

uint64_t memory_resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL)
        return 0;
    int got = fscanf(f, "%llu %llu", &total, &resident);
    fclose(f);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t memory_free_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL && sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
        continue;
    if (f != NULL)
        fclose(f);
    struct cgroup_limits limits;
    cgroup_read(&limits);
    uint64_t used = cgroup_memory_used(), bytes = kib * 1024, left = limits.memory_bytes > used ? limits.memory_bytes - used : 0;
    return limits.memory_bytes > 0 && left < bytes ? left : bytes;
}
