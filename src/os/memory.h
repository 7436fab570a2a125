/* What this process takes of the machine's memory, and how people read amounts of it. */
#ifndef MANTA_OS_MEMORY_H
#define MANTA_OS_MEMORY_H

#include <stdint.h>

/* Resident set, from /proc/self/statm; 0 where there is none. */
uint64_t memory_resident_bytes(void);

/* Memory that new processes of this one's control group may take without pushing others out; 0: not known. */
uint64_t memory_free_bytes(void);

/* Bytes in MiB. */
static inline double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

#endif
