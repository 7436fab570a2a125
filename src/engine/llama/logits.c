#include "engine/llama/logits.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 };

/* The library is built for this machine, but this file for any: the loader chooses the variant. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

/* Returns the greatest of x[0..LANES). `a > b ? a : b` instead of fmaxf: it is one vector
 * instruction, and drops NaN in a. */
static inline float block_max(const float *x)
{
    float m[LANES];
    for (int i = 0; i < LANES; i++)
        m[i] = x[i];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            m[i] = m[i + half] > m[i] ? m[i + half] : m[i];
    return m[0];
}

WIDE static float row_max(const float *x, int32_t n)
{
    float m[LANES];
    for (int i = 0; i < LANES; i++)
        m[i] = -INFINITY;
    int32_t at = 0;
    for (; at + LANES <= n; at += LANES)
        for (int i = 0; i < LANES; i++)
            m[i] = x[at + i] > m[i] ? x[at + i] : m[i];
    for (; at < n; at++)
        m[0] = x[at] > m[0] ? x[at] : m[0];
    return block_max(m);
}

int32_t logits_argmax(const float *logits, int32_t n)
{
    float max = row_max(logits, n);
    for (int32_t i = 0; i < n; i++)
        if (logits[i] == max)
            return i;
    return 0;
}

/* Adds exp(x) of LANES floats x <= 0 to *sum: 2^k from the exponent bits, the rest from a
 * polynomial (the coefficients of Cephes' expf). Uses explicit vector types, because compilers do
 * not vectorize a loop with the clamp. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t ints __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline __attribute__((always_inline)) void add_exp(lanes *sum, const lanes *row, float max, float scale)
{
    lanes x = (*row - max) * scale;
    ints fits = x > -87.0f; /* smaller values, and NaN, contribute nothing */
    x = (lanes)((ints)x & fits);
    ints k = __builtin_convertvector(x * 1.44269504f - 0.5f, ints);
    lanes whole = __builtin_convertvector(k, lanes);
    lanes r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    p *= (lanes)((k + 127) << 23);
    *sum += (lanes)((ints)p & fits);
}

WIDE static double sum_exp(const float *x, int32_t n, float max, float scale)
{
    lanes sum = {0}, block;
    int32_t at = 0;
    for (; at + LANES <= n; at += LANES) {
        memcpy(&block, x + at, sizeof block);
        add_exp(&sum, &block, max, scale);
    }
    double total = 0;
    for (int i = 0; i < LANES; i++)
        total += (double)sum[i];
    for (; at < n; at++)
        total += exp((double)((x[at] - max) * scale));
    return total;
}

double logits_sum_exp(const float *logits, int32_t n, float max, float scale)
{
    return sum_exp(logits, n, max, scale);
}

/* Returns whether a comes before b in the sorted order. */
static bool before(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/* The root of the heap is the last in the sorted order, which the next better candidate
 * replaces. */
static void sift(struct candidate *heap, int32_t n, int32_t at)
{
    for (int32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child], heap[child + 1]))
            child++;
        if (!before(heap[at], heap[child]))
            return;
        struct candidate swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return before(*x, *y) ? -1 : before(*y, *x);
}

void logits_sort(struct candidate *c, int32_t n)
{
    qsort(c, (size_t)n, sizeof *c, compare);
}

/* Leaves the k greatest logits in out, as a heap. */
WIDE static void top(const float *logits, int32_t n, int32_t k, struct candidate *out)
{
    int32_t at = 0;
    for (; at < k; at++)
        out[at] = (struct candidate){.token = at, .logit = logits[at]};
    for (int32_t i = k / 2; i-- > 0;)
        sift(out, k, i);
    while (at < n) {
        /* nearly all blocks contain nothing better than the heap */
        if (at + LANES <= n && !(block_max(logits + at) > out[0].logit)) {
            at += LANES;
            continue;
        }
        for (int32_t end = at + LANES < n ? at + LANES : n; at < end; at++) {
            if (!(logits[at] > out[0].logit))
                continue;
            out[0] = (struct candidate){.token = at, .logit = logits[at]};
            sift(out, k, 0);
        }
    }
}

int32_t logits_top(const float *logits, int32_t n, int32_t k, struct candidate *out)
{
    if (k > n)
        k = n;
    top(logits, n, k, out);
    logits_sort(out, k);
    return k;
}

int32_t logits_above(const float *logits, int32_t n, float least, struct candidate *out)
{
    int32_t found = 0;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] >= least)
            out[found++] = (struct candidate){.token = i, .logit = logits[i]};
    return found;
}
