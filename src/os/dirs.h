/* Find the user's folder for manta's state. */
#ifndef MANTA_OS_DIRS_H
#define MANTA_OS_DIRS_H

#include <stddef.h>

/* Writes $XDG_STATE_HOME/manta, else ~/.local/state/manta, and makes the folder if necessary:
 * history, logs. Returns ERR_NOT_FOUND when neither variable is set, ERR_IO when the folder
 * cannot be made, ERR_TOO_LARGE when the path does not fit. */
int dirs_state(char *out, size_t cap);

#endif
