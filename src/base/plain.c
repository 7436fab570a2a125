#include "base/plain.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/utf8.h"

enum { INDENT_MAX = 12 };

enum verdict { FINE, BLANK, RETURN, BAD };

static bool turns_direction(uint32_t c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Judges the character at p, whose length in bytes is *out_len: at least 1. */
static enum verdict judge(const char *p, size_t n, size_t *out_len)
{
    size_t len = utf8_len(p, n);
    *out_len = len > 0 ? len : 1;
    if (len == 0)
        return BAD;
    uint32_t c = utf8_code(p, len);
    if (c == '\n' || c == '\t' || c == 0x2028 || c == 0x2029)
        return BLANK;
    if (c == '\r')
        return RETURN;
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || turns_direction(c) ? BAD : FINE;
}

bool plain_is_line(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        if (judge(s.p + i, s.n - i, &len) != FINE)
            return false;
    }
    return true;
}

void plain_add(struct buf *out, struct str s, enum plain_how how)
{
    size_t done = 0; /* bytes of s already handled */
    if (s.n == 0)
        return;
    for (size_t i = 0, len; i < s.n; i += len) {
        enum verdict v = judge(s.p + i, s.n - i, &len);
        if (v == FINE || (v == BLANK && how == PLAIN_TEXT))
            continue;
        buf_add(out, s.p + done, i - done);
        done = i + len;
        if (v == BAD)
            buf_puts(out, "\xef\xbf\xbd");
        else if (how == PLAIN_LINE)
            buf_putc(out, ' ');
    }
    buf_add(out, s.p + done, s.n - done);
}

size_t plain_in_place(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0, len; i < n; i += len) {
        enum verdict v = judge(text + i, n - i, &len);
        if (v == FINE) {
            memmove(text + to, text + i, len);
            to += len;
        } else {
            bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
            text[to++] = v == BAD && !control ? '?' : ' ';
        }
    }
    return to;
}

void plain_add_json(struct buf *out, struct str json)
{
    size_t done = 0;
    for (size_t i = 0, len; i < json.n; i += len) {
        enum verdict v = judge(json.p + i, json.n - i, &len);
        if (v == FINE || v == BLANK)
            continue;
        buf_add(out, json.p + done, i - done);
        done = i + len;
        if (v == BAD) /* a carriage return can only stand between values */
            buf_printf(out, "\\u%04x", utf8_len(json.p + i, json.n - i) > 0 ? (unsigned)utf8_code(json.p + i, len) : 0xfffdu);
    }
    buf_add(out, json.p + done, json.n - done);
}

void plain_print(FILE *to, const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2), line = buf_max(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    plain_add(&line, buf_str(&text), PLAIN_LINE);
    fprintf(to, "%s\n", buf_cstr(&line));
    buf_fini(&text);
    buf_fini(&line);
}

void plain_vwrapped(FILE *to, const char *fmt, va_list args)
{
    struct buf text = buf_max(SIZE_MAX / 2), plain = buf_max(SIZE_MAX / 2), out = buf_max(SIZE_MAX / 2);
    buf_vprintf(&text, fmt, args);
    plain_add(&plain, buf_str(&text), PLAIN_LINE);
    size_t indent = strspn(buf_cstr(&plain), " "); /* also for continuation lines */
    wrap_text(buf_str(&plain), isatty(fileno(to)) != 0 ? cells_columns(fileno(to)) : UINT32_MAX, indent < INDENT_MAX ? (unsigned)indent : INDENT_MAX,
              0, &out);
    fprintf(to, "%s\n", buf_cstr(&out));
    buf_fini(&text);
    buf_fini(&plain);
    buf_fini(&out);
}

void plain_wrapped(FILE *to, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    plain_vwrapped(to, fmt, ap);
    va_end(ap);
}

void plain_error(const char *fmt, ...)
{
    struct buf text = buf_max(SIZE_MAX / 2), plain = buf_max(SIZE_MAX / 2), line = buf_max(SIZE_MAX / 2);
    bool colour = plain_takes_colours(STDERR_FILENO);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    plain_add(&plain, buf_str(&text), PLAIN_LINE);
    wrap_text(buf_str(&plain), isatty(STDERR_FILENO) != 0 ? cells_columns(STDERR_FILENO) : UINT32_MAX, 0, sizeof "error: " - 1, &line);
    fprintf(stderr, "%serror:%s %s\n", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "", buf_cstr(&line));
    buf_fini(&text);
    buf_fini(&plain);
    buf_fini(&line);
}

bool plain_takes_escapes(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) != 0 && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool plain_takes_colours(int fd)
{
    const char *no = getenv("NO_COLOR");
    return plain_takes_escapes(fd) && (no == NULL || no[0] == '\0');
}
