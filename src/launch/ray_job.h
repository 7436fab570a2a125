/* Compose the job that asks a Ray cluster for manta: its command line, its variables, its package.
 * ray.c sends it.
 *
 * Both functions only read and write memory and files of this machine. */
#ifndef MANTA_LAUNCH_RAY_JOB_H
#define MANTA_LAUNCH_RAY_JOB_H

#include <stdbool.h>

#include "launch/launcher.h"
#include "launch/zip.h"

enum {
    RAY_PACKAGE_BYTES = 32,
    RAY_JOB_BYTES_MAX = 256 << 10,
};

/* Packs the file of `--set package`, or this installation's Python package with the program in it.
 * `name`: the package's name at Ray; empty if the nodes have manta. ERR_NOT_FOUND: no package with
 * this program; ERR_IO, ERR_INVALID, ERR_TOO_LARGE as in zip.h. */
int ray_job_pack(struct zip *z, const struct launcher *l, char name[static RAY_PACKAGE_BYTES], struct fault *f);
/* Appends the body of POST /api/jobs/: up, or down, under the submission id `id`; the job gives up
 * after wait_s. */
void ray_job_write(struct buf *out, const struct launcher *l, const char *id, const char *package, bool takes_down, unsigned wait_s);

#endif
