#include "base/utf8.h"

#include <stdbool.h>

static bool between(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* Table 3-7 of the Unicode standard: only the second byte's range depends on the first. */
size_t utf8_len(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    if (between(c, 0xc2, 0xdf))
        return n >= 2 && between(s[1], 0x80, 0xbf) ? 2 : 0;
    if (between(c, 0xe0, 0xef)) {
        unsigned char low = c == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        unsigned char high = c == 0xed ? 0x9f : 0xbf; /* no surrogates */
        return n >= 3 && between(s[1], low, high) && between(s[2], 0x80, 0xbf) ? 3 : 0;
    }
    if (between(c, 0xf0, 0xf4)) {
        unsigned char low = c == 0xf0 ? 0x90 : 0x80;
        unsigned char high = c == 0xf4 ? 0x8f : 0xbf; /* nothing above U+10FFFF */
        return n >= 4 && between(s[1], low, high) && between(s[2], 0x80, 0xbf) && between(s[3], 0x80, 0xbf) ? 4 : 0;
    }
    return 0;
}

size_t utf8_whole(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)p[n - back];
        if (c < 0x80)
            return n;
        if (c >= 0xc0) { /* begins a character, of 2 to 4 bytes */
            size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return len > back ? n - back : n;
        }
    }
    return n;
}

uint32_t utf8_code(const char *p, size_t len)
{
    const unsigned char *s = (const unsigned char *)p;
    if (len == 1)
        return s[0];
    uint32_t c = s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3fu);
    return c;
}

uint32_t utf8_count(struct str s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}
