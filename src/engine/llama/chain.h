/* Apply filters of llama.cpp for requests that ask for more than the usual ones, or for another
 * order.
 *
 * They narrow the candidates before our own draw. Their state depends only on the tokens, so a
 * resumed answer is filtered as it would have been. Mirostat, whose state depends on the probability
 * of each token, is our own (mirostat.h). */
#ifndef MANTA_ENGINE_LLAMA_CHAIN_H
#define MANTA_ENGINE_LLAMA_CHAIN_H

#include <llama.h>

#include "base/request.h"
#include "engine/llama/logits.h"

struct chain;

/* Returns whether the request asks for such a filter. */
bool chain_is_wanted(const struct sampling *s);
/* Makes the filters for a context of that many tokens. Returns NULL if there is no memory. */
struct chain *chain_new(const struct llama_vocab *vocab, uint32_t context, const struct request *r);
void chain_free(struct chain *c); /* NULL is allowed */
/* Adds a token of the text: prompt, resumed or drawn. */
void chain_accept(struct chain *c, int32_t token);
/* Keeps those of the n candidates that may be drawn, with final logits, in any order. u in [0, 1):
 * randomness for a probabilistic filter. Returns their number. */
int32_t chain_narrow(struct chain *c, struct candidate *candidates, int32_t n, double u);

#endif
