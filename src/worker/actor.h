/* One actor: a thread around one model, and its scribe (scribe.h), which turns prompts into tokens. Commands go in by
 * mailbox, events come out by mail to the loop.
 *
 * The happy path: actor_start -> ACTOR_LOADING … -> ACTOR_LOADED -> actor_run -> PREFILLED, TOKENS …, DONE. It can fail by:
 * the model does not load (ACTOR_FAILED, the thread ends; commands after it are answered by nobody, so the program must not send any). */
#ifndef MANTA_WORKER_ACTOR_H
#define MANTA_WORKER_ACTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/batcher.h"
#include "net/net.h"
#include "worker/file_hold.h"
#include "worker/tryout.h"
#include "worker/worker.h"

struct actor;

/* What the actors of one worker share: its compute threads. One that works alone has all of them; of several that work at
 * the same time, each has its part. Threads beyond the processors would spin and wait for each other: two models on two
 * processors make 77 tokens/s with two threads each, 137 with one, and the one that is busy alone 103 with two, 72 with
 * one (SmolLM2-135M, November 2026). */
struct actor_thread_budget {
    uint32_t threads; /* of the worker */
    atomic_uint actors;
    atomic_uint busy; /* actors that have work */
    pthread_mutex_t long_turn;     /* of a long prompt that is being tokenized (scribe.h) */
    uint64_t prompt_bytes;         /* what such a one may take; 0: no limit */
};

enum { ACTOR_STOP_S = 3 }; /* less than the grace of a launcher */

/* LOST: its file was changed under it. Whatever it computes from then on fails; it still ends the jobs it has. */
enum actor_event_kind { ACTOR_LOADING, ACTOR_LOADED, ACTOR_FAILED, ACTOR_LOST, ACTOR_EVENT, ACTOR_SAVED };

struct actor_event {
    enum actor_event_kind kind;
    uint32_t key;
    float progress;                  /* LOADING */
    struct engine_info info;         /* LOADED */
    struct fault fault;              /* FAILED, LOST; SAVED: why nothing was saved */
    struct file_mark seen;           /* FAILED, LOST: the file, before it was looked at or when it was lost */
    const struct batcher_event *event; /* EVENT; borrowed until the callback returns */
    uint64_t ticket;                 /* SAVED */
    struct buf *carry;               /* SAVED; its bytes may be taken over until the callback returns */
};

typedef void actor_event_fn(const struct actor_event *event, void *user_data);

struct actor_config {
    uint32_t key;
    const struct engine_ops *ops;
    struct engine_load load;         /* path borrowed for the actor's life */
    const char *untried;             /* the engine's name, where the file is to be tried first (tryout.h); borrowed; NULL: it is not */
    uint64_t try_bytes;              /* the memory of its process; 0: half of the machine's */
    uint32_t stall_s;                /* without progress for so long, that is given up */
    uint32_t step_ms;
    uint64_t prefix_bytes;           /* as in batcher_config */
    struct actor_thread_budget *thread_budget;         /* borrowed for the actor's life */
    actor_event_fn *on_event;         /* on the loop's thread */
    void *user_data;
};

/* Its thread begins to load; all its events come as mail, on the loop. */
struct actor *actor_start(struct net_loop *loop, const struct actor_config *cfg);
/* Any time after LOADED, from the loop's thread. `request` is taken over and freed; `resume` is copied. `held`: it waits for
 * actor_give(). */
void actor_run(struct actor *a, uint64_t ticket, struct request *request, const int32_t *resume, uint32_t resume_n, bool held);
/* Ends that run soon; its last event still comes. */
void actor_cancel(struct actor *a, uint64_t ticket);
/* Ends it, and what is computed of it, when that is no more than bytes_max, comes as ACTOR_SAVED; nothing comes when it had ended by itself. */
void actor_save(struct actor *a, uint64_t ticket, uint64_t bytes_max);
/* What is computed of a held one, perhaps nothing; its bytes are taken over. */
void actor_give(struct actor *a, uint64_t ticket, struct buf *carry);
/* A copy of the batcher's figures as of its last step; last_token_us is the end of that step, token or not: a long
 * prompt is progress, a hung engine is not. */
void actor_load(struct actor *a, struct batcher_load *out);
/* Tells the thread to stop after the decode call it is in, and returns at once. NULL is fine. */
void actor_stop(struct actor *a);
/* Waits until the thread has stopped, frees everything. No event afterwards. False: the call it is in did not end within
 * ACTOR_STOP_S of actor_stop(); the thread still runs, and only the end of the process is the end of it. */
bool actor_free(struct actor *a);

#endif
