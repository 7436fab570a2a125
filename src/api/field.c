#include "api/field.h"

#include <math.h>

#include "api/json_in.h"
#include "api/refuse.h"

int api_refuse_type(struct api_reader *r, const char *path, const char *wanted, const json_t *v)
{
    return api_refuse(r->e, ERR_INVALID, path, "expected %s, got %s", wanted, api_json_kind(v));
}

static int refuse_range(struct api_reader *r, const char *path, const json_t *v, double min, double max)
{
    if (json_is_integer(v))
        return api_refuse(r->e, ERR_INVALID, path, "%" JSON_INTEGER_FORMAT " is out of range, %.10g … %.10g",
                          json_integer_value(v), min, max);
    return api_refuse(r->e, ERR_INVALID, path, "%.10g is out of range, %.10g … %.10g", json_real_value(v), min, max);
}

int api_read_number(struct api_reader *r, const char *path, const json_t *v, double min, double max, double *out)
{
    if (!json_is_number(v))
        return api_refuse_type(r, path, "a number", v);
    double x = json_number_value(v);
    if (x < min || x > max)
        return refuse_range(r, path, v, min, max);
    *out = x;
    return 0;
}

int api_read_integer(struct api_reader *r, const char *path, const json_t *v, int64_t min, int64_t max, int64_t *out)
{
    int64_t x;
    if (json_is_integer(v)) {
        x = json_integer_value(v);
    } else if (json_is_real(v)) {
        /* Some clients write 3 as 3.0. Beyond 2^53 a real is no exact integer. */
        double real = json_real_value(v);
        if (real != floor(real))
            return api_refuse(r->e, ERR_INVALID, path, "expected an integer, got %.10g", real);
        if (fabs(real) > 0x1p53)
            return refuse_range(r, path, v, (double)min, (double)max);
        x = (int64_t)real;
    } else {
        return api_refuse_type(r, path, "an integer", v);
    }
    if (x < min || x > max)
        return refuse_range(r, path, v, (double)min, (double)max);
    *out = x;
    return 0;
}

int api_read_bool(struct api_reader *r, const char *path, const json_t *v, bool *out)
{
    if (!json_is_boolean(v))
        return api_refuse_type(r, path, "true or false", v);
    *out = json_is_true(v);
    return 0;
}

struct str api_json_str(const json_t *v)
{
    return str_n(json_string_value(v), json_string_length(v));
}

int api_read_text(struct api_reader *r, const char *path, const json_t *v, size_t bytes_max, struct str *out)
{
    if (!json_is_string(v))
        return api_refuse_type(r, path, "a string", v);
    struct str s = api_json_str(v);
    if (s.n > bytes_max)
        return api_refuse(r->e, ERR_INVALID, path, "has %zu bytes, at most %zu are taken", s.n, bytes_max);
    *out = api_arena_str(r->arena, s);
    return 0;
}

static int read_float(struct api_reader *r, const struct field *f, const json_t *v, float *out)
{
    double x;
    int err = api_read_number(r, f->name, v, f->min, f->max, &x);
    if (!err)
        *out = (float)x;
    return err;
}

static int read_int32(struct api_reader *r, const struct field *f, const json_t *v, void *out)
{
    int64_t x;
    int err = api_read_integer(r, f->name, v, (int64_t)f->min, (int64_t)f->max, &x);
    if (err)
        return err;
    if (f->kind == FIELD_COUNT)
        *(uint32_t *)out = (uint32_t)x;
    else
        *(int32_t *)out = (int32_t)x;
    return 0;
}

static int read_flag(struct api_reader *r, const struct field *f, const json_t *v, uint8_t *out)
{
    bool on = false;
    int err = api_read_bool(r, f->name, v, &on);
    if (!err)
        *out = on ? 1 : 0;
    return err;
}

static int read_one(struct api_reader *r, const struct field *f, const json_t *v)
{
    void *place = (char *)r->call + f->at;
    switch (f->kind) {
    case FIELD_FLOAT: return read_float(r, f, v, place);
    case FIELD_INT:
    case FIELD_COUNT: return read_int32(r, f, v, place);
    case FIELD_BOOL: return api_read_bool(r, f->name, v, place);
    case FIELD_FLAG: return read_flag(r, f, v, place);
    case FIELD_TEXT: return api_read_text(r, f->name, v, (size_t)f->max, place);
    case FIELD_OTHER: return f->read(r, f->name, v);
    }
    return 0;
}

int api_fields_read(struct api_reader *r, const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        if ((f->shapes & FIELD_FOR(r->call->shape)) == 0)
            continue;
        const json_t *v = json_object_get(r->root, f->name);
        if (v == NULL || json_is_null(v))
            continue;
        int err = read_one(r, f, v);
        if (err)
            return err;
    }
    return 0;
}
