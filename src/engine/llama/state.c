/* Save a sequence's cells as bytes, and load them: in libllama's own format.
 *
 * Computations that follow have the same bits as if the cells had been computed here
 * (tests/engine/test_llama_move.c). A loaded sequence starts at cell 0 of its stream, as a computed
 * one does: it is emptied first. */
#include "engine/llama/module.h"

uint64_t state_bytes(struct engine *e, uint32_t seq)
{
    return llama_state_seq_get_size(e->ctx, (llama_seq_id)seq);
}

int state_save(struct engine *e, uint32_t seq, struct buf *out, struct fault *f)
{
    size_t bytes = llama_state_seq_get_size(e->ctx, (llama_seq_id)seq);
    if (bytes == 0 || buf_reserve(out, bytes) != 0)
        return fault_set(f, ERR_TOO_LARGE, "the state of a sequence takes %zu bytes; at most %zu may be moved", bytes, out->max);
    llama_log_forget();
    size_t written = llama_state_seq_get_data(e->ctx, (uint8_t *)out->p + out->n, bytes, (llama_seq_id)seq);
    if (written != bytes)
        return fault_set(f, ERR_FAILED, "llama.cpp saved %zu of %zu bytes of a sequence: %s", written, bytes, llama_log_last());
    out->n += bytes;
    return 0;
}

int state_load(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f)
{
    batch_seq_trim(e, seq, 0);
    llama_log_forget();
    size_t read = llama_state_seq_set_data(e->ctx, (const uint8_t *)state.p, state.n, (llama_seq_id)seq);
    int32_t held = llama_memory_seq_pos_max(e->memory, (llama_seq_id)seq) + 1;
    if (read == state.n && held == n)
        return 0;
    batch_seq_trim(e, seq, 0);
    if (read != state.n)
        return fault_set(f, ERR_INVALID, "llama.cpp took %zu of %zu bytes of a sequence: %s", read, state.n, llama_log_last());
    return fault_set(f, ERR_INVALID, "the state holds %d positions, %d were expected", held, n);
}
