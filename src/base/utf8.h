/* Is this UTF-8? One character at a time. */
#ifndef MANTA_BASE_UTF8_H
#define MANTA_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Length (1 … 4) of the well-formed character at p[0..n), n > 0; 0 when there is none: a stray or missing continuation
 * byte, an overlong form, a surrogate, or a value above U+10FFFF. */
size_t utf8_len(const char *p, size_t n);
/* n without the bytes at the end that only begin a character: of a text that was cut at n, its whole characters. */
size_t utf8_whole(const char *p, size_t n);

/* The code point of the well-formed character of `len` bytes at p. */
uint32_t utf8_code(const char *p, size_t len);

/* How many characters begin in a text of whole ones. */
uint32_t utf8_count(struct str s);

/* The whole characters within the first `max` bytes; a text that is shorter is left as it is. */
static inline struct str utf8_head(struct str s, size_t max)
{
    return s.n > max ? str_n(s.p, utf8_whole(s.p, max)) : s;
}
/* For "%.*s": the same of a terminated text. */
#define UTF8_HEAD(text, max) STR_ARG(utf8_head(str_of(text), max))

#endif
