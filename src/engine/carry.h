/* Pack the state of a sequence, so that another engine can continue it instead of computing it
 * again.
 *
 * A carry consists of a magic, the number of tokens, the token ids and the engine's own bytes. The
 * ids are included so that a receiver never continues with the cells of another prompt. Pure;
 * numbers are in host byte order, as cells are. */
#ifndef MANTA_ENGINE_CARRY_H
#define MANTA_ENGINE_CARRY_H

#include "engine/engine.h"

struct carry {
    const char *ids;  /* borrowed, possibly unaligned: tokens_n of int32_t */
    uint32_t tokens_n;
    struct str cells; /* borrowed; written by seq_save() */
};

/* Appends the carry of sequence seq, which holds these tokens, to out. Returns 0, ERR_UNSUPPORTED,
 * ERR_TOO_LARGE, or an error of seq_save(). */
int carry_pack(const struct engine_ops *ops, struct engine *e, uint32_t seq, const int32_t *tokens, uint32_t tokens_n,
               struct buf *out, struct fault *f);
/* Returns ERR_INVALID if the bytes are not a carry; *out is then unchanged. */
int carry_open(struct str bytes, struct carry *out, struct fault *f);
/* Returns the number of leading tokens of the carry that equal `tokens`. */
uint32_t carry_common(const struct carry *c, const int32_t *tokens, uint32_t tokens_n);

#endif
