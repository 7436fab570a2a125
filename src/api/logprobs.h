/* The log-probabilities of a choice, in the shape its API has for them. */
#ifndef MANTA_API_LOGPROBS_H
#define MANTA_API_LOGPROBS_H

#include "api/api.h"
#include "json/write.h"

/* The value of "logprobs"; null when c has none. */
void api_write_logprobs(struct jout *j, enum api_shape shape, const struct api_choice *c);

/* A token's text; of half a character its bytes, as numbers. */
void api_write_piece_text(struct jout *j, struct str piece);
/* An array of its tokens, as chats and llama-server have them. */
void api_write_tokens(struct jout *j, const struct api_choice *c);

#endif
