/* The plot of docs/autoscaling.md: a panel per shape, workers over time, as SVG without a library. */
#ifndef TESTS_AUTOSCALE_PLOT_H
#define TESTS_AUTOSCALE_PLOT_H

#include <stdio.h>

#include "autoscale.h"

struct plot {
    FILE *out; /* borrowed; NULL: nothing is drawn */
    uint32_t n;
};
void plot_begin(struct plot *p, FILE *out);
void plot_shape(struct plot *p, const struct shape *s, const struct outcome *mine, const struct outcome *hpa);
void plot_end(struct plot *p);

#endif
