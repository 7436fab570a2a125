/* The machine-readable part of a log line: a name and fields, beside the sentence for people.
 *
 *     EVENT("worker_left", KV("node", w->name), KV("worker", w->id))
 *
 *     event=worker_left node=worker-2 worker=5          as text, behind the sentence
 *     "event":"worker_left","node":"worker-2","worker":5   as JSON
 *
 * Programs read names and fields only, so sentences may change at any time. A name says what
 * happened ("job_resumed"); the key of a number ends in its unit ("wait_ms"). A value from a
 * stranger cannot forge a field: any value that is not one plain word is quoted. */
#ifndef MANTA_BASE_EVENT_H
#define MANTA_BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    EVENT_BYTES_MAX = 640,       /* of all fields as text or JSON; fields that do not fit are left out, the last ones
                                    first */
    EVENT_VALUE_BYTES_MAX = 160, /* of one text; a longer text is cut */
};

enum event_kind { EVENT_TEXT, EVENT_COUNT, EVENT_NUMBER, EVENT_REAL, EVENT_ID };

/* An event is an array of these: its name under the key "event", its fields, and a terminator
 * without a key. */
struct event_field {
    const char *key;      /* static; NULL in the terminator */
    enum event_kind kind;
    struct str text;      /* TEXT; borrowed */
    uint64_t count;       /* COUNT; ID: 16 hexadecimal digits */
    int64_t number;       /* NUMBER */
    double real;          /* REAL */
};

#define EVENT(name, ...) ((const struct event_field[]){KV("event", name), ##__VA_ARGS__, {0}})
/* Makes a field from a string, a struct str, a number or a boolean (0 or 1). */
#define KV(key, value) \
    _Generic((value), char *: event_text, const char *: event_text, struct str: event_str, int: event_number, int64_t: event_number, \
             float: event_real, double: event_real, default: event_count)(key, value)

/* Makes a field from a text, which is borrowed. */
static inline struct event_field event_str(const char *key, struct str value)
{
    return (struct event_field){.key = key, .kind = EVENT_TEXT, .text = value};
}
/* Makes a field from a terminated string, which is borrowed. */
static inline struct event_field event_text(const char *key, const char *value)
{
    return event_str(key, str_of(value));
}
/* Makes a field from a number that is never negative. */
static inline struct event_field event_count(const char *key, uint64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_COUNT, .count = value};
}
/* Makes a field from a whole number. */
static inline struct event_field event_number(const char *key, int64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_NUMBER, .number = value};
}
/* Makes a field from a number with a fraction. */
static inline struct event_field event_real(const char *key, double value)
{
    return (struct event_field){.key = key, .kind = EVENT_REAL, .real = value};
}
/* Makes a field from the 64-bit id of a stream. */
static inline struct event_field event_id(const char *key, uint64_t value)
{
    return (struct event_field){.key = key, .kind = EVENT_ID, .count = value};
}

/* ---- writing ---- */

/* Writes " event=worker_left node=worker-2 worker=5", or as JSON ",\"event\":\"worker_left\",…",
 * into `out` of EVENT_BYTES_MAX bytes, not terminated. Writes each field whole or not at all,
 * and nothing when e is NULL. Returns the number of bytes. */
size_t event_write(const struct event_field *e, bool json, char *out);
/* Appends `text` in quotes, escaped as in JSON, as far as it fits between *n and cap. */
void event_quote(struct str text, char *out, size_t *n, size_t cap);

/* ---- reading ---- */

/* Returns whether the event has this name; false for NULL. */
static inline bool event_is(const struct event_field *e, const char *name)
{
    return e != NULL && str_is(e->text, name);
}
/* Returns the value of a COUNT field; 0 when the event has no field of that key. */
uint64_t event_get(const struct event_field *e, const char *key);
/* Copies the value of `key` ("event": the name) from a log line in text form, terminated and cut
 * to cap. Returns false, and "", when the line has no such key. */
bool event_from_line(struct str line, const char *key, char *out, size_t cap);
/* Returns the offset where the sentence of a log line in text form ends and its event begins;
 * line.n when there is no event. */
size_t event_begins(struct str line);

/* ---- keeping ---- */

/* Returns the bytes that a copy takes, with its texts. */
size_t event_copy_bytes(const struct event_field *e);
/* Copies an event and its texts into `to`, which has event_copy_bytes() bytes and the alignment
 * of a pointer. */
const struct event_field *event_copy(const struct event_field *e, void *to);

#endif
