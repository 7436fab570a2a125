/* Sizes of the values in a GGUF header by their type, and how to skip them. */
#include "models/gguf_scan.h"
#include "models/show.h"

uint32_t gguf_value_bytes(uint32_t type)
{
    switch (type) {
    case GGUF_U8: case GGUF_I8: case GGUF_BOOL: return 1;
    case GGUF_U16: case GGUF_I16: return 2;
    case GGUF_U32: case GGUF_I32: case GGUF_F32: return 4;
    case GGUF_U64: case GGUF_I64: case GGUF_F64: return 8;
    default: return 0;
    }
}

int gguf_array_begin(struct gguf *g, const char *key, uint32_t *out_type, uint64_t *out_n)
{
    struct gguf_in *in = &g->in;
    uint32_t type = *out_type = gguf_in_u32(in);
    uint64_t n = *out_n = gguf_in_u64(in);
    uint32_t bytes = gguf_value_bytes(type);
    if (!in->err && bytes == 0 && type != GGUF_TEXT)
        return gguf_in_fail(in, ERR_MODEL, "is damaged: '%s' is an array of type %u", key, type);
    uint64_t least = bytes > 0 ? bytes : 8; /* a text takes at least its length */
    if (!in->err && n > gguf_in_left(in) / least)
        return gguf_in_fail(in, ERR_MODEL, "is truncated or damaged: '%s' has %s values at byte %s, the file has %s bytes",
                            key, show_count(n).text, show_count(in->at).text, show_count(in->size).text);
    return in->err;
}

int gguf_array_skip(struct gguf *g, uint32_t type, uint64_t n)
{
    uint32_t bytes = gguf_value_bytes(type);
    if (bytes > 0)
        gguf_in_skip(&g->in, n * bytes);
    for (uint64_t i = 0; bytes == 0 && i < n && !g->in.err; i++)
        gguf_in_skip_text(&g->in);
    return g->in.err;
}
