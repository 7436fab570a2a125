#include "engine/prefixes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/slots.h"

void prefixes_init(struct prefixes *p, uint64_t bytes_max)
{
    *p = (struct prefixes){.bytes_max = bytes_max};
    if (bytes_max > 0)
        p->entries = xalloc_array(PREFIXES_MAX, sizeof *p->entries);
}

void prefixes_fini(struct prefixes *p)
{
    while (p->n > 0)
        prefixes_drop(p, p->n - 1);
    free(p->entries);
    *p = (struct prefixes){0};
}

/* prefixes_make_room() makes the buffer exactly as large as the cells, so its capacity is its real
 * size. */
static uint64_t bytes_of(uint32_t n, uint64_t cells_bytes)
{
    return n * sizeof(int32_t) + cells_bytes;
}

static uint32_t common_with(const struct prefixes_entry *e, uint64_t scope, const int32_t *tokens, uint32_t n)
{
    return e->scope == scope ? slots_common(e->tokens, e->n, tokens, n) : 0;
}

struct prefixes_found prefixes_find(const struct prefixes *p, uint64_t scope, const int32_t *tokens, uint32_t n)
{
    struct prefixes_found found = {0};
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t common = common_with(&p->entries[i], scope, tokens, n);
        bool whole = common > 0 && common == found.n && p->entries[i].n < p->entries[found.at].n;
        if (common > found.n || whole)
            found = (struct prefixes_found){.n = common, .at = i};
    }
    return found;
}

void prefixes_touch(struct prefixes *p, uint32_t at)
{
    MUST(at < p->n);
    p->entries[at].used = ++p->clock;
}

void prefixes_drop(struct prefixes *p, uint32_t at)
{
    MUST(at < p->n);
    struct prefixes_entry *e = &p->entries[at];
    p->bytes -= bytes_of(e->n, e->cells.n);
    free(e->tokens);
    buf_fini(&e->cells);
    *e = p->entries[--p->n];
}

static void drop_beginnings(struct prefixes *p, const struct prefixes_text *text)
{
    for (uint32_t i = p->n; i-- > 0;)
        if (common_with(&p->entries[i], text->scope, text->tokens, text->n) == p->entries[i].n)
            prefixes_drop(p, i);
}

static uint32_t oldest(const struct prefixes *p)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < p->n; i++)
        if (p->entries[i].used < p->entries[oldest].used)
            oldest = i;
    return oldest;
}

/* Not xalloc: if memory is exhausted, nothing is saved and work continues. buf_cstr() needs one byte
 * more. */
static bool room_of(uint64_t bytes, struct buf *out)
{
    char *p = malloc(bytes + 1);
    if (p == NULL)
        return false;
    *out = (struct buf){.p = p, .cap = bytes, .max = bytes};
    return true;
}

bool prefixes_make_room(struct prefixes *p, const struct prefixes_text *text, uint64_t cells_bytes, struct buf *out)
{
    uint64_t bytes = bytes_of(text->n, cells_bytes);
    if (bytes > p->bytes_max || cells_bytes >= SIZE_MAX)
        return false;
    drop_beginnings(p, text);
    while (p->n == PREFIXES_MAX || p->bytes > p->bytes_max - bytes)
        prefixes_drop(p, oldest(p));
    return room_of(cells_bytes, out);
}

void prefixes_keep(struct prefixes *p, const struct prefixes_text *text, struct buf *cells)
{
    uint64_t bytes = bytes_of(text->n, cells->n);
    MUST(text->n > 0 && p->n < PREFIXES_MAX && bytes <= p->bytes_max - p->bytes);
    struct prefixes_entry *e = &p->entries[p->n++];
    *e = (struct prefixes_entry){.tokens = xalloc_array(text->n, sizeof *e->tokens), .n = text->n, .asked = text->asked,
                                 .scope = text->scope, .cells = *cells, .used = ++p->clock};
    memcpy(e->tokens, text->tokens, text->n * sizeof *e->tokens);
    p->bytes += bytes;
    *cells = buf_max(0);
}
