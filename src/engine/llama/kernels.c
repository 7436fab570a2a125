/* The linker redirects calls of three of ggml's functions to the functions below
 * (cmake/llama.cmake, --wrap), so ggml's source is unchanged. A context is recognized by its
 * threads, which no other context shares. */
#include "engine/llama/kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-cpu-impl.h"
#include "tiled/tiled.h"
#include <ggml-cpu.h>

#include "base/alloc.h"
#include "base/rng.h"

enum {
    WIDTH = 512,              /* columns of the test matrix: two blocks of the widest kind */
    HEIGHT = 40,              /* its rows: whole tiles, and a remainder */
    COLUMNS = 13,             /* maximum columns computed in one call */
    TRIAL_BYTES = 2 << 20,    /* memory for the test tensors */
    POOLS_MAX = 64,           /* steady pools of a process */
};

/* ---- which threads are steady ---- */

static _Atomic(ggml_threadpool_t) pools[POOLS_MAX]; /* NULL: free */
static bool same_bits[GGML_TYPE_COUNT];             /* sgemm gives the same bits as the dot products; written once,
                                                     * before there is a pool */

static bool is_steady(const struct ggml_compute_params *params)
{
    for (int i = 0; i < POOLS_MAX; i++)
        if (atomic_load_explicit(&pools[i], memory_order_acquire) == params->threadpool)
            return true;
    return false;
}

/* ---- between ggml and its kernels ---- */

typedef bool sgemm_fn(const struct ggml_compute_params *params, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                      int64_t ldb, void *c, int64_t ldc, int a_type, int b_type, int c_type);
typedef bool tiled_fn(const struct ggml_compute_params *params, struct ggml_tensor *product);
typedef bool tiled_expert_fn(const struct ggml_compute_params *params, struct ggml_tensor *product, int64_t expert, int64_t rows,
                             const int32_t *which, char *scratch);
sgemm_fn __real_llamafile_sgemm, __wrap_llamafile_sgemm;
tiled_fn __real_ggml_compute_forward_mul_mat_tiled, __wrap_ggml_compute_forward_mul_mat_tiled;
tiled_expert_fn __real_ggml_compute_forward_mul_mat_id_tiled, __wrap_ggml_compute_forward_mul_mat_id_tiled;

bool __wrap_llamafile_sgemm(const struct ggml_compute_params *params, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                            int64_t ldb, void *c, int64_t ldc, int a_type, int b_type, int c_type)
{
    if (!same_bits[a_type] && is_steady(params))
        return false;
    return __real_llamafile_sgemm(params, m, n, k, a, lda, b, ldb, c, ldc, a_type, b_type, c_type);
}

bool __wrap_ggml_compute_forward_mul_mat_tiled(const struct ggml_compute_params *params, struct ggml_tensor *product)
{
    return !is_steady(params) && __real_ggml_compute_forward_mul_mat_tiled(params, product);
}

bool __wrap_ggml_compute_forward_mul_mat_id_tiled(const struct ggml_compute_params *params, struct ggml_tensor *product, int64_t expert,
                                                  int64_t rows, const int32_t *which, char *scratch)
{
    return !is_steady(params) && __real_ggml_compute_forward_mul_mat_id_tiled(params, product, expert, rows, which, scratch);
}

/* ---- the measurement ---- */

static void fill(float *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(rng_at(seed, (uint64_t)i) >> 40) / (1 << 23) - 1.0f;
}

/* Multiplies the matrix by n columns, in one call or in one call per column. */
static void multiply(struct ggml_context *ctx, struct ggml_tensor *matrix, struct ggml_tensor *columns, int64_t n, bool together, float *out)
{
    for (int64_t i = 0; i < n; i += together ? n : 1) {
        struct ggml_tensor *some = ggml_view_2d(ctx, columns, WIDTH, together ? n : 1, columns->nb[1], (size_t)i * columns->nb[1]);
        struct ggml_tensor *product = ggml_mul_mat(ctx, matrix, some);
        struct ggml_cgraph *graph = ggml_new_graph_custom(ctx, 8, false);
        ggml_build_forward_expand(graph, product);
        ggml_graph_compute_with_ctx(ctx, graph, 1);
        memcpy(out + i * HEIGHT, product->data, ggml_nbytes(product));
    }
}

/* A single column uses the dot products, because sgemm leaves it to them. */
static bool try_type(enum ggml_type type)
{
    static const int64_t counts[] = {2, 3, 5, 8, COLUMNS};
    struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = TRIAL_BYTES});
    struct ggml_tensor *matrix = ggml_new_tensor_2d(ctx, type, WIDTH, HEIGHT), *columns = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, WIDTH, COLUMNS);
    float *source = xalloc_array(WIDTH * HEIGHT, sizeof *source), alone[HEIGHT * COLUMNS], together[HEIGHT * COLUMNS];
    fill(source, WIDTH * HEIGHT, 1);
    fill(columns->data, WIDTH * COLUMNS, 2);
    ggml_quantize_chunk(type, source, matrix->data, 0, HEIGHT, WIDTH, NULL);
    multiply(ctx, matrix, columns, COLUMNS, false, alone);
    bool same = true;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        multiply(ctx, matrix, columns, counts[i], true, together);
        same = same && memcmp(alone, together, (size_t)counts[i] * HEIGHT * sizeof *alone) == 0;
    }
    free(source);
    ggml_free(ctx);
    return same;
}

static void try_types(void)
{
    static const enum ggml_type types[] = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16,  GGML_TYPE_Q8_0,
                                           GGML_TYPE_Q4_0, GGML_TYPE_Q5_0, GGML_TYPE_IQ4_NL};
    ggml_cpu_init();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        same_bits[types[i]] = try_type(types[i]);
}

bool kernels_planted(void)
{
    const char *words = getenv("MANTA_DEBUG_KERNELS");
    return words != NULL && strcmp(words, "fast") == 0;
}

bool kernels_hold(ggml_threadpool_t pool)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, try_types);
    for (int i = 0; i < POOLS_MAX && !kernels_planted(); i++) {
        ggml_threadpool_t none = NULL;
        if (atomic_compare_exchange_strong(&pools[i], &none, pool))
            return true;
    }
    return kernels_planted();
}

void kernels_release(ggml_threadpool_t pool)
{
    for (int i = 0; i < POOLS_MAX; i++) {
        ggml_threadpool_t held = pool;
        atomic_compare_exchange_strong(&pools[i], &held, NULL);
    }
}
