/* Keep the numbers of a header that an engine relies on, whatever type they were written in. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/gguf_scan.h"
#include "models/show.h"

enum { LAYERS_MAX = 4096 }; /* maximum of items in an array with one per layer */

static const char *const names[KEYS_KNOWN] = {
    [KEY_BLOCKS] = "block_count",
    [KEY_NEXTN] = "nextn_predict_layers",
    [KEY_CONTEXT] = "context_length",
    [KEY_EMBEDDING] = "embedding_length",
    [KEY_FEED_FORWARD] = "feed_forward_length",
    [KEY_HEADS] = "attention.head_count",
    [KEY_HEADS_KV] = "attention.head_count_kv",
    [KEY_KEY_LENGTH] = "attention.key_length",
    [KEY_VALUE_LENGTH] = "attention.value_length",
    [KEY_ROPE_DIMENSIONS] = "rope.dimension_count",
    [KEY_EXPERTS] = "expert_count",
    [KEY_EXPERTS_USED] = "expert_used_count",
    [KEY_EXPERT_GROUPS] = "expert_group_count",
    [KEY_EXPERT_GROUPS_USED] = "expert_group_used_count",
    [KEY_POOLING] = "pooling_type",
    [KEY_EPSILON] = "attention.layer_norm_epsilon",
    [KEY_EPSILON_RMS] = "attention.layer_norm_rms_epsilon",
    [KEY_ROPE_BASE] = "rope.freq_base",
    [KEY_ROPE_FACTOR] = "rope.scaling.factor",
    [KEY_ALIGNMENT] = "general.alignment",
    [KEY_TOKENS] = "tokenizer.ggml.tokens",
    [KEY_TOKEN_TYPES] = "tokenizer.ggml.token_type",
    [KEY_SCORES] = "tokenizer.ggml.scores",
    [KEY_MERGES] = "tokenizer.ggml.merges",
};

const char *gguf_key_name(enum gguf_key key)
{
    return names[key];
}

/* Returns the entry of a key, and in *out_before the length of its prefix before the first dot. */
static struct gguf_number *place_of(struct gguf *g, const char *key, size_t *out_before)
{
    const char *dot = strchr(key, '.');
    *out_before = dot != NULL ? (size_t)(dot - key) : 0;
    for (int k = 0; dot != NULL && k < KEYS_KNOWN; k++)
        if (strcmp(k < KEY_ALIGNMENT ? dot + 1 : key, names[k]) == 0)
            return &g->numbers[k];
    return NULL;
}

static void take_item(struct gguf_in *in, struct gguf_number *number)
{
    uint8_t raw[8] = {0}; /* little-endian */
    uint32_t bytes = gguf_value_bytes(number->type);
    uint64_t bits = 0;
    gguf_in_take(in, raw, bytes);
    for (int i = 7; i >= 0; i--)
        bits = bits << 8 | raw[i];
    if (number->type == GGUF_F32 || number->type == GGUF_F64) {
        float narrow;
        memcpy(&narrow, &(uint32_t){(uint32_t)bits}, sizeof narrow);
        memcpy(&number->real, &bits, sizeof bits);
        number->real = number->type == GGUF_F32 ? (double)narrow : number->real;
        number->finite = number->finite && isfinite(number->real);
        return;
    }
    bool is_signed = number->type == GGUF_I8 || number->type == GGUF_I16 || number->type == GGUF_I32 || number->type == GGUF_I64;
    unsigned unused = 64 - 8 * bytes;
    int64_t v = is_signed ? (int64_t)(bits << unused) >> unused : bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
    number->least = v < number->least ? v : number->least;
    number->most = v > number->most ? v : number->most;
}

static void take_array(struct gguf *g, struct gguf_number *number, const char *key)
{
    bool per_layer = number < &g->numbers[KEY_ALIGNMENT];
    number->array = true;
    if (gguf_array_begin(g, key, &number->type, &number->n) != 0)
        return;
    if (!per_layer || number->type == GGUF_TEXT) {
        gguf_array_skip(g, number->type, number->n);
        return;
    }
    if (number->n > LAYERS_MAX) {
        gguf_in_fail(&g->in, ERR_MODEL, "is damaged: '%s' has %s values, one per layer would be at most %d", key,
                     show_count(number->n).text, LAYERS_MAX);
        return;
    }
    for (uint64_t i = 0; i < number->n && !g->in.err; i++)
        take_item(&g->in, number);
}

bool gguf_number_take(struct gguf *g, const char *key, uint32_t type)
{
    size_t before;
    struct gguf_number *number = place_of(g, key, &before);
    if (number == NULL || (type != GGUF_ARRAY && type != GGUF_TEXT && gguf_value_bytes(type) == 0))
        return false;
    *number = (struct gguf_number){.seen = true, .type = type, .n = 1, .least = INT64_MAX, .most = INT64_MIN, .finite = true,
                                   .foreign = number < &g->numbers[KEY_ALIGNMENT]};
    snprintf(number->owner, sizeof number->owner, "%.*s", (int)before, key);
    if (type == GGUF_ARRAY)
        take_array(g, number, key);
    else if (type == GGUF_TEXT)
        gguf_in_skip_text(&g->in);
    else
        take_item(&g->in, number);
    return true;
}
