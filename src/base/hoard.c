#include "base/hoard.h"

void hoard_init(struct hoard *h)
{
    for (int i = 0; i < HOARD_CLASSES; i++) {
        list_init(&h->classes[i]);
        h->sums[i] = 0;
    }
}

static int class_of(size_t holds)
{
    int bits = 63 - __builtin_clzll((unsigned long long)holds);
    return bits < HOARD_CLASSES ? bits : HOARD_CLASSES - 1;
}

void hoard_set(struct hoard *h, struct hoarder *m, size_t holds)
{
    int from = m->holds > 0 ? class_of(m->holds) : -1, to = holds > 0 ? class_of(holds) : -1;
    if (from >= 0)
        h->sums[from] -= m->holds;
    if (to >= 0)
        h->sums[to] += holds;
    m->holds = holds;
    if (from == to)
        return;
    list_remove(&m->link);
    if (to >= 0)
        list_push(&h->classes[to], &m->link);
}

static struct hoarder *first_of(const struct hoard *h, int class)
{
    return class >= 0 && !list_empty(&h->classes[class]) ? list_item(h->classes[class].next, struct hoarder, link) : NULL;
}

struct hoarder *hoard_most(const struct hoard *h)
{
    int class = HOARD_CLASSES - 1;
    while (class >= 0 && list_empty(&h->classes[class]))
        class--;
    return first_of(h, class);
}

struct hoarder *hoard_heaviest(const struct hoard *h)
{
    int best = 0;
    for (int class = 1; class < HOARD_CLASSES; class++)
        best = h->sums[class] > h->sums[best] ? class : best;
    return first_of(h, best);
}
