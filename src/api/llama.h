/* llama-server's /completion: what its answers repeat of their request, and leave out. */
#ifndef MANTA_API_LLAMA_H
#define MANTA_API_LLAMA_H

#include "api/answer.h"
#include "api/field.h"

enum { API_RESPONSE_FIELDS_MAX = 64 };

/* "response_fields": names of members, "a/b" for one within another. */
api_field_fn api_read_response_fields;
/* The settings of a request as llama-server names them: an object, as a value. */
void api_put_settings(struct jout *j, const struct api_call *c);
/* call.echo: the settings, and the members that are wanted. None where they would be over API_ECHO_BYTES_MAX. */
void api_make_settings(struct api_reader *r);
/* The settings as a member of an open object, where the head has them. */
void api_put_echo(struct jout *j, const struct api_head *h);
/* Did the context end an answer before its limit did? */
bool api_was_truncated(const struct api_head *h, const struct api_choice *c, uint32_t predicted);
/* Of the object that stands in `out` from `from` on, leaves the members that were asked for; all, where none was. */
void api_select_fields(struct buf *out, size_t from, const struct api_head *h);

#endif
