/* `manta up -d`: watch the start from the terminal, then continue in the background. */
#ifndef MANTA_MAIN_DETACH_H
#define MANTA_MAIN_DETACH_H

#include <stdbool.h>

/* The standard files that a detached program keeps. NOTHING: none, its log is a file of its own.
 * FILES: those that are not terminals, such as a supervisor's journal; its log goes there. */
enum detach_keeps { DETACH_KEEPS_NOTHING, DETACH_KEEPS_FILES };

/* Call before any thread exists. Returns true in a child with a session of its own, which
 * continues. Returns false in the calling process, after the child has called detach_done() or has
 * ended, with the exit status in *out_status. Until then Ctrl-C ends the child. */
bool detach_start(enum detach_keeps keeps, int *out_status);
/* In the child: releases the terminal. Does nothing in a process that was not detached. */
void detach_done(void);

#endif
