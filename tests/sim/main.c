/* manta-sim: run seeds, compare a seed with itself, insist that the rare branches were seen.
 *
 *     manta-sim --seeds 1..20 --heads 2 --workers 200 --minutes 2
 *     manta-sim --seed 7 --faults kill,freeze --trace
 *     manta-sim --scale --seeds 1..40 --heads 1 --workers 0 --minutes 10
 *     manta-sim --file tests/sim/seeds.txt */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { STANDARD_SEEDS = 20 }; /* that many seeds in one run must hit every probe */

static const struct {
    const char *name, *text;
    bool takes_two; /* heads */
    bool scale;     /* of runs with --scale */
} probes[] = {
#define PROBE_ROW(name, text) {#name, text, false, false},
#define PROBE_ROW_OF_TWO(name, text) {#name, text, true, false},
#define PROBE_ROW_OF_SCALE(name, text) {#name, text, false, true},
    PROBES(PROBE_ROW) PROBES_OF_TWO(PROBE_ROW_OF_TWO) PROBES_OF_SCALE(PROBE_ROW_OF_SCALE)
#undef PROBE_ROW
#undef PROBE_ROW_OF_TWO
#undef PROBE_ROW_OF_SCALE
};

static struct sim_result run_one(const struct sim_options *opt)
{
    struct sim_result r = sim_run(opt);
    printf("seed %-6" PRIu64 " %7" PRIu64 " calls %7" PRIu64 " answered %8" PRIu64 " tokens %8" PRIu64
           " events  trace %016" PRIx64 "\n",
           opt->seed, r.calls, r.answered, r.tokens, r.events, r.hash);
    fflush(stdout);
    return r;
}

/* The same seed again: the same story, or something looks at addresses, clocks or memory it did not write. */
static int same_twice(const struct sim_options *opt)
{
    struct sim_result first = run_one(opt), second = run_one(opt);
    if (first.hash == second.hash)
        return 0;
    fprintf(stderr, "broken: seed %" PRIu64 " told two stories\n", opt->seed);
    return 1;
}

static int probes_report(const uint64_t *hits, uint32_t heads, bool scale, bool insist)
{
    int missing = 0;
    for (size_t i = 0; i < PROBE_COUNT; i++) {
        bool missed = hits[i] == 0 && (heads > 1 || !probes[i].takes_two) && probes[i].scale == scale;
        printf("%10" PRIu64 "  %s\n", hits[i], probes[i].text);
        missing += missed;
        if (missed && insist)
            fprintf(stderr, "never hit: %s (%s)\n", probes[i].name, probes[i].text);
    }
    return missing > 0 && insist;
}

/* One run per line: seed workers minutes faults heads scale; # begins a comment. Without heads: one. scale: as with --scale. */
static int run_file(const char *path, struct sim_options opt)
{
    char line[256], names[128], mode[8];
    const char *bad = NULL;
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        opt.heads = 1;
        int words = sscanf(line, "%" SCNu64 " %u %lf %127s %u %7s", &opt.seed, &opt.workers, &opt.minutes, names, &opt.heads, mode);
        opt.scale = words == 6 && strcmp(mode, "scale") == 0;
        if (words < 4 ||
            opt.heads < 1 || opt.heads > SIM_HEADS_MAX || !faults_parse(names, &opt.faults, &bad)) {
            fprintf(stderr, "%s: not a run: %s", path, line);
            fclose(f);
            return 2;
        }
        run_one(&opt);
    }
    fclose(f);
    return 0;
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "manta-sim: %s?\n"
            "usage: manta-sim [--seed N | --seeds A..B | --file FILE] [--heads N] [--workers N] [--minutes M] [--faults a,b|all,-a] "
            "[--scale] [--trace]\nfaults:\n",
            wrong);
#define FAULT_LINE(name, text) fprintf(stderr, "  %-10s %s\n", #name, text);
    SIM_FAULTS(FAULT_LINE)
#undef FAULT_LINE
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t hits[PROBE_COUNT] = {0}, first = 1, last = 1;
    struct sim_options opt = {.workers = 200, .heads = 2, .minutes = 2, .faults = (1u << FAULT_COUNT) - 1, .probes = hits};
    const char *file = NULL, *bad = NULL;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        bool known = true;
        bool *flag = strcmp(name, "--trace") == 0 ? &opt.trace : strcmp(name, "--scale") == 0 ? &opt.scale : NULL;
        if (flag != NULL) {
            *flag = true;
            continue;
        }
        i++;
        if (strcmp(name, "--seeds") == 0)
            known = sscanf(value, "%" SCNu64 "..%" SCNu64, &first, &last) == 2 && first <= last;
        else if (strcmp(name, "--seed") == 0)
            known = sscanf(value, "%" SCNu64, &first) == 1 && (last = first, true);
        else if (strcmp(name, "--workers") == 0)
            known = sscanf(value, "%u", &opt.workers) == 1;
        else if (strcmp(name, "--heads") == 0)
            known = sscanf(value, "%u", &opt.heads) == 1 && opt.heads >= 1 && opt.heads <= SIM_HEADS_MAX;
        else if (strcmp(name, "--minutes") == 0)
            known = sscanf(value, "%lf", &opt.minutes) == 1;
        else if (strcmp(name, "--faults") == 0)
            known = faults_parse(value, &opt.faults, &bad);
        else if (strcmp(name, "--file") == 0)
            file = value;
        else
            known = false;
        if (!known)
            return usage(bad != NULL ? bad : name);
    }
    if (file != NULL)
        return run_file(file, opt);
    bool standard = last - first + 1 >= STANDARD_SEEDS;
    opt.seed = first;
    if (standard && same_twice(&opt) != 0)
        return 1;
    for (opt.seed = first + standard; opt.seed <= last; opt.seed++)
        run_one(&opt);
    return probes_report(hits, opt.heads, opt.scale, standard);
}
