/* List the model files in our folder, whoever named them, and remove one. */
#ifndef MANTA_MODELS_SHELF_H
#define MANTA_MODELS_SHELF_H

#include <stdbool.h>

#include "models/store.h"

enum { SHELF_FILES_MAX = 1000 }; /* further files are not listed */

struct shelf_file {
    char path[STORE_PATH_BYTES];
    char reference[STORE_PATH_BYTES]; /* its reference for --model: a name of the catalogue, hf:owner/repo/file.gguf,
                                         or its path */
    uint64_t bytes;
};

/* Calls on_file for each file, folder by folder. Returns ERR_NOT_FOUND when the folder does not
 * exist. */
int shelf_each(void (*on_file)(const struct shelf_file *file, void *user_data), void *user_data, struct fault *f);
/* Removes the file of that reference, the notes beside it, and an unfinished download of it.
 * *out describes it. Returns ERR_NOT_FOUND when it is not here; ERR_FORBIDDEN when it lies
 * elsewhere, where other programs may need it; ERR_IN_USE while it is being downloaded; ERR_IO. */
int shelf_remove(const char *reference, struct shelf_file *out, struct fault *f);

#endif
