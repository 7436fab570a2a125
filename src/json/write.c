#include "json/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

/* The character after the backslash; 0: the byte is written as it is; 'u': as \\u00XX. The only
 * escape table. */
static const char escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    [0] = 'u',    [1] = 'u',     [2] = 'u',    [3] = 'u',    [4] = 'u',    [5] = 'u',    [6] = 'u',
    [7] = 'u',    [11] = 'u',    [14] = 'u',   [15] = 'u',   [16] = 'u',   [17] = 'u',   [18] = 'u',
    [19] = 'u',   [20] = 'u',    [21] = 'u',   [22] = 'u',   [23] = 'u',   [24] = 'u',   [25] = 'u',
    [26] = 'u',   [27] = 'u',    [28] = 'u',   [29] = 'u',   [30] = 'u',   [31] = 'u',
};

static void write_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char e[6] = {'\\', escapes[c], '0', '0', hex[c >> 4], hex[c & 15]};
    buf_add(out, e, e[1] == 'u' ? 6 : 2);
}

void jout_string(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    size_t done = 0; /* bytes already in out */
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80 ? 1 : utf8_len(s.p + i, s.n - i);
        if (len > 0 && escapes[c] == 0) {
            i += len;
            continue;
        }
        buf_add(out, s.p + done, i - done);
        if (len == 0)
            buf_add(out, "\xef\xbf\xbd", 3);
        else
            write_escape(out, c);
        done = ++i;
    }
    if (done < s.n)
        buf_add(out, s.p + done, s.n - done);
    buf_putc(out, '"');
}

static void begin_value(struct jout *j)
{
    if (j->comma)
        buf_putc(j->buf, ',');
    j->comma = true;
}

static void open_with(struct jout *j, char bracket)
{
    begin_value(j);
    buf_putc(j->buf, bracket);
    j->comma = false;
}

static void close_with(struct jout *j, char bracket)
{
    buf_putc(j->buf, bracket);
    j->comma = true;
}

void jout_object(struct jout *j)
{
    open_with(j, '{');
}

void jout_object_end(struct jout *j)
{
    close_with(j, '}');
}

void jout_array(struct jout *j)
{
    open_with(j, '[');
}

void jout_array_end(struct jout *j)
{
    close_with(j, ']');
}

void jout_key(struct jout *j, const char *key)
{
    begin_value(j);
    buf_putc(j->buf, '"');
    buf_puts(j->buf, key);
    buf_add(j->buf, "\":", 2);
    j->comma = false;
}

void jout_key_str(struct jout *j, struct str key)
{
    begin_value(j);
    jout_string(j->buf, key);
    buf_putc(j->buf, ':');
    j->comma = false;
}

void jout_print(FILE *to, const char *text)
{
    struct buf out = buf_max(SIZE_MAX / 2);
    jout_string(&out, str_of(text));
    fwrite(out.p, 1, out.n, to);
    buf_fini(&out);
}

void jout_str(struct jout *j, struct str s)
{
    begin_value(j);
    jout_string(j->buf, s);
}

void jout_uint(struct jout *j, uint64_t v)
{
    begin_value(j);
    buf_put_uint(j->buf, v);
}

void jout_int(struct jout *j, int64_t v)
{
    if (v >= 0) {
        jout_uint(j, (uint64_t)v);
        return;
    }
    begin_value(j);
    buf_putc(j->buf, '-');
    j->comma = false;
    jout_uint(j, 0 - (uint64_t)v); /* correct for INT64_MIN, too */
}

/* Writes a number; a locale may have made its decimal point a comma. */
static void add_number(struct jout *j, char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if (*p == ',')
            *p = '.';
    begin_value(j);
    buf_puts(j->buf, text);
}

void jout_float(struct jout *j, float v)
{
    char text[32];
    if (!isfinite(v)) {
        jout_null(j);
        return;
    }
    for (int digits = 6; digits <= 9; digits++) { /* 9 always suffice for a float */
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    add_number(j, text);
}

void jout_fixed(struct jout *j, double v, int decimals)
{
    char text[352]; /* the largest double has 309 digits */
    if (!isfinite(v)) {
        jout_null(j);
        return;
    }
    snprintf(text, sizeof text, "%.*f", decimals, v);
    add_number(j, text);
}

void jout_bool(struct jout *j, bool v)
{
    begin_value(j);
    buf_puts(j->buf, v ? "true" : "false");
}

void jout_null(struct jout *j)
{
    begin_value(j);
    buf_puts(j->buf, "null");
}
