/* Download one file to its final place, complete and checked, or not at all. Private to the room.
 *
 * The happy path: lock -> ask from where the .part ends -> check the announcement (is it a file,
 * how large, does it fit) -> write and hash -> compare size and digest, read the header -> sync,
 * rename. It can fail by: the hub refuses; a web page comes; sizes contradict each other; the
 * connection breaks or crawls (the .part stays, and is resumed: at once, after a pause, or by the
 * next process); the bytes are wrong (the .part is removed); the disk is full (it is removed, too).
 *
 * Invariants:
 * D1  a file gets its final name only when it is complete, has the right digest, and reads as a
 * GGUF
 * D2  two processes never write one .part: the lock is held from before it is opened until it is
 * renamed or given up */
#ifndef MANTA_MODELS_DOWNLOAD_H
#define MANTA_MODELS_DOWNLOAD_H

#include "models/digest.h"
#include "models/models.h"

enum {
    DOWNLOAD_TRIES = 5,                /* in a row without DOWNLOAD_PROGRESS_BYTES of progress */
    DOWNLOAD_TRIES_MAX = 200,          /* in all */
    DOWNLOAD_PROGRESS_BYTES = 1 << 16,
    DOWNLOAD_PAUSE_MS = 500,           /* after the first failure; doubles each time */
    DOWNLOAD_PAUSE_MS_MAX = 60000,     /* also for a pause that the hub asks for */
    DOWNLOAD_SPARE_BYTES = 1 << 20,    /* left free on the disk */
};

struct download {
    const char *name;                  /* for messages and progress: the reference as given */
    const char *url, *token;
    const char *path;                  /* final name, in an existing folder */
    uint64_t bytes;                    /* required size; 0: as announced */
    char sha256[DIGEST_BYTES];         /* required digest; empty: as the hub announces, or any */
    const struct models_pull *how;
};
/* Downloads; blocks. Also returns 0 when another process has brought the file meanwhile. out:
 * the file's digest, empty in that case. Errors, with f filled: ERR_NET, ERR_TIMEOUT, ERR_AUTH,
 * ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_BUSY, ERR_UNAVAILABLE, ERR_PROTOCOL (not a hub), ERR_MODEL
 * (a web page, wrong digest or size, damaged, a hub that contradicts itself), ERR_TOO_LARGE,
 * ERR_IO. */
int download(const struct download *d, char out[DIGEST_BYTES], struct fault *f);

#endif
