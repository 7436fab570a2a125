/* The list of the head's effects. */
#include "brain/effects.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void effects_reset(struct effects *e)
{
    e->n = 0;
}

void effects_fini(struct effects *e)
{
    free(e->fx);
    *e = (struct effects){0};
}

struct fx *effects_add(struct effects *e, enum fx_kind kind)
{
    if (e->n == e->cap) {
        e->cap = e->cap == 0 ? 16 : e->cap * 2;
        e->fx = xrealloc(e->fx, e->cap * sizeof *e->fx);
    }
    struct fx *fx = &e->fx[e->n++];
    memset(fx, 0, sizeof *fx);
    fx->kind = kind;
    return fx;
}
