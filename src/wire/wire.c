#include "wire/wire.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "wire/tables.h"

/* Encodes and decodes the wire's messages by the tables (tables.h).
 *
 * Invariants: W1 a decoder never reads outside its frame; W2 the count of a list is checked against the
 * remaining bytes before memory for it is taken; W3 a frame decodes only if all its bytes are used. */

const char *wire_name(enum wire_type type)
{
    const struct schema *s = wire_schema(type);
    return s != NULL ? s->name : "?";
}

/* ---- encode ---- */

static void set_u(char *at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(v >> (8 * i));
}

static void put_u(struct buf *out, uint64_t v, size_t bytes)
{
    char le[8];
    set_u(le, v, bytes);
    buf_add(out, le, bytes);
}

void wire_set_job(char *frame, uint64_t job, uint32_t attempt)
{
    set_u(frame + WIRE_HEADER_BYTES, job, sizeof job);
    set_u(frame + WIRE_HEADER_BYTES + sizeof job, attempt, sizeof attempt);
}

static void put_str(struct buf *out, struct str s)
{
    put_u(out, s.n <= UINT32_MAX ? s.n : UINT32_MAX, 4);
    buf_add_str(out, s);
}

/* Writes 32-bit items as little-endian; on today's machines that is the host's order. */
static void put_words(struct buf *out, const void *p, uint32_t n)
{
    put_u(out, n, 4);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        buf_add(out, p, (size_t)n * 4);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (const char *)p + (size_t)i * 4, 4);
        put_u(out, word, 4);
    }
}

static void put_struct(struct buf *out, const struct schema *s, const void *p);

static void put_field(struct buf *out, const struct field *f, const char *base)
{
    const void *at = base + f->at;
    uint32_t word;
    uint64_t wide;
    switch (f->kind) {
    case K_U8: put_u(out, *(const uint8_t *)at, 1); break;
    case K_U16: put_u(out, *(const uint16_t *)at, 2); break;
    case K_U32:
    case K_I32:
    case K_F32:
        memcpy(&word, at, sizeof word);
        put_u(out, word, 4);
        break;
    case K_U64:
    case K_F64:
        memcpy(&wide, at, sizeof wide);
        put_u(out, wide, 8);
        break;
    case K_STR: put_str(out, *(const struct str *)at); break;
    case K_I32S: put_words(out, ((const struct wire_i32s *)at)->p, ((const struct wire_i32s *)at)->n); break;
    case K_F32S: put_words(out, ((const struct wire_f32s *)at)->p, ((const struct wire_f32s *)at)->n); break;
    case K_STRS: {
        const struct wire_strs *strs = at;
        put_u(out, strs->n, 4);
        for (uint32_t i = 0; i < strs->n; i++)
            put_str(out, strs->p[i]);
        break;
    }
    case K_LIST: {
        uint32_t n = *(const uint32_t *)(const void *)(base + f->count_at);
        const char *items = *(const char *const *)at;
        put_u(out, n, 4);
        for (uint32_t i = 0; i < n; i++)
            put_struct(out, f->part, items + i * f->part->size);
        break;
    }
    case K_SUB: put_struct(out, f->part, at); break;
    }
}

static void put_struct(struct buf *out, const struct schema *s, const void *p)
{
    for (size_t i = 0; i < s->fields_n; i++)
        put_field(out, &s->fields[i], p);
}

int wire_encode(struct buf *out, const struct wire_msg *msg)
{
    const struct schema *s = wire_schema(msg->type);
    MUST(s != NULL);
    size_t begin = out->n;
    bool overflowed_before = out->overflowed;
    out->overflowed = false;
    put_u(out, 0, 4);
    put_u(out, msg->type, 2);
    put_struct(out, s, &msg->hello); /* all members of the union begin at the same address */
    size_t bytes = out->n - begin;
    bool too_large = out->overflowed || bytes > WIRE_FRAME_BYTES_MAX;
    out->overflowed = overflowed_before;
    if (too_large) {
        out->n = begin;
        return ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < 4; i++)
        out->p[begin + i] = (char)((bytes - 4) >> (8 * i));
    return 0;
}

/* ---- frames ---- */

