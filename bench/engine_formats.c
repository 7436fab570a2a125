/* What does exactness cost, by weight format? Processor time of one thread, fast and exact by turns.
 *
 *     engine_formats MODULE MODEL...      prints a line of a table for each file
 *
 * Prompt: 256 rows in one call. Answer: a row of one stream, of four and of eight, each with 128 tokens held. Medians of processor time, not of
 * the clock, so that a busy machine's numbers can be compared with each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "engine/engine.h"

enum { STREAMS = 8, HELD = 128, PROMPT = 256, REPEAT = 7 };

enum what { PREFILL, DECODE_1, DECODE_4, DECODE_8, WHATS };

static const struct engine_ops *ops;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const struct fault *f)
{
    fprintf(stderr, "%s\n", f->text);
    exit(1);
}

static struct engine *load(const char *path, bool exact)
{
    struct engine *e = NULL;
    struct fault f = {0};
    struct engine_load load = {.path = path, .slots = STREAMS, .context = 512, .threads = 1, .exact = exact, .repack = true};
    if (ops->load(&load, NULL, NULL, &e, &f) != 0)
        fail(&f);
    return e;
}

/* Tokens per second of processor time for `n` rows each of so many streams. */
static double run(struct engine *e, uint32_t streams, uint32_t from, uint32_t n)
{
    struct engine_row rows[512];
    struct fault f = {0};
    uint32_t rows_n = 0;
    for (uint32_t s = 0; s < streams; s++) {
        ops->seq_trim(e, s, (int32_t)from);
        for (uint32_t i = 0; i < n; i++)
            rows[rows_n++] = (struct engine_row){.token = (int32_t)(rng_at(s, from + i) % ops->info(e)->vocab), .position = (int32_t)(from + i),
                                                 .seq = s, .want = i + 1 == n};
    }
    double began_s = cpu_s();
    if (ops->decode(e, rows, rows_n, &f) != 0)
        fail(&f);
    return rows_n / (cpu_s() - began_s);
}

static double measure(struct engine *e, enum what what)
{
    switch (what) {
    case PREFILL: return run(e, 1, 0, PROMPT);
    case DECODE_1: return run(e, 1, HELD, 1);
    case DECODE_4: return run(e, 4, HELD, 1);
    default: return run(e, STREAMS, HELD, 1);
    }
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double median(double *values)
{
    qsort(values, REPEAT, sizeof *values, by_value);
    return values[REPEAT / 2];
}

static void print_line(const char *path)
{
    struct engine *engines[] = {load(path, false), load(path, true)}; /* fast, exact */
    static double speeds[2][WHATS][REPEAT];
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    for (int i = 0; i < 2; i++)
        for (uint32_t s = 0; s < STREAMS; s++)
            run(engines[i], s + 1, 0, HELD / STREAMS); /* warms it up */
    for (int what = 0; what < WHATS; what++) {
        for (int i = 0; i < 2 && what == DECODE_1; i++)
            for (uint32_t from = 0; from < HELD; from += HELD / STREAMS)
                run(engines[i], STREAMS, from, HELD / STREAMS);
        for (int r = 0; r < 2 * REPEAT; r++)
            speeds[r % 2][what][r / 2] = measure(engines[r % 2], (enum what)what);
    }
    printf("| %s | %s |", name, ops->info(engines[1])->setup);
    for (int what = 0; what < WHATS; what++) {
        double fast = median(speeds[0][what]), exact = median(speeds[1][what]);
        printf(" %.0f → %.0f (%.2f) |", fast, exact, exact / fast);
    }
    printf("\n");
    fflush(stdout);
    ops->free(engines[0]);
    ops->free(engines[1]);
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: engine_formats MODULE MODEL...\n");
        return 2;
    }
    if (engine_open(argv[1], &ops, &f) != 0)
        fail(&f);
    printf("| file | exact with | prompt, tokens/s: fast → exact | 1 stream | 4 streams | 8 streams |\n|---|---|---|---|---|---|\n");
    for (int i = 2; i < argc; i++)
        print_line(argv[i]);
    return 0;
}
