/* Mapped files that become shorter under a process, or cannot be read any more: the kernel says so with SIGBUS.
 *
 * For files that were named here the process lives on: zeros take the place of the mapping, and mapped_is_lost() tells. What was
 * computed with it since is worth nothing, so it is asked after each computation. */
#ifndef MANTA_OS_MAPPED_H
#define MANTA_OS_MAPPED_H

#include <stdbool.h>
#include <stdint.h>

enum { MAPPED_FILES_MAX = 16 };

/* The file at this path (absolute, without links) is mapped, or about to be: its mappings may be replaced from now on, and it
 * counts as whole. `slot`: 0 … MAPPED_FILES_MAX - 1, the caller's number for it. NULL: not any more. */
void mapped_watch(uint32_t slot, const char *path);
/* A part of it could not be read since then. From any thread. */
bool mapped_is_lost(uint32_t slot);
/* In the handler of SIGBUS: true when the fault at that address was mended, and the thread may continue. */
bool mapped_mend(void *address);

#endif
