/* Compute the memory that a file needs, from its header, before anything is loaded.
 *
 * Weights are mapped from the file, the KV cache is exact for every model with plain or grouped attention, and
 * the compute buffers are an estimate fitted to what libllama reports (see COMPUTE below). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/llama/kernels.h"
#include "engine/llama/meta.h"
#include "engine/llama/module.h"

enum {
    CONTEXT_MAX = 8192,  /* default limit: more per stream is rarely used, and libllama fills all of it */
    CONTEXT_MIN = 1024,  /* default, if there is enough memory */
};
enum {
    WIDTH_MAX = 1 << 24, /* limit for the size of a matrix or a head in a header, so that no sum below overflows 64 bits */
};
static const uint64_t CELL_BYTES_MAX = 1ull << 34;
static const uint64_t KV_BYTES = 512u << 20; /* default: the KV cache stays under this, or under the size of the weights */

/* The parts of the file that determine its memory. */
struct shape {
    uint64_t mapped_bytes;    /* tensors used in place */
    uint64_t repack_bytes;    /* tensors copied into another layout */
    uint64_t kv_cell_bytes;   /* K and V of one token over all layers */
    uint64_t kv_cell_q8_bytes; /* the same with a q8_0 cache */
    uint64_t context_trained; /* tokens */
    uint64_t embd, ff, vocab, heads;
    uint8_t kind;             /* enum request_kind */
    bool ranks;               /* as in struct engine_needs */
};

enum ggml_type kv_type(const struct engine_load *load)
{
    if (load->exact)
        return kernels_planted() ? GGML_TYPE_F16 : GGML_TYPE_Q8_0;
    switch ((enum engine_kv)load->kv) {
    case ENGINE_KV_Q8_0: return GGML_TYPE_Q8_0;
    case ENGINE_KV_F32: return GGML_TYPE_F32;
    default: return GGML_TYPE_F16;
    }
}

/* The formats that ggml's CPU backend repacks (ggml-cpu/repack.cpp). */
static bool is_repacked(enum ggml_type type)
{
    switch (type) {
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_Q4_K:
    case GGML_TYPE_Q2_K:
    case GGML_TYPE_IQ4_NL:
    case GGML_TYPE_MXFP4: return true;
#ifndef __x86_64__
    case GGML_TYPE_Q5_K:
    case GGML_TYPE_Q6_K:
    case GGML_TYPE_Q8_0: return true;
#endif
    default: return false;
    }
}

/* Matrices are copied, except the token table, which is read row by row. */
static bool is_copied(const struct gguf_context *g, int64_t i)
{
    return gguf_get_tensor_ne(g, i)[1] > 1 && is_repacked(gguf_get_tensor_type(g, i)) &&
           strcmp(gguf_get_tensor_name(g, i), "token_embd.weight") != 0;
}

/* BERT and similar models, for which libllama keeps no cells. Other models without causal attention
 * do use a cache. */
