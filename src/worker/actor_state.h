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
    pthread_mutex_t lock;  /* commands, stop, ended, load */
    pthread_cond_t wake;   /* for the thread; ended: for the loop */
    struct list commands;
    bool stop, ended;
    struct timespec give_up;  /* once stopping: when actor_free() stops waiting: wait_until() */
    struct batcher_load load;
    uint64_t progress_us; /* end of the last step, or of the wait before it */
    /* owned by the thread */
    struct engine *engine;
    struct batcher *batcher;
    struct scribe *scribe;
    struct actor_mail *step_first, *step_last; /* events of the current step */
    int last_percent;
    struct file_hold hold;
    bool lost;        /* ACTOR_LOST was sent */
    bool works;       /* counted in thread_budget.busy */
    uint32_t threads; /* of the engine */
};

/* ---- actor_load.c: on the actor's thread ---- */
/* Tries, probes and loads the model, and posts the outcome as an event. Returns 0 or an error. */
int actor_thread_load(struct actor *a);
/* Posts ACTOR_LOST, once, when the file was changed. */
void actor_look_at_file(struct actor *a);

#endif
