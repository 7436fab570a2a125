/* Turn the prompts of one actor into tokens, on threads beside the one that steps its streams.
 *
 * Two lanes, each a thread with its own queue, first come first served: most prompts are short and
 * take a millisecond, and must not wait for a long one, which may take seconds. A short prompt that
 * takes too long (a template may compute for ever) or too much memory restarts in the long lane.
 * The cost of a prompt is bounded (engine_bounds). The long prompts of all actors of a worker take
 * turns, because each may need a large part of the memory that the worker reserves for them.
 *
 * The happy path: scribe_take -> on_done, on a thread of the scribe. It can fail by: a fault of the
 * prompt, which on_done gets with it; scribe_forget, which stops a running prompt. The caller
 * bounds the number of waiting prompts (batcher_config.queue_max). */
#ifndef MANTA_WORKER_SCRIBE_H
#define MANTA_WORKER_SCRIBE_H

#include <pthread.h>

#include "engine/prompt.h"

struct scribe;

enum {
    SCRIBE_SHORT_BYTES = 32 * 1024,     /* of the request's text: longest prompt of the short lane */
    SCRIBE_SHORT_MS = 100,              /* after which a prompt restarts in the long lane */
    SCRIBE_SHORT_MEMORY = 32 << 20,     /* for a short prompt: a tokenizer takes at most some 600 bytes per byte of
                                           text */
    SCRIBE_LONG_MEMORY = 256 << 20,     /* for a long prompt, if --memory leaves as much */
    SCRIBE_SHORT_STACK = 8 << 20,       /* some tokenizers recurse for each character of a word
                                           (engine/llama/depth.c) */
    SCRIBE_LONG_STACK = 64 << 20,
    SCRIBE_CPU_MS = 10000,              /* processor time for a prompt's template, and again for its tokens */
    SCRIBE_NICE = 10,                   /* of the long lane: streams and short prompts have priority */
};

/* Receives the result. It may take p over; otherwise p is freed. */
typedef void scribe_done_fn(uint64_t ticket, struct prompt *p, void *user_data);

struct scribe_config {
    const struct engine_ops *ops;
    struct engine *engine;        /* borrowed; outlives the scribe */
    uint64_t memory_bytes;        /* for one long prompt; 0: no limit */
    pthread_mutex_t *long_turn;   /* borrowed; held while a long prompt is tokenized */
    scribe_done_fn *on_done;
    void *user_data;
};

/* Starts the threads; copies cfg. */
struct scribe *scribe_new(const struct scribe_config *cfg);
/* Stops and waits for running prompts, drops waiting ones without on_done, frees s. NULL is
 * allowed. */
void scribe_free(struct scribe *s);
/* Queues a prompt. r is borrowed until on_done, or until scribe_forget returns true. */
void scribe_take(struct scribe *s, uint64_t ticket, const struct request *r);
/* Drops a prompt. Returns true when it had not begun: on_done is not called. Returns false when
 * it is running: it stops soon, and on_done is called. */
bool scribe_forget(struct scribe *s, uint64_t ticket);

#endif
