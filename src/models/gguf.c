/* Read a GGUF's header: magic, version, two counts, the key-value pairs, the tensors' places; then
 * come the tensors' bytes.
 *
 * Any of it may be wrong: a web page saved under a model's name, half a download, a malicious file.
 * So every count is checked against the remaining bytes before it is believed, and none determines
 * an allocation without a limit. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "models/gguf_scan.h"
#include "models/gguf_types.h"
#include "models/show.h"

enum {
    VERSION_MIN = 2, /* version 1 had 32-bit lengths; no current tool writes it */
    VERSION_MAX = 3,
    KEYS_MAX = 1 << 12,    /* an engine compares each name with each other one, */
    TENSORS_MAX = 1 << 15, /* which for a million of them takes hours; models have some 50 keys and 2,000 tensors */
    DIMENSIONS_MAX = 4,
    NAME_BYTES = 128,     /* of a tensor's name, for messages */
    ALIGNMENT_USUAL = 32, /* when the file does not say */
    KEY_MIN_BYTES = 8 + 4 + 1,
    TENSOR_MIN_BYTES = 8 + 4 + 8 + 4 + 8,
};

/* ---- magic and counts ---- */

static int refuse_magic(struct gguf *g, const char magic[4])
{
    static const struct {
        const char *magic, *hint;
    } hints[] = {
        {"<!DO", ": a web page was saved in the model's place"},
        {"<htm", ": a web page was saved in the model's place"},
        {"vers", ": perhaps a Git LFS pointer; 'git lfs pull' brings the file itself"},
        {"PK\003\004", ": perhaps a PyTorch or zip file; llama.cpp's convert_hf_to_gguf.py makes a GGUF of a model"},
    };
    const char *hint = "";
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (memcmp(magic, hints[i].magic, 4) == 0)
            hint = hints[i].hint;
    return gguf_in_fail(&g->in, ERR_MODEL, "is not a GGUF file: it begins with '%s'%s", show_bytes(magic, 4).text, hint);
}

static int read_start(struct gguf *g)
{
    struct gguf_in *in = &g->in;
    char magic[4];
    if (in->size < sizeof magic)
        return gguf_in_fail(in, ERR_MODEL, in->size == 0 ? "is empty" : "is not a GGUF file: it has %d bytes",
                            (int)in->size);
    gguf_in_take(in, magic, sizeof magic);
    if (!in->err && memcmp(magic, "GGUF", 4) != 0)
        return refuse_magic(g, magic);
    uint32_t version = gguf_in_u32(in);
    if (!in->err && version != 0 && (version & 0xffff) == 0)
        return gguf_in_fail(in, ERR_MODEL, "is a big-endian GGUF; only little-endian ones are read");
    if (!in->err && (version < VERSION_MIN || version > VERSION_MAX))
        return gguf_in_fail(in, ERR_MODEL, "has GGUF version %u; versions %d to %d are read", version, VERSION_MIN,
                            VERSION_MAX);
    g->facts.tensors = gguf_in_u64(in);
    g->keys = gguf_in_u64(in);
    return in->err;
}

static int check_counts(struct gguf *g)
{
    struct gguf_in *in = &g->in;
    if (g->keys > KEYS_MAX || g->facts.tensors > TENSORS_MAX)
        return gguf_in_fail(in, ERR_MODEL, "is damaged: it announces %s keys and %s tensors",
                            show_count(g->keys).text, show_count(g->facts.tensors).text);
    uint64_t least = g->keys * KEY_MIN_BYTES + g->facts.tensors * TENSOR_MIN_BYTES;
    if (least > gguf_in_left(in))
        return gguf_in_fail(in, ERR_MODEL, "is truncated: its header takes at least %s bytes, the file has %s",
                            show_count(in->at + least).text, show_count(in->size).text);
    if (g->facts.tensors == 0)
        return gguf_in_fail(in, ERR_MODEL, "holds no tensors, so there is no model in it");
    return 0;
}

/* ---- names ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Checks that each of the names read so far occurs once. */
static int check_names(struct gguf *g, const char *of_what)
{
    qsort(g->hashes, g->hashes_n, sizeof *g->hashes, by_value);
    for (uint64_t i = 1; i < g->hashes_n; i++)
        if (g->hashes[i] == g->hashes[i - 1])
            return gguf_in_fail(&g->in, ERR_MODEL, "is damaged: two of its %s have the same name", of_what);
    g->hashes_n = 0;
    return 0;
}

/* ---- tensors ---- */

