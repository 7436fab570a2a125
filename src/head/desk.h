/* The desk: what takes too long for a turn of the loop is done on another thread, one thing at a time, in the order in which it
 * came: reading a large request, writing a large answer.
 *
 * One at a time, so that what each takes of memory is taken once (head/memory.c). */
#ifndef MANTA_HEAD_DESK_H
#define MANTA_HEAD_DESK_H

#include "head/state.h"

enum { DESK_BYTES = 64 << 10 }; /* what is shorter is done at once: less than a millisecond */

struct desk_item {
    struct list link;            /* in program->desk until its turn comes */
    struct head_program *p;      /* borrowed */
    void (*begin)(struct desk_item *d); /* its turn has come; or NULL */
    void (*work)(struct desk_item *d);  /* on the other thread: touches what is its own, and nothing else */
    void (*end)(struct desk_item *d);   /* it is done; frees it */
};

/* Hands it to the desk's thread; it comes back by its callback, on the loop. */
void desk_add(struct head_program *p, struct desk_item *d);
/* False: it is being worked on, and `end` will come. */
bool desk_remove(struct desk_item *d);

#endif
