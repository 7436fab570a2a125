/* Count durations in fixed buckets, for Prometheus. */
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

/* Counts one duration. */
void histogram_add(struct histogram *h, double seconds);
/* Appends the histogram with its HELP and TYPE lines. */
void histogram_write(struct buf *out, const struct histogram *h, const char *name, const char *help);
/* Counts that another module keeps: values up to each of `bounds_n` bounds (and above the bound
 * before), then those beyond all. */
struct histogram_counts {
    const double *bounds_s;  /* ascending */
    const uint64_t *counts;  /* bounds_n + 1 */
    int bounds_n;
    double sum_s;
    uint64_t n;
};
/* Appends the counts as a Prometheus histogram. */
void histogram_write_counts(struct buf *out, const struct histogram_counts *c, const char *name, const char *help);

#endif
