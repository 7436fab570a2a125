/* Change the logits of a row before a draw: biases, tokens that are never drawn, penalties for tokens of the
 * text so far. Only a few of the row's logits change, in place, and are restored after the draw. */
#ifndef MANTA_ENGINE_LLAMA_ADJUST_H
#define MANTA_ENGINE_LLAMA_ADJUST_H

#include "engine/llama/module.h"

/* A logit that was changed in place, and its former value. */
struct patch {
    int32_t token;
    float was;
};

struct adjust {
    struct sampling s;
    int32_t vocab;
    struct logit_bias *biases; /* owned */
    uint32_t biases_n;
    int32_t *recent;           /* owned ring of the last tokens; NULL without penalties */
    uint32_t recent_max;
    uint64_t accepted;         /* tokens accepted so far */
    uint32_t *count;           /* owned; per token of the vocabulary: its number in the ring */
    struct patch *patches;     /* owned; room for all biases and recent tokens */
    uint32_t patches_n;
};

/* Takes biases and penalties from the request; only the biases if !may_penalise. */
void adjust_init(struct adjust *a, const struct engine *e, const struct request *r, bool may_penalise);
/* A zeroed struct is allowed. */
void adjust_fini(struct adjust *a);
/* Adds a token of the text: prompt, resumed or drawn. */
void adjust_accept(struct adjust *a, int32_t token);
/* Changes the row, … */
void adjust_apply(struct adjust *a, float *logits);
/* … and restores it. */
void adjust_undo(struct adjust *a, float *logits);

#endif
