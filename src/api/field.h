/* Read a JSON object by a table: one row per field with its name, type, range and destination.
 *
 * The table makes all checks and errors uniform: "temperature: 7 is out of range, 0 … 5", "stream:
 * expected true or false, got a string". A null field counts as not given. */
#ifndef MANTA_API_FIELD_H
#define MANTA_API_FIELD_H

#include <jansson.h>

#include "api/api.h"
#include "api/arena.h"

/* The state while one request is read. */
struct api_reader {
    struct api_call *call;   /* the result */
    struct api_arena *arena; /* owns the memory of the call */
    const json_t *root;      /* borrowed: the body */
    json_t *tools;           /* owned; an array in the format of OpenAI's chat; NULL: none so far (tools.h) */
    json_t *only;            /* owned; an array of the names of callable tools; NULL: all */
    enum tool_choice choice;
    json_t *args;            /* owned; the object request.template_args; NULL: none so far */
    struct api_error *e;     /* filled on an error */
};

enum field_kind {
    FIELD_FLOAT, /* float, min … max */
    FIELD_INT,   /* int32_t, min … max; 3.0 counts as 3 */
    FIELD_COUNT, /* uint32_t, min … max */
    FIELD_BOOL,  /* bool */
    FIELD_FLAG,  /* uint8_t 0 or 1, from true or false */
    FIELD_TEXT,  /* struct str, at most max bytes */
    FIELD_OTHER, /* as `read` defines */
};

typedef int api_field_fn(struct api_reader *r, const char *path, const json_t *v);

struct field {
    const char *name;
    unsigned shapes; /* FIELD_FOR() of each shape with the field */
    enum field_kind kind;
    double min, max;
    size_t at; /* offset in struct api_call */
    api_field_fn *read; /* FIELD_OTHER */
};

#define FIELD_FOR(shape) (1u << (shape))

/* Reads every field of the table that the body has and the shape of r->call knows. Stops at the first
 * error. */
int api_fields_read(struct api_reader *r, const struct field *fields, size_t n);

/* For the `read` functions. Each returns 0, or an error with r->e filled. */
int api_read_number(struct api_reader *r, const char *path, const json_t *v, double min, double max, double *out);
/* Reads a whole number between min and max; refuses null. */
int api_read_integer(struct api_reader *r, const char *path, const json_t *v, int64_t min, int64_t max, int64_t *out);
/* Reads true or false. */
int api_read_bool(struct api_reader *r, const char *path, const json_t *v, bool *out);
/* Reads a string; the copy in *out lives as long as the arena. */
int api_read_text(struct api_reader *r, const char *path, const json_t *v, size_t bytes_max, struct str *out);
/* Returns ERR_INVALID with "<path>: expected <wanted>, got a number". */
int api_refuse_type(struct api_reader *r, const char *path, const char *wanted, const json_t *v);
/* Returns the string's bytes, borrowed from v. */
struct str api_json_str(const json_t *v);

#endif
