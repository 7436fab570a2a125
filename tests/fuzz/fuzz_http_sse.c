/* Any bytes as server-sent events: cutting them anywhere changes nothing, and no event holds what it cannot.
 *
 * The first input byte is the size of the pieces. */
#include <stdint.h>

#include "base/must.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(struct str event, struct str data, struct str id, void *user_data)
{
    MUST(event.n == 0 || (memchr(event.p, '\n', event.n) == NULL && memchr(event.p, '\r', event.n) == NULL));
    MUST(data.n == 0 || memchr(data.p, '\r', data.n) == NULL);
    MUST(id.n == 0 || memchr(id.p, '\0', id.n) == NULL);
    buf_printf(user_data, "%zu:%zu:%zu:", event.n, data.n, id.n);
    buf_add_str(user_data, event);
    buf_add_str(user_data, data);
    buf_add_str(user_data, id);
}

static void feed(struct str text, size_t piece, struct buf *out)
{
    struct sse s;
    sse_init(&s);
    for (size_t at = 0; at < text.n; at += piece)
        MUST(sse_feed(&s, str_n(text.p + at, text.n - at < piece ? text.n - at : piece), on_event, out) == 0);
    sse_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SSE_EVENT_BYTES_MAX)
        return 0;
    struct str text = str_n((const char *)data + 1, size - 1);
    struct buf whole = buf_max((size_t)1 << 30), cut = buf_max((size_t)1 << 30);
    feed(text, text.n, &whole);
    feed(text, data[0] % 16 + 1u, &cut);
    MUST(!whole.overflowed);
    MUST(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
