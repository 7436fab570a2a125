/* Make a temporary folder for the state that a measurement's workers keep, so that real clusters do
 * not find it. */
#ifndef MANTA_LAB_SCRATCH_H
#define MANTA_LAB_SCRATCH_H

#include <stddef.h>

/* Makes a new folder for temporary files. If that fails, out becomes a path under which nothing can
 * be created, so that no state is kept. */
void scratch_make(char *out, size_t cap);
/* Removes the folder and its files. */
void scratch_remove(const char *path);

#endif
