/* Wrap calls of libllama that may throw, for C: an exception becomes an error and a message
 * (llama_log_last()).
 *
 * libllama catches exceptions in some of its functions (states of sequences, logits), but not in
 * decoding, nor when it moves cells: there a failed allocation would end the process, and with it
 * the streams of other models. This file has all calls of that kind that this module makes, besides
 * templates and tokenizing (bridge.h).
 *
 * MANTA_DEBUG_MEMORY="decode 17" makes the 17th allocation fail within each call of that name. */
#ifndef MANTA_ENGINE_LLAMA_GUARD_H
#define MANTA_ENGINE_LLAMA_GUARD_H

#include <llama.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GUARD_NO_MEMORY = -1000, GUARD_THREW = -1001 }; /* outside the range of libllama's own results */

/* As llama_decode(), or one of the above. Name for MANTA_DEBUG_MEMORY: "decode" */
int32_t guard_decode(struct llama_context *ctx, struct llama_batch batch);
/* As llama_encode(), or one of the above. "decode" */
int32_t guard_encode(struct llama_context *ctx, struct llama_batch batch);
enum guard_copy {
    GUARD_COPIED,
    GUARD_NOT_BEGUN, /* there is no memory to spare: nothing was done */
    GUARD_TORN,      /* it threw: the cache must not be used any more, because libllama has recorded half of the copy */
};
/* As llama_memory_seq_cp(), if there is some memory to spare: it needs little. "copy" */
enum guard_copy guard_seq_copy(llama_memory_t memory, llama_seq_id from, llama_seq_id to);
/* As llama_model_load_from_file(); NULL also if it threw. "model" */
struct llama_model *guard_model_load(const char *path, struct llama_model_params params);
/* As llama_init_from_model(); NULL also if it threw. "context" */
struct llama_context *guard_context_new(struct llama_model *model, struct llama_context_params params);
/* Arguments of llama_sampler_init_dry(), which searches the vocabulary and tokenizes texts. */
struct guard_dry {
    float multiplier, base;
    int32_t allowed_length, last_n;
    const char **breakers; /* borrowed */
    size_t breakers_n;
};
/* Makes llama.cpp's DRY sampler. Returns NULL if it threw. "dry" */
struct llama_sampler *guard_dry_new(const struct llama_vocab *vocab, const struct guard_dry *dry);
/* As gguf_init_from_file(), without data; NULL also if it threw. "header" */
struct gguf_context *guard_header(const char *path);

#ifdef __cplusplus
}
#endif
#endif
