/* Smooth measurements exponentially: newer ones count more, older ones fade.
 *
 * The half-life is the number of observations after which half of an average is newer:
 *
 *     weight of the newest   0.05   0.1   0.2   0.3   0.4        kept of the older   63/64   15/16
 *     half-life              13.5   6.6   3.1   1.9   1.4        half-life            44.0    10.7 */
#ifndef MANTA_BASE_SMOOTH_H
#define MANTA_BASE_SMOOTH_H

/* Moves an average towards an observation by the observation's weight, 0 to 1. known <= 0: there is
 * no average yet, and the observation becomes it. */
static inline double smooth(double known, double seen, double weight)
{
    return known > 0 ? known + weight * (seen - known) : seen;
}

/* A mean of observations that may be 0: their sum and their number, both fading. */
struct fading {
    double sum, n;
};
/* Adds an observation; `keeps`, below 1, is the part of the older ones that remains. */
static inline void fading_add(struct fading *f, double seen, double keeps)
{
    f->sum = f->sum * keeps + seen;
    f->n = f->n * keeps + 1;
}
/* Returns the mean; `guess` before the first observation. */
static inline double fading_mean(const struct fading *f, double guess)
{
    return f->n > 0 ? f->sum / f->n : guess;
}

#endif
