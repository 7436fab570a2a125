/* `manta up -d`: watch the start from the terminal, then continue in the background. */
#ifndef MANTA_MAIN_DETACH_H
#define MANTA_MAIN_DETACH_H

#include <stdbool.h>

/* Call before any thread exists. Returns true in a child with a session of its own, which
 * continues. Returns false in the calling process, after the child has called detach_done() or has
 * ended, with the exit status in *out_status. Until then Ctrl-C ends the child. */
bool detach_start(int *out_status);
/* In the child: releases the terminal. */
void detach_done(void);
/* The same for a program that logs to stderr: replaces only standard files that are terminals, and
 * keeps files and a supervisor's journal. Does nothing in a process that was not detached. */
void detach_done_keeping(void);

#endif
