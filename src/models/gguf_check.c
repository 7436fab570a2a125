/* Check that the numbers of a header can belong to a model.
 *
 * An engine believes them: it divides by a number of heads, reserves memory by a number of layers,
 * reads as many token types as there are tokens, and ends the process when they contradict each
 * other. This file refuses numbers that no model has; a trial in a separate process finds merely
 * odd ones (worker/tryout.h). */
#include <stdlib.h>
#include <string.h>

#include "models/gguf_scan.h"
#include "models/show.h"

enum {
    LAYERS_MAX = 512,          /* llama.cpp's limit */
    EXPERTS_MAX = 1024,        /* llama.cpp's limit */
    WIDTH_MAX = 1 << 20,       /* numbers per token */
    FEED_FORWARD_MAX = 1 << 24,
    HEADS_MAX = 1 << 16,
    CONTEXT_MAX = 1 << 30,     /* tokens */
    TOKENS_MAX = 1 << 24,      /* of a vocabulary */
    POOLING_MAX = 4,           /* the last known kind */
};

static int refuse(struct gguf *g, const char *why)
{
    return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: %s", why);
}

/* ---- one number by itself ---- */

static const struct gguf_number *number_of(const struct gguf *g, enum gguf_key key)
{
    const struct gguf_number *n = &g->numbers[key];
    return n->seen && !n->foreign ? n : NULL;
}

static bool is_integer(const struct gguf_number *n)
{
    return n->type != GGUF_TEXT && n->type != GGUF_F32 && n->type != GGUF_F64 && n->type != GGUF_BOOL;
}

/* The allowed range of each key, and whether it may have a value per layer, where a layer may
 * have 0. */
static const struct range {
    enum gguf_key key;
    int64_t least, most;
    bool per_layer;
} ranges[] = {
    {KEY_BLOCKS, 1, LAYERS_MAX, false},
    {KEY_NEXTN, 0, LAYERS_MAX, false},
    {KEY_CONTEXT, 1, CONTEXT_MAX, false},
    {KEY_EMBEDDING, 1, WIDTH_MAX, false},
    {KEY_FEED_FORWARD, 0, FEED_FORWARD_MAX, true},
    {KEY_HEADS, 1, HEADS_MAX, true},
    {KEY_HEADS_KV, 1, HEADS_MAX, true},
    {KEY_KEY_LENGTH, 1, WIDTH_MAX, false},
    {KEY_VALUE_LENGTH, 1, WIDTH_MAX, false},
    {KEY_ROPE_DIMENSIONS, 0, WIDTH_MAX, false},
    {KEY_EXPERTS, 0, EXPERTS_MAX, false},
    {KEY_EXPERTS_USED, 0, EXPERTS_MAX, true},
    {KEY_EXPERT_GROUPS, 0, EXPERTS_MAX, false},
    {KEY_EXPERT_GROUPS_USED, 0, EXPERTS_MAX, false},
    {KEY_POOLING, 0, POOLING_MAX, false},
};

/* Returns whether the key may be 0: a model without attention has no heads, and the engine
 * reports other faults of it. */
static bool may_be_zero(const struct gguf *g, const struct range *r)
{
    bool heads = r->key == KEY_HEADS || r->key == KEY_HEADS_KV;
    const char *architecture = g->facts.architecture;
    return heads && (strstr(architecture, "mamba") != NULL || strstr(architecture, "rwkv") != NULL);
}

static int check_range(struct gguf *g, const struct range *r)
{
    const struct gguf_number *n = number_of(g, r->key);
    const char *name = gguf_key_name(r->key), *owner = g->facts.architecture;
    if (n == NULL)
        return 0;
    if (!is_integer(n) || (n->array && !r->per_layer))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s.%s' is not a whole number%s", owner, name,
                            r->per_layer ? ", nor one per layer" : "");
    if (n->n == 0)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s.%s' is an empty list", owner, name);
    int64_t least = n->array || may_be_zero(g, r) ? 0 : r->least, wrong = n->least < least ? n->least : n->most;
    if (n->least < least || n->most > r->most || (n->array && n->most < r->least))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s.%s' is %lld; it can be %lld to %lld", owner, name, (long long)wrong,
                            (long long)r->least, (long long)r->most);
    return 0;
}

static int check_float(struct gguf *g, enum gguf_key key, bool may_be_zero)
{
    const struct gguf_number *n = number_of(g, key);
    if (n == NULL)
        return 0;
    bool is_float = (n->type == GGUF_F32 || n->type == GGUF_F64) && n->n > 0;
    if (!is_float || !n->finite || n->real < 0 || (n->real == 0 && !may_be_zero))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s.%s' is %s; it must be a number above 0", g->facts.architecture,
                            gguf_key_name(key), !is_float ? "no float" : !n->finite ? "not a number" : n->real == 0 ? "0" : "negative");
    return 0;
}

/* ---- numbers against each other ---- */

static int64_t most(const struct gguf *g, enum gguf_key key, int64_t otherwise)
{
    const struct gguf_number *n = number_of(g, key);
    return n != NULL ? n->most : otherwise;
}

