#include <stdlib.h>
#include <string.h>

#include "api/responses.h"
#include "base/alloc.h"
#include "head/call.h"

/* A note holds everything that another head must know of a client's request, besides the request
 * itself, to continue its stream byte for byte. Workers keep it and return it (`run.client`). It
 * comes from a peer, so it is checked. */

enum { NOTE_VERSION = 2 };
enum { NOTE_STREAM = 1, NOTE_USAGE = 2, NOTE_SPREAD = 4, NOTE_TIMINGS = 8, NOTE_MANY = 16, NOTE_ECHO = 32, NOTE_UNSCORED = 64, NOTE_SUMMARY = 128 };

static void put(struct buf *out, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_putc(out, (char)(v >> (8 * i)));
}

static uint64_t take(const char **at, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)(*at)[i] << (8 * i);
    *at += bytes;
    return v;
}

void note_write(struct buf *out, const struct call *c)
{
    put(out, NOTE_VERSION, 1);
    put(out, c->api.shape, 1);
    put(out, (c->api.stream ? NOTE_STREAM : 0) | (c->api.include_usage ? NOTE_USAGE : 0) | (c->api.spread ? NOTE_SPREAD : 0) |
                 (c->api.timings ? NOTE_TIMINGS : 0) | (c->api.many ? NOTE_MANY : 0) | (c->api.with_prompt ? NOTE_ECHO : 0) |
                 (c->api.hides_logprobs ? NOTE_UNSCORED : 0) | (c->api.summary ? NOTE_SUMMARY : 0), 1);
    put(out, c->api.final, 1);
    put(out, c->api.n, 4);
    put(out, c->api.each, 1);
    put(out, c->api.shown, 1);
    put(out, (uint64_t)c->head.created, 8);
    const struct sampling *s = &c->api.request.sampling;
    put(out, s->logprobs | (uint32_t)s->prompt_ids << 1 | (uint32_t)s->drawn_probs << 2 | (uint32_t)c->api.with_tokens << 3 |
                 (uint32_t)c->api.with_pieces << 4 | (uint32_t)s->prompt_only << 5, 4);
    buf_add_str(out, c->head.echo);
}

bool note_read(struct str note, struct call *c)
{
    const char *at = note.p;
    if (note.n < NOTE_BYTES || note.n > NOTE_BYTES_MAX || take(&at, 1) != NOTE_VERSION)
        return false;
    struct str echo = str_n(note.p + NOTE_BYTES, note.n - NOTE_BYTES);
    uint64_t shape = take(&at, 1), flags = take(&at, 1), final = take(&at, 1), n = take(&at, 4), each = take(&at, 1), shown = take(&at, 1),
             created = take(&at, 8);
    uint64_t tells = take(&at, 4);
    if (shape < API_CHAT || shape > API_SHAPE_LAST || final > API_FINAL_VOTE ||
        n > API_BRANCHES_MAX || shown > each || !api_echo_is_right(echo))
        return false;
    c->api.shape = (enum api_shape)shape;
    c->api.stream = (flags & NOTE_STREAM) != 0;
    c->api.include_usage = (flags & NOTE_USAGE) != 0;
    c->api.spread = (flags & NOTE_SPREAD) != 0;
    c->api.timings = (flags & NOTE_TIMINGS) != 0;
    c->api.final = (enum api_final)final;
    c->api.many = (flags & NOTE_MANY) != 0;
    c->api.with_prompt = (flags & NOTE_ECHO) != 0;
    c->api.hides_logprobs = (flags & NOTE_UNSCORED) != 0;
    c->api.summary = (flags & NOTE_SUMMARY) != 0;
    c->api.n = (uint32_t)n;
    c->api.each = (uint32_t)each;
    c->api.shown = (uint32_t)shown;
    c->api.request.sampling.logprobs = tells & 1;
    c->api.request.sampling.prompt_ids = tells >> 1 & 1;
    c->api.request.sampling.drawn_probs = tells >> 2 & 1;
    c->api.with_tokens = tells >> 3 & 1;
    c->api.with_pieces = tells >> 4 & 1;
    c->api.request.sampling.prompt_only = tells >> 5 & 3;
    c->head.shape = c->api.shape;
    c->head.created = (int64_t)created;
    c->head.include_usage = c->api.include_usage;
    c->head.summary = c->api.summary;
    free(c->echo);
    c->echo = echo.n > 0 ? xstr_dup(echo) : NULL;
    c->head.echo = str_n(c->echo, echo.n);
    return true;
}
