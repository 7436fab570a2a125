/* Load a model and make the context that its streams share.
 *
 * The normal course: the header is checked and the needs are compared with the memory limit
 * (probe.c), the weights are mapped, and a context of slots x cells is made. A load fails if
 * libllama does not understand the file (ERR_MODEL with its message), if the model's cache cannot
 * be cut back to a prefix (ERR_UNSUPPORTED), if there is no memory (ERR_MEMORY), or if the caller
 * stops it (ERR_CANCELLED). Then everything is freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/llama/bridge.h"
#include "engine/llama/guard.h"
#include "engine/llama/kernels.h"
#include "engine/llama/module.h"
#include "engine/llama/setup.h"

static bool loading_progress(float progress, void *user_data)
{
    struct load_progress *l = user_data;
    if (l->progress != NULL && !l->progress(progress, l->user_data))
        l->stopped = true;
    return !l->stopped;
}

/* An answer can be resumed, and a prefix shared, only if the cache can be cut at any position. */
static int check_kind(const struct engine *e, const struct engine_load *load, struct fault *f)
{
    if (llama_model_is_recurrent(e->model) || llama_model_is_hybrid(e->model) || llama_model_is_diffusion(e->model))
        return fault_set(f, ERR_UNSUPPORTED, "'%s' is a recurrent or diffusion model; only attention models are supported",
                         load->path);
    if (llama_model_has_encoder(e->model) && llama_model_has_decoder(e->model))
        return fault_set(f, ERR_UNSUPPORTED, "'%s' is an encoder-decoder model; those are not supported", load->path);
    if (e->info.kind == REQUEST_EMBED && llama_model_n_embd_out(e->model) > ENGINE_WIDTH_MAX)
        return fault_set(f, ERR_UNSUPPORTED, "the vectors of '%s' have %d numbers; at most %d are supported", load->path,
                         llama_model_n_embd_out(e->model), ENGINE_WIDTH_MAX);
    return 0;
}

int load_weights(struct engine *e, const struct engine_load *load, bool repack, struct load_progress *l, struct fault *f)
{
    struct llama_model_params p = llama_model_default_params();
    p.load_mode = LLAMA_LOAD_MODE_MMAP;
    p.use_extra_bufts = repack;
    p.progress_callback = loading_progress;
    p.progress_callback_user_data = l;
    llama_log_forget();
    e->model = guard_model_load(load->path, p);
    if (e->model == NULL && l->stopped)
        return fault_set(f, ERR_CANCELLED, "loading '%s' was stopped", load->path);
    if (e->model == NULL)
        return fault_set(f, ERR_MODEL, "llama.cpp cannot load '%s': %s", load->path, llama_log_last());
    e->vocab = llama_model_get_vocab(e->model);
    return check_kind(e, load, f);
}

/* Many texts become vectors in one call, each a sequence. Nothing is kept between calls, so all
 * sequences share the cells of one call, if there are any, and a further sequence costs nothing. A
 * text cannot be split over calls. Other texts in a call change the rounding of a vector, so with
 * `exact` each text has a call of its own. */
static void take_texts(struct llama_context_params *p, uint32_t context, bool exact)
{
    p->n_seq_max = exact ? 1 : ENGINE_SLOTS_MAX;
    p->n_ctx = p->n_batch = p->n_ubatch = context > BATCH_ROWS_MAX ? context : BATCH_ROWS_MAX;
    p->n_outputs_max = 0;
    p->kv_unified = true;
    p->embeddings = true;
}

uint32_t load_wants(uint32_t slots)
{
    return slots > SCORED_ROWS ? slots : SCORED_ROWS;
}

struct llama_context_params load_context_params(const struct engine_load *load, uint32_t context, bool embedder)
{
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = context * load->slots;
    p.n_seq_max = load->slots;
    p.n_batch = BATCH_ROWS_MAX;
    p.n_ubatch = BATCH_ROWS_MAX;
    /* logits of one row take vocabulary x 4 bytes: by default there would be room for 512 rows, 100
     * MB */
    p.n_outputs_max = load_wants(load->slots);
    p.n_threads = p.n_threads_batch = (int32_t)load->threads;
    p.type_k = p.type_v = kv_type(load);
    /* Flash attention would first round f32 to f16, which defeats the purpose of f32. */
    p.flash_attn_type = p.type_k == GGML_TYPE_F32 ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_ENABLED;
    /* A stream of cells per slot: row i of a sequence is in cell i whatever the others do, as
     * exactness requires, and attention reads only a slot's own cells. */
    p.kv_unified = false;
    p.swa_full = true; /* else a sliding-window cache could not be cut back to a prefix */
    p.no_perf = true;
    if (embedder)
        take_texts(&p, context, load->exact);
    return p;
}

/* Without a pool of its own, a context would start and end its threads with every graph. */
ggml_threadpool_t load_pool_new(uint32_t threads)
{
    ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU");
    ggml_threadpool_t (*pool_new)(struct ggml_threadpool_params *) =
        (ggml_threadpool_t(*)(struct ggml_threadpool_params *))ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_new");
    struct ggml_threadpool_params p = ggml_threadpool_params_default((int)threads);
    return pool_new != NULL ? pool_new(&p) : NULL;
}

void load_pool_free(ggml_threadpool_t pool)
{
    if (pool == NULL)
        return;
    ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU");
    void (*pool_free)(ggml_threadpool_t) =
        (void (*)(ggml_threadpool_t))ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_free");
    kernels_release(pool);
    pool_free(pool);
}

static void open_pool(struct engine *e, uint32_t threads)
{
    e->pool = load_pool_new(threads);
    e->steady = e->exact && e->pool != NULL && kernels_hold(e->pool);
    if (e->pool != NULL)
        llama_attach_threadpool(e->ctx, e->pool, e->pool);
}

