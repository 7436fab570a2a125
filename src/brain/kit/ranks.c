/* A pairing heap: a tree in which no node comes before its parent. Two trees merge by making the
 * later root a child of the earlier one. When a root is removed, its children merge in pairs, then
 * the pairs from the last to the first; this order keeps the heap fast (Fredman and others, 1986). */
#include "brain/kit/ranks.h"

#include <stddef.h>

static struct rank *merge(struct rank *a, struct rank *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct rank *parent = rank_is_before(b, a) ? b : a, *child = parent == a ? b : a;
    child->before = parent;
    child->next = parent->child;
    if (child->next != NULL)
        child->next->before = child;
    parent->child = child;
    return parent;
}

static struct rank *alone(struct rank *node)
{
    node->next = node->before = NULL;
    return node;
}

/* Merges siblings into one tree. */
static struct rank *merge_siblings(struct rank *first)
{
    struct rank *pairs = NULL; /* last first */
    while (first != NULL) {
        struct rank *a = first, *b = a->next;
        first = b != NULL ? b->next : NULL;
        struct rank *pair = merge(alone(a), b != NULL ? alone(b) : NULL);
        pair->next = pairs;
        pairs = pair;
    }
    struct rank *tree = NULL;
    while (pairs != NULL) {
        struct rank *rest = pairs->next;
        tree = merge(tree, alone(pairs));
        pairs = rest;
    }
    return tree;
}

void ranks_add(struct ranks *r, struct rank *node, uint64_t key, uint64_t tie)
{
    *node = (struct rank){.key = key, .tie = tie};
    r->first = merge(r->first, node);
}

void ranks_remove(struct ranks *r, struct rank *node)
{
    struct rank *behind = merge_siblings(node->child);
    if (node->before == NULL) {
        r->first = behind;
    } else {
        if (node->before->child == node)
            node->before->child = node->next;
        else
            node->before->next = node->next;
        if (node->next != NULL)
            node->next->before = node->before;
        r->first = merge(r->first, behind);
    }
    *node = (struct rank){0};
}
