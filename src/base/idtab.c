#include "base/idtab.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rng.h"

void idtab_init(struct idtab *t)
{
    *t = (struct idtab){0};
    list_init(&t->order);
}

void idtab_fini(struct idtab *t)
{
    free(t->buckets);
    t->buckets = NULL;
    t->buckets_n = t->n = 0;
    list_init(&t->order);
}

static struct id_node **bucket_of(const struct idtab *t, uint64_t id)
{
    return &t->buckets[rng_mix(id) & (t->buckets_n - 1)];
}

static void grow(struct idtab *t)
{
    free(t->buckets);
    t->buckets_n = t->buckets_n != 0 ? t->buckets_n * 2 : 16;
    t->buckets = xalloc_array(t->buckets_n, sizeof(struct id_node *));
    LIST_EACH(pos, &t->order)
    {
        struct id_node *node = list_item(pos, struct id_node, order);
        struct id_node **slot = bucket_of(t, node->id);
        node->next = *slot;
        *slot = node;
    }
}

void idtab_add(struct idtab *t, struct id_node *node, uint64_t id)
{
    struct list *after = t->order.prev; /* the last node with a lower id */
    while (after != &t->order && list_item(after, struct id_node, order)->id > id)
        after = after->prev;
    MUST(after == &t->order || list_item(after, struct id_node, order)->id < id);
    if (t->n >= t->buckets_n)
        grow(t);
    node->id = id;
    struct id_node **slot = bucket_of(t, id);
    node->next = *slot;
    *slot = node;
    list_add_before(after->next, &node->order);
    t->n++;
}

struct id_node *idtab_get(const struct idtab *t, uint64_t id)
{
    if (t->buckets_n == 0)
        return NULL;
    for (struct id_node *node = *bucket_of(t, id); node != NULL; node = node->next) {
        if (node->id == id)
            return node;
    }
    return NULL;
}

void idtab_remove(struct idtab *t, struct id_node *node)
{
    struct id_node **slot = bucket_of(t, node->id);
    while (*slot != node) {
        MUST(*slot != NULL);
        slot = &(*slot)->next;
    }
    *slot = node->next;
    node->next = NULL;
    list_remove(&node->order);
    t->n--;
}

struct id_node *idtab_from(const struct idtab *t, uint64_t from)
{
    struct id_node *node = idtab_get(t, from);
    if (node != NULL)
        return node;
    struct id_node *before = from > 0 ? idtab_get(t, from - 1) : NULL;
    for (struct list *pos = before != NULL ? before->order.next : t->order.next; pos != &t->order; pos = pos->next) {
        node = list_item(pos, struct id_node, order);
        if (node->id >= from)
            return node;
    }
    return NULL;
}
