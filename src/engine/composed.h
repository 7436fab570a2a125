/* Prompts that are made of several texts and of tokens that only the model has: a gap between two texts, or a question with a text
 * that may answer it. */
#ifndef MANTA_ENGINE_COMPOSED_H
#define MANTA_ENGINE_COMPOSED_H

#include "engine/engine.h"

/* What such a prompt is made with, and where it goes. */
struct composing {
    const struct engine_ops *ops;
    struct engine *engine;
    const struct request *r;
    const struct engine_bounds *bounds; /* NULL: any */
    struct engine_tokens *out;          /* replaced */
};

/* request_fills(r): the files, what comes before the gap, what comes after it, and the beginning of what is in it. Of a gap in long
 * texts what is nearest to it is taken: three quarters of the room for what comes before, one for what comes after; of the files their
 * ends, as many as then still fit. ERR_UNSUPPORTED: the model has no tokens for gaps; else as engine_ops.tokenize. */
int composed_gap(const struct composing *c, struct fault *f);
/* request_ranks(r): the question and the text. May be longer than the context. As engine_ops.tokenize. */
int composed_pair(const struct composing *c, struct fault *f);

#endif
