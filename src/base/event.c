#include "base/event.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/utf8.h"

/* ---- writing ---- */

static void add(struct str s, char *out, size_t *n, size_t cap)
{
    size_t fits = s.n < cap - *n ? s.n : cap - *n;
    if (fits > 0)
        memcpy(out + *n, s.p, fits);
    *n += fits;
}

void event_quote(struct str text, char *out, size_t *n, size_t cap)
{
    if (cap - *n < 2)
        return;
    out[(*n)++] = '"';
    for (size_t i = 0, len; i < text.n; i += len) {
        char escaped[8];
        unsigned char c = (unsigned char)text.p[i];
        struct str one = str_n(text.p + i, len = utf8_len(text.p + i, text.n - i));
        if (len == 0) {
            one = str_of("?");
            len = 1;
        } else if (c == '"' || c == '\\' || c < ' ') {
            one.n = (size_t)snprintf(escaped, sizeof escaped, c < ' ' ? "\\u%04x" : "\\%c", c);
            one.p = escaped;
        }
        if (one.n + 1 > cap - *n)
            break;
        add(one, out, n, cap);
    }
    out[(*n)++] = '"';
}

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=' || s.p[i] == 0x7f)
            return false;
    }
    return s.n > 0;
}

static void put_value(const struct event_field *e, bool json, char *out, size_t *n)
{
    char digits[32] = "";
    struct str text = utf8_head(e->text, EVENT_VALUE_BYTES_MAX);
    switch (e->kind) {
    case EVENT_TEXT: break;
    case EVENT_COUNT: snprintf(digits, sizeof digits, "%" PRIu64, e->count); break;
    case EVENT_NUMBER: snprintf(digits, sizeof digits, "%" PRId64, e->number); break;
    case EVENT_REAL: snprintf(digits, sizeof digits, "%.6g", isfinite(e->real) ? e->real : 0); break;
    case EVENT_ID: snprintf(digits, sizeof digits, "%016" PRIx64, e->count); break;
    }
    text = e->kind == EVENT_TEXT ? text : str_of(digits);
    if (json ? e->kind == EVENT_TEXT || e->kind == EVENT_ID : !is_word(text))
        event_quote(text, out, n, EVENT_BYTES_MAX);
    else
        add(text, out, n, EVENT_BYTES_MAX);
}

size_t event_write(const struct event_field *e, bool json, char *out)
{
    size_t n = 0;
    for (; e != NULL && e->key != NULL; e++) {
        size_t before = n;
        add(str_of(json ? ",\"" : " "), out, &n, EVENT_BYTES_MAX);
        add(str_of(e->key), out, &n, EVENT_BYTES_MAX);
        add(str_of(json ? "\":" : "="), out, &n, EVENT_BYTES_MAX);
        put_value(e, json, out, &n);
        if (n == EVENT_BYTES_MAX)
            return before;
    }
    return n;
}

/* ---- reading ---- */

uint64_t event_get(const struct event_field *e, const char *key)
{
    for (; e != NULL && e->key != NULL; e++) {
        if (strcmp(e->key, key) == 0)
            return e->count;
    }
    return 0;
}

size_t event_begins(struct str line)
{
    static const char begins[] = " event=";
    const char *at = memmem(line.p, line.n, begins, sizeof begins - 1);
    return at != NULL ? (size_t)(at - line.p) : line.n;
}

/* Copies the value at *at, unquoted, and moves *at behind it. */
static void take_value(struct str line, size_t *at, char *out, size_t cap)
{
    size_t n = 0;
    bool quoted = *at < line.n && line.p[*at] == '"';
    for (*at += quoted; *at < line.n && line.p[*at] != (quoted ? '"' : ' '); (*at)++) {
        *at += quoted && line.p[*at] == '\\' && *at + 1 < line.n;
        if (n + 1 < cap)
            out[n++] = line.p[*at];
    }
    *at += quoted && *at < line.n;
    if (cap > 0)
        out[n] = '\0';
}

bool event_from_line(struct str line, const char *key, char *out, size_t cap)
{
    size_t at = event_begins(line), keys = strlen(key);
    while (at < line.n) {
        struct str rest = str_n(line.p + at + 1, line.n - at - 1);
        const char *is = memchr(rest.p, '=', rest.n);
        if (is == NULL)
            break;
        at += (size_t)(is - rest.p) + 2;
        bool found = str_eq(str_n(rest.p, (size_t)(is - rest.p)), str_n(key, keys));
        take_value(line, &at, out, found ? cap : 0);
        if (found)
            return true;
    }
    out[0] = '\0';
    return false;
}

/* ---- keeping ---- */

size_t event_copy_bytes(const struct event_field *e)
{
    size_t bytes = sizeof *e;
    for (; e != NULL && e->key != NULL; e++)
        bytes += sizeof *e + (e->text.n < EVENT_VALUE_BYTES_MAX ? e->text.n : EVENT_VALUE_BYTES_MAX);
    return bytes;
}

const struct event_field *event_copy(const struct event_field *e, void *to)
{
    struct event_field *copy = to;
    size_t n = 0;
    while (e[n].key != NULL)
        n++;
    char *texts = (char *)(copy + n + 1);
    memcpy(copy, e, (n + 1) * sizeof *e);
    for (size_t i = 0; i < n; i++) {
        struct str text = utf8_head(e[i].text, EVENT_VALUE_BYTES_MAX);
        if (text.n > 0)
            memcpy(texts, text.p, text.n);
        copy[i].text = str_n(texts, text.n);
        texts += text.n;
    }
    return copy;
}
