/* One file from the web to its place on this machine, whole and checked, or not at all. Private to the room.
 *
 * The happy path: lock -> ask from where the .part ends -> look at what is announced (is it a file, how large, does it fit)
 * -> write and hash -> compare size and digest, read the header -> sync, rename. It can fail by: the hub refuses; a web page
 * comes; sizes contradict each other; the connection breaks or crawls (the .part stays, and is gone on with: now, after a
 * pause, or by the next process); the bytes are wrong (the .part goes); the disk is full (it goes, too).
 *
 * What holds:
 * D1  nothing has the final name that was not announced, whole, of the right digest, and readable as a GGUF
 * D2  two processes never write one .part: the lock is held from before it is opened until it is renamed or given up */
#ifndef MANTA_MODELS_DOWNLOAD_H
#define MANTA_MODELS_DOWNLOAD_H

#include "models/digest.h"
#include "models/models.h"

enum {
    DOWNLOAD_TRIES = 5,                /* in a row without DOWNLOAD_PROGRESS_BYTES of news */
    DOWNLOAD_TRIES_MAX = 200,          /* in all */
    DOWNLOAD_PROGRESS_BYTES = 1 << 16,
    DOWNLOAD_PAUSE_MS = 500,           /* after the first failure; doubles */
    DOWNLOAD_PAUSE_MS_MAX = 60000,     /* also for what the hub asks for */
    DOWNLOAD_SPARE_BYTES = 1 << 20,    /* of the disk, left free */
};

struct download {
    const char *name;                  /* for messages and progress: what the person wrote */
    const char *url, *token;
    const char *path;                  /* final name; its folder is there */
    uint64_t bytes;                    /* it must have; 0: as many as are announced */
    char sha256[DIGEST_BYTES];         /* it must have; empty: what the hub announces, or any */
    const struct models_pull *how;
};
/* Blocks. Also 0 when another process brought the file meanwhile. out: the file's digest, or empty then. ERR_NET, ERR_TIMEOUT,
 * ERR_AUTH, ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_BUSY, ERR_UNAVAILABLE, ERR_PROTOCOL (no hub),
 * ERR_MODEL (a web page, wrong digest or size, damaged, a hub that contradicts itself), ERR_TOO_LARGE, ERR_IO. */
int download(const struct download *d, char out[DIGEST_BYTES], struct fault *f);

#endif
