/* Turn the texts of a request's biases into tokens. */
#ifndef MANTA_ENGINE_BIASES_H
#define MANTA_ENGINE_BIASES_H

#include "engine/engine.h"

/* Returns ERR_INVALID if a token id is not one of the model's: it has no logit, so the bias would be
 * ignored. */
int biases_check(const struct request *r, const struct engine_info *info, struct fault *f);
/* Makes the list of r's biases in which every token of a text has the text's bias. *out is the
 * caller's, from malloc(); NULL if no bias has a text. As in llama-server, names of control tokens
 * are plain text. Returns ERR_INVALID beyond REQUEST_BIAS_TOKENS_MAX, or an error of
 * engine_ops.tokenize. */
int biases_make(const struct engine_ops *ops, struct engine *e, const struct request *r, const struct engine_bounds *bounds,
                struct logit_bias **out, uint32_t *out_n, struct fault *f);

#endif
