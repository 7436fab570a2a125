/* How far a long command is, on stderr: one line that is drawn over itself on a terminal, elsewhere a line now and then. */
#ifndef MANTA_LAB_PROGRESS_H
#define MANTA_LAB_PROGRESS_H

#include <stdint.h>

enum { PROGRESS_LINE_EVERY_S = 10 };

/* Zero is right to begin with. */
struct progress {
    uint64_t said_us; /* when the last line was said, where there is no terminal; 0: never */
};

void progress_say(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Before anything else is said on that terminal. */
void progress_clear(void);

#endif
