/* Turn the prompts of one actor into tokens, on threads beside the one that steps its streams.
 *
 * Two lanes, each a thread with its own queue, first come first served: most prompts are short and take a millisecond; none of
 * them waits for a long one, which may take seconds. A short one that takes long all the same (a template may compute for
 * ever), or more than it may, is begun anew in the long lane. What a prompt takes is bounded (engine_bounds). The long ones of all actors of a
 * worker take turns, for each may need a large part of what the worker keeps for them.
 *
 * The happy path: scribe_take -> on_done, on a thread of the scribe. It can fail by: the prompt's own fault, which is in what
 * on_done gets; scribe_forget, which stops a prompt that is under way. How many wait is bounded by whoever takes them in
 * (batcher_config.queue_max). */
#ifndef MANTA_WORKER_SCRIBE_H
#define MANTA_WORKER_SCRIBE_H

#include <pthread.h>

#include "engine/prompt.h"

struct scribe;

enum {
    SCRIBE_SHORT_BYTES = 32 * 1024,     /* of the request's text: a prompt up to so long is in the short lane */
    SCRIBE_SHORT_MS = 100,              /* after which it is begun anew in the long lane */
    SCRIBE_SHORT_MEMORY = 32 << 20,     /* for one of those: a tokenizer takes at most some 600 bytes for one of a text */
    SCRIBE_LONG_MEMORY = 256 << 20,     /* for one of the long lane, where --memory leaves as much */
    SCRIBE_SHORT_STACK = 8 << 20,       /* some tokenizers call themselves for each character of a word (engine/llama/depth.c) */
    SCRIBE_LONG_STACK = 64 << 20,
    SCRIBE_CPU_MS = 10000,              /* of processor time for a prompt's template, and as much for its tokens */
    SCRIBE_NICE = 10,                   /* of the long lane: streams and short prompts go first */
};

/* p may be taken over; it is freed otherwise. */
typedef void scribe_done_fn(uint64_t ticket, struct prompt *p, void *user_data);

struct scribe_config {
    const struct engine_ops *ops;
    struct engine *engine;        /* borrowed; outlives the scribe */
    uint64_t memory_bytes;        /* for one long prompt; 0: no limit */
    pthread_mutex_t *long_turn;   /* borrowed; held while a long prompt is tokenized */
    scribe_done_fn *on_done;
    void *user_data;
};

/* Threads that turn text into tokens; cfg is copied. */
struct scribe *scribe_new(const struct scribe_config *cfg);
/* Stops what is under way, waits for it, and drops what waits, without on_done. NULL is fine. */
void scribe_free(struct scribe *s);
/* r is borrowed until on_done, or until scribe_forget says so. */
void scribe_take(struct scribe *s, uint64_t ticket, const struct request *r);
/* True: it had not begun, there will be no on_done. False: it is under way and stops soon; on_done comes. */
bool scribe_forget(struct scribe *s, uint64_t ticket);

#endif
