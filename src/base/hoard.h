/* Find the largest holder of a shared resource in constant time.
 *
 * Holders are sorted into classes, each twice as large as the one before; within a class they stand
 * in order of arrival. So the holder that is found holds at least half as much as any other. */
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
    size_t sums[HOARD_CLASSES]; /* for each class, the total that its holders hold */
};

/* Makes an empty hoard. */
void hoard_init(struct hoard *h);
/* Records that m now holds this much; 0 removes m. */
void hoard_set(struct hoard *h, struct hoarder *m, size_t holds);
/* Returns the first holder of the highest class; NULL when there is none. */
struct hoarder *hoard_most(const struct hoard *h);
/* Returns the first holder of the class that holds the most in total: one of two thousand small
 * holders rather than a single large one beside them. NULL when there is none. */
struct hoarder *hoard_heaviest(const struct hoard *h);

#endif
