#include <stdlib.h>

#include "base/alloc.h"
#include "head/call.h"

void backlog_init(struct backlog *k)
{
    struct buf room = buf_max(REPLY_TEXT_BYTES_MAX);
    *k = (struct backlog){room, room, room, room, room, room, room, room};
}

void backlog_fini(struct backlog *k)
{
    struct buf *all[] = {&k->text, &k->ids, &k->logprobs, &k->top_ids, &k->top_logprobs, &k->lengths, &k->pieces, &k->parts};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_fini(all[i]);
}

size_t backlog_bytes(const struct backlog *k)
{
    return k->text.cap + k->ids.cap + k->logprobs.cap + k->top_ids.cap + k->top_logprobs.cap + k->lengths.cap + k->pieces.cap + k->parts.cap;
}

/* The pieces of an answer have log-probabilities either all or never, so the arrays stay of one
 * length. */
static int add_tokens(struct backlog *k, const struct fx *fx)
{
    int err = buf_add(&k->ids, fx->ids.p, fx->ids.n * sizeof *fx->ids.p);
    if (err == 0)
        err = buf_add(&k->logprobs, fx->logprobs.p, fx->logprobs.n * sizeof *fx->logprobs.p);
    if (err == 0)
        err = buf_add(&k->top_ids, fx->top_ids.p, fx->top_ids.n * sizeof *fx->top_ids.p);
    if (err == 0)
        err = buf_add(&k->top_logprobs, fx->top_logprobs.p, fx->top_logprobs.n * sizeof *fx->top_logprobs.p);
    for (uint32_t i = 0; i < fx->pieces.n && err == 0; i++) {
        uint32_t n = (uint32_t)fx->pieces.p[i].n;
        err = buf_add(&k->lengths, &n, sizeof n);
        if (err == 0)
            err = buf_add_str(&k->pieces, fx->pieces.p[i]);
    }
    return err;
}

static struct part *parts_of(const struct backlog *k)
{
    return (struct part *)(void *)k->parts.p;
}

static uint32_t parts_n(const struct backlog *k)
{
    return (uint32_t)(k->parts.n / sizeof(struct part));
}

static int add_part(struct backlog *k, struct part part)
{
    struct part *last = parts_n(k) > 0 ? parts_of(k) + parts_n(k) - 1 : NULL;
    if (last == NULL || last->kind != part.kind || last->call != part.call || part.kind == PART_TOOL_NAME)
        return buf_add(&k->parts, &part, sizeof part);
    last->bytes += part.bytes;
    return 0;
}

static int add_parts(struct backlog *k, const struct fx *fx)
{
    int err = 0;
    if (fx->parts_n == 0 && fx->text.n > 0)
        return add_part(k, (struct part){.kind = PART_TEXT, .bytes = (uint32_t)fx->text.n});
    for (uint32_t i = 0; i < fx->parts_n && err == 0; i++)
        err = add_part(k, (struct part){.kind = fx->parts[i].kind, .call = fx->parts[i].call, .bytes = fx->parts[i].bytes});
    return err;
}

bool backlog_add(struct backlog *k, const struct fx *fx, bool with_ids)
{
    int err = buf_add_str(&k->text, fx->text);
    if (err == 0)
        err = add_parts(k, fx);
    if (err == 0 && with_ids)
        err = add_tokens(k, fx);
    return err == 0;
}

static struct str *show_pieces(const struct backlog *k, uint32_t n)
{
    struct str *pieces = xalloc_array(n + 1, sizeof *pieces);
    const uint32_t *lengths = (const uint32_t *)(const void *)k->lengths.p;
    const char *at = k->pieces.p;
    for (uint32_t i = 0; i < n; i++) {
        pieces[i] = str_n(at, lengths[i]);
        at += lengths[i];
    }
    return pieces;
}

struct str *backlog_show(const struct backlog *k, struct api_choice *out)
{
    uint32_t ids_n = (uint32_t)(k->ids.n / sizeof(int32_t)), top_n = (uint32_t)(k->top_ids.n / sizeof(int32_t));
    uint32_t pieces_n = (uint32_t)(k->lengths.n / sizeof(uint32_t));
    out->text = buf_str(&k->text);
    if (ids_n == 0)
        return NULL;
    out->ids = (const int32_t *)(const void *)k->ids.p;
    out->tokens_n = ids_n;
    if (k->logprobs.n != k->ids.n) /* elements of both have four bytes */
        return NULL;
    out->logprobs = (const float *)(const void *)k->logprobs.p;
    if (top_n % ids_n == 0 && k->top_logprobs.n == k->top_ids.n) {
        out->top_ids = (const int32_t *)(const void *)k->top_ids.p;
        out->top_logprobs = (const float *)(const void *)k->top_logprobs.p;
        out->top_n = top_n / ids_n;
    }
    if (pieces_n != ids_n * (1 + out->top_n))
        return NULL;
    struct str *pieces = show_pieces(k, pieces_n);
    out->pieces = pieces;
    return pieces;
}

/* ---- blocks ---- */

static bool begins_block(const struct part *part, const struct part *before)
{
    if (before == NULL || part->kind == PART_TOOL_NAME)
        return true;
    return part->kind != before->kind && !(before->kind == PART_TOOL_NAME && part->kind == PART_TOOL_ARGUMENTS);
}

struct api_block *backlog_blocks(const struct backlog *k, uint32_t *out_n)
{
    struct api_block *blocks = xalloc_array(parts_n(k) + 1, sizeof *blocks);
    const char *at = k->text.p;
    uint32_t n = 0;
    for (uint32_t i = 0; i < parts_n(k); i++) {
        const struct part *part = &parts_of(k)[i];
        struct str text = str_n(at, part->bytes);
        if (begins_block(part, i > 0 ? part - 1 : NULL)) {
            blocks[n] = (struct api_block){.kind = part->kind == PART_TOOL_NAME ? PART_TOOL_ARGUMENTS : part->kind, .call = part->call, .index = n};
            n++;
        }
        if (part->kind == PART_TOOL_NAME)
            blocks[n - 1].name = text;
        else
            blocks[n - 1].text = text;
        at += part->bytes;
    }
    *out_n = n;
    return blocks;
}

void backlog_text(const struct backlog *k, struct buf *out)
{
    const char *at = k->text.p;
    for (uint32_t i = 0; i < parts_n(k); i++) {
        const struct part *part = &parts_of(k)[i];
        if (part->kind == PART_TEXT)
            buf_add(out, at, part->bytes);
        at += part->bytes;
    }
}
