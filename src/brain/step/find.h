/* Finds records of the head's brain by number; NULL: the record has ended, or never existed. */
#ifndef MANTA_BRAIN_STEP_FIND_H
#define MANTA_BRAIN_STEP_FIND_H

#include "brain/step/state.h"

/* By the program's number of the call. */
static inline struct call *head_call_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->calls, id);
    return node != NULL ? id_item(node, struct call, node) : NULL;
}

/* By the job's number on the wire. */
static inline struct job *head_job_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->jobs, id);
    return node != NULL ? id_item(node, struct job, node) : NULL;
}

/* By the actor's id. */
static inline struct actor *head_actor_find(const struct head *h, uint64_t id)
{
    struct id_node *node = idtab_get(&h->actors, id);
    return node != NULL ? id_item(node, struct actor, node) : NULL;
}

#endif
