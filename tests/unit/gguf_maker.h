/* Makes small GGUF files for tests: whole ones, and any damage on purpose. */
#ifndef MANTA_TESTS_GGUF_MAKER_H
#define MANTA_TESTS_GGUF_MAKER_H

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

static inline void put_u32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    buf_add(b, &v, sizeof v);
}

static inline void put_u64(struct buf *b, uint64_t v)
{
    v = htole64(v);
    buf_add(b, &v, sizeof v);
}

static inline void put_text(struct buf *b, const char *s)
{
    put_u64(b, strlen(s));
    buf_puts(b, s);
}

static inline void put_start(struct buf *b, uint32_t version, uint64_t tensors, uint64_t keys)
{
    buf_puts(b, "GGUF");
    put_u32(b, version);
    put_u64(b, tensors);
    put_u64(b, keys);
}

static inline void put_text_key(struct buf *b, const char *key, const char *value)
{
    put_text(b, key);
    put_u32(b, 8);
    put_text(b, value);
}

static inline void put_u32_key(struct buf *b, const char *key, uint32_t value)
{
    put_text(b, key);
    put_u32(b, 4);
    put_u32(b, value);
}

static inline void put_tensor(struct buf *b, const char *name, uint64_t columns, uint64_t rows, uint32_t type,
                              uint64_t offset)
{
    put_text(b, name);
    put_u32(b, 2);
    put_u64(b, columns);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

static inline void put_zeros(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_putc(b, '\0');
}

static inline void put_padding(struct buf *b, size_t alignment)
{
    while (b->n % alignment != 0)
        buf_putc(b, '\0');
}

enum { WHOLE_KEYS = 5, WHOLE_TENSORS = 2, WHOLE_DATA_BYTES = 96 + 80 };

/* A whole little model: 5 keys, 2 tensors (Q4_1 64 x 2 at 0: 80 bytes; F32 20 x 1 at 96: 80 bytes). */
static inline struct buf whole_gguf(void)
{
    struct buf b = buf_max(1 << 20);
    put_start(&b, 3, WHOLE_TENSORS, WHOLE_KEYS);
    put_text_key(&b, "general.architecture", "llama");
    put_text_key(&b, "general.name", "Little One");
    put_u32_key(&b, "general.file_type", 3);
    put_u32_key(&b, "llama.context_length", 2048);
    put_text_key(&b, "tokenizer.chat_template", "{{ messages }}");
    put_tensor(&b, "token_embd.weight", 64, 2, 3, 0);
    put_tensor(&b, "output_norm.weight", 20, 1, 0, 96);
    put_padding(&b, 32);
    put_zeros(&b, WHOLE_DATA_BYTES);
    return b;
}

static inline void write_file(const char *path, const void *p, size_t n)
{
    remove(path); /* writing over an old file is slow: ext4 then waits for the disk */
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        abort();
}

#endif
