/* Anthropic's dialect: the parser's side of anthropic.c. */
#ifndef MANTA_API_ANTHROPIC_H
#define MANTA_API_ANTHROPIC_H

#include "api/dialect.h"

/* The code of an error that tells a client to send the whole conversation. */
#define API_CODE_THREAD "thread_not_found"

/* anthropic_in.c: `parse` of POST /v1/messages. */
int api_messages_parse(struct str body, struct api_call *out, struct api_error *e);
/* `parse` of POST /v1/messages/count_tokens: nothing is generated. */
int api_count_parse(struct str body, struct api_call *out, struct api_error *e);

#endif
