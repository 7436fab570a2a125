/* Is this UTF-8? One character at a time. */
#ifndef MANTA_BASE_UTF8_H
#define MANTA_BASE_UTF8_H

#include <stddef.h>

/* Length (1 … 4) of the well-formed character at p[0..n), n > 0; 0 when there is none: a stray or missing continuation
 * byte, an overlong form, a surrogate, or a value above U+10FFFF. */
size_t utf8_len(const char *p, size_t n);
/* n without the bytes at the end that only begin a character: of a text that was cut at n, its whole characters. */
size_t utf8_whole(const char *p, size_t n);

#endif
