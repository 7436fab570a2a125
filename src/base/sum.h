/* A checksum of many bytes, quick to compute: was anything changed on the way?
 *
 * XXH64 with seed 0, the same on machines of either byte order: some gigabytes per second. Against accidents, not against people. */
#ifndef MANTA_BASE_SUM_H
#define MANTA_BASE_SUM_H

#include <stdint.h>

#include "base/str.h"

/* The checksum of those bytes. */
uint64_t sum_of(struct str bytes);

#endif
