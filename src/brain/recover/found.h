/* A branch of a stream that is sought, as the workers that have it told. Part of seek.c's records. */
#ifndef MANTA_BRAIN_RECOVER_FOUND_H
#define MANTA_BRAIN_RECOVER_FOUND_H

#include "brain/step/step.h"

enum { COPIES_MAX = 4 };

/* A branch as one of those who have it told. */
struct copy {
    uint32_t actor, attempt;
    int32_t *ids; /* owned */
    uint32_t ids_n;
};

/* There may be several, and who told first may be gone by the time they are needed. */
struct found {
    struct copy copies[COPIES_MAX]; /* in the order in which they were told */
    uint32_t n;
};

/* The latest attempt whose actor is there, of several the first that was told. NULL: none. */
const struct copy *found_best(const struct head *h, const struct found *f);
/* Its actor; NULL: none. */
struct actor *found_actor(const struct head *h, const struct found *f);
/* `a` has it, with these ids, which are copied. Without room the least of the others gives way. */
void found_add(const struct head *h, struct found *f, const struct actor *a, uint32_t attempt, struct wire_i32s ids);
/* Frees the copies. */
void found_fini(struct found *f);

#endif
