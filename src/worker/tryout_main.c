/* The child of a tryout: loads the model within limits, computes a few tokens, prints the
 * result. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/tryout.h"
#include "worker/tryout_lines.h"

enum {
    ARGUMENTS = 10,
    CPU_S = 1800,      /* processor time; reading a header takes less than a second, and weights are mapped */
    TOKENS = 32,       /* maximum of computed tokens */
    TOKENIZE_BYTES = 64 << 20,
    TOKENIZE_CPU_MS = 5000,
    CONTEXT = 256,     /* tokens: about the smallest context a model may have */
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool data_can_be_limited = false; /* a sanitizer maps terabytes */
#else
static const bool data_can_be_limited = true;
#endif

uint64_t tryout_memory(uint64_t memory_bytes)
{
    return memory_bytes > 0 ? memory_bytes : (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

static void limit(int what, uint64_t n)
{
    struct rlimit r;
    if (getrlimit(what, &r) != 0 || (r.rlim_max != RLIM_INFINITY && n > r.rlim_max))
        return;
    r.rlim_cur = n;
    setrlimit(what, &r);
}

static bool tell_progress(float progress, void *user_data)
{
    float *told = user_data;
    if (progress >= *told + 0.02f) {
        *told = progress;
        printf(TRYOUT_PROGRESS "\n", (double)progress);
        fflush(stdout);
    }
    return true;
}

/* Returns at most TOKENS tokens; 0 when the vocabulary cannot express the text, or there are
 * more. */
static uint32_t tokens_of(const struct engine_ops *ops, struct engine *e, struct str text, int32_t out[TOKENS])
{
    struct engine_tokens tokens = {0};
    struct engine_bounds bounds = {.memory_bytes = TOKENIZE_BYTES, .cpu_ms = TOKENIZE_CPU_MS};
    int err = ops->tokenize(e, text, 0, &bounds, &tokens, NULL);
    uint32_t n = err == 0 && tokens.n <= TOKENS ? tokens.n : 0;
    for (uint32_t i = 0; i < n; i++)
        out[i] = tokens.p[i];
    free(tokens.p);
    return n;
}

/* Exercises everything that could break an engine later: tokens in, rows through, a draw, all
 * pieces out. */
static int compute(const struct engine_ops *ops, struct engine *e, struct fault *f)
{
    const struct engine_info *info = ops->info(e);
    struct request r = {.kind = info->kind == REQUEST_EMBED ? REQUEST_EMBED : REQUEST_TEXT, .text = str_of("Hello, 1!"), .sampling = sampling_default()};
    int32_t ids[TOKENS];
    char piece[256];
    uint32_t rows_n = tokens_of(ops, e, r.text, ids);
    for (uint32_t id = 0; id < info->vocab; id++)
        ops->piece(e, (int32_t)id, piece, sizeof piece);
    if (rows_n == 0 || rows_n > info->context)
        return 0;
    if (r.kind == REQUEST_EMBED) {
        float *out = calloc(ENGINE_WIDTH_MAX, sizeof *out);
        int err = out != NULL && ops->embed != NULL ? ops->embed(e, &(struct engine_text){ids, rows_n}, 1, out, f) : 0;
        free(out);
        return err;
    }
    struct engine_row rows[TOKENS];
    for (uint32_t i = 0; i < rows_n; i++)
        rows[i] = (struct engine_row){.token = ids[i], .position = (int32_t)i, .want = i + 1 == rows_n};
    int err = ops->decode(e, rows, rows_n, f);
    if (err != 0)
        return err;
    struct engine_sampler *s = ops->sampler_new(e, &r, NULL);
    float logprob;
    ops->sampler_draw(e, s, rows_n - 1, 0.5, &logprob, NULL);
    ops->sampler_free(s);
    return 0;
}

/* Loads with the smallest parameters; the worker compares the real needs with its memory
 * afterwards. */
static int load_whole(const struct engine_ops *ops, struct engine_load load, struct fault *f)
{
    struct engine *e = NULL;
    struct engine_needs needs;
    float told = 0;
    load.slots = 1;
    load.threads = 1;
    load.context = CONTEXT;
    load.memory_bytes = 0;
    load.setup = ""; /* the worker that serves the model measures exactness */
    if (ops->probe(&load, &needs, NULL) != 0)
        load.context = 0; /* the model's context is smaller */
    int err = ops->load(&load, tell_progress, &told, &e, f);
    if (err == 0)
        err = compute(ops, e, f);
    if (err == 0)
        ops->free(e);
    return err;
}

int tryout_main(int argc, char **argv)
{
    unsigned long long n[ARGUMENTS - 2];
    if (argc != ARGUMENTS)
        return 2;
    for (int i = 2; i < ARGUMENTS; i++)
        n[i - 2] = strtoull(argv[i], NULL, 10);
    struct engine_load load = {.path = argv[1], .slots = (uint32_t)n[1], .context = (uint32_t)n[2], .threads = (uint32_t)n[3],
                               .kv = (uint8_t)n[4], .exact = n[5] != 0, .repack = n[6] != 0, .memory_bytes = 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("GGML_NO_BACKTRACE", "1", 1); /* it would start a debugger */
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, CPU_S);
    if (data_can_be_limited)
        limit(RLIMIT_DATA, tryout_memory(n[7]));
    const struct engine_ops *ops;
    struct engine_needs needs;
    struct fault f = {0};
    int err = engine_open(argv[0], &ops, &f);
    load.context = n[0] != 0 ? load.context : 0; /* the context is not checked here */
    if (err == 0)
        err = n[0] != 0 ? load_whole(ops, load, &f) : ops->probe(&load, &needs, &f);
    if (err != 0)
        printf(TRYOUT_FAULT "%s\n", err, f.text);
    else
        printf(TRYOUT_OK "\n");
    fflush(stdout);
    _exit(0); /* skips the engine's exit handlers */
}
