/* Keep prompts that lost their slot: tokens and cells, in the memory of the host. Pure bookkeeping; what cells are is the engine's.
 *
 * A slot holds one conversation, and there are often more conversations than slots. What a slot held when another prompt took it is
 * kept here, up to so many bytes; the least recently used goes first. */
#ifndef MANTA_ENGINE_PREFIXES_H
#define MANTA_ENGINE_PREFIXES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { PREFIXES_MAX = 1024 }; /* kept at once: each lookup goes through them */

/* One kept prompt. */
struct prefixes_entry {
    int32_t *tokens;  /* owned */
    uint32_t n;
    uint32_t asked;   /* of those, from the first on: the prompt; the rest is its answer */
    uint64_t scope;   /* whose they are, as in struct slot */
    struct buf cells; /* owned; as seq_save() wrote them */
    uint64_t used;    /* prefixes.clock when it was kept or used last */
};

struct prefixes {
    struct prefixes_entry *entries; /* owned; room for PREFIXES_MAX; NULL: nothing is ever kept */
    uint32_t n;
    uint64_t bytes, bytes_max;
    uint64_t clock;
};

/* What is to be kept. */
struct prefixes_text {
    const int32_t *tokens; /* borrowed */
    uint32_t n, asked;
    uint64_t scope;
};

/* Where the beginning of a prompt is kept. */
struct prefixes_found {
    uint32_t n;  /* tokens of the prompt's beginning; 0: none is kept */
    uint32_t at; /* entry, until something is kept or dropped */
};

/* Nothing is kept yet, and never more than so many bytes; 0: nothing ever. */
void prefixes_init(struct prefixes *p, uint64_t bytes_max);
/* Frees what they hold. */
void prefixes_fini(struct prefixes *p);
/* The entry of that scope that holds the most of the beginning of `tokens`; of equal ones, one that holds nothing else. */
struct prefixes_found prefixes_find(const struct prefixes *p, uint64_t scope, const int32_t *tokens, uint32_t n);
/* It was needed: others go before it. */
void prefixes_touch(struct prefixes *p, uint32_t at);
/* Frees entry `at`; the numbers of others change. */
void prefixes_drop(struct prefixes *p, uint32_t at);
/* Makes room for that text and so many bytes of cells: drops what is a beginning of them, then the least recently used. *out is
 * an empty buffer with that room. False, and nothing was dropped: they are more than may be kept. False as well where the system has
 * no memory left. */
bool prefixes_make_room(struct prefixes *p, const struct prefixes_text *text, uint64_t cells_bytes, struct buf *out);
/* Keeps a copy of the tokens, and the cells, which are taken over. There MUST be room. */
void prefixes_keep(struct prefixes *p, const struct prefixes_text *text, struct buf *cells);

#endif
