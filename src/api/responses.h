/* What OpenAI's /v1/responses has beyond asking and answering: responses that are kept, and events by their numbers. */
#ifndef MANTA_API_RESPONSES_H
#define MANTA_API_RESPONSES_H

#include "api/dialect.h"
#include "json/write.h"

struct api_reader;

/* responses_in.c: the dialect's `parse`. */
int api_responses_parse(struct str body, struct api_call *out, struct api_error *e);
/* The place of a client whose last event had that sequence_number; empty: it has none. Into the one place of *id. ERR_INVALID with f. */
int api_parse_starting_after(struct str number, struct api_stream_id *id, struct fault *f);
/* Puts an earlier conversation before what the call says, behind its instructions. ERR_TOO_LARGE: too many turns; the call is as it was. */
int api_call_continue(struct api_call *c, const struct turn *turns, uint32_t n);
/* The answer that a reference is to: what it says, and its calls as in struct turn; copied. */
void api_call_refer(struct api_call *c, const struct api_reference *ref, struct str content, struct str extra);
/* Makes it of the request that was read, for the answer: call.echo. */
void api_make_echo(struct api_reader *r);
/* Are these members of a JSON object? They come back from a peer. */
bool api_echo_is_right(struct str echo);
enum { API_ITEMS = 20, API_ITEMS_MAX = 100 }; /* items of a page: when no number is given, and at most; as OpenAI has it */
struct api_items_page {
    bool oldest_first;
    struct str after;            /* name of the item before the page; empty: it is the first one */
    uint32_t limit;              /* items of it */
};
/* {"object":"list","data":[…], …}: what was asked. False: there is no item of the name `after`. */
bool api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, const struct api_items_page *page);
/* turn.extra for an answer of that name and these blocks, to be gone on from; appends nothing where it calls no tools. */
void api_write_calls_extra(struct buf *out, uint64_t id, const struct api_block *blocks, uint32_t n);
/* responses.c: a part of a message, {"type":"output_text",…}. */
void api_put_text_part(struct jout *j, const char *type, struct str text);
/* What DELETE answers. */
void api_write_deleted(struct buf *out, uint64_t id);

#endif
