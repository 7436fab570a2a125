#include "api/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { BLOCK_BYTES = 2048 }; /* a typical chat request fits into one */

struct api_arena_block {
    struct api_arena_block *next; /* owned */
    size_t used, cap;             /* of bytes[] */
    alignas(max_align_t) char bytes[];
};

static struct api_arena_block *block_add(struct api_arena *a, size_t n)
{
    size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    struct api_arena_block *b = xalloc(sizeof *b + cap);
    b->cap = cap;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *api_arena_alloc(struct api_arena *a, size_t n)
{
    n = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct api_arena_block *b = a->blocks;
    if (b == NULL || b->cap - b->used < n)
        b = block_add(a, n);
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

struct str api_arena_str(struct api_arena *a, struct str s)
{
    char *p = api_arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return str_n(p, s.n);
}

struct api_arena *api_arena_new(void)
{
    return xalloc(sizeof(struct api_arena));
}

void api_arena_free(struct api_arena *a)
{
    if (a == NULL)
        return;
    while (a->blocks != NULL) {
        struct api_arena_block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    free(a);
}
