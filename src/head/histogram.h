/* Counts of durations in fixed buckets, as Prometheus wants them. */
#ifndef MANTA_HEAD_HISTOGRAM_H
#define MANTA_HEAD_HISTOGRAM_H

#include <stdint.h>

#include "base/buf.h"

enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* the last one: beyond every bound */
    double sum;
    uint64_t n;
};

/* One more of that length. */
void histogram_add(struct histogram *h, double seconds);
/* `# TYPE name histogram` and its lines. */
void histogram_write(struct buf *out, const struct histogram *h, const char *name, const char *help);
/* The same of counts that somebody else keeps: up to each of `bounds_n` bounds and over the one before, then those beyond all. */
struct histogram_counts {
    const double *bounds_s;  /* rising */
    const uint64_t *counts;  /* bounds_n + 1 */
    int bounds_n;
    double sum_s;
    uint64_t n;
};
/* Appends it as a Prometheus histogram. */
void histogram_write_counts(struct buf *out, const struct histogram_counts *c, const char *name, const char *help);

#endif
