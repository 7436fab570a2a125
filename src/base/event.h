/* What a log line reports, for programs: a name and fields, beside the sentence that people read.
 *
 *     EVENT("worker_left", KV("node", w->name), KV("worker", w->id))
 *
 *     event=worker_left node=worker-2 worker=5          as text, behind the sentence
 *     "event":"worker_left","node":"worker-2","worker":5   as JSON
 *
 * Programs read names and fields only, so sentences may change at any time. A name says what happened ("job_resumed"), a number
 * has its unit in its key ("wait_ms"). A value from a stranger forges no field: what is not one plain word is quoted. */
#ifndef MANTA_BASE_EVENT_H
#define MANTA_BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    EVENT_BYTES_MAX = 640,       /* of all fields as text or JSON; those that do not fit are left out, the last ones first */
    EVENT_VALUE_BYTES_MAX = 160, /* of one text; a longer one is cut */
};

enum event_kind { EVENT_TEXT, EVENT_COUNT, EVENT_NUMBER, EVENT_REAL, EVENT_ID };

/* An event is an array of these: its name under the key "event", its fields, and one without a key. */
struct event_field {
    const char *key;      /* static; NULL behind the last one */
    enum event_kind kind;
    struct str text;      /* TEXT; borrowed */
    uint64_t count;       /* COUNT; ID: 16 hexadecimal digits */
    int64_t number;       /* NUMBER */
    double real;          /* REAL */
};

#define EVENT(name, ...) ((const struct event_field[]){KV("event", name), ##__VA_ARGS__, {0}})
/* A field of a string, a struct str, a number or a boolean (0 or 1). */
#define KV(key, value) \
    _Generic((value), char *: event_text, const char *: event_text, struct str: event_str, int: event_number, int64_t: event_number, \
             float: event_real, double: event_real, default: event_count)(key, value)

/* A field of a text, which is borrowed. */
static inline struct event_field event_str(const char *key, struct str value)
{
    return (struct event_field){.key = key, .kind = EVENT_TEXT, .text = value};
}
/* The same of a terminated string. */
static inline struct event_field event_text(const char *key, const char *value)
{
    return event_str(key, str_of(value));
}
/* A field of a number that is never negative. */
static inline struct event_field event_count(const char *key, uint64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_COUNT, .count = value};
}
/* A field of a whole number. */
static inline struct event_field event_number(const char *key, int64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_NUMBER, .number = value};
}
/* A field of a number with a point. */
static inline struct event_field event_real(const char *key, double value)
{
    return (struct event_field){.key = key, .kind = EVENT_REAL, .real = value};
}
/* The 64 bits by which a stream is known. */
static inline struct event_field event_id(const char *key, uint64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_ID, .count = value};
}

/* ---- writing: into `out` of EVENT_BYTES_MAX, not terminated; the number of bytes ---- */

/* " event=worker_left node=worker-2 worker=5", or as JSON ",\"event\":\"worker_left\",…"; nothing for NULL. Each field whole or not at all. */
size_t event_write(const struct event_field *e, bool json, char *out);
/* Appends "text", quoted and escaped as in JSON, as much of it as fits between *n and cap. */
void event_quote(struct str text, char *out, size_t *n, size_t cap);

/* ---- reading ---- */

/* The event has that name; false for NULL. */
static inline bool event_is(const struct event_field *e, const char *name)
{
    return e != NULL && str_is(e->text, name);
}
/* The number of a COUNT; 0 where there is none of that key. */
uint64_t event_get(const struct event_field *e, const char *key);
/* From a log line as text: its value of `key` (of "event": the name), terminated, as much as fits. False, and empty: it has none. */
bool event_from_line(struct str line, const char *key, char *out, size_t cap);
/* Where the sentence of such a line ends and its event begins; its end where it has none. */
size_t event_begins(struct str line);

/* ---- keeping ---- */

/* Bytes that a copy takes, with its texts. */
size_t event_copy_bytes(const struct event_field *e);
/* A copy of an event and its texts in `to`, which has that many bytes and the alignment of a pointer. */
const struct event_field *event_copy(const struct event_field *e, void *to);

#endif
