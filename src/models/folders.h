/* Where this room keeps files. */
#ifndef MANTA_MODELS_FOLDERS_H
#define MANTA_MODELS_FOLDERS_H

#include <stddef.h>

#include "base/err.h"

enum { FOLDER_BYTES = 1024 }; /* longest path, with its end */

/* <user's cache>/manta/<sub>: $XDG_CACHE_HOME, else ~/.cache. ERR_NOT_FOUND when neither is set, ERR_TOO_LARGE. */
int folder_cache(const char *sub, char *out, size_t cap, struct fault *f);
/* Makes the folder and those above it, for this user alone. 0 also when it is there; ERR_IO. */
int folder_make(const char *path);

#endif
