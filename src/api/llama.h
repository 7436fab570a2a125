/* The members of llama-server's answers that depend on the request: settings, and selected
 * fields. */
#ifndef MANTA_API_LLAMA_H
#define MANTA_API_LLAMA_H

#include "api/answer.h"
#include "api/field.h"

enum { API_RESPONSE_FIELDS_MAX = 64 };

/* Reads "response_fields": names of members, "a/b" for nested ones. */
api_field_fn api_read_response_fields;
/* Makes call.echo: the settings, and the selected members. Leaves it empty beyond
 * API_ECHO_BYTES_MAX. */
void api_make_settings(struct api_reader *r);
/* Writes the settings as a member of an open object, if the head has them. */
void api_put_echo(struct jout *j, const struct api_head *h);
/* True if the context ended an answer before its limit. */
bool api_was_truncated(const struct api_head *h, const struct api_choice *c, uint32_t predicted);
/* Removes the members that were not selected from the object at `from` in `out`; without a selection,
 * none. */
void api_select_fields(struct buf *out, size_t from, const struct api_head *h);

#endif
