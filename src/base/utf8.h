/* Validate and decode UTF-8, one character at a time. */
#ifndef MANTA_BASE_UTF8_H
#define MANTA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* Returns the length (1 … 4) of the well-formed character at p[0..n), n > 0; 0 for a stray or
 * missing continuation byte, an overlong form, a surrogate, or a value above U+10FFFF. */
size_t utf8_len(const char *p, size_t n);
/* Returns the text without the byte order mark that some editors write at its beginning. */
static inline struct str utf8_unmarked(struct str s)
{
    bool marked = s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0;
    return marked ? str_n(s.p + 3, s.n - 3) : s;
}
/* Returns n without an unfinished character at the end: the length of the whole characters in a
 * text that was cut at n. */
size_t utf8_whole(const char *p, size_t n);

/* Returns the code point of the well-formed character of `len` bytes at p. */
uint32_t utf8_code(const char *p, size_t len);

/* Returns the number of characters in a text of whole characters. */
uint32_t utf8_count(struct str s);

/* Returns the whole characters within the first `max` bytes; a shorter text is unchanged. */
static inline struct str utf8_head(struct str s, size_t max)
{
    return s.n > max ? str_n(s.p, utf8_whole(s.p, max)) : s;
}
/* Arguments for "%.*s": as utf8_head(), for a terminated text. */
#define UTF8_HEAD(text, max) STR_ARG(utf8_head(str_of(text), max))

#endif
