/* Parts of OpenAI's /v1/responses beyond one answer: stored responses, and events by number. */
#ifndef MANTA_API_RESPONSES_H
#define MANTA_API_RESPONSES_H

#include "api/dialect.h"
#include "json/write.h"

struct api_reader;

/* responses_in.c: the dialect's `parse`. */
int api_responses_parse(struct str body, struct api_call *out, struct api_error *e);
/* Parses the place of a client whose last event had that sequence_number (empty: none) into the one
 * place of *id. Returns ERR_INVALID with f. */
int api_parse_starting_after(struct str number, struct api_stream_id *id, struct fault *f);
/* Inserts an earlier conversation before the call's own turns, after its instructions. Returns
 * ERR_TOO_LARGE for too many turns, and leaves the call unchanged. */
int api_call_continue(struct api_call *c, const struct turn *turns, uint32_t n);
/* Resolves a reference: copies the answer's text, and its calls as in struct turn. */
void api_call_refer(struct api_call *c, const struct api_reference *ref, struct str content, struct str extra);
/* Makes call.echo from the parsed request, for the answer. */
void api_make_echo(struct api_reader *r);
/* True if the text is valid members of a JSON object. Checked because a peer returns it. */
bool api_echo_is_right(struct str echo);
enum { API_ITEMS = 20, API_ITEMS_MAX = 100 }; /* items per page: default and maximum, as in OpenAI's API */
struct api_items_page {
    bool oldest_first;
    struct str after;            /* name of the item before the page; empty: the first page */
    uint32_t limit;              /* items per page */
};
/* Appends {"object":"list","data":[…], …} with the input's items. False: no item has the name
 * `after`. */
bool api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, const struct api_items_page *page);
/* Appends turn.extra for an answer with that name and these blocks; nothing if it calls no
 * tools. */
void api_write_calls_extra(struct buf *out, uint64_t id, const struct api_block *blocks, uint32_t n);
/* responses.c: appends a part of a message, {"type":"output_text",…}. */
void api_put_text_part(struct jout *j, const char *type, struct str text);
/* Appends the answer to DELETE. */
void api_write_deleted(struct buf *out, uint64_t id);

#endif
