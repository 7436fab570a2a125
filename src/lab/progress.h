/* Show the progress of a long command on stderr: on a terminal one line that is redrawn, elsewhere
 * a line now and then. */
#ifndef MANTA_LAB_PROGRESS_H
#define MANTA_LAB_PROGRESS_H

#include <stdint.h>

enum { PROGRESS_LINE_EVERY_S = 10 };

/* Initialise with zero. */
struct progress {
    uint64_t said_us; /* when the last line was printed, without a terminal; 0: never */
};

void progress_say(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Clears the line. Call it before printing anything else on the terminal. */
void progress_clear(void);

#endif