static uint64_t get_le(const char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

int wire_frame(struct str bytes, size_t max_bytes, size_t *out_frame_bytes)
{
    *out_frame_bytes = 0;
    if (bytes.n < 4)
        return 0;
    size_t frame = (size_t)get_le(bytes.p, 4) + 4;
    if (frame > max_bytes || frame < WIRE_HEADER_BYTES)
        return ERR_TOO_LARGE;
    if (bytes.n >= frame)
        *out_frame_bytes = frame;
    return 0;
}

/* ---- decode ---- */

struct reader {
    const char *p, *end;
    struct wire_arena *arena;
    struct fault *f;
    const char *message; /* for the fault's text */
};

void wire_arena_fini(struct wire_arena *a)
{
    free(a->p);
    *a = (struct wire_arena){0};
}

/* Makes room for one message's lists once, before decoding, so that pointers into it stay valid. */
static void arena_start(struct wire_arena *a, size_t bytes)
{
    if (a->cap < bytes) {
        free(a->p);
        a->p = xalloc(bytes);
        a->cap = bytes;
    }
    a->n = 0;
}

static void *arena_take(struct wire_arena *a, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (bytes > a->cap - a->n)
        return NULL;
    void *p = a->p + a->n;
    a->n += bytes;
    memset(p, 0, bytes);
    return p;
}

static int bad(struct reader *r, const struct field *f, const char *why)
{
    return fault_set(r->f, ERR_PROTOCOL, "message '%s', field '%s': %s", r->message, f->name, why);
}

static bool left(const struct reader *r, size_t bytes)
{
    return (size_t)(r->end - r->p) >= bytes;
}

static uint64_t take_u(struct reader *r, size_t bytes)
{
    uint64_t v = get_le(r->p, bytes);
    r->p += bytes;
    return v;
}

static int take_str(struct reader *r, const struct field *f, struct str *out)
{
    if (!left(r, 4))
        return bad(r, f, "the frame ends inside it");
    size_t n = (size_t)take_u(r, 4);
    if (!left(r, n))
        return bad(r, f, "it is longer than the frame");
    *out = str_n(r->p, n);
    r->p += n;
    return 0;
}

/* Reads a list's count, and takes `size` bytes per item from the arena. */
static int take_list(struct reader *r, const struct field *f, size_t wire_min, size_t size, uint32_t *out_n, void **out)
{
    if (!left(r, 4))
        return bad(r, f, "the frame ends inside it");
    uint64_t n = take_u(r, 4);
    if (n * wire_min > (uint64_t)(r->end - r->p))
        return bad(r, f, "it counts more items than the frame holds");
    *out = arena_take(r->arena, (size_t)n * size);
    if (*out == NULL)
        return bad(r, f, "it holds more than a message may");
    *out_n = (uint32_t)n;
    return 0;
}

static int take_words(struct reader *r, const struct field *f, const void **out_p, uint32_t *out_n)
{
    void *items;
    int err = take_list(r, f, 4, 4, out_n, &items);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < *out_n; i++) {
        uint32_t word = (uint32_t)take_u(r, 4);
        memcpy((char *)items + (size_t)i * 4, &word, 4);
    }
    *out_p = items;
    return 0;
}

static int take_struct(struct reader *r, const struct schema *s, void *p);

static int take_strs(struct reader *r, const struct field *f, struct wire_strs *out)
{
    void *items;
    int err = take_list(r, f, 4, sizeof(struct str), &out->n, &items);
    for (uint32_t i = 0; err == 0 && i < out->n; i++)
        err = take_str(r, f, (struct str *)items + i);
    out->p = items;
    return err;
}

static int take_parts(struct reader *r, const struct field *f, char *base)
{
    void *items;
    uint32_t n = 0;
    int err = take_list(r, f, f->part->bytes_min, f->part->size, &n, &items);
    for (uint32_t i = 0; err == 0 && i < n; i++)
        err = take_struct(r, f->part, (char *)items + i * f->part->size);
    if (err != 0)
        return err;
    *(void **)(void *)(base + f->at) = items;
    *(uint32_t *)(void *)(base + f->count_at) = n;
    return 0;
}

