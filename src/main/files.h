/* Check that a command may open enough files: without them, not even the loop could start. */
#ifndef MANTA_MAIN_FILES_H
#define MANTA_MAIN_FILES_H

#include "base/err.h"

/* Opens standard input, output and error if they are closed: otherwise the next file or socket
 * would take their numbers. */
void files_open_standard(void);
/* Raises the soft limit to the hard one, and checks that `wanted` more files can be opened. Returns
 * ERR_USAGE with f if not. */
int files_check(const char *command, unsigned wanted, struct fault *f);

#endif
