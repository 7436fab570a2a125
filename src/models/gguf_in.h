/* Read a model file's bytes forward, never past its end, through a small buffer.
 *
 * Errors stick: after the first one every read gives zeros, so a parser may read a few fields and check once. Buffered
 * reads and no mapping: a file that shrinks while it is read is an error here, and would be a SIGBUS there. */
#ifndef MANTA_MODELS_GGUF_IN_H
#define MANTA_MODELS_GGUF_IN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct gguf_in {
    int fd;             /* owned */
    const char *path;   /* borrowed; for messages */
    uint64_t size;      /* of the file */
    uint64_t at;        /* offset of the next byte to take */
    int err;            /* 0, or the first error */
    struct fault *f;    /* borrowed, may be NULL; says the first error */
    unsigned char *buf; /* owned: bytes of the file from buf_at on */
    uint64_t buf_at;
    size_t buf_n;
};

/* ERR_NOT_FOUND, ERR_MODEL (not a regular file), ERR_IO; in->err is set as well. gguf_in_close() in any case. */
int gguf_in_open(struct gguf_in *in, const char *path, struct fault *f);
/* Closes the file. */
void gguf_in_close(struct gguf_in *in);
/* "model file '<path>' <sentence>", unless there was an error before. Returns in->err. */
int gguf_in_fail(struct gguf_in *in, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The next n bytes; zeros, and `bad`, behind the end of the file. */
void gguf_in_take(struct gguf_in *in, void *out, size_t n);
/* Passes over n bytes. */
void gguf_in_skip(struct gguf_in *in, uint64_t n);
/* The next 32-bit number; 0 behind the end. */
uint32_t gguf_in_u32(struct gguf_in *in);
/* The next 64-bit number; 0 behind the end. */
uint64_t gguf_in_u64(struct gguf_in *in);
/* A text with its 64-bit length before it. Keeps what fits into out (terminated); control characters become '?', since
 * these texts end up on terminals. Returns a hash of the whole text. */
uint64_t gguf_in_text(struct gguf_in *in, char *out, size_t cap);
/* Passes over a text. */
void gguf_in_skip_text(struct gguf_in *in);
/* Bytes that are left: what any count in the file is held against. */
uint64_t gguf_in_left(const struct gguf_in *in);

#endif
