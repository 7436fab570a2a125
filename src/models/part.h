/* The unfinished file: opened, gone on with, written, hashed, checked, and put in its place. Private to the room. */
#ifndef MANTA_MODELS_PART_H
#define MANTA_MODELS_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "models/digest.h"
#include "models/store.h"

struct part {
    const char *path;                  /* final name; borrowed */
    char part[STORE_PATH_BYTES + 16];  /* ….part */
    char from[STORE_PATH_BYTES + 32];  /* ….part.from: the ETag its bytes have */
    char etag[256];                    /* as last announced, or as ….part.from says; empty: none */
    int lock, fd;                      /* -1: not open */
    struct digest *digest;             /* of the bytes so far */
    uint64_t bytes;                    /* so far */
    unsigned char first[4];            /* its first bytes, as far as they are there */
};

/* Takes the lock; on_wait (may be NULL) is called once when another process has it. ERR_IO, also when the folder cannot be
 * written to. */
int part_lock(struct part *p, const char *path, void (*on_wait)(void *), void *user_data, struct fault *f);
/* After the lock: opens what an earlier process left, and hashes it. ERR_IO. */
int part_open(struct part *p, struct fault *f);
/* Begins anew, with nothing. ERR_IO. */
int part_restart(struct part *p, struct fault *f);
/* Remembers which bytes these are: ETag of the answer they come from. */
void part_note_etag(struct part *p, const char *etag);
/* ERR_IO: the disk is full, … */
int part_write(struct part *p, const void *bytes, size_t n, struct fault *f);
/* Digest of all bytes; no more may be written. */
void part_digest(struct part *p, char out[DIGEST_BYTES]);
/* Onto the disk and under the final name. ERR_IO. */
int part_finish(struct part *p, struct fault *f);
/* Removes the unfinished file. */
void part_remove(struct part *p);
/* Closes; what is unfinished stays for the next time, the lock goes. */
void part_close(struct part *p);

#endif
