/* What a person may write for a model -> which kind of reference it is, and its parts. Pure: looks at no file.
 *
 *     smollm2                                  a name of the catalogue
 *     ./some.gguf  /m/some.gguf  some.gguf     a path
 *     hf:owner/repo/file.gguf                  one file of a repository on the hub; @REVISION may follow the repository
 *     hf:owner/repo  owner/repo:Q4_K_M         the file of that quantisation; the hub is asked which that is
 *     https://host/some/file.gguf              any web address
 *
 * hf://, huggingface://, hf.co/, huggingface.co/ and the addresses of the hub's web pages mean the same as hf:. Behind the
 * references of the last three rows #sha256=HEX may say which bytes are wanted. */
#ifndef MANTA_MODELS_REFERENCE_H
#define MANTA_MODELS_REFERENCE_H

#include "base/err.h"
#include "models/models.h"

enum reference_kind { REFERENCE_PATH, REFERENCE_ENTRY, REFERENCE_HUB, REFERENCE_URL };

enum {
    REFERENCE_BYTES_MAX = 2000, /* longest reference taken */
    HUB_NAME_BYTES = 97,        /* owner, repository, revision: 96 and the end, the hub's own limit */
    HUB_FILE_BYTES = 256,
};

struct reference {
    enum reference_kind kind;
    const struct catalogue_entry *entry;    /* ENTRY; HUB is filled in from it then too */
    char owner[HUB_NAME_BYTES];             /* HUB, ENTRY */
    char repo[HUB_NAME_BYTES];
    char revision[HUB_NAME_BYTES];          /* "main" where none was given */
    char file[HUB_FILE_BYTES];              /* path in the repository; empty: the hub is to be asked */
    char quant[HUB_NAME_BYTES];             /* "Q4_K_M"; empty: whichever is usual. Only where file is empty */
    char url[REFERENCE_BYTES_MAX + 1];      /* PATH: the path; URL: the address, without #sha256 */
    char sha256[65];                        /* lower case; empty: not given */
};

/* ERR_NOT_FOUND: a name that the catalogue has not, with the nearest; ERR_INVALID: none of the forms above, and why;
 * ERR_UNSUPPORTED: another scheme. *out is untouched then. */
int reference_parse(const char *text, struct reference *out, struct fault *f);

/* The entry of that name, or NULL. */
const struct catalogue_entry *reference_entry(const char *name);
/* "file.gguf" of "some/file.gguf". */
const char *reference_basename(const char *path);

#endif
