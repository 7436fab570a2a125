/* Copies of a sought branch that workers reported, and the choice of one to continue. */
#include "brain/recover/found.h"

#include <stdlib.h>

#include "base/alloc.h"

static struct actor *holder(const struct head *h, const struct copy *c)
{
    struct actor *a = head_actor_find(h, c->actor);
    return a != NULL && a->state == WIRE_ACTOR_READY ? a : NULL;
}

const struct copy *found_best(const struct head *h, const struct found *f)
{
    const struct copy *found = NULL;
    for (uint32_t k = 0; k < f->n; k++) {
        const struct copy *c = &f->copies[k];
        if (holder(h, c) != NULL && (found == NULL || c->attempt > found->attempt))
            found = c;
    }
    return found;
}

struct actor *found_actor(const struct head *h, const struct found *f)
{
    const struct copy *c = found_best(h, f);
    return c != NULL ? holder(h, c) : NULL;
}

/* Returns the place for a's copy: its present place, a free one, a lost actor's, or the oldest attempt's. */
static struct copy *place_of(const struct head *h, struct found *f, const struct actor *a)
{
    struct copy *least = NULL;
    for (uint32_t k = 0; k < f->n; k++) {
        struct copy *c = &f->copies[k];
        if (c->actor == a->node.id)
            return c;
        if (least == NULL || holder(h, c) == NULL || (holder(h, least) != NULL && c->attempt < least->attempt))
            least = c;
    }
    return f->n < COPIES_MAX ? &f->copies[f->n++] : least;
}

void found_add(const struct head *h, struct found *f, const struct actor *a, uint32_t attempt, struct wire_i32s ids)
{
    struct copy *c = place_of(h, f, a);
    free(c->ids);
    *c = (struct copy){.actor = (uint32_t)a->node.id, .attempt = attempt, .ids_n = ids.n};
    c->ids = xalloc_array(ids.n + 1, sizeof *c->ids);
    memcpy(c->ids, ids.p, ids.n * sizeof *c->ids);
}

void found_fini(struct found *f)
{
    for (uint32_t k = 0; k < f->n; k++)
        free(f->copies[k].ids);
}
