/* Build prompts from several texts and special tokens of the model: fill-in-the-middle prompts, and
 * pairs of a question and a text for ranking. */
#ifndef MANTA_ENGINE_COMPOSED_H
#define MANTA_ENGINE_COMPOSED_H

#include "engine/engine.h"

/* Inputs of a composed prompt, and its output. */
struct composing {
    const struct engine_ops *ops;
    struct engine *engine;
    const struct request *r;
    const struct engine_bounds *bounds; /* NULL: no bounds */
    struct engine_tokens *out;          /* replaced */
};

/* Appends n tokens to a list. */
void composed_append(struct engine_tokens *out, const int32_t *tokens, uint32_t n);
/* Builds the prompt of request_fills(r): the files, the text before the gap, the text after it,
 * and the beginning of its content. If the texts around the gap are too long, the parts nearest to
 * the gap are used: three quarters of the room for the text before, one quarter for the text
 * after; then the ends of as many files as still fit. Returns ERR_UNSUPPORTED if the model has no
 * fill-in-the-middle tokens, or an error of engine_ops.tokenize. */
int composed_gap(const struct composing *c, struct fault *f);
/* Builds the prompt of request_ranks(r): the question and the text. The result may be longer than
 * the context. Returns as engine_ops.tokenize. */
int composed_pair(const struct composing *c, struct fault *f);

#endif
