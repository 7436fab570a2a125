/* The state of reading a GGUF header. */
#ifndef MANTA_MODELS_GGUF_SCAN_H
#define MANTA_MODELS_GGUF_SCAN_H

#include "models/gguf_in.h"
#include "models/models.h"

/* Types of values. */
enum gguf_value {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_TEXT, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64,
};

/* The keys that gguf_check.c checks against each other. */
enum gguf_key {
    /* of the architecture, "llama.block_count"; integers, for some keys one per layer */
    KEY_BLOCKS, KEY_NEXTN, KEY_CONTEXT, KEY_EMBEDDING, KEY_FEED_FORWARD, KEY_HEADS, KEY_HEADS_KV, KEY_KEY_LENGTH,
    KEY_VALUE_LENGTH, KEY_ROPE_DIMENSIONS, KEY_EXPERTS, KEY_EXPERTS_USED, KEY_EXPERT_GROUPS, KEY_EXPERT_GROUPS_USED, KEY_POOLING,
    /* floats */
    KEY_EPSILON, KEY_EPSILON_RMS, KEY_ROPE_BASE, KEY_ROPE_FACTOR,
    /* of the file as a whole */
    KEY_ALIGNMENT, KEY_TOKENS, KEY_TOKEN_TYPES, KEY_SCORES, KEY_MERGES,
    KEYS_KNOWN,
};

/* The value of one of these keys. */
struct gguf_number {
    bool seen;
    uint32_t type;         /* enum gguf_value; of the items in an array */
    bool array;
    uint64_t n;            /* items; 1 when it is not an array */
    int64_t least, most;   /* of the integer items; INT64_MAX stands for all greater values */
    double real;           /* the last float item */
    bool finite;           /* all floats are */
    bool foreign;          /* the key's prefix is not the architecture; valid once all pairs are read */
    char owner[64];        /* the key's prefix, before the first dot */
};

struct gguf {
    struct gguf_in in;
    uint64_t keys;           /* key-value pairs announced */
    uint64_t alignment;      /* general.alignment, of the tensor data */
    uint64_t mix;            /* general.file_type; UINT64_MAX: absent */
    uint64_t parts;          /* split.count: number of files of this model; 0: absent */
    uint64_t tensors_end;    /* greatest end of a tensor, from the start of the tensor data */
    uint64_t table[2];       /* columns and rows of token_embd.weight; 0: absent */
    uint64_t *hashes;        /* owned; of the names of keys or tensors read so far, each of which may occur once */
    uint64_t hashes_n;
    struct gguf_number numbers[KEYS_KNOWN];
    struct gguf_facts facts; /* the facts found so far */
};

/* Reads the next g->keys pairs. Returns g->in.err. */
int gguf_pairs_read(struct gguf *g);
/* gguf_values.c: returns the bytes of a value of fixed size; 0 for text, arrays and unknown
 * types. */
uint32_t gguf_value_bytes(uint32_t type);
/* Reads the head of an array and checks that the file has as many items as announced; the items
 * follow. Returns g->in.err. */
int gguf_array_begin(struct gguf *g, const char *key, uint32_t *out_type, uint64_t *out_n);
/* Skips the n items of an array of that type. Returns g->in.err. */
int gguf_array_skip(struct gguf *g, uint32_t type, uint64_t n);

/* gguf_numbers.c: keeps the next value if `key` is a known one. Returns false otherwise: the
 * value must still be read. */
bool gguf_number_take(struct gguf *g, const char *key, uint32_t type);
/* Returns the name, "attention.head_count" or "general.alignment". */
const char *gguf_key_name(enum gguf_key key);

/* gguf_check.c: refuses numbers that no model has and that would crash an engine. Returns
 * g->in.err. */
int gguf_check(struct gguf *g);

#endif
