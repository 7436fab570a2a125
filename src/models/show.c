#include "models/show.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct show_text show_count(uint64_t n)
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    struct show_text out = {0};
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    return out;
}

struct show_text show_path(const char *path)
{
    struct show_text out;
    size_t n = strlen(path);
    if (n < sizeof out.text) {
        memcpy(out.text, path, n + 1);
        return out;
    }
    static const char cut[] = "…";
    size_t keep = sizeof out.text - sizeof cut; /* bytes kept from the path's end */
    const char *end = path + n - keep;
    while (((unsigned char)*end & 0xc0) == 0x80) /* do not cut within a character */
        end++;
    snprintf(out.text, sizeof out.text, "%s%s", cut, end);
    return out;
}

struct show_text show_bytes(const void *p, size_t n)
{
    struct show_text out = {0};
    const unsigned char *s = p;
    for (size_t i = 0, at = 0; i < n && at + 5 < sizeof out.text; i++) {
        bool plain = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '\\';
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, plain ? "%c" : "\\x%02x", s[i]);
    }
    return out;
}
