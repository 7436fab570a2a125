/* Avoid those of ggml's CPU kernels that may round a row differently when more rows are computed
 * with it.
 *
 * ggml multiplies by a matrix in three ways: dot products, row by row; a tiled kernel for calls of
 * 8 rows or more (K-quants and similar types); and "sgemm" for calls of 2 rows or more (F32, F16,
 * Q8_0 and others). Where they round differently, an answer depends on what else is computed with
 * it. Steady threads use the dot products, and sgemm only for weight types for which it was
 * measured to give the same bits. */
#ifndef MANTA_ENGINE_LLAMA_KERNELS_H
#define MANTA_ENGINE_LLAMA_KERNELS_H

#include <stdbool.h>

#include <ggml.h>

/* Makes the computations of these threads steady, until kernels_release(), which must be called
 * before they are freed. Returns false if there are too many steady pools already. */
bool kernels_hold(ggml_threadpool_t pool);
/* The pool no longer computes. */
void kernels_release(ggml_threadpool_t pool);
/* For tests of the self-test (MANTA_DEBUG_KERNELS=fast): kernels_hold() does nothing and returns
 * true. */
bool kernels_planted(void);

#endif
