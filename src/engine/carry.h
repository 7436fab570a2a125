/* Pack up what a sequence holds, so that another engine continues it instead of computing it again.
 *
 * A carry is: a mark, the number of tokens, the token ids, the engine's own bytes. The ids are there so that nobody continues
 * with the cells of another prompt, whatever went wrong on the way. Pure; numbers are in this machine's order, as cells are. */
#ifndef MANTA_ENGINE_CARRY_H
#define MANTA_ENGINE_CARRY_H

#include "engine/engine.h"

struct carry {
    const char *ids;  /* borrowed, and perhaps not aligned: tokens_n of int32_t */
    uint32_t tokens_n;
    struct str cells; /* borrowed; as seq_save() wrote them */
};

/* Appends the sequence of those tokens to out. ERR_UNSUPPORTED, or as seq_save(). */
int carry_pack(const struct engine_ops *ops, struct engine *e, uint32_t seq, const int32_t *tokens, uint32_t tokens_n,
               struct buf *out, struct fault *f);
/* ERR_INVALID: these bytes are no carry; *out is untouched then. */
int carry_open(struct str bytes, struct carry *out, struct fault *f);
/* How many of its tokens, from the first on, are these. */
uint32_t carry_common(const struct carry *c, const int32_t *tokens, uint32_t tokens_n);

#endif
