/* Which model files lie in our folder, whoever named them; and taking one away. */
#ifndef MANTA_MODELS_SHELF_H
#define MANTA_MODELS_SHELF_H

#include <stdbool.h>

#include "models/store.h"

enum { SHELF_FILES_MAX = 1000 }; /* more are not listed */

struct shelf_file {
    char path[STORE_PATH_BYTES];
    char reference[STORE_PATH_BYTES]; /* what --model takes for it: a name of the catalogue, hf:owner/repo/file.gguf, or its path */
    uint64_t bytes;
};

/* Calls on_file for each, folder by folder. ERR_NOT_FOUND: there is no such folder. */
int shelf_each(void (*on_file)(const struct shelf_file *file, void *user_data), void *user_data, struct fault *f);
/* Removes the file of that reference, what is noted beside it, and an unfinished download of it. *out: what it was. ERR_NOT_FOUND: it is not here;
 * ERR_FORBIDDEN: it lies elsewhere, where others may need it; ERR_IN_USE: it is being downloaded; ERR_IO. */
int shelf_remove(const char *reference, struct shelf_file *out, struct fault *f);

#endif
