/* manta-balance: the strategies side by side in told time. Predicted must be best or equal on the first three loads, and with a
 * worker at a quarter of the speed far better than going round; else the exit status is 1.
 *
 *     manta-balance          the three loads of the promise, one seed
 *     manta-balance --all    more loads and seeds, to tune the router with */
#include <stdio.h>
#include <string.h>

#include "balance.h"

enum { SEEDS_ALL = 3, PROMISED = 3 };

/* Equal within what another seed changes, and what "far better" is. */
static const double NOISE = 1.08, UNEVEN_GAIN = 1.5;

static const struct load loads[] = {
    {.name = "even", .actors = 3, .slots = 4, .streams = 6, .calls = 240, .warm = 40, .prompt_least = 200,
     .prompt_most = 1600, .answer_least = 16, .answer_most = 96},
    {.name = "uneven", .actors = 3, .slots = 4, .slowness = {1, 1, 4}, .streams = 6, .calls = 240, .warm = 40,
     .prompt_least = 200, .prompt_most = 1600, .answer_least = 16, .answer_most = 96},
    {.name = "shared", .actors = 3, .slots = 4, .streams = 6, .calls = 240, .warm = 40, .prefixes = 8,
     .prefix_bytes = 3000, .prompt_least = 100, .prompt_most = 400, .answer_least = 16, .answer_most = 96},
    {.name = "even, full", .actors = 3, .slots = 4, .streams = 11, .calls = 240, .warm = 40, .prompt_least = 200,
     .prompt_most = 1600, .answer_least = 16, .answer_most = 96},
    {.name = "uneven, full", .actors = 3, .slots = 4, .slowness = {1, 1, 4}, .streams = 11, .calls = 240, .warm = 40,
     .prompt_least = 200, .prompt_most = 1600, .answer_least = 16, .answer_most = 96},
    {.name = "shared, full", .actors = 3, .slots = 4, .streams = 11, .calls = 240, .warm = 40, .prefixes = 8,
     .prefix_bytes = 3000, .prompt_least = 100, .prompt_most = 400, .answer_least = 16, .answer_most = 96},
    {.name = "one prefix", .actors = 3, .slots = 4, .streams = 6, .calls = 240, .warm = 40, .prefixes = 1,
     .prefix_bytes = 3000, .prompt_least = 100, .prompt_most = 400, .answer_least = 16, .answer_most = 96},
    {.name = "light, uneven", .actors = 3, .slots = 4, .slowness = {1, 1, 4}, .streams = 2, .calls = 240, .warm = 40,
     .prompt_least = 200, .prompt_most = 1600, .answer_least = 16, .answer_most = 96},
};

static void add(struct outcome *sum, const struct outcome *o, uint32_t seeds)
{
    sum->tokens_per_s += o->tokens_per_s / seeds;
    sum->ttft_p50_ms += o->ttft_p50_ms / seeds;
    sum->ttft_p95_ms += o->ttft_p95_ms / seeds;
    sum->gap_p95_ms += o->gap_p95_ms / seeds;
    sum->cached += o->cached / seeds;
    for (int i = 0; i < BALANCE_ACTORS_MAX; i++)
        sum->share[i] += o->share[i] / seeds;
}

static struct outcome mean_of(const struct load *load, enum balance balance, uint32_t seeds)
{
    struct outcome sum = {0};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct outcome o = balance_run(load, balance, seed);
        add(&sum, &o, seeds);
    }
    return sum;
}

static void print(const struct load *load, enum balance balance, const struct outcome *o)
{
    printf("  %-12s %6.1f tokens/s  first token p50 %5.0f ms, p95 %5.0f ms  gap p95 %4.0f ms  cached %3.0f %%  share", balance_name(balance),
           o->tokens_per_s, o->ttft_p50_ms, o->ttft_p95_ms, o->gap_p95_ms, o->cached * 100);
    for (uint32_t a = 0; a < load->actors; a++)
        printf(" %.0f", o->share[a] * 100);
    printf("\n");
}

/* How many of the promises are broken. */
static int broken(const struct load *load, const struct outcome *o)
{
    int n = 0;
    const struct outcome *mine = &o[BALANCE_PREDICTED];
    for (int b = 0; b < BALANCE_COUNT; b++) {
        bool slower = mine->tokens_per_s * NOISE < o[b].tokens_per_s, later = mine->ttft_p95_ms > o[b].ttft_p95_ms * NOISE;
        if (slower || later)
            printf("  broken: %s has %s\n", balance_name((enum balance)b), slower ? "more tokens/s" : "the earlier first token");
        n += slower || later;
    }
    if (load->slowness[2] > 1 && mine->ttft_p95_ms * UNEVEN_GAIN > o[BALANCE_ROUND_ROBIN].ttft_p95_ms) {
        printf("  broken: less than %.1f x better than round-robin\n", UNEVEN_GAIN);
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    size_t n = all ? sizeof loads / sizeof loads[0] : PROMISED;
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        struct outcome o[BALANCE_COUNT];
        printf("%s\n", loads[i].name);
        for (int b = 0; b < BALANCE_COUNT; b++) {
            o[b] = mean_of(&loads[i], (enum balance)b, all ? SEEDS_ALL : 1);
            print(&loads[i], (enum balance)b, &o[b]);
            fflush(stdout);
        }
        wrong += i < PROMISED ? broken(&loads[i], o) : 0;
    }
    return wrong == 0 ? 0 : 1;
}
