#include <string.h>

#include "settings/settings.h"

/* Refuse settings that are valid alone but contradict each other. A setting left at its default
 * yields to a given one: each complaint names at least one setting that a person wrote, and
 * where. */

/* A lower bound for the KV cache of a usable chat model per token of context: the smallest of
 * the catalogue has 22 KiB. */
static const uint64_t KV_TOKEN_BYTES_LEAST = 1024;

static bool given(const struct settings *s, enum setting_id id)
{
    return s->values[id].source != FROM_DEFAULT;
}

/* "config/laptop.yaml:14: worker.memory", "--memory", "MANTA_MEMORY", or "--memory (default)". */
static const char *where(const struct settings *s, enum setting_id id)
{
    return s->values[id].where;
}

static int contradict(const struct settings *s, enum setting_id a, const char *relation, enum setting_id b, const char *why, struct fault *f)
{
    return fault_set(f, ERR_USAGE, "%s: %s is %s %s (%s): %s", where(s, a), setting_text(s, a), relation, setting_text(s, b), where(s, b), why);
}

static bool below(const struct settings *s, enum setting_id a, uint64_t least, enum setting_id b)
{
    return (given(s, a) || given(s, b)) && setting_number(s, a) < least;
}

static int check_head(const struct settings *s, struct fault *f)
{
    uint64_t beat = setting_number(s, SET_BEAT), limit = setting_number(s, SET_HEAD_LIMIT_MEMORY);
    if (below(s, SET_LOST, 2 * beat, SET_BEAT))
        return contradict(s, SET_LOST, "less than twice", SET_BEAT, "a worker would be lost after one late heartbeat", f);
    if (below(s, SET_STALL, beat, SET_BEAT))
        return contradict(s, SET_STALL, "less than", SET_BEAT, "a heartbeat is what tells that an actor hangs", f);
    if (below(s, SET_SCALE_MAX, setting_number(s, SET_SCALE_MIN), SET_SCALE_MIN))
        return contradict(s, SET_SCALE_MAX, "less than", SET_SCALE_MIN, "no number of workers is within both", f);
    if (limit > 0 && setting_number(s, SET_QUEUE_BYTES) >= limit)
        return contradict(s, SET_QUEUE_BYTES, "not less than", SET_HEAD_LIMIT_MEMORY, "the head would be ended before its queue is full", f);
    return 0;
}

static int check_worker(const struct settings *s, struct fault *f)
{
    uint64_t memory = setting_number(s, SET_MEMORY), limit = setting_number(s, SET_WORKER_LIMIT_MEMORY);
    uint64_t cells = setting_number(s, SET_SLOTS) * setting_number(s, SET_CONTEXT);
    if (limit > 0 && given(s, SET_MEMORY) && (memory > limit || memory == 0))
        return contradict(s, SET_MEMORY, "more than", SET_WORKER_LIMIT_MEMORY, "the system would end the worker before it is full", f);
    if (setting_on(s, SET_EXACT) && given(s, SET_KV) && strcmp(setting_text(s, SET_KV), "q8_0") != 0)
        return fault_set(f, ERR_USAGE, "%s: %s does not go with %s: exactness needs a KV cache of q8_0", where(s, SET_KV), setting_text(s, SET_KV),
                         where(s, SET_EXACT));
    if (memory > 0 && cells * KV_TOKEN_BYTES_LEAST > memory)
        return fault_set(f, ERR_USAGE, "%s: %s cannot hold %s streams (%s) of %s tokens (%s): their KV cache alone takes more than %llu MiB",
                         where(s, SET_MEMORY), setting_text(s, SET_MEMORY), setting_text(s, SET_SLOTS), where(s, SET_SLOTS),
                         setting_text(s, SET_CONTEXT), where(s, SET_CONTEXT), (unsigned long long)(cells * KV_TOKEN_BYTES_LEAST >> 20));
    return 0;
}

int settings_check(const struct settings *s, unsigned uses, struct fault *f)
{
    int err = (uses & USE_HEAD) != 0 ? check_head(s, f) : 0;
    return err == 0 && (uses & USE_WORKER) != 0 ? check_worker(s, f) : err;
}
