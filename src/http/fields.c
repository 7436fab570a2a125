#include "http/fields.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "http/http.h"
#include "http/text.h"

_Static_assert((int)HTTP_HEAD_BYTES_MAX <= (int)UINT16_MAX, "struct field keeps offsets in 16 bits");

void fields_init(struct fields *f)
{
    *f = (struct fields){.text = buf_max(HTTP_HEAD_BYTES_MAX)};
}

void fields_fini(struct fields *f)
{
    buf_fini(&f->text);
    free(f->at);
    fields_init(f);
}

void fields_begin(struct fields *f)
{
    f->open = (struct field){.name = (uint16_t)f->text.n};
}

int fields_name(struct fields *f, const char *p, size_t n)
{
    size_t from = f->text.n;
    int err = buf_add(&f->text, p, n);
    if (err != 0)
        return err;
    for (size_t i = from; i < f->text.n; i++) {
        char c = f->text.p[i];
        if (c >= 'A' && c <= 'Z')
            f->text.p[i] = (char)(c - 'A' + 'a');
    }
    return 0;
}

void fields_mark(struct fields *f)
{
    f->open.name_n = (uint16_t)(f->text.n - f->open.name);
    f->open.value = (uint16_t)f->text.n;
}

int fields_value(struct fields *f, const char *p, size_t n)
{
    return buf_add(&f->text, p, n);
}

int fields_end(struct fields *f)
{
    if (f->n == HTTP_HEADERS_MAX)
        return ERR_TOO_LARGE;
    if (f->n == f->cap) {
        f->cap = (uint16_t)(f->cap == 0 ? 8 : f->cap * 2);
        f->at = xrealloc(f->at, f->cap * sizeof *f->at);
    }
    struct str value = {0};
    if (f->text.n > f->open.value)
        value = str_trim(str_n(f->text.p + f->open.value, f->text.n - f->open.value));
    if (value.n > 0)
        f->open.value = (uint16_t)(value.p - f->text.p);
    f->open.value_n = (uint16_t)value.n;
    f->at[f->n++] = f->open;
    fields_begin(f);
    return 0;
}

static bool field_is(const struct fields *f, uint16_t i, struct str name)
{
    return str_eq(str_n(f->text.p + f->at[i].name, f->at[i].name_n), name);
}

struct str fields_get(const struct fields *f, const char *lower_name)
{
    struct str name = str_of(lower_name);
    for (uint16_t i = 0; i < f->n; i++) {
        if (field_is(f, i, name))
            return str_n(f->text.p + f->at[i].value, f->at[i].value_n);
    }
    return (struct str){0};
}

uint32_t fields_count(const struct fields *f, const char *lower_name)
{
    struct str name = str_of(lower_name);
    uint32_t count = 0;
    for (uint16_t i = 0; i < f->n; i++)
        count += field_is(f, i, name);
    return count;
}
