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

void histogram_add(struct histogram *h, double seconds);
/* `# TYPE name histogram` and its lines. */
void histogram_write(struct buf *out, const struct histogram *h, const char *name, const char *help);

#endif
