/* The inside of an actor: actor.c computes, actor_load.c loads. */
#ifndef MANTA_WORKER_ACTOR_STATE_H
#define MANTA_WORKER_ACTOR_STATE_H

#include <pthread.h>
#include <time.h>

#include "base/list.h"
#include "worker/actor.h"

struct actor_mail;

struct actor {
    struct actor_config cfg;
    struct net_mail *mail;
    pthread_t thread;
    pthread_mutex_t lock;  /* commands, stop, load */
    pthread_cond_t wake;
    struct list commands;
    bool stop;
    struct timespec give_up;  /* once it is to stop: when we wait no longer */
    struct batcher_load load;
    uint64_t progress_us; /* end of the last step, or of the wait before it */
    /* the thread's own */
    struct engine *engine;
    struct batcher *batcher;
    struct scribe *scribe;
    struct actor_mail *step_first, *step_last; /* events of the current step */
    int last_percent;
    struct file_hold hold;
    bool lost;        /* its file was changed, which was told */
    bool works;       /* counted in thread_budget.busy */
    uint32_t threads; /* the engine has */
};

/* ---- actor_load.c: on its thread ---- */
/* Mails it to the loop; the mail is the mailbox's from now on. */
void actor_post(struct actor *a, struct actor_mail *l);
/* It was asked to stop. */
bool actor_is_stopping(struct actor *a);
/* Tries, probes and loads its model; an event says how that went. An error number, or 0. */
int actor_thread_load(struct actor *a);
/* Mails that its file was changed, once, if it was. */
void actor_look_at_file(struct actor *a);

#endif