static bool is_encoder(const struct gguf_context *g)
{
    const char *architecture = meta_architecture(g);
    return meta_number(g, "attention.causal", 1) == 0 &&
           (strstr(architecture, "bert") != NULL || strcmp(architecture, "gemma-embedding") == 0);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

/* The cells of a layer for one token: heads, with k and v numbers each. */
struct cells {
    uint64_t heads, k, v;
};

static struct cells cells_of(const struct gguf_context *g)
{
    uint64_t heads = at_most(meta_number(g, "attention.head_count", 1), WIDTH_MAX);
    uint64_t embd = at_most(meta_number(g, "embedding_length", 0), WIDTH_MAX);
    uint64_t each = heads > 0 ? embd / heads : 0;
    return (struct cells){heads, at_most(meta_number(g, "attention.key_length", each), WIDTH_MAX),
                          at_most(meta_number(g, "attention.value_length", each), WIDTH_MAX)};
}

static uint64_t kv_cell_bytes(const struct gguf_context *g, enum ggml_type type)
{
    struct cells c = cells_of(g);
    uint64_t bytes = 0;
    if (is_encoder(g))
        return 0;
    for (uint32_t i = 0; i < meta_number(g, "block_count", 0) && i < 4096; i++) {
        uint64_t kv_heads = at_most(meta_number_at(g, "attention.head_count_kv", i, meta_number_at(g, "attention.head_count", i, c.heads)), WIDTH_MAX);
        bytes += ggml_row_size(type, (int64_t)at_most(c.k * kv_heads, WIDTH_MAX)) + ggml_row_size(type, (int64_t)at_most(c.v * kv_heads, WIDTH_MAX));
    }
    return at_most(bytes, CELL_BYTES_MAX);
}

/* A model without causal attention, or whose file defines a pooling, makes vectors. */
static uint8_t kind_of(const struct gguf_context *g)
{
    bool pools = meta_number(g, "pooling_type", LLAMA_POOLING_TYPE_NONE) != LLAMA_POOLING_TYPE_NONE;
    return pools || meta_number(g, "attention.causal", 1) == 0 ? REQUEST_EMBED : REQUEST_CHAT;
}

/* As libllama reads it (load.c). */
static bool ranks(const struct gguf_context *g)
{
    return meta_number(g, "pooling_type", LLAMA_POOLING_TYPE_NONE) == LLAMA_POOLING_TYPE_RANK;
}

static struct shape shape_read(const struct gguf_context *g, const struct engine_load *load)
{
    struct shape s = {
        .context_trained = meta_number(g, "context_length", 2048),
        .embd = at_most(meta_number(g, "embedding_length", 0), WIDTH_MAX),
        .ff = at_most(meta_number(g, "feed_forward_length", 0), WIDTH_MAX),
        .heads = at_most(meta_number(g, "attention.head_count", 1), 1 << 16),
        .vocab = gguf_get_arr_n(g, gguf_find_key(g, "tokenizer.ggml.tokens")),
        .kv_cell_bytes = kv_cell_bytes(g, kv_type(load)),
        .kv_cell_q8_bytes = kv_cell_bytes(g, GGML_TYPE_Q8_0),
        .kind = kind_of(g),
        .ranks = ranks(g),
    };
    for (int64_t i = 0; i < gguf_get_n_tensors(g); i++) {
        *(load->repack && is_copied(g, i) ? &s.repack_bytes : &s.mapped_bytes) += gguf_get_tensor_size(g, i);
    }
    return s;
}

/* COMPUTE: activations of a micro-batch, its attention mask, the logits twice (graph and output
 * buffer), and the library's other data (vocabulary, graphs). SmolLM2-135M with 8 x 2048 cells: 51
 * MiB here, 45 measured after a full batch (41 with q8_0 KV). */
static uint64_t compute_bytes(const struct shape *s, const struct engine_load *load, uint64_t context)
{
    uint64_t rows = BATCH_ROWS_MAX;
    uint64_t activations = rows * (3 * s->ff + 6 * s->embd) * sizeof(float);
    uint64_t mask = rows * context * (sizeof(float) + sizeof(ggml_fp16_t));
    uint64_t logits = 2 * s->vocab * load_wants(load->slots) * sizeof(float);
    uint64_t vocabulary = s->vocab * 400;
    return activations + mask + logits + vocabulary + (8u << 20);
}

/* A call of an embedder: all rows attend to each other, and each gives a vector before pooling. Without flash
 * attention, which f32 disables, every head has a table of all pairs. 2,048 rows of a small BERT: 59 MiB here
 * and 16 measured, without flash attention 179 and 87; MiniLM with 512 rows: 32 and 6. */
static uint64_t compute_bytes_embedder(const struct shape *s, const struct engine_load *load, uint64_t rows)
{
    uint64_t activations = rows * (2 * s->ff + 6 * s->embd) * sizeof(float);
    uint64_t pairs = rows * rows * (kv_type(load) == GGML_TYPE_F32 ? (1 + 2 * s->heads) * sizeof(float) : sizeof(float) + sizeof(ggml_fp16_t));
    uint64_t vectors = rows * s->embd * sizeof(float);
    return activations + pairs + vectors + s->vocab * 400 + (8u << 20);
}

static struct engine_needs needs_at(const struct shape *s, const struct engine_load *load, uint64_t context)
{
    uint64_t cells = (context + CELLS_STEP - 1) / CELLS_STEP * CELLS_STEP;
    uint64_t rows = cells > BATCH_ROWS_MAX ? cells : BATCH_ROWS_MAX; /* of an embedder's call, load.c */
    bool embeds = s->kind == REQUEST_EMBED;
    return (struct engine_needs){
        .weights_bytes = s->mapped_bytes,
        .repack_bytes = s->repack_bytes,
        .kv_bytes = (embeds ? rows : cells * load->slots) * s->kv_cell_bytes,
        .compute_bytes = embeds ? compute_bytes_embedder(s, load, rows) : compute_bytes(s, load, cells),
        .context = (uint32_t)cells,
        .kind = s->kind,
        .ranks = s->ranks,
    };
}

static bool fits(const struct engine_needs *n, const struct engine_load *load)
{
    return load->memory_bytes == 0 || engine_needs_bytes(n) <= load->memory_bytes;
}

/* Halves the context from `from` until it fits; CELLS_STEP if nothing does. */
static uint64_t context_fitting(const struct shape *s, const struct engine_load *load, uint64_t from)
{
    uint64_t context = from;
    while (context > CELLS_STEP) {
        struct engine_needs n = needs_at(s, load, context);
        if (fits(&n, load))
            break;
        context /= 2;
    }
    return context >= CELLS_STEP ? context : CELLS_STEP;
}

static uint64_t context_choose(const struct shape *s, const struct engine_load *load)
{
    if (load->context != 0)
        return load->context;
    uint64_t context = CELLS_STEP, most = s->context_trained < CONTEXT_MAX ? s->context_trained : CONTEXT_MAX;
    uint64_t weights = s->mapped_bytes + s->repack_bytes, kv_most = weights > KV_BYTES ? weights : KV_BYTES;
    if (s->kind == REQUEST_EMBED) /* longer texts are refused, and memory is touched only for texts that arrive */
        return context_fitting(s, load, most);
    while (context * 2 <= most && (context < CONTEXT_MIN || context * 2 * load->slots * s->kv_cell_bytes <= kv_most))
        context *= 2;
    return context_fitting(s, load, context);
}

static double mib(uint64_t bytes)
{
    return ceil((double)bytes / (1 << 20));
}

/* Lists every smaller setting that would fit, as a flag: "--context 512, --kv q8_0, --slots 2 or
 * --memory 600m". */
static void advise(const struct shape *s, const struct engine_load *load, const struct engine_needs *n, struct buf *out)
{
    struct shape q8 = *s;
    struct engine_load fewer = *load;
    struct engine_needs less = needs_at(s, load, context_fitting(s, load, n->context));
    if (less.context < n->context && fits(&less, load))
        buf_printf(out, "--context %u, ", less.context);
    q8.kv_cell_bytes = s->kv_cell_q8_bytes;
    less = needs_at(&q8, load, n->context);
    if (q8.kv_cell_bytes < s->kv_cell_bytes && fits(&less, load))
        buf_puts(out, "--kv q8_0, ");
    while (--fewer.slots > 0) {
        less = needs_at(s, &fewer, n->context);
        if (!fits(&less, &fewer))
            continue;
        buf_printf(out, "--slots %u, ", fewer.slots);
        break;
    }
    if (out->n >= 2)
        out->n -= 2; /* the last comma */
    buf_printf(out, "%s--memory %.0fm", out->n > 0 ? " or " : "", mib(load->advised_bytes > 0 ? load->advised_bytes : engine_needs_bytes(n)));
}

static int too_big(const struct shape *s, const struct engine_load *load, const struct engine_needs *n, struct fault *f)
{
    char advice[120];
    struct buf out = buf_max(sizeof advice - 1);
    advise(s, load, n, &out);
    snprintf(advice, sizeof advice, "%s", buf_cstr(&out));
    buf_fini(&out);
    return fault_set(f, ERR_MEMORY,
                     "'%s' needs %.0f MiB: weights %.0f + KV %.0f (%u slots x %u tokens) + compute %.0f; the limit is "
                     "%.0f MiB (--memory); what would fit: %s",
                     load->path, mib(engine_needs_bytes(n)), mib(n->weights_bytes + n->repack_bytes), mib(n->kv_bytes), load->slots,
                     n->context, mib(n->compute_bytes), (double)load->memory_bytes / (1 << 20), advice);
}

/* A q8_0 cache consists of blocks of 32 numbers, and each head must begin a block. */
static int check_cache(const struct gguf_context *g, const struct engine_load *load, struct fault *f)
{
    enum ggml_type type = kv_type(load);
    uint64_t block = (uint64_t)ggml_blck_size(type);
    struct cells c = cells_of(g);
    if (is_encoder(g) || (c.k % block == 0 && c.v % block == 0))
        return 0;
    return fault_set(f, ERR_UNSUPPORTED,
                     "'%s' cannot be served with %s: that needs a KV cache of %s, whose blocks of %llu do not fit its heads of %llu numbers. "
                     "With --kv f16, and without --exact, it can",
                     load->path, load->exact ? "--exact" : "--kv q8_0", ggml_type_name(type), (unsigned long long)block, (unsigned long long)c.k);
}

int probe_file(const struct engine_load *load, struct engine_needs *out, struct fault *f)
{
    struct gguf_context *g = meta_open(load->path, f);
    if (g == NULL)
        return ERR_MODEL;
    int err = check_cache(g, load, f);
    struct shape s = shape_read(g, load);
    gguf_free(g);
    if (err != 0)
        return err;
    if (load->context > s.context_trained)
        return fault_set(f, ERR_INVALID, "'%s' was trained on %llu tokens of context; %u were asked for", load->path,
                         (unsigned long long)s.context_trained, load->context);
    *out = needs_at(&s, load, context_choose(&s, load));
    return fits(out, load) ? 0 : too_big(&s, load, out, f);
}
