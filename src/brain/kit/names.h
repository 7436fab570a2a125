/* Finds things by name. The node and the name's text live inside the thing. */
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

/* Frees the table; the owners keep their nodes. */
void names_fini(struct names *t);
/* Adds a node; the name MUST not be in the table yet. `name` is borrowed until names_remove(). */
void names_add(struct names *t, struct name_node *node, struct str name);
/* Returns the node of that name; NULL: none. */
struct name_node *names_get(const struct names *t, struct str name);
/* Removes a node, which MUST be in the table. */
void names_remove(struct names *t, struct name_node *node);

#endif
