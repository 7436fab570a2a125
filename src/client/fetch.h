/* Ask a head something and wait for the answer. Private to the room.
 *
 * Each call runs a loop of its own until the answer is whole: commands are short-lived and do one thing at a time. */
#ifndef MANTA_CLIENT_FETCH_H
#define MANTA_CLIENT_FETCH_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"
#include "client/client.h"

enum { FETCH_BYTES_MAX = 64 << 20 };

/* GET (body NULL) or POST. *out: the parsed answer, for the caller to json_decref(). A status other than 200 is an error
 * with the head's own message; nobody there, or not a manta head, says what to check. *out_text (may be NULL): the
 * answer as text, to be freed. */
int fetch_json(const struct client_options *o, const char *path, const char *body, json_t **out, char **out_text,
               struct fault *f);

/* POST, and the answer as server-sent events. on_event gets each event's data parsed (borrowed, and may change it). Ctrl-C ends it with
 * ERR_CANCELLED. A stream that breaks off continues at any of the heads that is there, for the reader as if nothing had been. */
typedef void fetch_event_fn(json_t *data, void *user_data);
int fetch_events(const struct client_options *o, const char *path, const char *body, fetch_event_fn *on_event, void *user_data,
                 struct fault *f);

/* The same with more to hear; each of these may be NULL. */
struct fetch_ears {
    fetch_event_fn *on_event;
    void (*on_comment)(struct str text, void *user_data); /* "manta queue=3 eta=4.2s" */
    void (*on_tick)(void *user_data);                     /* ten times a second while nothing else may come */
    void (*on_away)(void *user_data);                     /* the head is gone in mid-answer: another one is looked for. NULL: stderr says so */
    void *user_data;
};
int fetch_stream(const struct client_options *o, const char *path, const char *body, const struct fetch_ears *ears, struct fault *f);

enum { FETCH_ID_BYTES = 1024, FETCH_HEADERS_BYTES = FETCH_ID_BYTES + 1024 };
/* Header lines of a request: JSON, the key and the id of the last event, where there are any (else empty or NULL). */
void fetch_headers(char out[FETCH_HEADERS_BYTES], const char *key, const char *last_id);

/* ---- reading what came: absent or of another type gives the fallback ---- */
const char *json_text(const json_t *object, const char *key, const char *fallback);
double json_num(const json_t *object, const char *key);
/* Makes all texts in it harmless for a terminal, each a line (base/plain.h), but not keys. What models said ("response",
 * "final_response", "text") keeps its lines, or, `answers` false, stays as it is: a pipe gets it to the byte. */
void json_make_plain(json_t *v, bool answers);
/* Member of member: json_at(status, "resources", "CPU"). */
const json_t *json_at(const json_t *object, const char *key, const char *inner);

#endif
