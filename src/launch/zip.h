/* Pack files uncompressed into a zip archive in memory: the form in which Ray takes the code of a
 * job.
 *
 * A native program hardly compresses, and an archive that is made anew for each job should only
 * cost a copy. */
#ifndef MANTA_LAUNCH_ZIP_H
#define MANTA_LAUNCH_ZIP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    ZIP_BYTES_MAX = 96 << 20, /* Ray's REST accepts 100 MB */
    ZIP_FILES_MAX = 1024,
};

struct zip {
    struct buf out;       /* owned; complete after zip_end() */
    struct buf directory; /* owned; the central directory so far */
    uint32_t files;
};

/* Returns an empty archive. */
struct zip zip_begin(void);
/* Frees the archive. */
void zip_fini(struct zip *z);
/* Adds a file of this machine under a name like "manta/bin/manta", with its permissions. ERR_IO: it
 * cannot be read; ERR_TOO_LARGE: the archive would exceed ZIP_BYTES_MAX or ZIP_FILES_MAX files. */
int zip_add(struct zip *z, const char *path, const char *name, struct fault *f);
/* Adds all files below a folder as `name`/..., ordered by name; skips "__pycache__" and names that
 * begin with a dot. Follows links. */
int zip_add_folder(struct zip *z, const char *folder, const char *name, struct fault *f);
/* Appends the directory. ERR_TOO_LARGE with f. */
int zip_end(struct zip *z, struct fault *f);
/* Reads an existing archive instead, for example a wheel. ERR_IO, ERR_TOO_LARGE; ERR_INVALID: not
 * an archive. */
int zip_read(struct zip *z, const char *path, struct fault *f);
/* A checksum of these bytes, which names the archive: the same archive gets the same name. */
uint32_t zip_crc(struct str bytes);

#endif