static int take_number(struct reader *r, const struct field *f, void *at, size_t bytes)
{
    if (!left(r, bytes))
        return bad(r, f, "the frame ends inside it");
    uint64_t wide = take_u(r, bytes);
    uint32_t word = (uint32_t)wide;
    switch (bytes) {
    case 1: *(uint8_t *)at = (uint8_t)wide; break;
    case 2: *(uint16_t *)at = (uint16_t)wide; break;
    case 4: memcpy(at, &word, 4); break;
    default: memcpy(at, &wide, 8); break;
    }
    return 0;
}

static int take_field(struct reader *r, const struct field *f, char *base)
{
    void *at = base + f->at;
    const void *words;
    int err;
    switch (f->kind) {
    case K_U8: return take_number(r, f, at, 1);
    case K_U16: return take_number(r, f, at, 2);
    case K_U32:
    case K_I32:
    case K_F32: return take_number(r, f, at, 4);
    case K_U64:
    case K_F64: return take_number(r, f, at, 8);
    case K_STR: return take_str(r, f, at);
    case K_I32S:
        err = take_words(r, f, &words, &((struct wire_i32s *)at)->n);
        ((struct wire_i32s *)at)->p = err == 0 ? words : NULL;
        return err;
    case K_F32S:
        err = take_words(r, f, &words, &((struct wire_f32s *)at)->n);
        ((struct wire_f32s *)at)->p = err == 0 ? words : NULL;
        return err;
    case K_STRS: return take_strs(r, f, at);
    case K_LIST: return take_parts(r, f, base);
    case K_SUB: return take_struct(r, f->part, at);
    }
    return bad(r, f, "unknown kind");
}

static int take_struct(struct reader *r, const struct schema *s, void *p)
{
    for (size_t i = 0; i < s->fields_n; i++) {
        int err = take_field(r, &s->fields[i], p);
        if (err != 0)
            return err;
    }
    return 0;
}

int wire_decode(struct wire_msg *out, struct wire_arena *arena, struct str frame, struct fault *f)
{
    size_t frame_bytes = 0;
    if (wire_frame(frame, WIRE_FRAME_BYTES_MAX, &frame_bytes) != 0 || frame_bytes != frame.n)
        return fault_set(f, ERR_PROTOCOL, "not a frame of the manta protocol");
    unsigned type = (unsigned)get_le(frame.p + 4, 2);
    const struct schema *s = wire_schema((enum wire_type)type);
    if (s == NULL)
        return fault_set(f, ERR_PROTOCOL, "unknown message number %u", type);
    /* Lists of empty texts grow most from wire to memory: 4 bytes become 16 (a turn: 12 become 48). */
    size_t arena_bytes = frame.n * 4 + 64;
    arena_start(arena, arena_bytes < WIRE_ARENA_BYTES_MAX ? arena_bytes : WIRE_ARENA_BYTES_MAX);
    struct reader r = {frame.p + WIRE_HEADER_BYTES, frame.p + frame.n, arena, f, s->name};
    struct wire_msg msg = {.type = (enum wire_type)type};
    int err = take_struct(&r, s, &msg.hello);
    if (err != 0)
        return err;
    if (r.p != r.end)
        return fault_set(f, ERR_PROTOCOL, "message '%s' has %zu bytes too many", s->name, (size_t)(r.end - r.p));
    *out = msg;
    return 0;
}

/* ---- a link's bytes ---- */

size_t wire_read(struct str bytes, size_t max_bytes, struct wire_arena *arena, wire_msg_fn *on_msg, void *user_data, struct fault *f)
{
    size_t at = 0, frame = 0;
    struct wire_msg msg;
    *f = (struct fault){0};
    while (max_bytes > 0) {
        struct str rest = str_n(bytes.p + at, bytes.n - at);
        if (wire_frame(rest, max_bytes, &frame) != 0)
            fault_set(f, ERR_TOO_LARGE, "a frame over the limit of %zu bytes", max_bytes);
        else if (frame > 0)
            wire_decode(&msg, arena, str_n(rest.p, frame), f);
        if (f->err != 0 || frame == 0)
            break;
        at += frame;
        max_bytes = on_msg(&msg, frame, user_data);
    }
    return at;
}
