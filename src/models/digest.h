/* The SHA-256 of a model file, read once and remembered.
 *
 * Actors of one model must hold the same bytes, or a stream could not continue elsewhere; so every file is hashed. That
 * reads the whole file (0.25 s for the 94 MiB of smollm2, two cores with SHA instructions, November 2026; far longer for a
 * 5 GB model), too long for every start: the digest is kept in
 * <cache>/manta/digests/, one small file per path, and believed while path, size, times, device and inode are the same. */
#ifndef MANTA_MODELS_DIGEST_H
#define MANTA_MODELS_DIGEST_H

#include <stddef.h>

#include "base/err.h"

enum { DIGEST_BYTES = 65 }; /* 64 hex digits and the end */

/* SHA-256 of n bytes. */
void digest_of_bytes(const void *p, size_t n, char out[DIGEST_BYTES]);
/* SHA-256 of bytes as they come: new, add, then end (which frees it) or free. */
struct digest;
/* Of nothing yet; freed by digest_end(). */
struct digest *digest_new(void);
/* n more bytes. */
void digest_add(struct digest *d, const void *p, size_t n);
/* Its digits into `out`; frees it. */
void digest_end(struct digest *d, char out[DIGEST_BYTES]);
/* NULL is fine. */
void digest_free(struct digest *d);
/* Remembers what digest_of_file() would find out for the file: of one that was just written, and hashed on its way. */
void digest_remember(const char *path, const char *digest);
/* SHA-256 of the file; path is absolute, without links. ERR_IO. */
int digest_of_file(const char *path, char out[DIGEST_BYTES], struct fault *f);

#endif
