#include "base/memory.h"

#include <stdio.h>
#include <unistd.h>

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
