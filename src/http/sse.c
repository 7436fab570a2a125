/* Parse server-sent events as the HTML standard does: lines of "field: value"; an empty line ends
 * an event.
 *
 * Bytes may be cut anywhere. A line that arrives in one piece is not copied. `data` keeps the
 * newline after each of its lines until the event is delivered, so that "no data" and "one empty
 * line of data" stay distinct. */
#include "base/err.h"
#include "http/http.h"
#include "http/text.h"

struct out {
    sse_event_fn *fn;
    void *user_data;
};

void sse_init(struct sse *s)
{
    struct buf empty = buf_max(SSE_EVENT_BYTES_MAX);
    *s = (struct sse){.line = empty, .data = empty, .event = empty, .id = empty};
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
    buf_fini(&s->event);
    buf_fini(&s->id);
    sse_init(s);
}

static void give_event(struct sse *s, const struct out *out)
{
    if (s->data.n > 0)
        out->fn(buf_str(&s->event), str_n(s->data.p, s->data.n - 1), buf_str(&s->id), out->user_data);
    buf_reset(&s->data);
    buf_reset(&s->event);
}

static int set(struct buf *field, struct str value)
{
    buf_reset(field);
    return buf_add_str(field, value);
}

static struct str without_blank(struct str value)
{
    return value.n > 0 && value.p[0] == ' ' ? str_n(value.p + 1, value.n - 1) : value;
}

static int take_line(struct sse *s, struct str line, const struct out *out)
{
    if (!s->begun && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
        line = str_n(line.p + 3, line.n - 3);
    s->begun = true;
    if (line.n == 0) {
        give_event(s, out);
        return 0;
    }
    struct str name = str_cut(&line, ':');
    struct str value = without_blank(line);
    if (name.n == 0) {
        out->fn(str_of(":"), value, buf_str(&s->id), out->user_data);
    } else if (str_is(name, "data")) {
        int err = buf_reserve(&s->data, value.n + 1);
        if (err != 0)
            return err;
        buf_add_str(&s->data, value);
        buf_putc(&s->data, '\n');
    } else if (str_is(name, "event")) {
        return set(&s->event, value);
    } else if (str_is(name, "id") && (value.n == 0 || memchr(value.p, '\0', value.n) == NULL)) {
        return set(&s->id, value);
    }
    return 0; /* "retry" and future fields */
}

static size_t line_end(struct str bytes)
{
    const char *lf = memchr(bytes.p, '\n', bytes.n);
    size_t n = lf != NULL ? (size_t)(lf - bytes.p) : bytes.n;
    const char *cr = memchr(bytes.p, '\r', n);
    return cr != NULL ? (size_t)(cr - bytes.p) : n;
}

/* Takes the line that ends after `part`; its beginning is in s->line. */
static int end_line(struct sse *s, struct str part, const struct out *out)
{
    if (part.n > SSE_EVENT_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (s->line.n == 0)
        return take_line(s, part, out);
    int err = buf_add_str(&s->line, part);
    if (err == 0)
        err = take_line(s, buf_str(&s->line), out);
    buf_reset(&s->line);
    return err;
}

int sse_feed(struct sse *s, struct str bytes, sse_event_fn *fn, void *user_data)
{
    const struct out out = {.fn = fn, .user_data = user_data};
    while (bytes.n > 0) {
        if (s->cr && bytes.p[0] == '\n')
            bytes = str_n(bytes.p + 1, bytes.n - 1);
        s->cr = false;
        if (bytes.n == 0)
            break;
        size_t n = line_end(bytes);
        if (n == bytes.n)
            return buf_add_str(&s->line, bytes);
        s->cr = bytes.p[n] == '\r';
        int err = end_line(s, str_n(bytes.p, n), &out);
        if (err != 0)
            return err;
        bytes = str_n(bytes.p + n + 1, bytes.n - n - 1);
    }
    return 0;
}
