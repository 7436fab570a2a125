/* Packs files into a zip archive in memory, stored as they are: what Ray takes as the code of a job.
 *
 * Nothing is compressed: a native program hardly shrinks, and an archive that is made anew for each job should cost a copy. */
#ifndef MANTA_LAUNCH_ZIP_H
#define MANTA_LAUNCH_ZIP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    ZIP_BYTES_MAX = 96 << 20, /* Ray's REST takes 100 MB */
    ZIP_FILES_MAX = 1024,
};

struct zip {
    struct buf out;       /* owned; the archive once zip_end() was called */
    struct buf directory; /* owned; the central directory so far */
    uint32_t files;
};

/* An empty archive. */
struct zip zip_begin(void);
/* Frees it. */
void zip_fini(struct zip *z);
/* One file of the disk under a name like "manta/bin/manta"; its permissions go along. ERR_IO: it cannot be read; ERR_TOO_LARGE: the
 * archive would be larger than ZIP_BYTES_MAX or have more than ZIP_FILES_MAX files. */
int zip_add(struct zip *z, const char *path, const char *name, struct fault *f);
/* All files below a folder, in the order of their names, as `name`/...; "__pycache__" and what begins with a dot are left out. Links are followed. */
int zip_add_folder(struct zip *z, const char *folder, const char *name, struct fault *f);
/* Writes the directory behind the files. ERR_TOO_LARGE with f. */
int zip_end(struct zip *z, struct fault *f);
/* Instead of all that: an archive that is there already, a wheel for example. ERR_IO, ERR_TOO_LARGE; ERR_INVALID: it is none. */
int zip_read(struct zip *z, const char *path, struct fault *f);
/* A number for these bytes: a name by which the same archive is known again. */
uint32_t zip_crc(struct str bytes);

#endif
