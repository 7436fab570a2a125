/* News of an actor on its way from the actor's thread to the loop, with all that it points to. Private to actor.c. */
#ifndef MANTA_WORKER_LETTER_H
#define MANTA_WORKER_LETTER_H

#include "worker/actor.h"

struct letter {
    struct net_mail_item item;
    struct actor_news news;
    struct batcher_event event;
    struct buf carry;    /* owned */
    struct letter *next; /* further events of the same step */
};

/* The event and what it points to, in one block. */
struct letter *letter_of_event(const struct batcher_event *ev);
/* Hands each letter to fn, oldest first, and frees it. */
void letters_open(struct net_mail_item *items, actor_news_fn *fn, void *user_data);

#endif
