/* Tools: what a request offers, what an assistant called, what came of it. All dialects say it in words of their own; models are told in
 * those of OpenAI's chat, which request.tools and turn.extra have. */
#ifndef MANTA_API_TOOLS_H
#define MANTA_API_TOOLS_H

#include "api/field.h"

enum { API_CALL_NAME_BYTES = 10 }; /* with its end */

/* A tool as the dialect has it; members may be NULL: not given. `path`: where it stands. */
struct api_tool {
    const json_t *name, *description, *parameters, *strict;
    const char *name_key, *parameters_key; /* what they are called there */
};
/* Adds a tool to r->tools, in the words of OpenAI's chat. */
int api_tool_add(struct api_reader *r, const char *path, const struct api_tool *tool);

/* The function of that name is the only one that may be called; called again: and this one. */
void api_choose(struct api_reader *r, const json_t *name);
/* Which tools the model gets (r->tools), and what it may do with them. Call it once all fields are read. */
int api_tools_end(struct api_reader *r);

/* Adds a call to the array `calls` of a turn that is being read; arguments: a JSON object, or its text. */
int api_call_add(struct api_reader *r, json_t *calls, const char *path, const json_t *id, const json_t *name, const json_t *arguments);
/* turn.extra of a turn of the assistant with these calls (NULL: none) and that reasoning (NULL: none). */
struct str api_calls_extra(struct api_reader *r, const json_t *calls, const json_t *reasoning);
/* turn.extra of the result of one of `calls`, which are those of the turn before (NULL: it has none). ERR_INVALID: it is of none of them. */
int api_result_extra(struct api_reader *r, const char *path, const json_t *calls, const json_t *id, struct str *out);

/* The same where the calls are not at hand: they are of a turn that this one continues. */
int api_any_result_extra(struct api_reader *r, const char *path, const json_t *id, struct str *out);

/* The name of a call in an answer: a function of the answer's name, so it is the same at every head. Nine letters and digits: the templates of
 * some models (Mistral's) take no others. */
struct str api_call_name(uint64_t id, uint32_t index, uint32_t call, char out[API_CALL_NAME_BYTES]);

#endif
