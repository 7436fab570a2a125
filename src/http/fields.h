/* The header fields of one message: names in lower case, values trimmed, found by name.
 *
 * Fed piece by piece by the parser's callbacks, in the order name…, mark, value…, end. All text lies in one buffer,
 * the places in one small array: a typical request takes two allocations. */
#ifndef MANTA_HTTP_FIELDS_H
#define MANTA_HTTP_FIELDS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct field {
    uint16_t name, name_n;   /* offset in fields.text, bytes */
    uint16_t value, value_n; /* same; surrounding blanks cut off */
};

struct fields {
    struct buf text;  /* owned: whatever the user put first, then names and values */
    struct field *at; /* owned */
    uint16_t n, cap;
    struct field open; /* the one being fed */
};

/* Empty, for at most HTTP_HEAD_BYTES_MAX bytes of text. */
void fields_init(struct fields *f);
/* Frees everything; the fields are empty and usable again. */
void fields_fini(struct fields *f);

/* A field begins at the end of the text written so far. */
void fields_begin(struct fields *f);
/* More of the name. ERR_TOO_LARGE: the text is full. */
int fields_name(struct fields *f, const char *p, size_t n);
/* The name is whole, the value begins. */
void fields_mark(struct fields *f);
/* More of the value of the present field. ERR_TOO_LARGE: too much text. */
int fields_value(struct fields *f, const char *p, size_t n);
/* The field is whole. ERR_TOO_LARGE: there are HTTP_HEADERS_MAX already. */
int fields_end(struct fields *f);

/* The first value of that name, or empty. */
struct str fields_get(const struct fields *f, const char *lower_name);
/* How many fields have that name. */
uint32_t fields_count(const struct fields *f, const char *lower_name);

#endif
