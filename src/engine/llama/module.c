/* Export the table of functions that the worker finds with dlopen. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "engine/llama/guide.h"
#include "engine/llama/module.h"

static const struct engine_info *module_info(const struct engine *e)
{
    return &e->info;
}

/* Excludes features that describe the build, and those that are off. */
static bool is_arithmetic(const struct ggml_backend_feature *feature)
{
    return strcmp(feature->name, "OPENMP") != 0 && strcmp(feature->value, "0") != 0;
}

static char feature_text[512];

static void find_features(void)
{
    ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU");
    if (cpu == NULL)
        return;
    ggml_backend_get_features_t get =
        (ggml_backend_get_features_t)ggml_backend_reg_get_proc_address(cpu, "ggml_backend_get_features");
    size_t n = 0;
    for (const struct ggml_backend_feature *at = get != NULL ? get(cpu) : NULL; at != NULL && at->name != NULL; at++) {
        if (is_arithmetic(at) && n < sizeof feature_text)
            n += (size_t)snprintf(feature_text + n, sizeof feature_text - n, "%s%s", n != 0 ? "," : "", at->name);
    }
}

static const char *module_features(void)
{
    return feature_text;
}

static char version_text[64];

static struct engine_ops ops = {
    .abi = ENGINE_ABI,
    .name = "llama",
    .version = version_text,
    .features = module_features,
    .probe = probe_file,
    .load = load_model,
    .free = unload_model,
    .info = module_info,
    .render = text_render,
    .guide_new = text_guide,
    .guide_free = guide_free,
    .guide_accept = text_guide_accept,
    .guide_cuts = text_guide_cuts,
    .guide_cut = text_guide_cut,
    .guide_piece = guide_piece,
    .tokenize = text_tokenize,
    .piece = text_piece,
    .control = marks_control,
    .mark = marks_token,
    .pair_template = marks_pair_template,
    .is_end = text_is_end,
    .decode = batch_decode,
    .seq_trim = batch_seq_trim,
    .seq_copy = batch_seq_copy,
    .seq_bytes = state_bytes,
    .seq_save = state_save,
    .seq_load = state_load,
    .sampler_new = sampler_new,
    .sampler_free = sampler_free,
    .sampler_accept = sampler_accept,
    .sampler_draw = sampler_draw,
    .sampler_replay = sampler_replay,
    .logprob = sampler_logprob,
    .likely = sampler_likely,
    .drawn = sampler_drawn,
    .set_threads = load_set_threads,
    .embed = batch_embed,
};

static void start(void)
{
    llama_log_init();
    llama_backend_init();
    /* a build with loadable backends has none yet; a static one registers its own */
    if (ggml_backend_reg_count() == 0)
        ggml_backend_load_all();
    find_features();
    snprintf(version_text, sizeof version_text, "llama.cpp %s, ggml %s", llama_version(), ggml_version());
}

__attribute__((visibility("default"))) const struct engine_ops *manta_engine(void);

const struct engine_ops *manta_engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return &ops;
}
