/* A hash table of names: buckets of nodes that their owners embed. */
#include "brain/kit/names.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/kit/hash.h"

void names_fini(struct names *t)
{
    free(t->buckets);
    t->buckets = NULL;
    t->buckets_n = t->n = 0;
}

static struct name_node **bucket_of(const struct names *t, uint64_t hash)
{
    return &t->buckets[hash & (t->buckets_n - 1)];
}

static void insert(struct names *t, struct name_node *node)
{
    struct name_node **bucket = bucket_of(t, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct names *t)
{
    struct names old = *t;
    t->buckets_n = old.buckets_n != 0 ? old.buckets_n * 2 : 16;
    t->buckets = xalloc_array(t->buckets_n, sizeof(struct name_node *));
    for (size_t i = 0; i < old.buckets_n; i++) {
        for (struct name_node *node = old.buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            insert(t, node);
        }
    }
    free(old.buckets);
}

void names_add(struct names *t, struct name_node *node, struct str name)
{
    MUST(names_get(t, name) == NULL);
    if (t->n >= t->buckets_n)
        grow(t);
    node->name = name;
    node->hash = hash_text(t->seed, name);
    insert(t, node);
    t->n++;
}

struct name_node *names_get(const struct names *t, struct str name)
{
    if (t->buckets_n == 0)
        return NULL;
    uint64_t hash = hash_text(t->seed, name);
    for (struct name_node *node = *bucket_of(t, hash); node != NULL; node = node->next) {
        if (node->hash == hash && str_eq(node->name, name))
            return node;
    }
    return NULL;
}

void names_remove(struct names *t, struct name_node *node)
{
    struct name_node **at = bucket_of(t, node->hash);
    while (*at != node) {
        MUST(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    t->n--;
}
