/* Find things by name. The node lives inside the thing, and so does the name's text. */
#ifndef MANTA_BRAIN_KIT_NAMES_H
#define MANTA_BRAIN_KIT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct name_node {
    struct name_node *next; /* in the same bucket */
    struct str name;        /* borrowed from the owner */
    uint64_t hash;
};

struct names {
    struct name_node **buckets; /* owned */
    size_t buckets_n;           /* power of two, or 0 before the first add */
    size_t n;
    uint64_t seed; /* of the hash */
};

/* Frees the table; the nodes are the owners'. */
void names_fini(struct names *t);
/* The name MUST not be there yet. */
void names_add(struct names *t, struct name_node *node, struct str name);
/* NULL when there is none. */
struct name_node *names_get(const struct names *t, struct str name);
/* Takes out a node, which MUST be in it. */
void names_remove(struct names *t, struct name_node *node);

#endif
