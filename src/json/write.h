/* Write JSON straight into a buffer: no tree, no copy, commas and escapes taken care of.
 *
 *     struct jout j = jout_to(&buf);
 *     jout_object(&j);
 *     jout_key(&j, "workers");
 *     jout_array(&j);
 *     for (…) jout_uint(&j, id);
 *     jout_array_end(&j);
 *     jout_put_str(&j, "state", str_of("ok"));     // jout_put_*: key and value in one call
 *     jout_object_end(&j);                         // {"workers":[1,2],"state":"ok"}
 *
 * The buffer's maximum bounds it; check buf.overflowed once at the end. Keys are written as they are: they are ours,
 * never a peer's. Opening and closing must match; nothing checks it but the tests that parse the output. */
#ifndef MANTA_JSON_WRITE_H
#define MANTA_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

struct jout {
    struct buf *buf; /* borrowed */
    bool comma;      /* a value was written at this level: the next one needs a comma */
};

/* Makes a writer for that buffer, which stays the caller's. */
static inline struct jout jout_to(struct buf *buf)
{
    return (struct jout){.buf = buf};
}

/* Opens an object, as a value. */
void jout_object(struct jout *j);
/* Closes the object. */
void jout_object_end(struct jout *j);
/* Opens an array, as a value. */
void jout_array(struct jout *j);
/* Closes the array. */
void jout_array_end(struct jout *j);
/* Writes the key of the next value, unescaped: it is a constant of manta's, never a peer's. */
void jout_key(struct jout *j, const char *key);
/* Writes a key from elsewhere, escaped. */
void jout_key_str(struct jout *j, struct str key);

/* Appends s as a JSON string, quoted and escaped, without a writer; bytes that are not UTF-8
 * become U+FFFD. */
void jout_string(struct buf *out, struct str s);

/* Prints text as jout_string() writes it, for output that is printed as it comes. */
void jout_print(FILE *to, const char *text);

/* Writes a string, as jout_string(). */
void jout_str(struct jout *j, struct str s);
/* Writes a whole number. */
void jout_int(struct jout *j, int64_t v);
/* Writes a whole number that is never negative. */
void jout_uint(struct jout *j, uint64_t v);
/* Writes the shortest digits that read back as the same float; null when not finite, because
 * JSON has no such number. */
void jout_float(struct jout *j, float v);
/* Writes `decimals` digits after the point (0 … 9), for seconds and shares that people read;
 * null when not finite. */
void jout_fixed(struct jout *j, double v, int decimals);
/* Writes true or false. */
void jout_bool(struct jout *j, bool v);
/* Writes null. */
void jout_null(struct jout *j);

/* Writes a key and a string. */
static inline void jout_put_str(struct jout *j, const char *key, struct str s)
{
    jout_key(j, key);
    jout_str(j, s);
}
/* Writes a key and a terminated string. */
static inline void jout_put_cstr(struct jout *j, const char *key, const char *s)
{
    jout_put_str(j, key, str_of(s));
}
/* Writes a key and a whole number. */
static inline void jout_put_int(struct jout *j, const char *key, int64_t v)
{
    jout_key(j, key);
    jout_int(j, v);
}
/* Writes a key and a whole number that is never negative. */
static inline void jout_put_uint(struct jout *j, const char *key, uint64_t v)
{
    jout_key(j, key);
    jout_uint(j, v);
}
/* Writes a key and a number with `decimals` digits after the point. */
static inline void jout_put_fixed(struct jout *j, const char *key, double v, int decimals)
{
    jout_key(j, key);
    jout_fixed(j, v, decimals);
}
/* Writes a key and true or false. */
static inline void jout_put_bool(struct jout *j, const char *key, bool v)
{
    jout_key(j, key);
    jout_bool(j, v);
}
/* Writes a key and null. */
static inline void jout_put_null(struct jout *j, const char *key)
{
    jout_key(j, key);
    jout_null(j);
}

#endif
