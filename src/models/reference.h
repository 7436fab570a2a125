/* Parse the reference a person writes for a model into its kind and parts. Pure: reads no file.
 *
 *     smollm2                                  a name of the catalogue
 *     ./some.gguf  /m/some.gguf  some.gguf     a path
 *     hf:owner/repo/file.gguf                  one file of a repository on the hub; @REVISION may follow the repository
 *     hf:owner/repo  owner/repo:Q4_K_M         the file of that quantisation; the hub is asked which that is
 *     https://host/some/file.gguf              any web address
 *
 * hf://, huggingface://, hf.co/, huggingface.co/ and the addresses of the hub's web pages mean the
 * same as hf:. The references of the last three rows may end in #sha256=HEX, the digest of the
 * wanted bytes. */
#ifndef MANTA_MODELS_REFERENCE_H
#define MANTA_MODELS_REFERENCE_H

#include "base/err.h"
#include "models/models.h"

enum reference_kind { REFERENCE_PATH, REFERENCE_ENTRY, REFERENCE_HUB, REFERENCE_URL };

enum {
    REFERENCE_BYTES_MAX = 2000, /* longest accepted reference */
    HUB_NAME_BYTES = 97,        /* owner, repository, revision: 96 bytes, the hub's own limit, and the terminator */
    HUB_FILE_BYTES = 256,
};

struct reference {
    enum reference_kind kind;
    const struct catalogue_entry *entry;    /* ENTRY; the fields for HUB are then filled in from it, too */
    char owner[HUB_NAME_BYTES];             /* HUB, ENTRY */
    char repo[HUB_NAME_BYTES];
    char revision[HUB_NAME_BYTES];          /* "main" when none was given */
    char file[HUB_FILE_BYTES];              /* path in the repository; empty: the hub must be asked */
    char quant[HUB_NAME_BYTES];             /* "Q4_K_M"; empty: the usual one. Only when file is empty */
    char url[REFERENCE_BYTES_MAX + 1];      /* PATH: the path; URL: the URL without #sha256 */
    char sha256[65];                        /* lower case; empty: not given */
};

/* Parses a reference. Returns ERR_NOT_FOUND for an unknown name, with the nearest one;
 * ERR_INVALID for a text that is none of the forms above, with the reason; ERR_UNSUPPORTED for
 * another scheme. *out is untouched then. */
int reference_parse(const char *text, struct reference *out, struct fault *f);

/* Returns the catalogue entry of that name, or NULL. */
const struct catalogue_entry *reference_entry(const char *name);
/* Returns "file.gguf" of "some/file.gguf". */
const char *reference_basename(const char *path);

#endif