static int check_layers(struct gguf *g)
{
    int64_t blocks = most(g, KEY_BLOCKS, 0);
    if (blocks > 0 && (uint64_t)blocks > g->facts.tensors)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: it announces %lld layers, and has %s tensors in all", (long long)blocks,
                            show_count(g->facts.tensors).text);
    if (most(g, KEY_NEXTN, 0) > blocks && blocks > 0)
        return refuse(g, "more of its layers predict further tokens than it has layers");
    for (int k = 0; k < KEY_ALIGNMENT && blocks > 0; k++) {
        const struct gguf_number *n = number_of(g, (enum gguf_key)k);
        if (n != NULL && n->array && n->n < (uint64_t)blocks)
            return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s.%s' has %s values for %lld layers", g->facts.architecture,
                                gguf_key_name((enum gguf_key)k), show_count(n->n).text, (long long)blocks);
    }
    return 0;
}

static int check_heads(struct gguf *g)
{
    int64_t width = most(g, KEY_EMBEDDING, 0), heads = most(g, KEY_HEADS, 0), heads_kv = most(g, KEY_HEADS_KV, heads);
    const struct gguf_number *per_layer = number_of(g, KEY_HEADS);
    bool same_in_all = per_layer != NULL && !per_layer->array;
    if (width == 0 || heads == 0)
        return 0;
    if (same_in_all && width % heads != 0 && number_of(g, KEY_KEY_LENGTH) == NULL)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: its width of %lld is no multiple of its %lld heads", (long long)width,
                            (long long)heads);
    if (heads_kv > heads || (same_in_all && heads_kv > 0 && heads % heads_kv != 0))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: %lld heads cannot share %lld of keys and values", (long long)heads,
                            (long long)heads_kv);
    int64_t head = most(g, KEY_KEY_LENGTH, width / heads), turned = most(g, KEY_ROPE_DIMENSIONS, 0);
    if (turned > head || turned % 2 != 0)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: %lld numbers of a head are turned by its position, a head has %lld",
                            (long long)turned, (long long)head);
    return 0;
}

static int check_experts(struct gguf *g)
{
    int64_t experts = most(g, KEY_EXPERTS, 0), used = most(g, KEY_EXPERTS_USED, 0);
    int64_t groups = most(g, KEY_EXPERT_GROUPS, 0), groups_used = most(g, KEY_EXPERT_GROUPS_USED, 0);
    bool few = g->facts.architecture[0] == 'h' && experts <= 1; /* hunyuan writes 1 for none */
    if (!few && (used > experts || (experts > 0 && used == 0)))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: it uses %lld of its %lld experts for a token", (long long)used, (long long)experts);
    bool grouped = groups > 1 || (experts == 0 && groups > 0);
    if (grouped && (groups >= experts || experts % groups != 0 || groups_used == 0 || groups_used >= groups))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: it uses %lld of %lld groups of its %lld experts", (long long)groups_used,
                            (long long)groups, (long long)experts);
    return 0;
}

/* ---- the vocabulary ---- */

static int check_list(struct gguf *g, enum gguf_key key, uint32_t type, uint32_t or_type, uint64_t n)
{
    const struct gguf_number *list = number_of(g, key);
    if (list == NULL)
        return 0;
    if (!list->array || (list->type != type && list->type != or_type))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s' is not a list of %s", gguf_key_name(key),
                            type == GGUF_TEXT ? "texts" : type == GGUF_F32 ? "floats" : "32-bit numbers");
    if (n > 0 && list->n < n)
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s' has %s values for %s tokens", gguf_key_name(key), show_count(list->n).text,
                            show_count(n).text);
    return 0;
}

static int check_vocabulary(struct gguf *g)
{
    const struct gguf_number *tokens = number_of(g, KEY_TOKENS);
    uint64_t n = tokens != NULL ? tokens->n : 0;
    if (check_list(g, KEY_TOKENS, GGUF_TEXT, GGUF_TEXT, 0) != 0)
        return g->in.err;
    if (tokens != NULL && (n == 0 || n > TOKENS_MAX))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: its vocabulary has %s tokens", show_count(n).text);
    if (check_list(g, KEY_TOKEN_TYPES, GGUF_I32, GGUF_U32, n) != 0 || check_list(g, KEY_SCORES, GGUF_F32, GGUF_F32, n) != 0 ||
        check_list(g, KEY_MERGES, GGUF_TEXT, GGUF_TEXT, 0) != 0)
        return g->in.err;
    uint64_t width = (uint64_t)most(g, KEY_EMBEDDING, 0);
    if (g->table[0] > 0 && ((width > 0 && g->table[0] != width) || (n > 0 && g->table[1] != n)))
        return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: its token table is %s x %s, for %s tokens of %s numbers",
                            show_count(g->table[1]).text, show_count(g->table[0]).text, show_count(n).text, show_count(width).text);
    return 0;
}

int gguf_check(struct gguf *g)
{
    for (int k = 0; k < KEYS_KNOWN; k++)
        g->numbers[k].foreign = k < KEY_ALIGNMENT && strcmp(g->numbers[k].owner, g->facts.architecture) != 0;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (check_range(g, &ranges[i]) != 0)
            return g->in.err;
    if (check_float(g, KEY_EPSILON, true) != 0 || check_float(g, KEY_EPSILON_RMS, true) != 0 || check_float(g, KEY_ROPE_BASE, false) != 0 ||
        check_float(g, KEY_ROPE_FACTOR, true) != 0)
        return g->in.err;
    if (check_layers(g) != 0 || check_heads(g) != 0 || check_experts(g) != 0)
        return g->in.err;
    return check_vocabulary(g);
}
