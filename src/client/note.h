/* A line that stands on the terminal for a while: what is waited for, or what happened to an answer in its middle. Private to the room. */
#ifndef MANTA_CLIENT_NOTE_H
#define MANTA_CLIENT_NOTE_H

#include <stdbool.h>

struct note {
    bool able;          /* stdout is a terminal that can take it away again */
    bool stands;
    bool below;         /* under a line of text that is not whole: `column` of it is where the text stands */
    unsigned column, frame;
};

void note_init(struct note *n);
/* Shows it, dim, with a sign that moves from call to call; `column` of the text that stands in this line: 0, or the note goes below it. */
void note_show(struct note *n, unsigned column, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Takes it away; harmless when there is none. */
void note_clear(struct note *n);

#endif
