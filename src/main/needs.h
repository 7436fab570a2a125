/* Check that the system gives a command enough stack, threads and memory (files: main/files.h):
 * without them it would fail in the middle of its work. */
#ifndef MANTA_MAIN_NEEDS_H
#define MANTA_MAIN_NEEDS_H

#include "base/err.h"

/* Raises the soft limit of the stack to the minimum of all commands. Returns ERR_USAGE with f if
 * the hard limit is lower. Call it before anything large is on the stack. */
int needs_stack(struct fault *f);
/* Checks that so many threads can exist at once, with some memory. Returns ERR_USAGE with f if
 * not. */
int needs_check(const char *command, unsigned threads, struct fault *f);
/* Checks for a command that starts others that what it starts them by is there: a root that was
 * made by hand may lack it. Returns ERR_USAGE with f if not. */
int needs_places(const char *command, struct fault *f);

#endif
