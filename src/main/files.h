/* Are there enough open files for a command? Without, the loop could not even be made. */
#ifndef MANTA_MAIN_FILES_H
#define MANTA_MAIN_FILES_H

#include "base/err.h"

/* Opens standard input, output and error where they are closed: the next file or socket would take their place. */
void files_open_standard(void);
/* Raises the soft limit to the hard one, and sees whether `wanted` more files can be opened; ERR_USAGE with f: not. */
int files_check(const char *command, unsigned wanted, struct fault *f);

#endif
