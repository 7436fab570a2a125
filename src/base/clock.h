/* Monotonic time. Programs and engines read it; the brain (brain/) never does, it is told the time. */
#ifndef MANTA_BASE_CLOCK_H
#define MANTA_BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since some fixed moment; never goes back. */
uint64_t clock_us(void);
/* Seconds since 1970, for "created" fields and log lines. */
int64_t clock_unix_s(void);

#endif
