/* Try the ways, the fastest first: repacked weights, then weights as in the file. Both use steady
 * kernels (kernels.h) if ggml has thread pools. Repacked K-quants are the usual reason for the
 * second way: their kernel for 4 rows and more rounds differently from the kernel for one row.
 *
 * The order is fixed, and the first exact way is taken, so that identical workers choose the same
 * and may continue each other's answers; a choice by measured speed would differ between
 * workers. */
#include "engine/llama/setup.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/llama/kernels.h"
#include "engine/llama/selftest.h"

static const char in_file[] = "weights=file";
/* Increment the number when kernels.c or selftest.c changes its meaning: earlier measurements then
 * no longer count. */
static const char steady[] = "kernels=steady-1", as_built[] = "kernels=as-built-1";

static bool still_wanted(void *user_data)
{
    struct load_progress *l = user_data;
    return l->progress == NULL || l->progress(1.0f, l->user_data);
}

/* Measured at an earlier load, or measuring is not requested. A simulated fault (kernels_planted())
 * must be found in any case. */
static bool is_known(const struct engine_load *load)
{
    if (load->setup == NULL || kernels_planted())
        return false;
    if (strstr(load->setup, in_file) == NULL && !load->repack && load->setup[0] != '\0')
        return false; /* measured with weights that must not be repacked now */
    return load->setup[0] == '\0' || strstr(load->setup, steady) != NULL || strstr(load->setup, as_built) != NULL;
}

static int refuse(const struct engine_load *load, const char *why, struct fault *f)
{
    return fault_set(f, ERR_UNSUPPORTED,
                     "'%s' cannot be served with --exact here: %s, with every possible setup. Without --exact it can; a file in "
                     "another format (Q8_0, Q4_0) may pass",
                     load->path, why);
}

static int try_way(struct engine *e, const struct engine_load *load, struct load_progress *l, struct setup *s, char *why, struct fault *f)
{
    int err = load_weights(e, load, s->repack, l, f);
    if (err != 0 || is_known(load) || e->info.kind == REQUEST_EMBED)
        return err;
    s->measured = true;
    return selftest_rows(e->model, load, still_wanted, l, why, f);
}

int setup_find(struct engine *e, const struct engine_load *load, struct load_progress *l, struct setup *out, struct fault *f)
{
    bool plain_known = is_known(load) && strstr(load->setup, in_file) != NULL;
    uint64_t begun_us = clock_us();
    char why[SELFTEST_WHY_BYTES] = "";
    for (int way = load->repack && !plain_known ? 0 : 1; way < 2; way++) {
        *out = (struct setup){.repack = way == 0};
        int err = try_way(e, load, l, out, why, f);
        out->spent_ms = (uint32_t)((clock_us() - begun_us) / 1000);
        if (err != ERR_UNSUPPORTED || why[0] == '\0')
            return err;
        llama_model_free(e->model);
        e->model = NULL;
        if (way == 0)
            why[0] = '\0';
    }
    return refuse(load, why, f);
}

int setup_finish(struct engine *e, const struct engine_load *load, const struct setup *s, struct fault *f)
{
    struct engine_info *info = &e->info;
    char why[SELFTEST_WHY_BYTES] = "";
    if (info->kind == REQUEST_EMBED && !is_known(load)) {
        int err = selftest_vector(e, load, why, f);
        if (err != 0)
            return why[0] != '\0' ? refuse(load, why, f) : err;
    }
    info->setup_ms = s->measured ? s->spent_ms + 1 : 0;
    snprintf(info->setup, sizeof info->setup, "cache=%s %s %s", ggml_type_name(kv_type(load)),
             info->memory.repack_bytes > 0 ? "weights=repacked" : in_file, e->steady ? steady : as_built);
    return 0;
}
