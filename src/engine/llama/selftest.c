/* Compute a text in many ways, each time up to the same rows.
 *
 * Comparing only logits would hide differences: every matrix gets its input rounded to 8 bits, so a query that
 * differs in its last bit mostly gives the same answer, but sometimes, once in thousands, another one. The
 * results of all matrix products and attentions are therefore compared, as hashes. */
#include "engine/llama/guard.h"
#include "engine/llama/kernels.h"
#include "engine/llama/selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rng.h"

enum {
    TOP = 264,       /* rows of the text: more than one CELLS_STEP */
    TAIL = 64,       /* the rows after the first call */
    SEQUENCES = 2,
    KEPT = 10,       /* rows that are compared */
    WANTED_MAX = 16, /* in one call */
    NAME_BYTES = 24,
};

/* A matrix product or attention of the graph. */
struct node {
    char name[NAME_BYTES];
    uint64_t hash[KEPT]; /* of its result for each compared row; 0: not computed yet */
};

struct selftest {
    const struct engine_load *load;
    struct llama_context *ctx;   /* owned */
    llama_memory_t memory;       /* borrowed from ctx */
    ggml_threadpool_t pool;      /* owned */
    struct llama_batch batch;    /* owned */
    uint32_t top, base;          /* rows of the text, and of its first call */
    uint32_t threads, many;      /* now; and the number for "several" */
    uint32_t vocab;
    int32_t kept_at[KEPT];       /* positions of the compared rows */
    struct node *nodes;          /* owned; the last one stands for the logits */
    size_t nodes_n, nodes_max;
    size_t at;                   /* next node of this call */
    size_t wanted;               /* rows of this call that are compared */
    char differs[NAME_BYTES];    /* name of the first node that differed; "": none */
    int32_t differs_at;          /* position of the row */
    bool (*go_on)(void *user_data);
    void *user_data;
    char *why;
    struct fault *f;
};

static int kept_index(const struct selftest *t, int32_t position)
{
    for (int i = 0; i < KEPT; i++)
        if (t->kept_at[i] == position)
            return i;
    return -1;
}

static uint64_t hash_floats(const float *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &p[i], sizeof bits);
        h = (h ^ bits) * 0x100000001b3u;
        h ^= h >> 29;
    }
    return h != 0 ? h : 1;
}

/* ---- the nodes of a call ---- */

/* Returns the next node of this call. The graphs of all calls have the same products in the same
 * order. */
static struct node *next_node(struct selftest *t, const char *name)
{
    if (t->at == t->nodes_max) {
        size_t max = t->nodes_max * 2 + 256;
        struct node *more = xalloc_array(max, sizeof *more);
        if (t->nodes_n > 0)
            memcpy(more, t->nodes, t->nodes_n * sizeof *more);
        free(t->nodes);
        t->nodes = more;
        t->nodes_max = max;
    }
    struct node *node = &t->nodes[t->at++];
    if (t->at > t->nodes_n) {
        t->nodes_n = t->at;
        snprintf(node->name, sizeof node->name, "%.*s", NAME_BYTES - 1, name);
    }
    return node;
}

static void see(struct selftest *t, struct node *node, int32_t row, const float *result, size_t n)
{
    int i = kept_index(t, t->batch.pos[row]);
    uint64_t hash = hash_floats(result, n);
    MUST(i >= 0);
    if (node->hash[i] == 0)
        node->hash[i] = hash;
    if (node->hash[i] == hash || t->differs[0] != '\0')
        return;
    snprintf(t->differs, sizeof t->differs, "%s", node->name);
    t->differs_at = t->batch.pos[row];
}

/* Selects products and attentions, which could round a row differently beside other rows. Their
 * rows must be contiguous. */
static bool is_watched(const struct ggml_tensor *node)
{
    return node->type == GGML_TYPE_F32 && ggml_is_contiguous(node) &&
           (node->op == GGML_OP_MUL_MAT || node->op == GGML_OP_MUL_MAT_ID || node->op == GGML_OP_FLASH_ATTN_EXT);
}

/* libllama asks for each node of the graph whether we want to see it. After the last layer's
 * attention only wanted rows are left. */
