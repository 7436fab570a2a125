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
/* Inserts an earlier conversation, whose last turn is the answer, before the call's own turns, after its
 * instructions; results of the answer's calls get their names. Returns
 * ERR_TOO_LARGE for too many turns, and leaves the call unchanged. */
int api_call_continue(struct api_call *c, const struct turn *turns, uint32_t n);
/* Resolves a reference: copies the answer's text, and its reasoning and calls as in struct turn; results of
 * these calls get their names. */
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
    bool summary;                /* as in api_call */
};
/* Appends {"object":"list","data":[…], …} with the input's items; thoughts are content, or with
 * `page->summary` summaries. False: no item has the name `after`. */
bool api_write_input_items(struct buf *out, uint64_t id, const struct turn *turns, uint32_t n, const struct api_items_page *page);
/* Appends turn.extra for an answer with that name and these blocks: its reasoning and its calls;
 * nothing if it has neither. */
void api_write_answer_extra(struct buf *out, uint64_t id, const struct api_block *blocks, uint32_t n);
/* responses.c: appends a part of a message, {"type":"output_text",…}. */
void api_put_text_part(struct jout *j, const char *type, struct str text);
/* Appends a part of a thought, {"type":"reasoning_text",…} or "summary_text". */
void api_put_thought_part(struct jout *j, bool summary, struct str text);
/* Appends the members of a reasoning item; NULL: it begins, and has no text yet. */
void api_put_thought(struct jout *j, bool summary, const struct str *text);
/* Appends the answer to DELETE. */
void api_write_deleted(struct buf *out, uint64_t id);

#endif
