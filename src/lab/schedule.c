#include "lab/schedule.h"

#include <string.h>

#include "base/must.h"
#include "base/nearest.h"
#include "base/rng.h"

static const struct kind {
    const char *name;
    uint32_t weight;
    uint32_t lasts_least_ms, lasts_most_ms;
} kinds[SCHEDULE_KINDS] = {
    [SCHEDULE_KILL] = {"kill", 2, 0, 0},
    [SCHEDULE_FREEZE] = {"freeze", 1, 200, 5000}, /* shorter and longer than lost_after_ms */
    [SCHEDULE_LEAVE] = {"leave", 1, 0, 0},
    [SCHEDULE_CUT] = {"cut", 1, 200, 6000},
    [SCHEDULE_HEAD] = {"head", 1, 0, 2000},
};

enum { PATIENCE_LEAST_MS = 5000, PATIENCE_MOST_MS = 10000, PAUSE_MOST_MS = 1000 };

const char *schedule_kind_name(enum schedule_kind kind)
{
    return kinds[kind].name;
}

static int unknown_kind(const char *word, size_t n, struct fault *f)
{
    const char *names[SCHEDULE_KINDS];
    char text[32];
    size_t len = n < sizeof text ? n : sizeof text - 1;
    memcpy(text, word, len);
    text[len] = '\0';
    for (size_t i = 0; i < SCHEDULE_KINDS; i++)
        names[i] = kinds[i].name;
    const char *near = nearest_word(text, names, SCHEDULE_KINDS);
    return fault_set(f, ERR_USAGE, "--kinds: '%s' is not one of kill, freeze, leave, cut, head%s%s%s", text, near != NULL ? "; did you mean '" : "",
                     near != NULL ? near : "", near != NULL ? "'?" : "");
}

int schedule_parse_kinds(const char *text, unsigned *out_kinds, struct fault *f)
{
    unsigned found = 0;
    for (const char *at = text;;) {
        size_t n = strcspn(at, ","), k = 0;
        while (k < SCHEDULE_KINDS && (strlen(kinds[k].name) != n || memcmp(kinds[k].name, at, n) != 0))
            k++;
        if (k == SCHEDULE_KINDS)
            return unknown_kind(at, n, f);
        found |= 1u << k;
        if (at[n] == '\0')
            break;
        at += n + 1;
    }
    *out_kinds = found;
    return 0;
}

static enum schedule_kind draw_kind(struct rng *rng, unsigned wanted)
{
    uint32_t sum = 0;
    for (uint32_t k = 0; k < SCHEDULE_KINDS; k++)
        sum += (wanted & 1u << k) != 0 ? kinds[k].weight : 0;
    MUST(sum > 0);
    uint32_t at = (uint32_t)rng_below(rng, sum);
    for (uint32_t k = 0;; k++) {
        uint32_t weight = (wanted & 1u << k) != 0 ? kinds[k].weight : 0;
        if (at < weight)
            return (enum schedule_kind)k;
        at -= weight;
    }
}

struct schedule_fault schedule_fault(const struct schedule *s, uint32_t n)
{
    MUST(n < s->faults);
    struct rng rng = {.seed = rng_at(s->seed, n)};
    struct schedule_fault fault = {.kind = draw_kind(&rng, s->kinds), .ended = (uint32_t)((uint64_t)s->streams * n / s->faults)};
    fault.victim = (uint32_t)rng_below(&rng, fault.kind == SCHEDULE_HEAD ? s->heads : s->workers);
    fault.patience_ms = rng_between(&rng, PATIENCE_LEAST_MS, PATIENCE_MOST_MS);
    fault.pause_ms = rng_between(&rng, 0, PAUSE_MOST_MS);
    fault.lasts_ms = rng_between(&rng, kinds[fault.kind].lasts_least_ms, kinds[fault.kind].lasts_most_ms);
    return fault;
}
