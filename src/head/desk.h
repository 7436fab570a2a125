/* Run long work on another thread, the desk: parsing large requests and writing large answers, one
 * item at a time, in order of arrival.
 *
 * Running one item at a time bounds the memory: each kind of work is counted once
 * (head/memory.c). */
#ifndef MANTA_HEAD_DESK_H
#define MANTA_HEAD_DESK_H

#include "head/state.h"

enum { DESK_BYTES = 64 << 10 }; /* shorter work is done at once: it takes less than a millisecond */

struct desk_item {
    struct list link;            /* in program->desk until its turn */
    struct head_program *p;      /* borrowed */
    void (*begin)(struct desk_item *d); /* on the loop, at its turn; or NULL */
    void (*work)(struct desk_item *d);  /* on the desk's thread; may touch only data that the item owns */
    void (*end)(struct desk_item *d);   /* on the loop, after the work; frees the item */
};

/* Queues an item. Its callbacks run later, also `end`. */
void desk_add(struct head_program *p, struct desk_item *d);
/* Takes an item out of the queue. False: the work has begun, and `end` will be called. */
bool desk_remove(struct desk_item *d);

#endif
