/* Counter-based random numbers: the same (seed, position) always gives the same number.
 *
 * Used where a run must be repeatable: the last draw of sampling (a stream that is resumed
 * elsewhere draws the same numbers), routing ties, the simulator, the echo engine. Not for secrets.
 * The mixer is splitmix64's finaliser (Steele, Lea, Flood 2014), applied twice so that neighbouring
 * seeds do not correlate. */
#ifndef MANTA_BASE_RNG_H
#define MANTA_BASE_RNG_H

#include <stdint.h>

/* Mixes the bits of a number; a bijection. */
static inline uint64_t rng_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Returns the number at a position of a seed's sequence. */
static inline uint64_t rng_at(uint64_t seed, uint64_t position)
{
    return rng_mix(rng_mix(seed) ^ rng_mix(position * 0xd1342543de82ef95u + 1));
}

/* Uniform in [0, 1). */
static inline double rng_unit(uint64_t seed, uint64_t position)
{
    return (double)(rng_at(seed, position) >> 11) * 0x1.0p-53;
}

/* A stream of numbers, for callers that just need the next one. */
struct rng {
    uint64_t seed;
    uint64_t position; /* numbers drawn so far */
};

/* Returns the next number of the sequence, all 64 bits. */
static inline uint64_t rng_next(struct rng *r)
{
    return rng_at(r->seed, r->position++);
}

/* Uniform in [0, n); n > 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

/* Uniform in [least, most]. */
static inline uint32_t rng_between(struct rng *r, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(r, most - least + 1);
}

#endif
