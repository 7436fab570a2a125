/* Model references -> a file on this machine, its digest, and what it is.
 *
 * A reference is a path to a GGUF file or a name of the catalogue ("smollm2"). */
#ifndef MANTA_MODELS_MODELS_H
#define MANTA_MODELS_MODELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct catalogue_entry {
    const char *name;     /* "smollm2" */
    const char *file;     /* file name in the model folder */
    uint64_t bytes;
    const char *sha256;   /* of the file, hex */
    const char *licence;
    const char *about;
};
/* The catalogue; ends with name NULL. */
const struct catalogue_entry *models_catalogue(void);

struct model_file {
    char name[128];       /* what requests select it by: the catalogue name, or the file name without .gguf */
    char path[1024];
    char digest[65];      /* SHA-256, hex */
    uint64_t bytes;
};
/* Where models live: MANTA_MODELS_DIR, else $XDG_CACHE_HOME/manta/models, else ~/.cache/manta/models. */
int models_dir(char *out, size_t cap, struct fault *f);
/* Finds the file, checks that it is a whole GGUF (magic, version, header, and that the tensors lie inside the file),
 * and its digest (remembered in the user's cache folder, see digest.h; a catalogue name's must be the catalogue's).
 * ERR_NOT_FOUND, ERR_MODEL, ERR_IO, … with what was wrong in f; *out is untouched then. */
int models_resolve(const char *reference, struct model_file *out, struct fault *f);

/* A few facts from a GGUF's header, without loading it. */
struct gguf_facts {
    char architecture[64], name[128], quantisation[32];
    uint64_t context_length, tensors, tensor_bytes;
    uint64_t file_bytes;
    int has_template;
};
/* ERR_NOT_FOUND, ERR_IO, ERR_MODEL (not a GGUF, truncated, damaged: f says which, with the numbers), ERR_UNSUPPORTED (one
 * part of several). *out is untouched then. Allocates nothing that the file sizes. */
int gguf_read(const char *path, struct gguf_facts *out, struct fault *f);

#endif
