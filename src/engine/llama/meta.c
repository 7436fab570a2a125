#include "engine/llama/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "engine/llama/guard.h"
#include "engine/llama/module.h"

static int64_t find(const struct gguf_context *g, const char *key)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s", meta_architecture(g), key);
    return gguf_find_key(g, full);
}

const char *meta_architecture(const struct gguf_context *g)
{
    int64_t id = gguf_find_key(g, "general.architecture");
    return id >= 0 && gguf_get_kv_type(g, id) == GGUF_TYPE_STRING ? gguf_get_val_str(g, id) : "";
}

/* Returns item i of `data`. Negative numbers are invalid for every key used here and count as
 * absent. */
static uint64_t integer(enum gguf_type type, const void *data, size_t i, uint64_t otherwise)
{
    int64_t n = -1;
    switch (type) {
    case GGUF_TYPE_BOOL:
    case GGUF_TYPE_UINT8: return ((const uint8_t *)data)[i];
    case GGUF_TYPE_UINT16: return ((const uint16_t *)data)[i];
    case GGUF_TYPE_UINT32: return ((const uint32_t *)data)[i];
    case GGUF_TYPE_UINT64: return ((const uint64_t *)data)[i];
    case GGUF_TYPE_INT8: n = ((const int8_t *)data)[i]; break;
    case GGUF_TYPE_INT16: n = ((const int16_t *)data)[i]; break;
    case GGUF_TYPE_INT32: n = ((const int32_t *)data)[i]; break;
    case GGUF_TYPE_INT64: n = ((const int64_t *)data)[i]; break;
    default: break;
    }
    return n >= 0 ? (uint64_t)n : otherwise;
}

uint64_t meta_number_at(const struct gguf_context *g, const char *key, uint32_t i, uint64_t otherwise)
{
    int64_t id = find(g, key);
    if (id < 0)
        return otherwise;
    enum gguf_type type = gguf_get_kv_type(g, id);
    if (type == GGUF_TYPE_STRING)
        return otherwise;
    if (type != GGUF_TYPE_ARRAY)
        return integer(type, gguf_get_val_data(g, id), 0, otherwise);
    type = gguf_get_arr_type(g, id);
    if (type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY || i >= gguf_get_arr_n(g, id))
        return otherwise;
    return integer(type, gguf_get_arr_data(g, id), i, otherwise);
}

uint64_t meta_number(const struct gguf_context *g, const char *key, uint64_t otherwise)
{
    return meta_number_at(g, key, 0, otherwise);
}

static int check_tensors(const char *path, const struct gguf_context *g, uint64_t bytes, struct fault *f)
{
    uint64_t data = gguf_get_data_offset(g), need = 0;
    for (int64_t i = 0; i < gguf_get_n_tensors(g); i++) {
        uint64_t end = data + gguf_get_tensor_offset(g, i) + gguf_get_tensor_size(g, i);
        if (end > need)
            need = end;
    }
    if (need > bytes)
        return fault_set(f, ERR_MODEL, "'%s' is cut off: its header promises %llu bytes, the file has %llu; fetch it again",
                         path, (unsigned long long)need, (unsigned long long)bytes);
    return 0;
}

/* FNV-1a. */
static uint64_t hash_text(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s != '\0'; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return h;
}

struct token_text {
    char text[64]; /* longer texts are truncated */
};

/* Returns a token's text as libllama reads it: up to a NUL byte. An empty text gets a generated
 * name, which may equal another token's text. */
static const char *token_text(const struct gguf_context *g, int64_t tokens, size_t i, struct token_text *name)
{
    const char *text = gguf_get_arr_str(g, tokens, i);
    if (text[0] != '\0')
        return text;
    snprintf(name->text, sizeof name->text, "[EMPTY_%zu]", i);
    return name->text;
}

static bool same_text(const struct gguf_context *g, int64_t tokens, size_t i, size_t k)
{
    struct token_text a, b;
    return strcmp(token_text(g, tokens, i, &a), token_text(g, tokens, k, &b)) == 0;
}

/* Returns the first token whose text an earlier token also has; n: none. */
static size_t doubled_token(const struct gguf_context *g, int64_t tokens, size_t n)
{
    size_t cap = 64, doubled = n;
    while (cap < 2 * n)
        cap *= 2;
    uint32_t *slots = xalloc_array(cap, sizeof *slots); /* 1 + index of a token, 0: free */
    for (size_t i = 0; i < n && doubled == n; i++) {
        struct token_text name;
        size_t at = hash_text(token_text(g, tokens, i, &name)) & (cap - 1);
        while (slots[at] != 0 && !same_text(g, tokens, slots[at] - 1, i))
            at = (at + 1) & (cap - 1);
        if (slots[at] != 0)
            doubled = i;
        slots[at] = (uint32_t)(i + 1);
    }
    free(slots);
    return doubled;
}

static int check_tokens(const char *path, const struct gguf_context *g, struct fault *f)
{
    int64_t id = gguf_find_key(g, "tokenizer.ggml.tokens");
    if (id < 0 || gguf_get_kv_type(g, id) != GGUF_TYPE_ARRAY || gguf_get_arr_type(g, id) != GGUF_TYPE_STRING)
        return fault_set(f, ERR_MODEL, "'%s' carries no vocabulary (tokenizer.ggml.tokens); is it a model, or an adapter?",
                         path);
    size_t n = gguf_get_arr_n(g, id);
    if (n == 0 || n > 1u << 24)
        return fault_set(f, ERR_MODEL, "'%s' has a vocabulary of %zu tokens", path, n);
    size_t doubled = doubled_token(g, id, n);
    struct token_text name;
    if (doubled < n)
        return fault_set(f, ERR_MODEL, "'%s' has the token '%.60s' twice; it was converted wrongly", path,
                         token_text(g, id, doubled, &name));
    return 0;
}

static int check(const char *path, const struct gguf_context *g, uint64_t bytes, struct fault *f)
{
    if (meta_architecture(g)[0] == '\0')
        return fault_set(f, ERR_MODEL, "'%s' does not say its architecture; it is not a model for llama.cpp", path);
    if (gguf_find_key(g, "split.count") >= 0)
        return fault_set(f, ERR_MODEL, "'%s' is one part of a split model; join the parts first (llama-gguf-split --merge)",
                         path);
    int err = check_tensors(path, g, bytes, f);
    return err != 0 ? err : check_tokens(path, g, f);
}

struct gguf_context *meta_open(const char *path, struct fault *f)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        fault_set(f, ERR_MODEL, "cannot open model file '%s': %s", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        fault_set(f, ERR_MODEL, "'%s' is not a file; a model is one GGUF file", path);
        return NULL;
    }
    llama_log_forget();
    struct gguf_context *g = guard_header(path);
    if (g == NULL) {
        fault_set(f, ERR_MODEL, "'%s' is not a usable GGUF file: %s", path,
                  llama_log_last()[0] != '\0' ? llama_log_last() : "its header cannot be read");
        return NULL;
    }
    if (check(path, g, (uint64_t)st.st_size, f) != 0) {
        gguf_free(g);
        return NULL;
    }
    return g;
}
