/* Locate and make the folders of this room's files. */
#ifndef MANTA_MODELS_FOLDERS_H
#define MANTA_MODELS_FOLDERS_H

#include <stddef.h>

#include "base/err.h"

enum { FOLDER_BYTES = 1024 }; /* longest path, with its terminator */

/* Writes the path <user's cache>/manta/<sub>: $XDG_CACHE_HOME, else ~/.cache. Returns
 * ERR_NOT_FOUND when neither is set, or ERR_TOO_LARGE. */
int folder_cache(const char *sub, char *out, size_t cap, struct fault *f);
/* Makes the folder and its parents, for this user alone. Returns 0 also when it exists, or
 * ERR_IO. */
int folder_make(const char *path);

#endif
