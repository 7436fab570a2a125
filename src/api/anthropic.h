/* The two halves of Anthropic's dialect. */
#ifndef MANTA_API_ANTHROPIC_H
#define MANTA_API_ANTHROPIC_H

#include "api/dialect.h"

/* anthropic_in.c: `parse` of messages, and of those whose tokens shall be counted. */
int api_messages_parse(struct str body, struct api_call *out, struct api_error *e);
/* The same of POST /v1/messages/count_tokens: nothing is generated. */
int api_count_parse(struct str body, struct api_call *out, struct api_error *e);

#endif
