/* Functions that the writers of several dialects share. */
#ifndef MANTA_API_ANSWER_H
#define MANTA_API_ANSWER_H

#include "api/dialect.h"
#include "json/write.h"

#define API_MANTA_ID_PREFIX "manta-"

/* Writes the members "id", "object", "created", "model" of an open object. */
void api_write_head(struct jout *j, const struct api_head *h, const char *id_prefix, const char *object);
/* Writes the members of an open usage object. */
void api_write_usage(struct jout *j, const struct api_usage *u);
/* Writes the member "timings" in llama-server's format; NULL: nothing. */
void api_write_timings(struct jout *j, const struct api_timings *t);
/* Writes the member "prompt_progress", likewise. */
void api_write_progress(struct jout *j, const struct api_progress *p);
/* Writes the member `key`, an array of token ids. */
void api_write_ids(struct jout *j, const char *key, const int32_t *ids, uint32_t n);
enum { API_TIME_BYTES = 32 };
/* Formats "2026-11-30T22:15:51Z" into `out`. */
struct str api_time_text(int64_t unix_s, char out[API_TIME_BYTES]);
/* Writes the member `key` with all reasoning of a whole answer, concatenated; nothing if there is
 * none. */
void api_write_reasoning(struct jout *j, const char *key, const struct api_choice *c);
/* Writes a vector as an array of numbers; `dimensions` as in api_call. */
void api_write_numbers(struct jout *j, const struct api_vector *v, uint32_t dimensions);
/* Writes the value of "finish_reason". */
void api_write_finish(struct jout *j, uint8_t finish);
/* True if a response ended without an error or cancellation. */
static inline bool api_response_ok(const struct api_response *r)
{
    return r->finish == FINISH_STOP || r->finish == FINISH_LENGTH || r->finish == FINISH_TOOLS;
}
/* Table entries that several dialects share: chunks, comments, error events, and OpenAI's error
 * bodies. */
void api_write_piece(struct buf *out, const struct api_event *ev);
/* api_dialect.closing: the chunk with the finish reason. */
bool api_write_last_chunk(struct buf *out, const struct api_event *ev);
/* api_dialect.idle: a comment line. */
void api_write_idle_comment(struct buf *out, const struct api_event *ev, struct str text);
/* api_dialect.fault: an error event. */
void api_write_stream_fault(struct buf *out, const struct api_event *ev, const struct fault *f);
/* api_dialect.error: OpenAI's shape. */
void api_write_error_body(struct buf *out, const struct api_error *e, struct str request_id);

#endif
