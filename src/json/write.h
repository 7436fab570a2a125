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

#include "base/buf.h"

struct jout {
    struct buf *buf; /* borrowed */
    bool comma;      /* a value was written at this level: the next one needs a comma */
};

/* Writes to that buffer, which stays the caller's. */
static inline struct jout jout_to(struct buf *buf)
{
    return (struct jout){.buf = buf};
}

/* Opens an object, as a value. */
void jout_object(struct jout *j);
/* Closes it. */
void jout_object_end(struct jout *j);
/* Opens an array, as a value. */
void jout_array(struct jout *j);
/* Closes it. */
void jout_array_end(struct jout *j);
/* The key of the next value; not escaped: it is ours. */
void jout_key(struct jout *j, const char *key);
/* A key that is not ours: escaped. */
void jout_key_str(struct jout *j, struct str key);

/* Without a writer: s as a JSON string, quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void jout_string(struct buf *out, struct str s);

/* Quoted and escaped, as jout_string(). */
void jout_str(struct jout *j, struct str s);
/* A whole number. */
void jout_int(struct jout *j, int64_t v);
/* A whole number that is never negative. */
void jout_uint(struct jout *j, uint64_t v);
/* The shortest digits that read back as the same float; null when not finite, as JSON has no such number. */
void jout_float(struct jout *j, float v);
/* With `decimals` digits after the point (0 … 9), for seconds and shares people read; null when not finite. */
void jout_fixed(struct jout *j, double v, int decimals);
/* true or false. */
void jout_bool(struct jout *j, bool v);
/* null. */
void jout_null(struct jout *j);

/* A key and a text, quoted and escaped. */
static inline void jout_put_str(struct jout *j, const char *key, struct str s)
{
    jout_key(j, key);
    jout_str(j, s);
}
/* The same of a terminated string. */
static inline void jout_put_cstr(struct jout *j, const char *key, const char *s)
{
    jout_put_str(j, key, str_of(s));
}
/* A key and a whole number. */
static inline void jout_put_int(struct jout *j, const char *key, int64_t v)
{
    jout_key(j, key);
    jout_int(j, v);
}
/* The same of one that is never negative. */
static inline void jout_put_uint(struct jout *j, const char *key, uint64_t v)
{
    jout_key(j, key);
    jout_uint(j, v);
}
/* A key and a number with so many digits after the point. */
static inline void jout_put_fixed(struct jout *j, const char *key, double v, int decimals)
{
    jout_key(j, key);
    jout_fixed(j, v, decimals);
}
/* A key and true or false. */
static inline void jout_put_bool(struct jout *j, const char *key, bool v)
{
    jout_key(j, key);
    jout_bool(j, v);
}
/* A key and null. */
static inline void jout_put_null(struct jout *j, const char *key)
{
    jout_key(j, key);
    jout_null(j);
}

#endif
