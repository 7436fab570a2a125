/* Does the system let a command have what it needs besides files (main/files.h): a stack, threads, memory? Without, it would end in the
 * middle of its work, with a crash report or with less. */
#ifndef MANTA_MAIN_NEEDS_H
#define MANTA_MAIN_NEEDS_H

#include "base/err.h"

/* Raises the soft limit of the stack to what every command needs; ERR_USAGE with f: the hard one is below. To be called before anything
 * large lies on it. */
int needs_stack(struct fault *f);
/* Sees whether so many threads can be had at once, and some memory beside them; ERR_USAGE with f: not. */
int needs_check(const char *command, unsigned threads, struct fault *f);

#endif
