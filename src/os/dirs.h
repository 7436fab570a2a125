/* Where a person's files of manta's live. */
#ifndef MANTA_OS_DIRS_H
#define MANTA_OS_DIRS_H

#include <stddef.h>

/* $XDG_STATE_HOME/manta, else ~/.local/state/manta, made when it is not there: history, logs. ERR_NOT_FOUND when neither
 * variable is set, ERR_IO when it cannot be made. */
int dirs_state(char *out, size_t cap);

#endif
