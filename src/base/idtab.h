/* Find items by a 64-bit id, and walk them in the order of their ids.
 *
 * Ids are counters: most are added in rising order, which costs nothing; a late id walks back to
 * its place. The walk does not depend on addresses, so simulator runs repeat byte for byte. */
#ifndef MANTA_BASE_IDTAB_H
#define MANTA_BASE_IDTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct id_node {
    uint64_t id;          /* key; never changes while linked */
    struct id_node *next; /* next in the same bucket */
    struct list order;    /* link in idtab.order */
};

struct idtab {
    struct id_node **buckets; /* owned */
    size_t buckets_n;         /* power of two, or 0 before the first add */
    size_t n;                 /* items in the table */
    struct list order;        /* id_node.order, rising ids */
};

#define id_item(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* For each node, in rising order of ids; the body may remove `pos`. */
#define IDTAB_EACH(pos, tab)                                                                        \
    for (struct list *pos##_l = (tab)->order.next, *pos##_n = pos##_l->next; pos##_l != &(tab)->order; \
         pos##_l = pos##_n, pos##_n = pos##_l->next)                                                   \
        for (struct id_node *pos = list_item(pos##_l, struct id_node, order); pos != NULL; pos = NULL)

/* Makes an empty table, which allocates on the first add. */
void idtab_init(struct idtab *t);
/* Frees the table's own memory, not the items. */
void idtab_fini(struct idtab *t);
/* Adds node under id, which MUST NOT be in the table. */
void idtab_add(struct idtab *t, struct id_node *node, uint64_t id);
/* Returns the node with this id, or NULL. */
struct id_node *idtab_get(const struct idtab *t, uint64_t id);
/* Returns the first node with an id >= from, or NULL. Constant time when from or from - 1 is in
 * the table, as in a walk that resumes behind its last node. */
struct id_node *idtab_from(const struct idtab *t, uint64_t from);
/* Removes a node, which MUST be in the table. */
void idtab_remove(struct idtab *t, struct id_node *node);

#endif
