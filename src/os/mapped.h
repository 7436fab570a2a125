/* Survive SIGBUS, which the kernel raises when a mapped file becomes shorter or unreadable.
 *
 * For watched files the process survives: zeros take the place of the mapping, and mapped_is_lost()
 * reports it. Results computed with the file since then are worthless, so a user of the mapping
 * asks after each computation. */
#ifndef MANTA_OS_MAPPED_H
#define MANTA_OS_MAPPED_H

#include <stdbool.h>
#include <stdint.h>

enum { MAPPED_FILES_MAX = 16 };

/* Watches the file at this path (absolute, without links), which is mapped, or about to be: its
 * mappings may be replaced from now on, and it counts as whole. `slot`: 0 … MAPPED_FILES_MAX -
 * 1, the caller's number for it. NULL: stops watching. */
void mapped_watch(uint32_t slot, const char *path);
/* Returns whether a part of the file could not be read since then. Callable from any thread. */
bool mapped_is_lost(uint32_t slot);
/* Handles SIGBUS: returns true when the fault at that address was mended, and the thread may
 * continue. */
bool mapped_mend(void *address);

#endif
