/* Guess which actors hold the beginning of a prompt in their cache, without a tokenizer.
 *
 * A prompt's text is cut into blocks; each block's hash continues the one before it, so that equal hashes mean equal
 * beginnings. The table remembers which actors were sent which blocks; it has a fixed size and forgets the oldest. */
#ifndef MANTA_BRAIN_POLICY_PREFIX_H
#define MANTA_BRAIN_POLICY_PREFIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/request.h"

enum {
    PREFIX_BLOCK_BYTES = 256,   /* about 60 tokens */
    PREFIX_BLOCKS_MAX = 64,     /* of one prompt: its first 16 KiB count */
    PREFIX_HOLDERS_MAX = 8,     /* actors told apart for one prompt */
    PREFIX_ENTRIES_MAX = 32768, /* (block, actor) pairs remembered; 24 bytes each */
};

struct prefix_holder {
    uint32_t actor;  /* id; may be gone by now */
    uint32_t blocks; /* how many from the beginning */
    uint64_t stamp;  /* as given to prefix_add for the last of them */
};

struct prefix;
/* An empty table of a fixed size. */
struct prefix *prefix_new(void);
/* NULL is fine. */
void prefix_free(struct prefix *p);
/* Hashes of the whole blocks of a prompt; at most PREFIX_BLOCKS_MAX. Returns how many. */
size_t prefix_blocks(uint64_t seed, const struct request *r, uint64_t *out);
/* Bytes of tools that no block has: they are the same where the first block is. */
size_t prefix_uncut_bytes(const struct request *r);
/* Who holds the first blocks; at most PREFIX_HOLDERS_MAX of them. Returns how many. */
size_t prefix_find(const struct prefix *p, const uint64_t *blocks, size_t n, struct prefix_holder *out);
/* The actor is about to hold these. */
void prefix_add(struct prefix *p, const uint64_t *blocks, size_t n, uint32_t actor, uint64_t stamp);

#endif
