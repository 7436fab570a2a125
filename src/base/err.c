#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/utf8.h"

struct err_row {
    int err;
    const char *name;
    int exit_status, http;
    const char *api_type, *text;
};

static const struct err_row rows[] = {
    {0, "ERR_OK", 0, 200, "", "no error"},
#define E(name, no, exit_status, http, type, text) {-(no), #name, exit_status, http, type, text},
    ERR_TABLE(E)
#undef E
};

static const struct err_row unknown = {0, "ERR_?", 1, 500, "server_error", "unknown error"};

static const struct err_row *row_of(int err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].err == err)
            return &rows[i];
    }
    return &unknown;
}

const char *err_text(int err)
{
    return row_of(err)->text;
}

const char *err_name(int err)
{
    return row_of(err)->name;
}

int err_exit(int err)
{
    return row_of(err)->exit_status;
}

int err_http(int err)
{
    return row_of(err)->http;
}

const char *err_api_type(int err)
{
    return row_of(err)->api_type;
}

/* ---- a fault is one line; shortening keeps its end, which says what would be right ---- */

enum { SENTENCE_BYTES = 16 * 1024 }; /* of the formatted sentence; a sentence longer than a fault holds is shortened
                                        in its middle */
static const char ellipsis[] = "…";

/* Reduces text to whole characters on one line: each unprintable character becomes a space, and
 * a run of spaces becomes one. Returns the new length. */
static size_t clean(char *text, size_t n)
{
    size_t to = 0;
    for (size_t at = 0, len; at < n; at += len) {
        len = utf8_len(text + at, n - at);
        bool printable = len > 0 && plain_is_line(str_n(text + at, len));
        len = len > 0 ? len : 1;
        if (printable && text[at] != ' ') {
            memmove(text + to, text + at, len);
            to += len;
        } else if (to > 0 && text[to - 1] != ' ') {
            text[to++] = ' ';
        }
    }
    while (to > 0 && text[to - 1] == ' ')
        to--;
    text[to] = '\0';
    return to;
}

/* Returns the length of the longest quotation '…', without its marks, and its start in
 * *out_from. A mark within a word is an apostrophe. */
static size_t longest_quotation(const char *text, size_t n, size_t *out_from)
{
    size_t longest = 0, from = 0;
    bool open = false;
    for (size_t i = 0; i < n; i++) {
        bool opens = text[i] == '\'' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '(');
        if (!open && opens) {
            open = true;
            from = i + 1;
        } else if (open && text[i] == '\'' && (i + 1 == n || strchr(" ,;:.)", text[i + 1]) != NULL)) {
            open = false;
            if (i - from > longest) {
                longest = i - from;
                *out_from = from;
            }
        }
    }
    return longest;
}

static size_t char_begin(const char *text, size_t at)
{
    while (at > 0 && ((uint8_t)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static size_t char_end(const char *text, size_t at, size_t n)
{
    while (at < n && ((uint8_t)text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* Cuts the middle out of text[from .. from + span), so that at most `most` bytes of text remain.
 * Returns the new length. */
static size_t cut_middle(char *text, size_t n, size_t from, size_t span, size_t most)
{
    const size_t mark = sizeof ellipsis - 1;
    size_t out = n - most + mark, keep = span > out ? span - out : 0;
    size_t left = char_begin(text, from + keep / 2), right = char_end(text, from + span - (keep - keep / 2), n);
    memmove(text + left + mark, text + right, n - right + 1);
    memcpy(text + left, ellipsis, mark);
    return left + mark + n - right;
}

/* Cuts a quotation first: its length is chosen by a stranger. */
static size_t shorten(char *text, size_t n, size_t most)
{
    size_t from = 0, span = longest_quotation(text, n, &from), few = 2 * sizeof ellipsis;
    if (n > most && span > n - most + few)
        n = cut_middle(text, n, from, span, most);
    return n > most ? cut_middle(text, n, 0, n, most) : n;
}

int fault_set(struct fault *f, int err, const char *fmt, ...)
{
    if (f == NULL)
        return err;
    /* Format into a copy first: the arguments may include the fault's own old text. */
    char text[SENTENCE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t bytes = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    text[bytes] = '\0';
    bytes = shorten(text, clean(text, bytes), sizeof f->text - 1);
    memset(f->text, 0, sizeof f->text);
    memcpy(f->text, text, bytes);
    f->count = f->limit = f->wait_s = 0;
    f->err = err;
    return err;
}
