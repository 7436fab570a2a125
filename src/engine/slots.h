/* Keep what each sequence of the engine holds, and find the one that shares most with a new prompt.
 *
 * A slot that is freed keeps its tokens: the next prompt of the same conversation finds them there. */
#ifndef MANTA_ENGINE_SLOTS_H
#define MANTA_ENGINE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct job;

struct slot {
    int32_t *tokens;  /* owned; what the engine's sequence holds, room for `context` */
    uint32_t n;       /* tokens held */
    uint32_t asked;   /* of those, from the first on: the prompt of the job that had it last; the rest is its answer */
    uint64_t scope;   /* whose they are: request.scope of the job that put them there */
    struct job *job;  /* borrowed; NULL: free */
    bool begun;       /* the job's rows run: `tokens` is the beginning of the job's own */
    uint64_t freed;   /* count of frees when it became free; 0: never used */
};

struct slots {
    struct slot slot[ENGINE_SLOTS_MAX];
    uint32_t n;
    uint32_t context; /* tokens per slot */
    uint32_t busy;    /* slots with a job */
    uint64_t frees;
};

enum slots_source {
    SLOTS_HERE, /* it is in the slot already */
    SLOTS_COPY, /* another slot holds it */
    SLOTS_KEPT, /* the memory of the host does (swap.c) */
};

/* Where the beginning of a prompt comes from. */
struct slots_prefix {
    uint32_t n;             /* tokens that need not be computed */
    enum slots_source from;
    uint32_t src;           /* COPY: the slot; KEPT: the entry */
};

enum {
    SLOTS_COPY_TOKENS_MIN = 16, /* fewer tokens are recomputed as fast as they are copied */
    SLOTS_COPY_GAIN = 2,        /* a copy must save so many times what it costs */
};

/* n free slots that hold nothing, of so many tokens each. */
void slots_init(struct slots *s, uint32_t n, uint32_t context);
/* Frees what they hold. */
void slots_fini(struct slots *s);
/* Length of the common beginning. */
uint32_t slots_common(const int32_t *a, uint32_t a_n, const int32_t *b, uint32_t b_n);
/* What a slot holds of another scope counts as nothing in the next two.
 *
 * The free slot that `tokens` should go to: the one that holds the most of their beginning, unless that would throw
 * away more than it saves; else one beside busy ones, or the one that was freed the longest ago. There MUST be one. Where `kept`
 * tokens of that beginning come from elsewhere anyway, a slot that holds little more is like any other. */
uint32_t slots_pick(const struct slots *s, uint64_t scope, const int32_t *tokens, uint32_t n, uint32_t kept);
/* Gives the slot to a job; what it holds stays until the job begins. */
void slots_take(struct slots *s, uint32_t slot, struct job *job);
/* The slot is free; what it holds stays for the next prompt that begins so. */
void slots_release(struct slots *s, uint32_t slot);
/* How the prompt `tokens` in `slot` best begins: with what the slot holds, or with a copy of what another one holds.
 * The last token is always computed, for its logits. A copy costs what computing `copy_tokens` would cost. */
struct slots_prefix slots_find_prefix(const struct slots *s, uint32_t slot, uint64_t scope, const int32_t *tokens, uint32_t n,
                                      uint32_t copy_tokens);
/* Tokens of the prompt that the slot holds already. */
uint32_t slots_held(const struct slot *at, uint64_t scope, const int32_t *tokens, uint32_t n);
/* What the slot is about to hold is of this scope. What it holds of another one MUST have been cut off. */
void slots_own(struct slots *s, uint32_t slot, uint64_t scope);
/* The sequence of `slot` now holds these further tokens, in this order. */
void slots_append(struct slots *s, uint32_t slot, const int32_t *tokens, uint32_t n);
/* … holds its first n tokens only. */
void slots_cut(struct slots *s, uint32_t slot, uint32_t n);
/* … holds the first n tokens of src. */
void slots_copy(struct slots *s, uint32_t src, uint32_t dst, uint32_t n);

#endif
