#include <string.h>

#include "base/utf8.h"
#include "api/api.h"

/* "0123456789abcdef-12,0.7d,5e": the stream's name, the tokens sent per branch, and further events
 * sent.
 *
 *     id      = name [ "w" ] "-" place { "," place } [ "e" ]
 *     place   = tokens [ "." characters ] [ "b" blocks ( "t" | "h" | "c" call ) ] [ ( "r" | "d" ) [ steps ] ]
 *
 * b: number of blocks begun, unless it is one text block, and the kind of the last one: text,
 * reasoning ("h"), or a call. r: events since the last token; d: closing events; steps: their
 * number, 1 if omitted.
 *
 * Clients return event ids unchanged, but a returned id may contain anything. */

enum { NAME_DIGITS = 16, PLACE_MAX = 1 << 30 };

struct str api_name(const char *prefix, uint64_t id, char out[API_NAME_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (const char *p = prefix; *p != '\0' && n < API_NAME_BYTES - NAME_DIGITS - 1; p++)
        out[n++] = *p;
    for (int shift = 60; shift >= 0; shift -= 4)
        out[n++] = hex[(id >> shift) & 15];
    out[n] = '\0';
    return str_n(out, n);
}

static bool is_usual(const struct api_in_block *b)
{
    return b->n == 0 || (b->n == 1 && b->kind == PART_TEXT);
}

static void write_block(struct buf *out, const struct api_in_block *b)
{
    if (is_usual(b))
        return;
    buf_putc(out, 'b');
    buf_put_uint(out, b->n);
    buf_putc(out, b->kind == PART_TEXT ? 't' : b->kind == PART_REASONING ? 'h' : 'c');
    if (b->kind == PART_TOOL_ARGUMENTS)
        buf_put_uint(out, b->call);
}

/* Runs for each token of a stream: no printf. */
void api_write_stream_id(struct buf *out, const struct api_stream_id *id)
{
    char name[API_NAME_BYTES];
    buf_add_str(out, api_name("", id->stream, name));
    buf_puts(out, id->whole ? "w-" : "-");
    for (uint32_t i = 0; i < id->n; i++) {
        const struct api_place *at = &id->at[i];
        if (i > 0)
            buf_putc(out, ',');
        buf_put_uint(out, at->tokens);
        if (at->chars > 0) {
            buf_putc(out, '.');
            buf_put_uint(out, at->chars);
        }
        write_block(out, &at->block);
        if (at->steps > 0)
            buf_putc(out, at->done ? 'd' : 'r');
        if (at->steps > 1)
            buf_put_uint(out, at->steps);
    }
    if (id->ended)
        buf_putc(out, 'e');
}

static bool take_number(struct str *s, uint32_t *out)
{
    uint32_t v = 0;
    size_t digits = 0;
    for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9' && v <= PLACE_MAX / 10; digits++) {
        v = v * 10 + (uint32_t)(s->p[0] - '0');
        *s = str_n(s->p + 1, s->n - 1);
    }
    *out = v;
    return digits > 0;
}

static bool take_name(struct str *s, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = 0;
    if (s->n < NAME_DIGITS)
        return false;
    for (int i = 0; i < NAME_DIGITS; i++) {
        const char *at = s->p[i] != '\0' ? strchr(digits, s->p[i]) : NULL;
        if (at == NULL)
            return false;
        v = v << 4 | (uint64_t)(at - digits);
    }
    *s = str_n(s->p + NAME_DIGITS, s->n - NAME_DIGITS);
    *out = v;
    return v != 0;
}

static bool take_block(struct str *s, struct api_in_block *out)
{
    if (!str_take(s, 'b'))
        return true;
    if (!take_number(s, &out->n) || out->n == 0)
        return false;
    if (str_take(s, 't'))
        return true;
    out->kind = PART_REASONING;
    if (str_take(s, 'h'))
        return true;
    out->kind = PART_TOOL_ARGUMENTS;
    return str_take(s, 'c') && take_number(s, &out->call);
}

static bool take_place(struct str *s, struct api_place *out)
{
    if (!take_number(s, &out->tokens) || (str_take(s, '.') && !take_number(s, &out->chars)) || !take_block(s, &out->block))
        return false;
    out->done = str_take(s, 'd');
    out->steps = out->done || str_take(s, 'r') ? 1 : 0;
    if (out->steps == 0 || s->n == 0 || s->p[0] < '0' || s->p[0] > '9')
        return true;
    return take_number(s, &out->steps) && out->steps > 1 && out->steps <= API_STEPS_MAX;
}

/* Skips "chatcmpl-", "resp_" and other prefixes of answers' ids. */
static void skip_prefix(struct str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z')
        n++;
    if (n < s->n && (s->p[n] == '-' || s->p[n] == '_') && s->n - n - 1 == NAME_DIGITS)
        *s = str_n(s->p + n + 1, s->n - n - 1);
}

int api_parse_stream_id(struct str text, struct api_stream_id *out, struct fault *f)
{
    struct api_stream_id id = {0};
    struct str s = text;
    skip_prefix(&s);
    bool right = take_name(&s, &id.stream);
    if (right && s.n > 0) {
        id.whole = str_take(&s, 'w');
        right = str_take(&s, '-');
        do
            right = right && id.n < API_BRANCHES_MAX && take_place(&s, &id.at[id.n++]);
        while (right && str_take(&s, ','));
        id.ended = str_take(&s, 'e');
    }
    if (!right || s.n > 0)
        return fault_set(f, ERR_INVALID, "'%.*s' names no stream: give the last `id:` that came in it, or the answer's id", STR_ARG(utf8_head(text, 80)));
    *out = id;
    return 0;
}
