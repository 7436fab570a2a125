/* The header fields of one message: names in lower case, values trimmed, found by name.
 *
 * The parser's callbacks feed them piece by piece, in the order name…, mark, value…, end. All text
 * lies in one buffer, the offsets in one small array: a typical request takes two allocations. */
#ifndef MANTA_HTTP_FIELDS_H
#define MANTA_HTTP_FIELDS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct field {
    uint16_t name, name_n;   /* offset in fields.text, bytes */
    uint16_t value, value_n; /* likewise; surrounding blanks removed */
};

struct fields {
    struct buf text;  /* owned: the user's text, if any, then names and values */
    struct field *at; /* owned */
    uint16_t n, cap;
    struct field open; /* the field being fed */
};

/* Makes empty fields for at most HTTP_HEAD_BYTES_MAX bytes of text. */
void fields_init(struct fields *f);
/* Frees everything; the fields are empty and usable again. */
void fields_fini(struct fields *f);

/* Begins a field at the end of the text so far. */
void fields_begin(struct fields *f);
/* Appends to the name. Returns ERR_TOO_LARGE when the text is full. */
int fields_name(struct fields *f, const char *p, size_t n);
/* Ends the name and begins the value. */
void fields_mark(struct fields *f);
/* Appends to the value. Returns ERR_TOO_LARGE when the text is full. */
int fields_value(struct fields *f, const char *p, size_t n);
/* Ends the field. Returns ERR_TOO_LARGE when there are HTTP_HEADERS_MAX already. */
int fields_end(struct fields *f);

/* Returns the first value of that name, or empty. */
struct str fields_get(const struct fields *f, const char *lower_name);
/* Returns the number of fields with that name. */
uint32_t fields_count(const struct fields *f, const char *lower_name);

#endif
