/* Compute the SHA-256 of a model file once and remember it.
 *
 * Actors of one model must hold the same bytes, or a stream could not continue elsewhere; so every
 * file is hashed. Reading the whole file (0.25 s for the 94 MiB of smollm2, two cores with SHA
 * instructions, November 2026; far longer for a 5 GB model) takes too long for every start, so the
 * digest is kept in <cache>/manta/digests/, one small file per path, and believed while path, size,
 * times, device and inode are the same. */
#ifndef MANTA_MODELS_DIGEST_H
#define MANTA_MODELS_DIGEST_H

#include <stddef.h>

#include "base/err.h"

enum { DIGEST_BYTES = 65 }; /* 64 hex digits and the terminator */

/* Computes the SHA-256 of n bytes. */
void digest_of_bytes(const void *p, size_t n, char out[DIGEST_BYTES]);
/* SHA-256 of a byte stream: digest_new(), digest_add() …, then digest_end() or digest_free(). */
struct digest;
/* Returns a digest of no bytes yet. Freed by digest_end() or digest_free(). */
struct digest *digest_new(void);
/* Adds n bytes. */
void digest_add(struct digest *d, const void *p, size_t n);
/* Writes the digits into `out` and frees d. */
void digest_end(struct digest *d, char out[DIGEST_BYTES]);
/* Frees d. NULL is allowed. */
void digest_free(struct digest *d);
/* Remembers the digest of a file that was hashed while it was written, for digest_of_file(). */
void digest_remember(const char *path, const char *digest);
/* Writes the SHA-256 of the file, remembered or computed; path is absolute, without links.
 * Returns ERR_IO with f filled. */
int digest_of_file(const char *path, char out[DIGEST_BYTES], struct fault *f);

#endif
