/* Keep the tokens and cells of prompts that lost their slot, in host memory. Pure bookkeeping; the
 * format of the cells is the engine's.
 *
 * A slot holds one conversation, and there are often more conversations than slots. When another
 * prompt takes a slot, its contents are saved here, within a limit of bytes; the least recently
 * used entry is dropped first. */
#ifndef MANTA_ENGINE_PREFIXES_H
#define MANTA_ENGINE_PREFIXES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { PREFIXES_MAX = 1024 }; /* a lookup compares with every entry */

/* One saved prompt. */
struct prefixes_entry {
    int32_t *tokens;  /* owned */
    uint32_t n;
    uint32_t asked;   /* the first `asked` tokens are the prompt; the rest is its answer */
    uint64_t scope;   /* as in struct slot */
    struct buf cells; /* owned; written by seq_save() */
    uint64_t used;    /* value of prefixes.clock when it was saved or last used */
};

struct prefixes {
    struct prefixes_entry *entries; /* owned; room for PREFIXES_MAX; NULL: saving is disabled */
    uint32_t n;
    uint64_t bytes, bytes_max;
    uint64_t clock;
};

/* A text to save. */
struct prefixes_text {
    const int32_t *tokens; /* borrowed */
    uint32_t n, asked;
    uint64_t scope;
};

/* A saved beginning of a prompt. */
struct prefixes_found {
    uint32_t n;  /* length of the saved beginning in tokens; 0: none */
    uint32_t at; /* entry; valid until an entry is saved or dropped */
};

/* Initializes p, empty and limited to bytes_max; 0 disables saving. */
void prefixes_init(struct prefixes *p, uint64_t bytes_max);
/* Frees the contents. */
void prefixes_fini(struct prefixes *p);
/* Finds the entry of that scope with the longest common beginning with `tokens`; among equals, the
 * shortest. */
struct prefixes_found prefixes_find(const struct prefixes *p, uint64_t scope, const int32_t *tokens, uint32_t n);
/* Marks entry `at` as just used. */
void prefixes_touch(struct prefixes *p, uint32_t at);
/* Frees entry `at`; the indices of other entries change. */
void prefixes_drop(struct prefixes *p, uint32_t at);
/* Makes room for that text and `cells_bytes` of cells: drops entries that are a beginning of the text, then
 * the least recently used ones. *out becomes an empty buffer of that capacity. Returns false without dropping
 * anything if the size exceeds the limit, and false if the system has no memory. */
bool prefixes_make_room(struct prefixes *p, const struct prefixes_text *text, uint64_t cells_bytes, struct buf *out);
/* Saves a copy of the tokens, and takes over the cells. There MUST be room. */
void prefixes_keep(struct prefixes *p, const struct prefixes_text *text, struct buf *cells);

#endif
