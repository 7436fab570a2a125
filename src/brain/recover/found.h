/* The reported copies of a sought branch. Part of seek.c's records. */
#ifndef MANTA_BRAIN_RECOVER_FOUND_H
#define MANTA_BRAIN_RECOVER_FOUND_H

#include "brain/step/step.h"

enum { COPIES_MAX = 4 };

/* One actor's copy of a branch. */
struct copy {
    uint32_t actor, attempt;
    int32_t *ids; /* owned */
    uint32_t ids_n;
};

/* A branch may have several copies, and the actor of the first may be gone when it is needed. */
struct found {
    struct copy copies[COPIES_MAX]; /* in the order of the reports */
    uint32_t n;
};

/* The copy of the latest attempt whose actor is ready, the first reported of several; NULL: none. */
const struct copy *found_best(const struct head *h, const struct found *f);
/* The actor of that copy; NULL: none. */
struct actor *found_actor(const struct head *h, const struct found *f);
/* Records that `a` has the branch with these ids, which are copied. When full, it replaces the least useful copy. */
void found_add(const struct head *h, struct found *f, const struct actor *a, uint32_t attempt, struct wire_i32s ids);
/* Frees the copies. */
void found_fini(struct found *f);

#endif
