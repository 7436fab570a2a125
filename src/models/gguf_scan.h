/* What is known of a GGUF while its header is read. */
#ifndef MANTA_MODELS_GGUF_SCAN_H
#define MANTA_MODELS_GGUF_SCAN_H

#include "models/gguf_in.h"
#include "models/models.h"

struct gguf {
    struct gguf_in in;
    uint64_t keys;           /* key-value pairs announced */
    uint64_t alignment;      /* general.alignment: of the tensors' bytes */
    uint64_t mix;            /* general.file_type; UINT64_MAX: not given */
    uint64_t parts;          /* split.count: files this model is split into; 0: not given */
    uint64_t tensors_end;    /* greatest end of a tensor, from the start of the tensors' bytes */
    struct gguf_facts facts; /* what was found so far */
};

/* Reads the g->keys pairs that follow. Returns g->in.err. */
int gguf_pairs_read(struct gguf *g);

#endif
