/* A seeded 64-bit hash of text, for tables of the brain. Not for secrets.
 *
 * The seed keeps clients from choosing names that collide. */
#ifndef MANTA_BRAIN_KIT_HASH_H
#define MANTA_BRAIN_KIT_HASH_H

#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

/* The same seed and bytes give the same number, on every machine. */
static inline uint64_t hash_text(uint64_t seed, struct str s)
{
    uint64_t h = rng_mix(seed ^ s.n);
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, 8);
        h = rng_mix(h ^ word);
    }
    uint64_t tail = 0;
    for (size_t at = 0; i < s.n; i++, at += 8)
        tail |= (uint64_t)(unsigned char)s.p[i] << at;
    return rng_mix(h ^ tail);
}

#endif
