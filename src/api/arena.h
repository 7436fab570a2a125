/* Memory of one parsed request: many small allocations, freed together. */
#ifndef MANTA_API_ARENA_H
#define MANTA_API_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct api_arena_block;

struct api_arena {
    struct api_arena_block *blocks; /* owned, newest first */
};

/* Returns n zeroed bytes, aligned for any type, valid until api_arena_free(). The caller bounds
 * sizes that a client controls. */
void *api_arena_alloc(struct api_arena *a, size_t n);
/* Returns a NUL-terminated copy of s. */
struct str api_arena_str(struct api_arena *a, struct str s);
/* Returns an empty arena; api_arena_free() frees it with all its allocations. */
struct api_arena *api_arena_new(void);
/* NULL is allowed. */
void api_arena_free(struct api_arena *a);

#endif