static bool on_node(struct ggml_tensor *tensor, bool ask, void *user_data)
{
    struct selftest *t = user_data;
    if (ask || !is_watched(tensor))
        return is_watched(tensor);
    struct node *node = next_node(t, tensor->name);
    int64_t rows = tensor->op == GGML_OP_MUL_MAT ? ggml_nrows(tensor) : tensor->ne[2] * tensor->ne[3]; /* or a multiple of them */
    bool all = rows % t->batch.n_tokens == 0 || t->wanted == 0;
    size_t each = (size_t)ggml_nelements(tensor) / (all ? (size_t)t->batch.n_tokens : t->wanted);
    const float *at = tensor->data;
    for (int32_t row = 0; row < t->batch.n_tokens; row++) {
        if (t->batch.logits[row])
            see(t, node, row, at, each);
        at += all || t->batch.logits[row] ? each : 0;
    }
    return true;
}

/* ---- one call ---- */

static void add(struct selftest *t, uint32_t seq, int32_t position)
{
    int32_t row = t->batch.n_tokens++;
    t->batch.token[row] = (int32_t)(rng_at(1, (uint64_t)position) % t->vocab);
    t->batch.pos[row] = position;
    t->batch.n_seq_id[row] = 1;
    t->batch.seq_id[row][0] = (llama_seq_id)seq;
    t->batch.logits[row] = kept_index(t, position) >= 0;
}

static int call(struct selftest *t, const char *how)
{
    t->at = t->wanted = 0;
    for (int32_t row = 0; row < t->batch.n_tokens; row++)
        t->wanted += t->batch.logits[row] != 0;
    llama_log_forget();
    if (t->go_on != NULL && !t->go_on(t->user_data))
        return fault_set(t->f, ERR_CANCELLED, "loading '%s' was stopped", t->load->path);
    if (guard_decode(t->ctx, t->batch) != 0)
        return fault_set(t->f, ERR_FAILED, "testing '%s' for exactness, in a call of %d rows: %s", t->load->path, t->batch.n_tokens, llama_log_last());
    struct node *logits = next_node(t, "logits");
    for (int32_t row = 0; row < t->batch.n_tokens; row++)
        if (t->batch.logits[row])
            see(t, logits, row, llama_get_logits_ith(t->ctx, row), t->vocab);
    if (t->at != t->nodes_n)
        return fault_set(t->f, ERR_UNSUPPORTED, "'%s' cannot be tested for exactness: its graph differs between calls", t->load->path);
    if (t->differs[0] == '\0')
        return 0;
    snprintf(t->why, SELFTEST_WHY_BYTES, "token %d of a prompt differs (%s) when it is computed %s on %u thread%s", t->differs_at, t->differs, how,
             t->threads, t->threads > 1 ? "s" : "");
    return ERR_UNSUPPORTED;
}

/* ---- the ways ---- */

static void use_threads(struct selftest *t, uint32_t threads)
{
    if (t->threads == threads)
        return;
    t->threads = threads;
    llama_detach_threadpool(t->ctx);
    load_pool_free(t->pool);
    t->pool = load_pool_new(threads);
    if (t->pool != NULL) {
        kernels_hold(t->pool);
        llama_attach_threadpool(t->ctx, t->pool, t->pool);
    }
    llama_set_n_threads(t->ctx, (int32_t)threads, (int32_t)threads);
}

static void cut(struct selftest *t, uint32_t seq, uint32_t from)
{
    llama_memory_seq_rm(t->memory, (llama_seq_id)seq, (llama_pos)from, -1);
}

/* Makes sequence 1 a copy of sequence 0. */
static void copy(struct selftest *t)
{
    cut(t, 1, 0);
    llama_memory_seq_cp(t->memory, 0, 1, -1, -1);
}

/* Computes rows [from, to) of the text in a sequence again, at_a_time rows per call. */
static int rows(struct selftest *t, uint32_t seq, uint32_t from, uint32_t to, uint32_t at_a_time, uint32_t threads)
{
    char how[48];
    snprintf(how, sizeof how, "%u row%s at a time", at_a_time, at_a_time > 1 ? "s" : "");
    use_threads(t, threads);
    cut(t, seq, from);
    int err = 0;
    while (from < to && err == 0) {
        t->batch.n_tokens = 0;
        for (uint32_t i = 0; i < at_a_time && from < to; i++)
            add(t, seq, (int32_t)from++);
        err = call(t, how);
    }
    return err;
}

/* Computes one row of each sequence; the second sequence is shorter. */
static int company(struct selftest *t, uint32_t threads)
{
    use_threads(t, threads);
    const uint32_t ends[SEQUENCES] = {t->top - 1, t->base - 1};
    t->batch.n_tokens = 0;
    for (uint32_t seq = 0; seq < SEQUENCES; seq++) {
        cut(t, seq, ends[seq]);
        add(t, seq, (int32_t)ends[seq]);
    }
    return call(t, "beside another text");
}

