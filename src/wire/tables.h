/* The schema as data: one row per field, so that encoder and decoder are one loop each (wire.c). */
#ifndef MANTA_WIRE_TABLES_H
#define MANTA_WIRE_TABLES_H

#include <stddef.h>

#include "wire/wire.h"

enum kind { K_U8, K_U16, K_U32, K_U64, K_I32, K_F32, K_F64, K_STR, K_I32S, K_F32S, K_STRS, K_LIST, K_SUB };

struct schema;
struct field {
    enum kind kind;
    const char *name;
    size_t at;                 /* offset in the struct */
    size_t count_at;           /* K_LIST: offset of name_n */
    const struct schema *part; /* K_LIST, K_SUB */
};
struct schema {
    const char *name;
    size_t size;      /* of the C struct */
    size_t bytes_min; /* fewest bytes of one on the wire */
    const struct field *fields;
    size_t fields_n;
};

/* The schema of a message; NULL: unknown type. */
const struct schema *wire_schema(enum wire_type type);

#endif
