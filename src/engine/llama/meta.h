/* Read the header of a GGUF file: numbers and arrays by key, whatever integer type they were written in. */
#ifndef MANTA_ENGINE_LLAMA_META_H
#define MANTA_ENGINE_LLAMA_META_H

#include <gguf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Opens the header and checks that the file is whole and that loading it would not trip over an assertion of
 * libllama's, which would end the process. NULL with ERR_MODEL in f. The caller frees it with gguf_free(). */
struct gguf_context *meta_open(const char *path, struct fault *f);
/* "llama", "bert", …; "" when the file does not say. */
const char *meta_architecture(const struct gguf_context *g);
/* The integer or bool under "<architecture>.<key>"; `otherwise` when there is none. */
uint64_t meta_number(const struct gguf_context *g, const char *key, uint64_t otherwise);
/* As meta_number, of item i where the key holds one number per layer. */
uint64_t meta_number_at(const struct gguf_context *g, const char *key, uint32_t i, uint64_t otherwise);
/* The file has that key. */
bool meta_has(const struct gguf_context *g, const char *key);

#endif
