/* Track the contents of each sequence of the engine, and find the one that shares the most with a
 * new prompt.
 *
 * A freed slot keeps its tokens, so that the next prompt of the same conversation can reuse
 * them. */
#ifndef MANTA_ENGINE_SLOTS_H
#define MANTA_ENGINE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct job;

struct slot {
    int32_t *tokens;  /* owned; the contents of the engine's sequence, room for `context` */
    uint32_t n;       /* tokens held */
    uint32_t asked;   /* the first `asked` tokens are the prompt of the slot's last job; the rest is its answer */
    uint64_t scope;   /* request.scope of the job that put the tokens there */
    struct job *job;  /* borrowed; NULL: free */
    bool begun;       /* rows of the job have run: `tokens` is a beginning of the job's tokens */
    uint64_t freed;   /* value of slots.frees when it became free; 0: never used */
};

struct slots {
    struct slot slot[ENGINE_SLOTS_MAX];
    uint32_t n;
    uint32_t context; /* tokens per slot */
    uint32_t busy;    /* slots with a job */
    uint64_t frees;
};

enum slots_source {
    SLOTS_HERE, /* already in the slot */
    SLOTS_COPY, /* in another slot */
    SLOTS_KEPT, /* saved in host memory (swap.c) */
};

/* Source of the beginning of a prompt. */
struct slots_prefix {
    uint32_t n;             /* tokens that need not be computed */
    enum slots_source from;
    uint32_t src;           /* COPY: the slot; KEPT: the entry */
};

enum {
    SLOTS_COPY_TOKENS_MIN = 16, /* fewer tokens are recomputed as fast as they are copied */
    SLOTS_COPY_GAIN = 2,        /* a copy must save this many times its cost */
};

/* Initializes n free, empty slots of `context` tokens each. */
void slots_init(struct slots *s, uint32_t n, uint32_t context);
/* Frees the contents. */
void slots_fini(struct slots *s);
/* Returns the length of the common beginning. */
uint32_t slots_common(const int32_t *a, uint32_t a_n, const int32_t *b, uint32_t b_n);
/* Returns the free slot for `tokens`: the one that holds the most of their beginning, unless that
 * would discard more than it saves; else one beside busy ones, or the one that was freed the
 * longest ago. There MUST be one. Contents of another scope count as nothing here and in
 * slots_find_prefix(). `kept`: number of tokens of that beginning that are saved in host memory
 * anyway; a slot that holds only a few more is not preferred. */
uint32_t slots_pick(const struct slots *s, uint64_t scope, const int32_t *tokens, uint32_t n, uint32_t kept);
/* Gives the slot to a job; its contents stay until the job begins. */
void slots_take(struct slots *s, uint32_t slot, struct job *job);
/* Frees the slot; its contents stay for a later prompt with the same beginning. */
void slots_release(struct slots *s, uint32_t slot);
/* Finds the best beginning for the prompt `tokens` in `slot`: the slot's own contents, or a copy of
 * another slot's. The last token is always computed, for its logits. A copy costs as much as
 * computing `copy_tokens` tokens. */
struct slots_prefix slots_find_prefix(const struct slots *s, uint32_t slot, uint64_t scope, const int32_t *tokens, uint32_t n,
                                      uint32_t copy_tokens);
/* Returns the number of tokens of the prompt that the slot already holds. */
uint32_t slots_held(const struct slot *at, uint64_t scope, const int32_t *tokens, uint32_t n);
/* Sets the scope of the slot. Contents of another scope MUST have been cut off. */
void slots_own(struct slots *s, uint32_t slot, uint64_t scope);
/* Records that the sequence of `slot` now holds these further tokens, … */
void slots_append(struct slots *s, uint32_t slot, const int32_t *tokens, uint32_t n);
/* … only its first n tokens, … */
void slots_cut(struct slots *s, uint32_t slot, uint32_t n);
/* … or the first n tokens of src. */
void slots_copy(struct slots *s, uint32_t src, uint32_t dst, uint32_t n);

#endif