/* Makes a new pool, because surplus threads of the old one would spin between graphs. */
void load_set_threads(struct engine *e, uint32_t threads)
{
    llama_detach_threadpool(e->ctx);
    load_pool_free(e->pool);
    llama_set_n_threads(e->ctx, (int32_t)threads, (int32_t)threads);
    open_pool(e, threads);
}

static int open_context(struct engine *e, const struct engine_load *load, uint32_t context, struct fault *f)
{
    llama_log_forget();
    e->ctx = guard_context_new(e->model, load_context_params(load, context, e->info.kind == REQUEST_EMBED));
    if (e->ctx == NULL)
        return fault_set(f, ERR_MEMORY, "no context of %u slots x %u tokens for '%s': %s", load->slots, context,
                         load->path, llama_log_last());
    e->memory = llama_get_memory(e->ctx);
    open_pool(e, load->threads);
    return 0;
}

static int open_weights(struct engine *e, const struct engine_load *load, struct load_progress *l, struct setup *s, struct fault *f)
{
    return load->exact ? setup_find(e, load, l, s, f) : load_weights(e, load, load->repack, l, f);
}

/* Replaces the estimates of probe_file() by measured sizes. The file's mapping also contains the
 * tensors that were copied into another layout: these are not counted twice. */
static void measure(struct engine *e)
{
    struct engine_needs *m = &e->info.memory;
    struct bridge_memory b;
    if (!bridge_memory_of(e->ctx, &b))
        return;
    m->repack_bytes = b.copied;
    m->weights_bytes = b.mapped > m->repack_bytes ? b.mapped - m->repack_bytes : 0;
    m->kv_bytes = b.context;
    m->compute_bytes = b.compute;
}

/* "Q4_K_M" of "Q4_K - Medium", "IQ2_XXS" of "IQ2_XXS - 2.0625 bpw", "F32" of "all F32": how files are named. */
static void name_quantization(const char *words, char *out, size_t cap)
{
    const char *size = strstr(words, " - "), *const skipped[] = {"(guessed) ", "all "};
    for (size_t i = 0; i < 2; i++)
        words += strncmp(words, skipped[i], strlen(skipped[i])) == 0 ? strlen(skipped[i]) : 0;
    bool sized = size != NULL && strchr("SML", size[3]) != NULL && strncmp(words, "Q2_K - M", 8) != 0;
    snprintf(out, cap, sized ? "%.*s_%c" : "%.*s", (int)strcspn(words, " "), words, sized ? size[3] : 0);
}

static void fill_info(struct engine *e, const struct engine_load *load)
{
    struct engine_info *info = &e->info;
    uint32_t trained = (uint32_t)llama_model_n_ctx_train(e->model), cells = llama_n_ctx_seq(e->ctx);
    info->slots = llama_n_seq_max(e->ctx);
    info->context = cells < trained ? cells : trained;
    info->vocab = (uint32_t)llama_vocab_n_tokens(e->vocab);
    info->batch_rows_max = llama_n_batch(e->ctx);
    info->wants_max = load_wants(load->slots);
    if (info->kind == REQUEST_EMBED) {
        info->ranks = llama_pooling_type(e->ctx) == LLAMA_POOLING_TYPE_RANK;
        info->width = info->ranks ? llama_model_n_cls_out(e->model) : (uint32_t)llama_model_n_embd_out(e->model);
        info->context = info->context < e->info.memory.context ? info->context : e->info.memory.context;
    }
    info->chunk_rows = kv_type(load) == GGML_TYPE_Q8_0 ? 1 : TILE_ROWS;
    const char *quantization = llama_ftype_name(llama_model_ftype(e->model));
    llama_model_meta_val_str(e->model, "general.architecture", info->family, sizeof info->family);
    info->parameters = llama_model_n_params(e->model);
    name_quantization(quantization, info->quantization, sizeof info->quantization);
    snprintf(info->describe, sizeof info->describe, "%s %.0fM %s", info->family, (double)info->parameters / 1e6, quantization);
}

int load_model(const struct engine_load *load, engine_progress_fn *progress, void *user_data, struct engine **out,
               struct fault *f)
{
    struct engine_needs needs;
    if (load->slots == 0 || load->slots > ENGINE_SLOTS_MAX || load->threads == 0)
        return fault_set(f, ERR_INVALID, "%u slots and %u threads: slots may be 1 to %d, threads at least 1", load->slots,
                         load->threads, ENGINE_SLOTS_MAX);
    int err = probe_file(load, &needs, f);
    if (err != 0)
        return err;
    struct engine *e = xalloc(sizeof *e);
    struct load_progress l = {.progress = progress, .user_data = user_data};
    struct setup s = {0};
    e->info.memory = needs;
    e->info.kind = needs.kind;
    e->exact = load->exact;
    if ((err = open_weights(e, load, &l, &s, f)) != 0 || (err = open_context(e, load, needs.context, f)) != 0 ||
        (err = text_open(e, load->chat_template, f)) != 0) {
        unload_model(e);
        return err;
    }
    fill_info(e, load);
    batch_open(e);
    measure(e);
    if (load->exact && (err = setup_finish(e, load, &s, f)) != 0) {
        unload_model(e);
        return err;
    }
    if (e->info.memory.repack_bytes > 0)
        pages_let_go(load->path);
    *out = e;
    return 0;
}

void unload_model(struct engine *e)
{
    if (e == NULL)
        return;
    text_close(e);
    batch_close(e);
    llama_free(e->ctx);
    load_pool_free(e->pool);
    llama_model_free(e->model);
    free(e);
}
