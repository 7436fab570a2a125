/* One actor: a thread around one model, and its scribe (scribe.h), which turns prompts into tokens.
 * Commands go in through a locked list, events come out by mail to the loop.
 *
 * The happy path: actor_start -> ACTOR_LOADING … -> ACTOR_LOADED -> actor_run -> PREFILLED, TOKENS
 * …, DONE. It can fail by: the model does not load (ACTOR_FAILED, and the thread ends: the program
 * must send no command after it). */
#ifndef MANTA_WORKER_ACTOR_H
#define MANTA_WORKER_ACTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/batcher.h"
#include "net/net.h"
#include "worker/file_hold.h"

struct actor;

/* The compute threads that the actors of one worker share. An actor that works alone has all of
 * them; several that work at the same time have equal parts. Threads beyond the processors would
 * spin and wait for each other: two models on two processors make 77 tokens/s with two threads
 * each, 137 with one; an actor that is busy alone makes 103 with two, 72 with one (SmolLM2-135M,
 * November 2026). */
struct actor_thread_budget {
    uint32_t threads; /* of the worker */
    atomic_uint actors;
    atomic_uint busy; /* actors that compute */
    pthread_mutex_t long_turn;     /* held while a long prompt is tokenized (scribe.h) */
    uint64_t prompt_bytes;         /* memory for tokenizing a long prompt; 0: no limit */
};

enum { ACTOR_STOP_S = 3 }; /* less than a launcher's grace */

/* LOST: the file was changed while in use. Later computations fail; the actor still ends the
 * jobs it has. */
enum actor_event_kind { ACTOR_LOADING, ACTOR_LOADED, ACTOR_FAILED, ACTOR_LOST, ACTOR_EVENT, ACTOR_SAVED };

struct actor_event {
    enum actor_event_kind kind;
    uint32_t key;
    float progress;                  /* LOADING */
    struct engine_info info;         /* LOADED */
    struct fault fault;              /* FAILED, LOST; SAVED: the reason when nothing was saved */
    struct file_mark seen;           /* FAILED: the file before the load; LOST: the file when the loss was noticed */
    const struct batcher_event *event; /* EVENT; borrowed until the callback returns */
    uint64_t ticket;                 /* SAVED */
    struct buf *carry;               /* SAVED; the callback may take its bytes over */
};

typedef void actor_event_fn(const struct actor_event *event, void *user_data);

struct actor_config {
    uint32_t key;
    const struct engine_ops *ops;
    struct engine_load load;         /* path borrowed for the actor's life */
    const char *untried;             /* the engine's name when the file is to be tried first (tryout.h); borrowed;
                                        NULL: it is not */
    uint64_t try_bytes;              /* memory limit of the tryout; 0: half of the machine's */
    uint32_t stall_s;                /* the tryout is given up after this long without progress */
    uint32_t step_ms;
    uint64_t prefix_bytes;           /* as in batcher_config */
    struct actor_thread_budget *thread_budget;         /* borrowed for the actor's life */
    actor_event_fn *on_event;         /* called on the loop's thread */
    void *user_data;
};

/* Starts an actor, whose thread begins to load; all its events come as mail, on the loop. */
struct actor *actor_start(struct net_loop *loop, const struct actor_config *cfg);
/* Runs a job, at any time after LOADED. Takes `request` over and frees it; copies `resume`.
 * `held`: the job waits for actor_give(). Call from the loop's thread. */
void actor_run(struct actor *a, uint64_t ticket, struct request *request, const int32_t *resume, uint32_t resume_n, bool held);
/* Cancels a job; it ends soon, and its last event still comes. */
void actor_cancel(struct actor *a, uint64_t ticket);
/* Ends a job and sends its KV cache as ACTOR_SAVED when that has no more than bytes_max.
 * Otherwise ACTOR_SAVED has a fault and the job, unless it has ended by itself, continues. */
void actor_save(struct actor *a, uint64_t ticket, uint64_t bytes_max);
/* Gives a held job its saved KV cache, which may be empty; takes the bytes over. */
void actor_give(struct actor *a, uint64_t ticket, struct buf *carry);
/* Copies the batcher's figures as of its last step. last_token_us is the end of that step,
 * whether it made a token or not: a long prompt counts as progress, a hung engine does not. */
void actor_load(struct actor *a, struct batcher_load *out);
/* Tells the thread to stop after its current decode call; returns at once. NULL is allowed. */
void actor_stop(struct actor *a);
/* Waits until the thread has stopped and frees everything; no event comes afterwards. Returns
 * false when the thread's current call did not end within ACTOR_STOP_S of actor_stop(): the
 * thread keeps running, and only the end of the process ends it. NULL is allowed. */
bool actor_free(struct actor *a);

#endif
