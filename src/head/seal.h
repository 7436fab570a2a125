/* Derive one-way secrets from a tenant's key: they prove the tenant to a head without showing the
 * key to workers.
 *
 * A *seal* is derived from a key once. From the seal come the names by which workers know the
 * tenant's streams, and the proof that a client that asks for a stream is its owner. All heads with
 * the key derive the same values; the values do not reveal the key. */
#ifndef MANTA_HEAD_SEAL_H
#define MANTA_HEAD_SEAL_H

#include <stdint.h>

#include "base/str.h"

enum { SEAL_BYTES = 32 };

struct seal {
    unsigned char bytes[SEAL_BYTES];
};

/* Slow on purpose (some milliseconds), against guessing of weak keys. */
void seal_of_key(struct str key, struct seal *out);
/* Derives the seal of a tenant that only a header names, from the seal of the key used. */
void seal_of_name(const struct seal *under, struct str name, struct seal *out);

/* A stream's name for workers, and the proof of its tenant. Neither is 0. */
struct seal_stream {
    uint64_t name, claim;
};
/* Derives a stream's name for workers, and its claim. */
struct seal_stream seal_stream(const struct seal *s, uint64_t stream);
/* Derives the tenant's number: equal on all heads with the same keys, reveals nothing of the key,
 * never 0. */
uint64_t seal_number(const struct seal *s);

#endif
