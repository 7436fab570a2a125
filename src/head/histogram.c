#include "head/histogram.h"

/* 1 ms … 60 s, about 2 x apart: vLLM's bounds, where dashboards use them. */
static const double bounds[HISTOGRAM_BUCKETS] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.1,  0.25,
                                                 0.5,   0.75,  1.0,  2.5,  5.0,  10.0, 20.0, 60.0};

void histogram_add(struct histogram *h, double seconds)
{
    int i = 0;
    while (i < HISTOGRAM_BUCKETS && seconds > bounds[i])
        i++;
    h->counts[i]++;
    h->sum += seconds;
    h->n++;
}

void histogram_write_counts(struct buf *out, const struct histogram_counts *c, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    uint64_t below = 0;
    for (int i = 0; i < c->bounds_n; i++) {
        below += c->counts[i];
        buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, c->bounds_s[i], (unsigned long long)below);
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n", name, (unsigned long long)c->n, name, c->sum_s, name,
               (unsigned long long)c->n);
}

void histogram_write(struct buf *out, const struct histogram *h, const char *name, const char *help)
{
    struct histogram_counts c = {.bounds_s = bounds, .counts = h->counts, .bounds_n = HISTOGRAM_BUCKETS, .sum_s = h->sum, .n = h->n};
    histogram_write_counts(out, &c, name, help);
}
