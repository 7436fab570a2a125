/* Read llama-server's additional samplers: their order, and DRY's sequence breakers. */
#include "api/readers.h"
#include "api/refuse.h"
#include "base/utf8.h"

enum { ORDER_BITS = 4, ORDER_MAX = 16 };

static const struct {
    const char *name, *also;
    char letter;
    enum sampler sampler;
} samplers[] = {
    {"penalties", NULL, 'e', SAMPLER_PENALTIES},     {"dry", NULL, 'd', SAMPLER_DRY},
    {"top_n_sigma", NULL, 's', SAMPLER_TOP_N_SIGMA}, {"top_k", NULL, 'k', SAMPLER_TOP_K},
    {"typ_p", "typical_p", 'y', SAMPLER_TYPICAL_P},  {"top_p", NULL, 'p', SAMPLER_TOP_P},
    {"min_p", NULL, 'm', SAMPLER_MIN_P},             {"xtc", NULL, 'x', SAMPLER_XTC},
    {"temperature", NULL, 't', SAMPLER_TEMPERATURE},
};
enum { KNOWN = sizeof samplers / sizeof samplers[0] };

static enum sampler by_name(struct str name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (str_is(name, samplers[i].name) || (samplers[i].also != NULL && str_is(name, samplers[i].also)))
            return samplers[i].sampler;
    return SAMPLER_NONE;
}

static enum sampler by_letter(char letter)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (samplers[i].letter == letter)
            return samplers[i].sampler;
    return SAMPLER_NONE;
}

/* The default order is 0: the engine's own filters handle it, and are faster. */
static uint64_t order_of(const enum sampler *list, size_t n)
{
    uint64_t order = 0, usual = 0;
    for (size_t i = 0; i < n; i++)
        order |= (uint64_t)list[i] << (ORDER_BITS * i);
    for (size_t i = 0; i < KNOWN; i++)
        usual |= (uint64_t)samplers[i].sampler << (ORDER_BITS * i);
    return n == 0 ? SAMPLERS : order == usual ? 0 : order; /* SAMPLERS means "no samplers"; 0 means the default order */
}

int api_read_samplers(struct api_reader *r, const char *path, const json_t *v)
{
    enum sampler list[ORDER_MAX];
    bool letters = json_is_string(v);
    if (!letters && !json_is_array(v))
        return api_refuse_type(r, path, "an array of names", v);
    size_t n = letters ? json_string_length(v) : json_array_size(v);
    if (n > ORDER_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu samplers, at most %d are taken", n, ORDER_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = letters ? NULL : json_array_get(v, i);
        if (name != NULL && !json_is_string(name))
            return api_refuse_type(r, path, "an array of names", name);
        list[i] = letters ? by_letter(json_string_value(v)[i]) : by_name(api_json_str(name));
        if (list[i] == SAMPLER_NONE)
            return api_refuse(r->e, ERR_UNSUPPORTED, path, "'%.*s' is none of penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, xtc, temperature",
                              UTF8_HEAD(letters ? json_string_value(v) + i : json_string_value(name), 40));
    }
    r->call->request.sampling.order = order_of(list, n);
    return 0;
}

int api_read_breakers(struct api_reader *r, const char *path, const json_t *v)
{
    struct request *q = &r->call->request;
    if (!json_is_array(v))
        return api_refuse_type(r, path, "an array of strings", v);
    if (json_array_size(v) > REQUEST_BREAKERS_MAX)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu strings, at most %d are taken", json_array_size(v), REQUEST_BREAKERS_MAX);
    q->breakers = api_arena_alloc(r->arena, (json_array_size(v) + 1) * sizeof *q->breakers);
    q->breakers_n = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        char at[API_PATH_BYTES];
        api_path(at, "%s[%zu]", path, i);
        int err = api_read_text(r, at, json_array_get(v, i), REQUEST_BREAKER_BYTES_MAX, &q->breakers[i]);
        if (err)
            return err;
        q->breakers_n++;
    }
    return 0;
}

static void set_breakers(struct api_reader *r)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    struct request *q = &r->call->request;
    if (q->sampling.dry_multiplier <= 0 || q->breakers != NULL)
        return;
    q->breakers_n = sizeof usual / sizeof usual[0];
    q->breakers = api_arena_alloc(r->arena, q->breakers_n * sizeof *q->breakers);
    for (uint32_t i = 0; i < q->breakers_n; i++)
        q->breakers[i] = str_of(usual[i]);
}

int api_samplers_end(struct api_reader *r)
{
    const struct request *q = &r->call->request;
    const char *beside = request_has_tools(q) ? "tools" : q->form != FORM_FREE ? "a grammar, schema or response_format" : NULL;
    set_breakers(r);
    if (q->sampling.mirostat == 0 || beside == NULL)
        return 0;
    return api_refuse(r->e, ERR_UNSUPPORTED, "mirostat", "cannot be combined with %s: leave one of them out", beside);
}
