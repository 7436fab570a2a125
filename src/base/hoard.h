/* Who holds the most of something that all share: found at once, however many there are.
 *
 * Holders are sorted into classes, each twice as large as the one before, and within a class by when they came into it. So the
 * one that is found holds at least half as much as any other. */
#ifndef MANTA_BASE_HOARD_H
#define MANTA_BASE_HOARD_H

#include <stddef.h>

#include "base/list.h"

enum { HOARD_CLASSES = 40 };

struct hoarder {        /* zeroed before its first use */
    struct list link;   /* in hoard.classes[…], or in none */
    size_t holds;
};

struct hoard {
    struct list classes[HOARD_CLASSES];
    size_t sums[HOARD_CLASSES]; /* of what its holders hold */
};

/* An empty hoard. */
void hoard_init(struct hoard *h);
/* It holds so much now; 0 takes it out. */
void hoard_set(struct hoard *h, struct hoarder *m, size_t holds);
/* One of those with the most, or NULL: the first that came to hold so much. */
struct hoarder *hoard_most(const struct hoard *h);
/* The same of the class that holds the most altogether: of two thousand small ones rather than of a single large one beside
 * them. */
struct hoarder *hoard_heaviest(const struct hoard *h);

#endif
