/* A folder of a measurement's own, for what its workers keep beside them: real clusters must not find it. */
#ifndef MANTA_LAB_SCRATCH_H
#define MANTA_LAB_SCRATCH_H

#include <stddef.h>

/* Makes a new folder for temporary files. Where none can be made, out is a path below which nothing can be: then nothing is kept. */
void scratch_make(char *out, size_t cap);
/* Removes it with its files. */
void scratch_remove(const char *path);

#endif