/* Computes the bytes of a tensor. Returns false for impossible numbers. */
static bool tensor_bytes(const struct gguf_type *type, const uint64_t dims[DIMENSIONS_MAX], uint64_t *out)
{
    uint64_t bytes = dims[0] / type->numbers;
    if (dims[0] % type->numbers != 0 || __builtin_mul_overflow(bytes, type->bytes, &bytes))
        return false;
    for (int i = 1; i < DIMENSIONS_MAX; i++)
        if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            return false;
    *out = bytes;
    return true;
}

static int read_tensor(struct gguf *g)
{
    struct gguf_in *in = &g->in;
    char name[NAME_BYTES];
    uint64_t dims[DIMENSIONS_MAX] = {1, 1, 1, 1}, bytes, end;
    g->hashes[g->hashes_n++] = gguf_in_text(in, name, sizeof name);
    uint32_t dims_n = gguf_in_u32(in);
    if (!in->err && (dims_n == 0 || dims_n > DIMENSIONS_MAX))
        return gguf_in_fail(in, ERR_MODEL, "is damaged: tensor '%s' has %u dimensions", name, dims_n);
    for (uint32_t i = 0; i < dims_n && !in->err; i++)
        dims[i] = gguf_in_u64(in);
    uint32_t number = gguf_in_u32(in);
    uint64_t offset = gguf_in_u64(in);
    if (in->err)
        return in->err;
    const struct gguf_type *type = gguf_type_of(number);
    if (type == NULL)
        return gguf_in_fail(in, ERR_MODEL, "has tensor '%s' of type %u, which this manta does not know", name, number);
    if (strcmp(name, "token_embd.weight") == 0)
        memcpy(g->table, dims, sizeof g->table);
    if (!tensor_bytes(type, dims, &bytes) || bytes == 0 || offset % g->alignment != 0 || __builtin_add_overflow(offset, bytes, &end))
        return gguf_in_fail(in, ERR_MODEL, "is damaged: tensor '%s' has impossible sizes", name);
    if (end > g->tensors_end)
        g->tensors_end = end;
    if (__builtin_add_overflow(g->facts.tensor_bytes, bytes, &g->facts.tensor_bytes))
        return gguf_in_fail(in, ERR_MODEL, "is damaged: tensor '%s' has impossible sizes", name);
    return 0;
}

/* Checks that the tensors' bytes, which begin at the next multiple of the alignment, lie in the
 * file. */
static int check_end(struct gguf *g)
{
    struct gguf_in *in = &g->in;
    uint64_t mask = g->alignment - 1, end;
    if (__builtin_add_overflow((in->at + mask) & ~mask, g->tensors_end, &end))
        return gguf_in_fail(in, ERR_MODEL, "is damaged: its tensors have impossible sizes");
    if (end > in->size)
        return gguf_in_fail(in, ERR_MODEL, "is truncated: tensors end at byte %s, the file has %s",
                            show_count(end).text, show_count(in->size).text);
    return 0;
}

static int read_tensors(struct gguf *g)
{
    for (uint64_t i = 0; i < g->facts.tensors; i++) {
        int err = read_tensor(g);
        if (err)
            return err;
    }
    return check_names(g, "tensors") != 0 ? g->in.err : check_end(g);
}

static void name_mix(struct gguf *g)
{
    const char *name = g->mix < UINT32_MAX ? gguf_mix_name((uint32_t)g->mix) : NULL;
    if (name != NULL)
        snprintf(g->facts.quantisation, sizeof g->facts.quantisation, "%s", name);
}

int gguf_read(const char *path, struct gguf_facts *out, struct fault *f)
{
    struct gguf g = {.alignment = ALIGNMENT_USUAL, .mix = UINT64_MAX};
    int err = gguf_in_open(&g.in, path, f);
    if (!err)
        err = read_start(&g);
    if (!err)
        err = check_counts(&g);
    if (!err) /* the counts are within their limits by now */
        g.hashes = xalloc_array(g.keys > g.facts.tensors ? g.keys : g.facts.tensors, sizeof *g.hashes);
    if (!err)
        err = gguf_pairs_read(&g);
    if (!err)
        err = check_names(&g, "keys");
    if (!err)
        err = read_tensors(&g);
    if (!err)
        err = gguf_check(&g);
    g.facts.context_length = g.numbers[KEY_CONTEXT].seen ? (uint64_t)g.numbers[KEY_CONTEXT].most : 0;
    g.facts.file_bytes = g.in.size;
    free(g.hashes);
    gguf_in_close(&g.in);
    if (err)
        return err;
    name_mix(&g);
    *out = g.facts;
    return 0;
}
