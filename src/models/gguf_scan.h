/* What is known of a GGUF while its header is read. */
#ifndef MANTA_MODELS_GGUF_SCAN_H
#define MANTA_MODELS_GGUF_SCAN_H

#include "models/gguf_in.h"
#include "models/models.h"

/* Types of values. */
enum gguf_value {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_TEXT, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64,
};

/* The keys that gguf_check.c holds against each other. */
enum gguf_key {
    /* of the architecture, "llama.block_count"; integers, some of them one per layer */
    KEY_BLOCKS, KEY_NEXTN, KEY_CONTEXT, KEY_EMBEDDING, KEY_FEED_FORWARD, KEY_HEADS, KEY_HEADS_KV, KEY_KEY_LENGTH,
    KEY_VALUE_LENGTH, KEY_ROPE_DIMENSIONS, KEY_EXPERTS, KEY_EXPERTS_USED, KEY_EXPERT_GROUPS, KEY_EXPERT_GROUPS_USED, KEY_POOLING,
    /* floats */
    KEY_EPSILON, KEY_EPSILON_RMS, KEY_ROPE_BASE, KEY_ROPE_FACTOR,
    /* of the file as a whole */
    KEY_ALIGNMENT, KEY_TOKENS, KEY_TOKEN_TYPES, KEY_SCORES, KEY_MERGES,
    KEYS_KNOWN,
};

/* What was found under one of them. */
struct gguf_number {
    bool seen;
    uint32_t type;         /* enum gguf_value; of the items, when it is an array */
    bool array;
    uint64_t n;            /* items; 1 when it is none */
    int64_t least, most;   /* of the items that are integers; INT64_MAX stands for anything beyond it */
    double real;           /* the last item that is a float */
    bool finite;           /* all floats are */
    bool foreign;          /* what stands before the first dot is not the architecture; known when all pairs are read */
    char owner[64];        /* what stands there */
};

struct gguf {
    struct gguf_in in;
    uint64_t keys;           /* key-value pairs announced */
    uint64_t alignment;      /* general.alignment: of the tensors' bytes */
    uint64_t mix;            /* general.file_type; UINT64_MAX: not given */
    uint64_t parts;          /* split.count: files this model is split into; 0: not given */
    uint64_t tensors_end;    /* greatest end of a tensor, from the start of the tensors' bytes */
    uint64_t table[2];       /* columns and rows of token_embd.weight; 0: there is none */
    uint64_t *hashes;        /* owned; of the names read so far, of keys or of tensors: one may come once */
    uint64_t hashes_n;
    struct gguf_number numbers[KEYS_KNOWN];
    struct gguf_facts facts; /* what was found so far */
};

/* Reads the g->keys pairs that follow. Returns g->in.err. */
int gguf_pairs_read(struct gguf *g);
/* gguf_values.c: bytes of a value of fixed size; 0 for text, arrays and unknown types. */
uint32_t gguf_value_bytes(uint32_t type);
/* The head of an array: its items follow, of which the file has as many as announced. Returns g->in.err. */
int gguf_array_begin(struct gguf *g, const char *key, uint32_t *out_type, uint64_t *out_n);
/* Passes over an array of n things of that type. ERR_INVALID: there is no such type. */
int gguf_array_skip(struct gguf *g, uint32_t type, uint64_t n);

/* gguf_numbers.c: keeps the value that follows when `key` is a known one. False: it is none, and the value is still to be
 * read. */
bool gguf_number_take(struct gguf *g, const char *key, uint32_t type);
/* "attention.head_count", "general.alignment". */
const char *gguf_key_name(enum gguf_key key);

/* gguf_check.c: refuses numbers that no model has and that an engine would fall over. Returns g->in.err. */
int gguf_check(struct gguf *g);

#endif
