/* Orders things by a key: a heap whose nodes live inside the things.
 *
 * Adding, and reading the first, take constant time; removing any node takes logarithmic time.
 * Nothing is allocated, and nothing depends on addresses: the owner gives equal keys different
 * `tie` values. */
#ifndef MANTA_BRAIN_KIT_RANKS_H
#define MANTA_BRAIN_KIT_RANKS_H

#include <stdbool.h>
#include <stdint.h>

struct rank {
    uint64_t key, tie;   /* the least key comes first; of equal keys, the least tie */
    struct rank *child;  /* first of the nodes known to come after it */
    struct rank *next;   /* its next sibling */
    struct rank *before; /* the sibling before it; a first child: the parent; the root: NULL */
};

struct ranks {
    struct rank *first; /* NULL: empty */
};

/* Adds a node, which MUST be in no heap. */
void ranks_add(struct ranks *r, struct rank *node, uint64_t key, uint64_t tie);
/* Removes a node, which MUST be in this heap. */
void ranks_remove(struct ranks *r, struct rank *node);

/* Orders by key, equal keys by `tie`. */
static inline bool rank_is_before(const struct rank *a, const struct rank *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

#endif
