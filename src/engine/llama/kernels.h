/* Which of ggml's CPU kernels may round a row otherwise when more rows are computed with it, and how to do without.
 *
 * ggml has three ways to multiply by a matrix: dot products, row by row; a kernel in tiles for calls of 8 rows or more (K-quants and
 * their kin); and "sgemm" for calls of 2 rows or more (F32, F16, Q8_0 and others). Where they round differently, an answer depends on
 * what else is computed with it. Steady threads take the dot products, and sgemm for the weight types where it was measured to give
 * the same bits. */
#ifndef MANTA_ENGINE_LLAMA_KERNELS_H
#define MANTA_ENGINE_LLAMA_KERNELS_H

#include <stdbool.h>

#include <ggml.h>

/* Makes what these threads compute steady, until kernels_release(), which must come before they are freed. False: too many are steady
 * already. */
bool kernels_hold(ggml_threadpool_t pool);
/* A pool is no longer computed with. */
void kernels_release(ggml_threadpool_t pool);
/* For tests of the self-test (MANTA_DEBUG_KERNELS=fast): kernels_hold() holds nothing and says that it did. */
bool kernels_planted(void);

#endif
