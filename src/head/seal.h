/* What a tenant's key proves to a head, and to no worker: secrets derived from it, one way.
 *
 * A *seal* is made from a key once. From it come the names under which workers know the tenant's streams, and the proof that
 * whoever asks for one is who began it. All heads that have the key derive the same; who has what was derived cannot go back. */
#ifndef MANTA_HEAD_SEAL_H
#define MANTA_HEAD_SEAL_H

#include <stdint.h>

#include "base/str.h"

enum { SEAL_BYTES = 32 };

struct seal {
    unsigned char bytes[SEAL_BYTES];
};

/* Slow by intention (some milliseconds): keys that people think up would else be found by trying. */
void seal_of_key(struct str key, struct seal *out);
/* The seal of a tenant that only a header names, under the seal of the key that it came with. */
void seal_of_name(const struct seal *under, struct str name, struct seal *out);

/* What a stream is called by workers, and what says that it was begun by the tenant. Neither is 0. */
struct seal_stream {
    uint64_t name, claim;
};
/* What a stream is called by workers, and its claim, for whoever has that seal. */
struct seal_stream seal_stream(const struct seal *s, uint64_t stream);
/* The tenant's number: the same at every head that has the same keys; tells nothing of the key; not 0. */
uint64_t seal_number(const struct seal *s);

#endif
