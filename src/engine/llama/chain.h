/* Filters of llama.cpp's that a request asks for beside the usual ones, or in an order of its own.
 *
 * They narrow down the candidates before our own last draw, and what they remember they learn from the tokens alone: so a resumed answer is
 * filtered as it would have been. Mirostat is none of them, since it remembers how likely each token was. */
#ifndef MANTA_ENGINE_LLAMA_CHAIN_H
#define MANTA_ENGINE_LLAMA_CHAIN_H

#include <llama.h>

#include "base/request.h"
#include "engine/llama/logits.h"

struct chain;

/* Does the request ask for such a filter? */
bool chain_is_wanted(const struct sampling *s);
/* For a context of so many tokens. NULL: there is no memory for it. */
struct chain *chain_new(const struct llama_vocab *vocab, uint32_t context, const struct request *r);
void chain_free(struct chain *c); /* NULL is fine */
/* A token of the text: of the prompt, resumed or drawn. */
void chain_accept(struct chain *c, int32_t token);
/* Leaves those of the n candidates that may be drawn, with logits that the draw takes as they are, in any order. u in [0, 1): for a filter that
 * acts by chance. Returns how many. */
int32_t chain_narrow(struct chain *c, struct candidate *candidates, int32_t n, double u);

#endif
