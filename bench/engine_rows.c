/* What does one decode call cost, by its shape? Rows of one stream, one row of many streams, and both together.
 *
 *     engine_rows MODULE MODEL [--threads N] [--slots N] [--kv f16|q8] [--held N] [--repack]
 *
 * Prints milliseconds per call, wall and CPU, and rows per second: the numbers from which batcher.c's sizes come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"
#include "engine/engine.h"

enum { REPEAT = 5 };

static const struct engine_ops *ops;
static struct engine *engine;
static uint32_t slots = 16, held = 128;

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void decode(const struct engine_row *rows, uint32_t n)
{
    struct fault f = {0};
    if (ops->decode(engine, rows, n, &f) != 0) {
        fprintf(stderr, "%s\n", f.text);
        exit(1);
    }
}

static uint32_t put(struct engine_row *rows, uint32_t n, uint32_t seq, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        rows[n + i] = (struct engine_row){.token = (int32_t)(rng_at(seq, i) % 40000 + 100),
                                          .position = (int32_t)(held + i),
                                          .seq = seq,
                                          .want = i + 1 == count};
    return n + count;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Median of REPEAT calls of the same rows; the cells are cut back after each. */
static void measure(const char *what, const struct engine_row *rows, uint32_t n)
{
    double wall[REPEAT], cpu[REPEAT];
    for (int i = 0; i < REPEAT; i++) {
        double cpu0 = cpu_ms();
        uint64_t t0 = clock_us();
        decode(rows, n);
        wall[i] = (double)(clock_us() - t0) / 1e3;
        cpu[i] = cpu_ms() - cpu0;
        for (uint32_t s = 0; s < slots; s++)
            ops->seq_trim(engine, s, (int32_t)held);
    }
    qsort(wall, REPEAT, sizeof *wall, by_value);
    qsort(cpu, REPEAT, sizeof *cpu, by_value);
    printf("%-34s %8.2f ms  cpu %8.2f ms  %8.1f rows/s\n", what, wall[REPEAT / 2], cpu[REPEAT / 2], n * 1e3 / wall[REPEAT / 2]);
    fflush(stdout);
}

static void measure_shape(uint32_t streams, uint32_t step, uint32_t chunks, uint32_t chunk)
{
    struct engine_row rows[512];
    char what[64];
    uint32_t n = 0;
    for (uint32_t s = 0; s < streams; s++)
        n = put(rows, n, s * step, 1);
    for (uint32_t c = 0; c < chunks; c++)
        n = put(rows, n, slots - 1 - c, chunk);
    snprintf(what, sizeof what, "%u streams x 1%s + %u chunks x %u", streams, step > 1 ? " (apart)" : "", chunks, chunk);
    measure(what, rows, n);
}

static void fill(void)
{
    struct engine_row rows[512];
    for (uint32_t s = 0; s < slots; s++)
        for (uint32_t at = 0; at < held; at += 64) {
            uint32_t n = held - at < 64 ? held - at : 64;
            for (uint32_t i = 0; i < n; i++)
                rows[i] = (struct engine_row){.token = (int32_t)(rng_at(s, at + i) % 40000 + 100), .position = (int32_t)(at + i), .seq = s};
            decode(rows, n);
        }
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    struct engine_load load = {.threads = 2};
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--repack") == 0)
            load.repack = true;
        else if (i + 1 < argc && strcmp(argv[i], "--threads") == 0)
            load.threads = (uint32_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--slots") == 0)
            slots = (uint32_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--held") == 0)
            held = (uint32_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--kv") == 0)
            load.exact = strcmp(argv[++i], "q8") == 0;
    }
    load.path = argc > 2 ? argv[2] : "";
    load.slots = slots;
    load.context = (held + 600 + 255) / 256 * 256;
    uint64_t t0 = clock_us();
    if (argc < 3 || engine_open(argv[1], &ops, &f) != 0 || ops->load(&load, NULL, NULL, &engine, &f) != 0) {
        fprintf(stderr, "usage: engine_rows MODULE MODEL [--threads N] [--slots N] [--kv f16|q8] [--held N] [--repack]\n%s\n", f.text);
        return 2;
    }
    printf("%s, %s, features %s: loaded in %.0f ms\n", ops->info(engine)->describe, ops->version, ops->features(),
           (double)(clock_us() - t0) / 1e3);
    fill();
    for (uint32_t n = 1; n <= slots; n += n < 8 ? 1 : 4)
        measure_shape(n, 1, 0, 0);
    for (uint32_t n = 2; n <= slots / 2; n *= 2)
        measure_shape(n, 2, 0, 0);
    const uint32_t sizes[] = {1, 2, 4, 8, 16, 32, 48, 63, 64, 65, 96, 128, 192, 256, 384, 512};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        measure_shape(0, 1, 1, sizes[i]);
    measure_shape(0, 1, 4, 16);
    measure_shape(0, 1, 8, 40);
    measure_shape(8, 1, 1, 64);
    measure_shape(8, 1, 4, 16);
    ops->free(engine);
    return 0;
}
