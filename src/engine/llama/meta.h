/* Read the header of a GGUF file: numbers and arrays by key, whatever integer type they were written
 * with. */
#ifndef MANTA_ENGINE_LLAMA_META_H
#define MANTA_ENGINE_LLAMA_META_H

#include <gguf.h>
#include <stdint.h>

#include "base/err.h"

/* Opens the header and checks that the file is complete and that loading it would not violate an
 * assertion in libllama, which would end the process. Returns NULL with ERR_MODEL in f. The caller
 * frees it with gguf_free(). */
struct gguf_context *meta_open(const char *path, struct fault *f);
/* Returns "llama", "bert", …; "" if the file does not say. */
const char *meta_architecture(const struct gguf_context *g);
/* Returns the integer or bool under "<architecture>.<key>", or `otherwise` if there is none. */
uint64_t meta_number(const struct gguf_context *g, const char *key, uint64_t otherwise);
/* As meta_number(), for item i if the key holds one number per layer. */
uint64_t meta_number_at(const struct gguf_context *g, const char *key, uint32_t i, uint64_t otherwise);

#endif
