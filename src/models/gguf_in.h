/* Read a model file forward, never past its end, through a small buffer.
 *
 * Errors stick: after the first one every read gives zeros, so a parser may read a few fields and
 * check once. Reads are buffered, not mapped: a file that shrinks while it is read is an error
 * here, and would be a SIGBUS in a mapping. */
#ifndef MANTA_MODELS_GGUF_IN_H
#define MANTA_MODELS_GGUF_IN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct gguf_in {
    int fd;             /* owned */
    const char *path;   /* borrowed; for messages */
    uint64_t size;      /* of the file */
    uint64_t at;        /* offset of the next byte */
    int err;            /* 0, or the first error */
    struct fault *f;    /* borrowed, may be NULL; describes the first error */
    unsigned char *buf; /* owned: bytes of the file from buf_at */
    uint64_t buf_at;
    size_t buf_n;
};

/* Opens the file. Returns ERR_NOT_FOUND, ERR_MODEL (not a regular file) or ERR_IO; sets in->err
 * as well. Call gguf_in_close() in any case. */
int gguf_in_open(struct gguf_in *in, const char *path, struct fault *f);
/* Closes the file. */
void gguf_in_close(struct gguf_in *in);
/* Records the error "model file '<path>' <sentence>", unless there is one already. Returns
 * in->err. */
int gguf_in_fail(struct gguf_in *in, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Reads the next n bytes; zeros, and an error, beyond the end of the file. */
void gguf_in_take(struct gguf_in *in, void *out, size_t n);
/* Skips n bytes. */
void gguf_in_skip(struct gguf_in *in, uint64_t n);
/* Reads the next 32-bit number; 0 beyond the end. */
uint32_t gguf_in_u32(struct gguf_in *in);
/* Reads the next 64-bit number; 0 beyond the end. */
uint64_t gguf_in_u64(struct gguf_in *in);
/* Reads a text that follows its 64-bit length. Keeps what fits into out, terminated, with
 * control characters replaced by '?', since these texts are shown on terminals. Returns a hash
 * of the whole text. */
uint64_t gguf_in_text(struct gguf_in *in, char *out, size_t cap);
/* Skips a text. */
void gguf_in_skip_text(struct gguf_in *in);
/* Returns the number of remaining bytes, against which any count in the file is checked. */
uint64_t gguf_in_left(const struct gguf_in *in);

#endif
