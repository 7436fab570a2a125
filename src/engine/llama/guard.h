/* Calls of libllama that may throw, as C can make them: what they throw becomes an error and words (llama_log_last()).
 *
 * libllama catches what its code throws in some of its functions (states of sequences, logits), but not in decoding, nor in what it
 * does with cells: there a piece of memory that cannot be had would end the process, and with it the streams of other models. These are
 * all calls of that kind that this module makes, besides templates and tokenizing (bridge.h).
 *
 * MANTA_DEBUG_MEMORY="decode 17" lets the 17th piece of memory that such a call asks for not be there, in every call of that name. */
#ifndef MANTA_ENGINE_LLAMA_GUARD_H
#define MANTA_ENGINE_LLAMA_GUARD_H

#include <llama.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GUARD_NO_MEMORY = -1000, GUARD_THREW = -1001 }; /* libllama's own results are beyond neither */

/* As llama_decode() and llama_encode(), or one of the above. "decode" */
int32_t guard_decode(struct llama_context *ctx, struct llama_batch batch);
/* The same of llama_encode(). */
int32_t guard_encode(struct llama_context *ctx, struct llama_batch batch);
enum guard_copy {
    GUARD_COPIED,
    GUARD_NOT_BEGUN, /* there is no memory to spare: nothing was done */
    GUARD_TORN,      /* it threw: the cache is not to be used any more, for libllama has noted a half of it */
};
/* As llama_memory_seq_cp(), where there is some memory to spare: it asks for little. "copy" */
enum guard_copy guard_seq_copy(llama_memory_t memory, llama_seq_id from, llama_seq_id to);
/* As llama_model_load_from_file(), llama_init_from_model(); NULL where they threw, too. "model", "context" */
struct llama_model *guard_model_load(const char *path, struct llama_model_params params);
/* llama_init_from_model(); NULL also where it would have thrown. */
struct llama_context *guard_context_new(struct llama_model *model, struct llama_context_params params);
/* llama_sampler_init_dry(), which looks through the vocabulary and makes tokens of texts; NULL where it threw. "dry" */
struct guard_dry {
    float multiplier, base;
    int32_t allowed_length, last_n;
    const char **breakers; /* borrowed */
    size_t breakers_n;
};
/* llama.cpp's DRY sampler; NULL where it threw. */
struct llama_sampler *guard_dry_new(const struct llama_vocab *vocab, const struct guard_dry *dry);
/* As gguf_init_from_file(), without data; NULL where it threw, too. "header" */
struct gguf_context *guard_header(const char *path);

#ifdef __cplusplus
}
#endif
#endif
