/* Read a GGUF's key-value pairs: keep the few that are needed, skip the rest. */
#include <stdbool.h>
#include <string.h>

#include "models/gguf_scan.h"
#include "models/show.h"

enum { KEY_BYTES = 128 }; /* longer keys are not needed */

static int skip_array(struct gguf *g, const char *key)
{
    uint32_t type;
    uint64_t n;
    int err = gguf_array_begin(g, key, &type, &n);
    return err != 0 ? err : gguf_array_skip(g, type, n);
}

static int skip_value(struct gguf *g, const char *key, uint32_t type)
{
    uint32_t bytes = gguf_value_bytes(type);
    if (bytes > 0)
        gguf_in_skip(&g->in, bytes);
    else if (type == GGUF_TEXT)
        gguf_in_skip_text(&g->in);
    else if (type == GGUF_ARRAY)
        skip_array(g, key);
    else
        gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s' has a value of type %u", key, type);
    return g->in.err;
}

/* Returns where to store the number of that key; NULL for a key that is not needed. */
static uint64_t *number_place(struct gguf *g, const char *key)
{
    if (strcmp(key, "general.file_type") == 0)
        return &g->mix;
    return strcmp(key, "split.count") == 0 ? &g->parts : NULL;
}

/* Keeps a needed unsigned number. Returns false when nothing was read: the value must still be
 * skipped. */
static bool take_number(struct gguf *g, const char *key, uint32_t type)
{
    uint64_t *to = number_place(g, key);
    if (to == NULL || (type != GGUF_U16 && type != GGUF_U32 && type != GGUF_U64))
        return false;
    uint8_t raw[8] = {0}; /* little-endian */
    gguf_in_take(&g->in, raw, gguf_value_bytes(type));
    *to = 0;
    for (int i = 7; i >= 0; i--)
        *to = *to << 8 | raw[i];
    return true;
}

static bool take_text(struct gguf *g, const char *key, uint32_t type)
{
    struct gguf_facts *facts = &g->facts;
    if (type != GGUF_TEXT)
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
    g->hashes[g->hashes_n++] = gguf_in_text(&g->in, key, sizeof key);
    uint32_t type = gguf_in_u32(&g->in);
    if (g->in.err)
        return g->in.err;
    if (strcmp(key, "tokenizer.chat_template") == 0)
        g->facts.has_template = 1;
    if (!take_number(g, key, type) && !take_text(g, key, type) && !gguf_number_take(g, key, type))
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
    if (g->numbers[KEY_ALIGNMENT].seen)
        g->alignment = g->numbers[KEY_ALIGNMENT].type == GGUF_U32 ? (uint64_t)g->numbers[KEY_ALIGNMENT].most : 0;
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
