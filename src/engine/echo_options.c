/* Parse the options of an echo engine, "echo:tokens=200,decode_us=…". */
#include <errno.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "base/rng.h"
#include "engine/echo.h"

enum { NAME_BYTES_MAX = 32 };

struct option {
    const char *name;
    size_t offset;
    bool wide; /* 64 bits, else 32 */
};

#define NARROW(field) {#field, offsetof(struct echo_options, field), false}
#define WIDE(field) {#field, offsetof(struct echo_options, field), true}
static const struct option table[] = {
    NARROW(tokens),     NARROW(context),   NARROW(rows),    NARROW(embed),   NARROW(load_ms), NARROW(slow_ms),
    NARROW(prefill_us), NARROW(decode_us), NARROW(copy_us), NARROW(fail_load), NARROW(fail_decode_at),
    NARROW(freeze_at),  NARROW(freeze_ms), NARROW(crash_at), NARROW(stream_us), WIDE(seed),
    WIDE(weights),      WIDE(kv),          WIDE(compute),       NARROW(chunk),
    NARROW(poison_after), NARROW(crash_load), NARROW(hang_load), WIDE(eat_load), WIDE(eat_bytes),
};
enum { OPTIONS = sizeof table / sizeof table[0] };

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static int unknown(const char *name, struct fault *f)
{
    const char *names[OPTIONS + 5];
    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = table[i].name;
    names[OPTIONS] = "script";
    names[OPTIONS + 1] = "name";
    names[OPTIONS + 2] = "poison";
    names[OPTIONS + 3] = "eat";
    names[OPTIONS + 4] = "slow";
    const char *near = nearest_word(name, names, OPTIONS + 5);
    if (near == NULL)
        return fault_set(f, ERR_MODEL, "the echo engine has no option '%s'", name);
    return fault_set(f, ERR_MODEL, "the echo engine has no option '%s'; did you mean '%s'?", name, near);
}

static bool parse_size(const char *text, const char **end, uint64_t *out)
{
    char *rest;
    errno = 0;
    unsigned long long n = strtoull(text, &rest, 10);
    if (rest == text || text[0] == '-' || errno != 0)
        return false;
    unsigned shift = *rest == 'k' ? 10 : *rest == 'm' ? 20 : *rest == 'g' ? 30 : 0;
    *end = rest + (shift > 0);
    *out = (uint64_t)n << shift;
    return (**end == ',' || **end == '\0') && *out >> shift == n;
}

static int set(struct echo_options *o, const char *name, const char *value, const char **end, struct fault *f)
{
    const struct option *option = find(name);
    if (option == NULL)
        return unknown(name, f);
    uint64_t n;
    if (!parse_size(value, end, &n) || (!option->wide && n > UINT32_MAX))
        return fault_set(f, ERR_MODEL, "the echo engine's option '%s' is a number, not '%s'", name, value);
    char *at = (char *)o + option->offset;
    if (option->wide)
        memcpy(at, &n, sizeof n);
    else
        memcpy(at, &(uint32_t){(uint32_t)n}, sizeof(uint32_t));
    return 0;
}

static int set_word(struct str *word, const char *name, const char *value, const char **end, struct fault *f)
{
    *word = str_n(value, strcspn(value, ","));
    *end = value + word->n;
    return word->n > 0 ? 0 : fault_set(f, ERR_MODEL, "the echo engine's option '%s' is empty", name);
}

/* NULL: the option is a number. */
static struct str *word_of(struct echo_options *o, const char *name)
{
    if (strcmp(name, "name") == 0)
        return &o->name;
    if (strcmp(name, "poison") == 0)
        return &o->poison;
    if (strcmp(name, "eat") == 0)
        return &o->eat;
    return strcmp(name, "slow") == 0 ? &o->slow : NULL;
}

static int check(const struct echo_options *o, struct fault *f)
{
    if (o->embed > ENGINE_WIDTH_MAX)
        return fault_set(f, ERR_MODEL, "the echo engine's vectors have at most %d numbers, not %u", ENGINE_WIDTH_MAX, o->embed);
    if (o->context == 0 || o->rows < ENGINE_SLOTS_MAX)
        return fault_set(f, ERR_MODEL, "the echo engine needs context=1 or more and rows=%d or more", ENGINE_SLOTS_MAX);
    return 0;
}

int echo_options_parse(const char *path, struct echo_options *out, struct fault *f)
{
    struct echo_options o = {.name = str_of("echo"), .tokens = 32, .seed = 1, .context = 2048, .rows = 512, .freeze_ms = 3600 * 1000,
                             .slow_ms = 3600 * 1000, .weights = 1 << 20, .eat_bytes = 64ull << 30, .kv = 1 << 10, .compute = 1 << 20};
    const char *at = path;
    if (strncmp(at, "echo", 4) != 0 || (at[4] != '\0' && at[4] != ':'))
        return fault_set(f, ERR_MODEL, "'%s' is not for the echo engine; an example: echo:tokens=20,seed=7", path);
    at += at[4] == ':' ? 5 : 4;
    while (*at != '\0') {
        char name[NAME_BYTES_MAX] = {0};
        size_t n = strcspn(at, "=,");
        if (n >= sizeof name || at[n] != '=')
            return fault_set(f, ERR_MODEL, "'%s' in the echo engine's options is not name=value", at);
        memcpy(name, at, n);
        at += n + 1;
        if (strcmp(name, "script") == 0) {
            o.script = str_of(at);
            break;
        }
        struct str *word = word_of(&o, name);
        int rc = word != NULL ? set_word(word, name, at, &at, f) : set(&o, name, at, &at, f);
        if (rc != 0)
            return rc;
        at += *at == ',';
    }
    int rc = check(&o, f);
    if (rc == 0)
        *out = o;
    return rc;
}

uint64_t echo_digest(const char *path)
{
    struct echo_options o = {0};
    if (echo_options_parse(path, &o, NULL) != 0)
        o.script = str_of(path); /* it will fail to load */
    uint64_t hash = rng_mix(o.seed);
    hash = rng_mix(hash ^ o.tokens);
    hash = rng_mix(hash ^ o.embed);
    hash = rng_mix(hash ^ o.context);
    for (size_t i = 0; i < o.script.n; i++)
        hash = rng_at(hash, (unsigned char)o.script.p[i]);
    return hash;
}
