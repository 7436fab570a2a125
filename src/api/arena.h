/* Memory of one parsed request: many small pieces, freed together. */
#ifndef MANTA_API_ARENA_H
#define MANTA_API_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct api_arena_block;

struct api_arena {
    struct api_arena_block *blocks; /* owned, newest first */
};

/* n zeroed bytes, aligned for anything; they live until api_arena_free(). What a client can size is bounded before. */
void *api_arena_alloc(struct api_arena *a, size_t n);
/* A copy of s, terminated as well. */
struct str api_arena_str(struct api_arena *a, struct str s);
/* Empty; freed with all that was allocated from it. */
struct api_arena *api_arena_new(void);
/* NULL is fine. */
void api_arena_free(struct api_arena *a);

#endif
