/* Things of the head's brain by their numbers; NULL: it has ended, or never was. */
#ifndef MANTA_BRAIN_STEP_FIND_H
#define MANTA_BRAIN_STEP_FIND_H

#include "brain/step/state.h"

/* By the program's number. */
static inline struct call *head_call_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->calls, id);
    return node != NULL ? id_item(node, struct call, node) : NULL;
}

/* By the number workers are told. */
static inline struct job *head_job_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->jobs, id);
    return node != NULL ? id_item(node, struct job, node) : NULL;
}

/* By the id it was given. */
static inline struct actor *head_actor_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->actors, id);
    return node != NULL ? id_item(node, struct actor, node) : NULL;
}

#endif
