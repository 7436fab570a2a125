/* An event of an actor on its way from the actor's thread to the loop, in one block with its
 * data. Private to actor.c and actor_load.c. */
#ifndef MANTA_WORKER_ACTOR_MAIL_H
#define MANTA_WORKER_ACTOR_MAIL_H

#include "worker/actor.h"

struct actor_mail {
    struct net_mail_item item;
    struct actor_event event;
    struct batcher_event batcher_event;
    struct buf carry;    /* owned */
    struct actor_mail *next; /* further events of the same step */
};

/* Copies the event and everything it points to into one block. */
struct actor_mail *actor_mail_of_event(const struct batcher_event *ev);
/* Passes each event to fn, oldest first, and frees it. */
void actor_mail_open(struct net_mail_item *items, actor_event_fn *fn, void *user_data);

#endif
