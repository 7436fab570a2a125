/* Tools: those that a request offers, the calls of an assistant, and their results. The dialects'
 * formats differ; request.tools and turn.extra have OpenAI's chat format. */
#ifndef MANTA_API_TOOLS_H
#define MANTA_API_TOOLS_H

#include "api/field.h"

enum { API_CALL_NAME_BYTES = 10 }; /* including NUL */

/* A tool as its dialect names the members; NULL: not given. */
struct api_tool {
    const json_t *name, *description, *parameters, *strict;
    const char *name_key, *parameters_key; /* the dialect's names of these members */
};
/* Adds a tool to r->tools, in OpenAI's chat format. `path` is the tool's place. */
int api_tool_add(struct api_reader *r, const char *path, const struct api_tool *tool);
/* Reads each element of the array v with `read`. Returns its first error, or ERR_INVALID if v is no array. */
int api_tools_each(struct api_reader *r, const char *path, const json_t *v, api_field_fn *read);

/* Restricts calls to the function of that name; further calls add further functions. */
void api_choose(struct api_reader *r, const json_t *name);
/* Applies the tools and the choice to the request. Call it after all fields are read. */
int api_tools_end(struct api_reader *r);

/* Adds a call to the array `calls` of the turn being read; arguments: a JSON object, or its
 * text. */
int api_call_add(struct api_reader *r, json_t *calls, const char *path, const json_t *id, const json_t *name, const json_t *arguments);
/* Returns turn.extra for an assistant's turn with these calls (NULL: none) and that reasoning (NULL:
 * none). */
struct str api_calls_extra(struct api_reader *r, const json_t *calls, const json_t *reasoning);
/* Makes turn.extra for the result of one of `calls`, those of the turn before (NULL: none). Returns
 * ERR_INVALID if the id matches none. */
int api_result_extra(struct api_reader *r, const char *path, const json_t *calls, const json_t *id, struct str *out);

/* The same if the calls are unknown: they belong to a turn that this conversation continues. */
int api_any_result_extra(struct api_reader *r, const char *path, const json_t *id, struct str *out);

/* Derives a call's id from the answer's name, so that it is the same on every head. Nine letters
 * and digits: the templates of some models (Mistral's) accept no other ids. */
struct str api_call_name(uint64_t id, uint32_t index, uint32_t call, char out[API_CALL_NAME_BYTES]);

#endif
