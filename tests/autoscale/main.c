/* manta-autoscale: the autoscaler beside a HPA, KEDA and a fixed size, over all shapes of load, in told time.
 *
 *     manta-autoscale                    the table; the exit status is 1 where a promise is broken
 *     manta-autoscale --markdown         the table for docs/autoscaling.md
 *     manta-autoscale --svg              the plot for it
 *     manta-autoscale --seeds 5          each shape with so many seeds
 *     manta-autoscale --shape "visits"   one shape
 *
 * Promised: in no shape is manta worse than the HPA in both, time in the queue (95th percentile, or the worst) and worker-hours; and
 * the number turns no more often than its hysteresis lets it. Over all shapes together manta changes the number, and turns it round, no more
 * often than the HPA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale.h"
#include "plot.h"

enum { SEEDS_MOST = 100, HOLD_LEAST_S = 30 };

struct result {
    struct outcome o[RULES];
    uint32_t fixed;
};

/* A fixed size that costs about the same: as many as there were on average, rounded up. */
static void run_shape(const struct shape *s, uint64_t seed, struct result *r)
{
    r->o[RULE_AUTO] = autoscale_run(s, RULE_AUTO, 0, seed);
    double mean = r->o[RULE_AUTO].worker_hours * 60 / (s->minutes + 2);
    r->fixed = (uint32_t)mean + (mean > (uint32_t)mean);
    for (int rule = RULE_HPA; rule < RULES; rule++)
        r->o[rule] = autoscale_run(s, (enum rule)rule, r->fixed, seed);
}

static int broken(const struct shape *s, uint64_t seed, const struct outcome *mine, const struct outcome *hpa)
{
    bool dearer = mine->worker_hours > hpa->worker_hours;
    int n = 0;
    if (dearer && mine->p95_s > hpa->p95_s)
        n += printf("  broken: '%s', seed %llu: worse than HPA in p95 (%.2f s, %.2f s) and in worker-hours (%.2f, %.2f)\n", s->name, (unsigned long long)seed,
                    mine->p95_s, hpa->p95_s, mine->worker_hours, hpa->worker_hours) > 0;
    if (dearer && mine->worst_s > hpa->worst_s)
        n += printf("  broken: '%s', seed %llu: worse than HPA in the worst wait (%.2f s, %.2f s) and in worker-hours (%.2f, %.2f)\n", s->name,
                    (unsigned long long)seed, mine->worst_s, hpa->worst_s, mine->worker_hours, hpa->worker_hours) > 0;
    if (mine->turns > s->minutes * 60 / HOLD_LEAST_S + 1)
        n += printf("  broken: '%s', seed %llu: the number turned %u times\n", s->name, (unsigned long long)seed, mine->turns) > 0;
    if (mine->most > s->max + 1)
        n += printf("  broken: '%s', seed %llu: %u workers at a time\n", s->name, (unsigned long long)seed, mine->most) > 0;
    return n;
}

static void print_text(const struct shape *s, const struct result *r)
{
    printf("%-18s %5u jobs", s->name, r->o[0].jobs);
    for (int i = 0; i < RULES; i++)
        printf(" | %s%s p95 %6.1f worst %6.1f  %5.2f h  %3u", rule_name((enum rule)i), i == RULE_FIXED ? (char[]){' ', (char)('0' + r->fixed % 10), '\0'} : "",
               r->o[i].p95_s, r->o[i].worst_s, r->o[i].worker_hours, r->o[i].changes);
    printf("\n");
}

static void print_markdown(const struct shape *s, const struct result *r)
{
    printf("| **%s**: %s | ", s->name, s->about);
    for (int i = 0; i < RULES; i++) {
        const struct outcome *o = &r->o[i];
        if (i == RULE_FIXED)
            printf("%u: %.1f / %.1f s, %.2f h |", r->fixed, o->p95_s, o->worst_s, o->worker_hours);
        else
            printf("%.1f / %.1f s, %.2f h, %u | ", o->p95_s, o->worst_s, o->worker_hours, o->changes);
    }
    printf("\n");
}

/* Over all shapes. */
struct sums {
    uint32_t changes, turns;
};

static void add(struct sums *s, const struct outcome *o)
{
    s->changes += o->changes;
    s->turns += o->turns;
}

static int flaps(const struct sums *mine, const struct sums *hpa)
{
    if (mine->changes <= hpa->changes && mine->turns <= hpa->turns)
        return 0;
    printf("  broken: over all shapes the number changed %u times and turned %u times, that of the HPA %u and %u\n", mine->changes, mine->turns, hpa->changes,
           hpa->turns);
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: manta-autoscale [--markdown | --svg] [--seeds N] [--seed N] [--shape NAME]\n");
    return 2;
}

int main(int argc, char **argv)
{
    bool markdown = false, svg = false;
    uint64_t seeds = 1, first = 1;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--markdown") == 0)
            markdown = true;
        else if (strcmp(argv[i], "--svg") == 0)
            svg = true;
        else if (strcmp(argv[i], "--seeds") == 0 && more)
            seeds = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && more)
            first = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--shape") == 0 && more)
            only = argv[++i];
        else
            return usage();
    }
    if (seeds == 0 || seeds > SEEDS_MOST)
        return usage();
    int wrong = 0;
    struct sums mine = {0}, hpa = {0};
    struct plot plot;
    plot_begin(&plot, svg ? stdout : NULL);
    for (uint32_t i = 0; i < shapes_n; i++) {
        if (only != NULL && strcmp(only, shapes[i].name) != 0)
            continue;
        for (uint64_t seed = first; seed < first + seeds; seed++) {
            struct result r;
            run_shape(&shapes[i], seed, &r);
            if (svg)
                plot_shape(&plot, &shapes[i], &r.o[RULE_AUTO], &r.o[RULE_HPA]);
            else if (markdown)
                print_markdown(&shapes[i], &r);
            else
                print_text(&shapes[i], &r);
            fflush(stdout);
            add(&mine, &r.o[RULE_AUTO]);
            add(&hpa, &r.o[RULE_HPA]);
            wrong += svg ? 0 : broken(&shapes[i], seed, &r.o[RULE_AUTO], &r.o[RULE_HPA]);
        }
    }
    plot_end(&plot);
    wrong += svg || only != NULL ? 0 : flaps(&mine, &hpa);
    return wrong == 0 ? 0 : 1;
}
