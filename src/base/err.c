#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    int err;
    const char *name;
    int exit_status, http;
    const char *api_type, *text;
};

static const struct err_row rows[] = {
    {0, "ERR_OK", 0, 200, "", "no error"},
#define E(name, no, exit_status, http, type, text) {-(no), #name, exit_status, http, type, text},
    ERR_TABLE(E)
#undef E
};

static const struct err_row unknown = {0, "ERR_?", 1, 500, "server_error", "unknown error"};

static const struct err_row *row_of(int err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].err == err)
            return &rows[i];
    }
    return &unknown;
}

const char *err_text(int err)
{
    return row_of(err)->text;
}

const char *err_name(int err)
{
    return row_of(err)->name;
}

int err_exit(int err)
{
    return row_of(err)->exit_status;
}

int err_http(int err)
{
    return row_of(err)->http;
}

const char *err_api_type(int err)
{
    return row_of(err)->api_type;
}

int fault_set(struct fault *f, int err, const char *fmt, ...)
{
    if (f == NULL)
        return err;
    /* Formatted aside first: the sentence may quote the fault's own old text. */
    char text[sizeof f->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(f->text, text, sizeof text);
    f->err = err;
    return err;
}
