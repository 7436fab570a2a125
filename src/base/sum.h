/* A fast checksum that detects accidental changes of data.
 *
 * XXH64 with seed 0, the same on machines of either byte order: some gigabytes per second. It does
 * not protect against attackers. */
#ifndef MANTA_BASE_SUM_H
#define MANTA_BASE_SUM_H

#include <stdint.h>

#include "base/str.h"

/* Returns the checksum of the bytes. */
uint64_t sum_of(struct str bytes);

#endif
