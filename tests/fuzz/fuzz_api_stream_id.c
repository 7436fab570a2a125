/* Any text as an event id or an answer's id, as a client says it in Last-Event-ID or in a path: a place, or a sentence.
 * What was understood, written, is understood the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/api.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_a_place(const struct api_stream_id *id)
{
    MUST(id->stream != 0);
    MUST(id->n <= API_BRANCHES_MAX);
}

static void must_be_the_same(const struct api_stream_id *a, const struct api_stream_id *b)
{
    MUST(a->stream == b->stream && a->whole == b->whole && a->ended == b->ended && a->n == b->n);
    for (uint32_t i = 0; i < a->n; i++)
        MUST(a->at[i].tokens == b->at[i].tokens && a->at[i].chars == b->at[i].chars && a->at[i].done == b->at[i].done &&
             a->at[i].steps == b->at[i].steps && (a->at[i].block.n <= 1 || (a->at[i].block.n == b->at[i].block.n &&
             a->at[i].block.kind == b->at[i].block.kind && a->at[i].block.call == b->at[i].block.call)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct api_stream_id id = {0}, again = {0};
    struct fault f = {0};
    int err = api_parse_stream_id(str_n((const char *)data, size), &id, &f);
    MUST(err == f.err);
    if (err != 0) {
        MUST(f.text[0] != '\0');
        return 0;
    }
    must_be_a_place(&id);
    if (id.n == 0)
        return 0; /* a name alone is no event's id */
    struct buf text = buf_max(1 << 16);
    api_write_stream_id(&text, &id);
    MUST(api_parse_stream_id(buf_str(&text), &again, &f) == 0);
    must_be_the_same(&id, &again);
    buf_fini(&text);
    return 0;
}
