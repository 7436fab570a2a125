/* The storage types of GGUF tensors: name, and bytes per block of numbers. */
#ifndef MANTA_MODELS_GGUF_TYPES_H
#define MANTA_MODELS_GGUF_TYPES_H

#include <stdint.h>

struct gguf_type {
    const char *name;         /* "Q4_1" */
    uint16_t numbers;         /* per block; a row is a whole number of blocks */
    uint16_t bytes;           /* per block */
};

/* Returns the tensor type of that number, or NULL when it is unknown. */
const struct gguf_type *gguf_type_of(uint32_t number);
/* Returns the name of a file's mix of types (its key general.file_type), "Q4_K_M", or NULL. */
const char *gguf_mix_name(uint32_t number);

#endif
