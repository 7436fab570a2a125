/* Measure memory: of this process, and free on the machine. */
#ifndef MANTA_OS_MEMORY_H
#define MANTA_OS_MEMORY_H

#include <stdint.h>

/* Returns the resident set, from /proc/self/statm; 0 when unknown. */
uint64_t memory_resident_bytes(void);

/* Returns the memory that new processes of this process's control group may take without pushing
 * others out; 0: unknown. */
uint64_t memory_free_bytes(void);

/* Converts bytes to MiB. */
static inline double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

#endif
