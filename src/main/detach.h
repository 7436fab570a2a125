/* `manta up -d`: the start is watched from the terminal, then it runs on in the background. */
#ifndef MANTA_MAIN_DETACH_H
#define MANTA_MAIN_DETACH_H

#include <stdbool.h>

/* Before any thread: a child in a session of its own runs on, true. In the process that was called, false, once the child has called detach_done()
 * or has ended: *out_status is what to exit with. Ctrl-C meanwhile ends the child. */
bool detach_start(int *out_status);
/* In that child: it needs the terminal no more. */
void detach_done(void);
/* The same for a program whose log goes to its standard error: of its standard files it lets go of terminals, and keeps files and a supervisor's
 * journal. Does nothing in a process that was not detached. */
void detach_done_keeping(void);

#endif
