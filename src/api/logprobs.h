/* Write the log-probabilities of a choice, in the format of its API. */
#ifndef MANTA_API_LOGPROBS_H
#define MANTA_API_LOGPROBS_H

#include "api/api.h"
#include "json/write.h"

/* Writes the value of "logprobs"; null if c has none. */
void api_write_logprobs(struct jout *j, enum api_shape shape, const struct api_choice *c);

/* Writes a token's text; for a partial character, its bytes as numbers. */
void api_write_piece_text(struct jout *j, struct str piece);
/* Writes the array of tokens in the format of chats and llama-server. */
void api_write_tokens(struct jout *j, const struct api_choice *c);

#endif
