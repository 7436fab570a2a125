/* Parse scale commands: a number of workers, or a policy. */
#include <string.h>

#include "api/json_in.h"
#include "api/refuse.h"

static int read_count(const json_t *root, const char *name, uint32_t *out, struct api_error *e)
{
    const json_t *v = json_object_get(root, name);
    if (v == NULL)
        return 0;
    if (!json_is_integer(v))
        return api_refuse(e, ERR_INVALID, name, "expected a number of workers, 0 to %d, got %s", API_SCALE_MAX, api_json_kind(v));
    if (json_integer_value(v) < 0 || json_integer_value(v) > API_SCALE_MAX)
        return api_refuse(e, ERR_INVALID, name, "expected a number of workers, 0 to %d, got %lld", API_SCALE_MAX, (long long)json_integer_value(v));
    *out = (uint32_t)json_integer_value(v);
    return 0;
}

static int read_policy(const json_t *root, struct api_scale *s, struct api_error *e)
{
    const json_t *v = json_object_get(root, "policy");
    if (v == NULL)
        return 0;
    if (!json_is_string(v))
        return api_refuse(e, ERR_INVALID, "policy", "expected \"fixed\" or \"auto\", got %s", api_json_kind(v));
    s->by_load = strcmp(json_string_value(v), "auto") == 0;
    if (!s->by_load && strcmp(json_string_value(v), "fixed") != 0)
        return api_refuse(e, ERR_INVALID, "policy", "expected \"fixed\" or \"auto\", got '%.60s'", json_string_value(v));
    s->names_policy = true;
    return 0;
}

/* Checks that the fields match. */
static int check(const struct api_scale *s, struct api_error *e)
{
    bool limits = s->min != API_SCALE_AS_IS || s->max != API_SCALE_AS_IS, count = s->workers != API_SCALE_AS_IS;
    if (s->by_load && count)
        return api_refuse(e, ERR_INVALID, "workers", "the policy \"auto\" decides on the number of workers by itself: it takes \"min\" and \"max\"");
    if (!s->by_load && limits)
        return api_refuse(e, ERR_INVALID, s->min != API_SCALE_AS_IS ? "min" : "max", "limits go with {\"policy\":\"auto\"}; a fixed number is {\"workers\":N}");
    if (!s->names_policy && !count)
        return api_refuse(e, ERR_INVALID, "workers", "expected {\"workers\":N}, {\"policy\":\"auto\",\"min\":0,\"max\":8}, or {\"policy\":\"fixed\"}");
    if (s->min != API_SCALE_AS_IS && s->max != API_SCALE_AS_IS && s->min > s->max)
        return api_refuse(e, ERR_INVALID, "min", "%u is more than \"max\", %u", s->min, s->max);
    return 0;
}

int api_parse_scale(struct str body, struct api_scale *out, struct api_error *e)
{
    json_t *root;
    int err = api_json_parse(body, &root, e);
    if (err != 0)
        return err;
    struct api_scale s = {.workers = API_SCALE_AS_IS, .min = API_SCALE_AS_IS, .max = API_SCALE_AS_IS};
    err = read_policy(root, &s, e);
    if (err == 0)
        err = read_count(root, "workers", &s.workers, e);
    if (err == 0)
        err = read_count(root, "min", &s.min, e);
    if (err == 0)
        err = read_count(root, "max", &s.max, e);
    if (err == 0)
        err = check(&s, e);
    if (err == 0)
        *out = s;
    json_decref(root);
    return err;
}
