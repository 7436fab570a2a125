/* The unfinished file of a download: opened, resumed, written, hashed, checked, and renamed.
 * Private to the room. */
#ifndef MANTA_MODELS_PART_H
#define MANTA_MODELS_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "models/digest.h"
#include "models/store.h"

struct part {
    const char *path;                  /* final name; borrowed */
    char part[STORE_PATH_BYTES + 16];  /* ….part */
    char from[STORE_PATH_BYTES + 32];  /* ….part.from: the ETag of its bytes */
    char etag[256];                    /* as last announced, or as in ….part.from; empty: none */
    int lock, fd;                      /* -1: not open */
    struct digest *digest;             /* of the bytes so far */
    uint64_t bytes;                    /* so far */
    unsigned char first[4];            /* its first bytes, as far as they have arrived */
};

/* Takes the lock, waiting if necessary; on_wait (NULL is allowed) is called once when another
 * process has it. Returns ERR_IO, also when the folder is not writable. */
int part_lock(struct part *p, const char *path, void (*on_wait)(void *), void *user_data, struct fault *f);
/* Opens the bytes that an earlier process left, and hashes them. Call with the lock held.
 * Returns ERR_IO. */
int part_open(struct part *p, struct fault *f);
/* Restarts with no bytes. Returns ERR_IO. */
int part_restart(struct part *p, struct fault *f);
/* Records the ETag of the answer that the bytes come from. */
void part_note_etag(struct part *p, const char *etag);
/* Appends bytes. Returns ERR_IO; when the disk is full, the unfinished file is removed. */
int part_write(struct part *p, const void *bytes, size_t n, struct fault *f);
/* Writes the digest of all bytes; no more may be written. */
void part_digest(struct part *p, char out[DIGEST_BYTES]);
/* Syncs the file to disk and gives it its final name. Returns ERR_IO. */
int part_finish(struct part *p, struct fault *f);
/* Removes the unfinished file. */
void part_remove(struct part *p);
/* Closes the file and releases the lock; an unfinished file stays for the next time. */
void part_close(struct part *p);

#endif
