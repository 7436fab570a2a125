/* Things in the order of a key: a heap whose nodes live inside what they order.
 *
 * Adding and looking at the first take a fixed time, taking out any of them a logarithm's. Nothing is allocated, and
 * nothing depends on addresses: equal keys are told apart by `tie`, which the owner makes different. */
#ifndef MANTA_BRAIN_KIT_RANKS_H
#define MANTA_BRAIN_KIT_RANKS_H

#include <stdbool.h>
#include <stdint.h>

struct rank {
    uint64_t key, tie;   /* the least key first, of equals the least tie */
    struct rank *child;  /* the first of those that come after it, as far as is known */
    struct rank *next;   /* its next sibling */
    struct rank *before; /* the sibling before it, of a first child its parent, of the first of all NULL */
};

struct ranks {
    struct rank *first; /* NULL: empty */
};

/* The node MUST be in no heap. */
void ranks_add(struct ranks *r, struct rank *node, uint64_t key, uint64_t tie);
/* The node MUST be in this heap. */
void ranks_remove(struct ranks *r, struct rank *node);

/* By key, and of equal keys by `tie`. */
static inline bool rank_is_before(const struct rank *a, const struct rank *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

#endif
