/* Guess which actors have cached the beginning of a prompt, without a tokenizer.
 *
 * A prompt's text is cut into blocks, and each block's hash continues the previous one, so that
 * equal hashes mean equal beginnings. The table remembers which actors were sent which blocks; its
 * size is fixed, and it forgets the oldest. */
#ifndef MANTA_BRAIN_POLICY_PREFIX_H
#define MANTA_BRAIN_POLICY_PREFIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/request.h"

enum {
    PREFIX_BLOCK_BYTES = 256,   /* about 60 tokens */
    PREFIX_BLOCKS_MAX = 64,     /* of one prompt: its first 16 KiB count */
    PREFIX_HOLDERS_MAX = 8,     /* distinct actors reported for one prompt */
    PREFIX_ENTRIES_MAX = 32768, /* (block, actor) pairs remembered; 24 bytes each */
};

struct prefix_holder {
    uint32_t actor;  /* id; may be gone by now */
    uint32_t blocks; /* number of blocks from the beginning */
    uint64_t stamp;  /* as given to prefix_add() for the last of them */
};

struct prefix;
/* Makes an empty table of a fixed size. */
struct prefix *prefix_new(void);
/* NULL is allowed. */
void prefix_free(struct prefix *p);
/* Writes the hashes of a prompt's whole blocks to out[PREFIX_BLOCKS_MAX]; returns how many. */
size_t prefix_blocks(uint64_t seed, const struct request *r, uint64_t *out);
/* Bytes of the tools that are in no block: they are equal wherever the first block is. */
size_t prefix_uncut_bytes(const struct request *r);
/* Finds the actors that have the first blocks: writes them to out[PREFIX_HOLDERS_MAX], and returns how many. */
size_t prefix_find(const struct prefix *p, const uint64_t *blocks, size_t n, struct prefix_holder *out);
/* Records that the actor is about to have these blocks. */
void prefix_add(struct prefix *p, const uint64_t *blocks, size_t n, uint32_t actor, uint64_t stamp);

#endif
