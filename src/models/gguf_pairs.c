/* A GGUF's key-value pairs: keep the few we want, step over the rest. */
#include <stdbool.h>
#include <string.h>

#include "models/gguf_scan.h"
#include "models/show.h"

enum { KEY_BYTES = 128 }; /* longer keys are none of those we look for */

/* Types of values. */
enum value_type {
    VALUE_U8, VALUE_I8, VALUE_U16, VALUE_I16, VALUE_U32, VALUE_I32, VALUE_F32, VALUE_BOOL, VALUE_TEXT, VALUE_ARRAY,
    VALUE_U64, VALUE_I64, VALUE_F64,
};

/* Bytes of a value of fixed size; 0 for text, arrays and unknown types. */
static uint32_t value_bytes(uint32_t type)
{
    switch (type) {
    case VALUE_U8: case VALUE_I8: case VALUE_BOOL: return 1;
    case VALUE_U16: case VALUE_I16: return 2;
    case VALUE_U32: case VALUE_I32: case VALUE_F32: return 4;
    case VALUE_U64: case VALUE_I64: case VALUE_F64: return 8;
    default: return 0;
    }
}

static int skip_array(struct gguf *g, const char *key)
{
    struct gguf_in *in = &g->in;
    uint32_t type = gguf_in_u32(in);
    uint64_t n = gguf_in_u64(in);
    uint32_t bytes = value_bytes(type);
    if (!in->err && bytes == 0 && type != VALUE_TEXT)
        return gguf_in_fail(in, ERR_MODEL, "is damaged: '%s' is an array of type %u", key, type);
    uint64_t least = bytes > 0 ? bytes : 8; /* a text has its length at least */
    if (!in->err && n > gguf_in_left(in) / least)
        return gguf_in_fail(in, ERR_MODEL, "is truncated or damaged: '%s' has %s values at byte %s, the file has %s bytes",
                            key, show_count(n).text, show_count(in->at).text, show_count(in->size).text);
    if (bytes > 0)
        gguf_in_skip(in, n * bytes);
    else
        for (uint64_t i = 0; i < n && !in->err; i++)
            gguf_in_skip_text(in);
    return in->err;
}

static int skip_value(struct gguf *g, const char *key, uint32_t type)
{
    uint32_t bytes = value_bytes(type);
    if (bytes > 0)
        gguf_in_skip(&g->in, bytes);
    else if (type == VALUE_TEXT)
        gguf_in_skip_text(&g->in);
    else if (type == VALUE_ARRAY)
        skip_array(g, key);
    else
        gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s' has a value of type %u", key, type);
    return g->in.err;
}

/* True for "llama.context_length", whatever stands before its one dot. */
static bool is_context_length(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot != NULL && strcmp(dot, ".context_length") == 0;
}

/* Where the number of that key goes; NULL when it is none we look for. */
static uint64_t *number_place(struct gguf *g, const char *key)
{
    if (strcmp(key, "general.alignment") == 0)
        return &g->alignment;
    if (strcmp(key, "general.file_type") == 0)
        return &g->mix;
    if (strcmp(key, "split.count") == 0)
        return &g->parts;
    return is_context_length(key) ? &g->facts.context_length : NULL;
}

/* Keeps an unsigned number we look for; false: nothing was taken, the value is still to be skipped. */
static bool take_number(struct gguf *g, const char *key, uint32_t type)
{
    uint64_t *to = number_place(g, key);
    if (to == NULL || (type != VALUE_U16 && type != VALUE_U32 && type != VALUE_U64))
        return false;
    uint8_t raw[8] = {0}; /* little-endian */
    gguf_in_take(&g->in, raw, value_bytes(type));
    *to = 0;
    for (int i = 7; i >= 0; i--)
        *to = *to << 8 | raw[i];
    return true;
}

static bool take_text(struct gguf *g, const char *key, uint32_t type)
{
    struct gguf_facts *facts = &g->facts;
    if (type != VALUE_TEXT)
        return false;
    if (strcmp(key, "general.architecture") == 0)
        gguf_in_text(&g->in, facts->architecture, sizeof facts->architecture);
    else if (strcmp(key, "general.name") == 0)
        gguf_in_text(&g->in, facts->name, sizeof facts->name);
    else
        return false;
    return true;
}

static int read_pair(struct gguf *g)
{
    char key[KEY_BYTES];
    gguf_in_text(&g->in, key, sizeof key);
    uint32_t type = gguf_in_u32(&g->in);
    if (g->in.err)
        return g->in.err;
    if (strcmp(key, "tokenizer.chat_template") == 0)
        g->facts.has_template = 1;
    if (!take_number(g, key, type) && !take_text(g, key, type))
        skip_value(g, key, type);
    return g->in.err;
}

int gguf_pairs_read(struct gguf *g)
{
    for (uint64_t i = 0; i < g->keys; i++) {
        int err = read_pair(g);
        if (err)
            return err;
    }
    if (g->alignment == 0 || (g->alignment & (g->alignment - 1)) != 0)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: general.alignment is %s, not a power of two",
                            show_count(g->alignment).text);
    if (g->parts > 1)
        return gguf_in_fail(&g->in, ERR_UNSUPPORTED, "is one of %s parts; join them with llama-gguf-split --merge",
                            show_count(g->parts).text);
    if (g->facts.architecture[0] == '\0')
        return gguf_in_fail(&g->in, ERR_MODEL, "does not say its architecture (key general.architecture)");
    return 0;
}
