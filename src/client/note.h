/* A temporary line on the terminal: the reason for waiting, or an event of the answer. Private to the
 * room. */
#ifndef MANTA_CLIENT_NOTE_H
#define MANTA_CLIENT_NOTE_H

#include <stdbool.h>

struct note {
    bool able;          /* stdout is a terminal that can erase lines */
    bool stands;
    bool below;         /* under an incomplete line of text, which ends at `column` */
    unsigned column, frame;
};

void note_init(struct note *n);
/* Shows the note, dim, with an animated symbol. `column`: length of the text in the current line;
 * if not 0, the note goes below it. */
void note_show(struct note *n, unsigned column, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Erases the note, if there is one. */
void note_clear(struct note *n);

#endif
