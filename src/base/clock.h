/* Read the clock. Programs and engines use it; the brain (brain/) never does, because its
 * callers pass the time in. */
#ifndef MANTA_BASE_CLOCK_H
#define MANTA_BASE_CLOCK_H

#include <stdint.h>

/* Returns microseconds since some fixed moment; never goes back. */
uint64_t clock_us(void);
/* Returns seconds since 1970, for "created" fields and log lines. */
int64_t clock_unix_s(void);

#endif
