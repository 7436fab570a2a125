/* Send a request to a head and wait for the answer. Private to the room.
 *
 * Each call runs its own loop until the answer is complete: commands are short-lived and do one
 * thing at a time. */
#ifndef MANTA_CLIENT_FETCH_H
#define MANTA_CLIENT_FETCH_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"
#include "client/client.h"

enum { FETCH_BYTES_MAX = 64 << 20 };

/* GET (body NULL) or POST. *out: the parsed answer, which the caller releases with json_decref(). A
 * status other than 200 is an error with the head's message; if no head answers, or another
 * program, the error says what to check. *out_text (may be NULL): the answer as text, to be
 * freed. */
int fetch_json(const struct client_options *o, const char *path, const char *body, json_t **out, char **out_text,
               struct fault *f);

/* POST, with server-sent events as the answer. on_event gets each event's parsed data (borrowed; it
 * may change it). Ctrl-C ends the call with ERR_CANCELLED. A broken stream is resumed on any
 * available head, without a gap for the reader. */
typedef void fetch_event_fn(json_t *data, void *user_data);
int fetch_events(const struct client_options *o, const char *path, const char *body, fetch_event_fn *on_event, void *user_data,
                 struct fault *f);

/* The same with more callbacks; each may be NULL. */
struct fetch_ears {
    fetch_event_fn *on_event;
    void (*on_comment)(struct str text, void *user_data); /* "manta queue=3 eta=4.2s" */
    void (*on_tick)(void *user_data);                     /* ten times a second */
    void (*on_away)(void *user_data);                     /* the head was lost in mid-answer, and another one is sought.
                                                           * NULL: reported on stderr */
    void *user_data;
};
int fetch_stream(const struct client_options *o, const char *path, const char *body, const struct fetch_ears *ears, struct fault *f);

enum { FETCH_ID_BYTES = 1024, FETCH_HEADERS_BYTES = FETCH_ID_BYTES + 1024 };
/* Writes a request's header lines: JSON, the key and the last event's id, if given (not empty or
 * NULL). */
void fetch_headers(char out[FETCH_HEADERS_BYTES], const char *key, const char *last_id);

/* ---- reading answers: missing members, and members of another type, give the fallback ---- */
const char *json_text(const json_t *object, const char *key, const char *fallback);
double json_num(const json_t *object, const char *key);
/* Makes all strings in it safe for a terminal, on one line each (base/plain.h), but not keys. Model
 * output ("response", "final_response", "text") keeps its lines; with `answers` false it stays
 * unchanged, byte for byte, for pipes. */
void json_make_plain(json_t *v, bool answers);
/* Returns a member of a member: json_at(status, "resources", "CPU"). */
const json_t *json_at(const json_t *object, const char *key, const char *inner);

#endif