static int all_ways(struct selftest *t)
{
    uint32_t base = t->base, top = t->top;
    int err = rows(t, 0, 0, base, base, t->many);
    copy(t);
    err = err != 0 ? err : rows(t, 1, base - 1, base, 1, 1);
    err = err != 0 ? err : rows(t, 1, base - 16, base, 8, t->many);
    err = err != 0 ? err : rows(t, 0, base, top, TAIL, 1);
    copy(t);
    err = err != 0 ? err : rows(t, 1, top - 6, top, 3, t->many);
    err = err != 0 ? err : rows(t, 1, top - 3, top, 1, t->many);
    err = err != 0 ? err : rows(t, 1, top - 16, top, 8, 1);
    err = err != 0 ? err : company(t, 1);
    return err != 0 ? err : company(t, t->many);
}

/* ---- setup and result ---- */

static int open_test(struct selftest *t, struct llama_model *model)
{
    struct engine_load mine = *t->load;
    mine.slots = SEQUENCES;
    struct llama_context_params p = load_context_params(&mine, (TOP + CELLS_STEP - 1) / CELLS_STEP * CELLS_STEP, false);
    p.n_outputs_max = WANTED_MAX;
    p.cb_eval = on_node;
    p.cb_eval_user_data = t;
    llama_log_forget();
    t->ctx = guard_context_new(model, p);
    if (t->ctx == NULL)
        return fault_set(t->f, ERR_MEMORY, "no context to test '%s' for exactness: %s", t->load->path, llama_log_last());
    t->memory = llama_get_memory(t->ctx);
    t->batch = llama_batch_init(BATCH_ROWS_MAX, 0, 1);
    t->vocab = (uint32_t)llama_vocab_n_tokens(llama_model_get_vocab(model));
    return 0;
}

static void close_test(struct selftest *t)
{
    free(t->nodes);
    if (t->ctx != NULL)
        llama_batch_free(t->batch);
    llama_free(t->ctx);
    load_pool_free(t->pool);
}

int selftest_rows(struct llama_model *model, const struct engine_load *load, bool (*go_on)(void *user_data), void *user_data,
                  char why[SELFTEST_WHY_BYTES], struct fault *f)
{
    struct selftest t = {.load = load, .go_on = go_on, .user_data = user_data, .why = why, .f = f};
    uint32_t trained = (uint32_t)llama_model_n_ctx_train(model);
    t.top = trained < TOP ? trained : TOP;
    if (t.top < 2 * TAIL)
        return fault_set(f, ERR_UNSUPPORTED, "'%s' was trained on %u tokens: too few to test it for exactness", load->path, trained);
    t.base = t.top - TAIL;
    t.many = load->threads > 1 ? load->threads : 2;
    const uint32_t at[KEPT] = {t.base - 1, t.base - 2, t.base - 7, t.base - 13, t.top - 1, t.top - 2, t.top - 3, t.top - 4, t.top - 10, t.top - 15};
    for (int i = 0; i < KEPT; i++)
        t.kept_at[i] = (int32_t)at[i];
    int err = open_test(&t, model);
    if (err == 0)
        err = all_ways(&t);
    close_test(&t);
    return err;
}

int selftest_vector(struct engine *e, const struct engine_load *load, char why[SELFTEST_WHY_BYTES], struct fault *f)
{
    uint32_t n = e->info.context < TOP ? e->info.context : TOP;
    int32_t *tokens = xalloc_array(n, sizeof *tokens);
    float *one = xalloc_array(2 * (size_t)e->info.width, sizeof *one), *several = one + e->info.width;
    for (uint32_t i = 0; i < n; i++)
        tokens[i] = (int32_t)(rng_at(1, i) % e->info.vocab);
    struct engine_text text = {tokens, n};
    load_set_threads(e, 1);
    int err = batch_embed(e, &text, 1, one, f);
    load_set_threads(e, load->threads > 1 ? load->threads : 2);
    if (err == 0)
        err = batch_embed(e, &text, 1, several, f);
    load_set_threads(e, load->threads);
    if (err == 0 && memcmp(one, several, e->info.width * sizeof *one) != 0) {
        snprintf(why, SELFTEST_WHY_BYTES, "the vector of a text of %u tokens differs between one thread and several", n);
        err = ERR_UNSUPPORTED;
    }
    free(tokens);
    free(one);
    return err;
}
