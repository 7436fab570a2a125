/* Read lines: with editing and history on a terminal, plainly from a pipe. Private to the room. */
#ifndef MANTA_CLIENT_LINE_H
#define MANTA_CLIENT_LINE_H

#include <stdbool.h>

struct line_reader;

/* prompt is shown on a terminal only; borrowed. History is kept in $XDG_STATE_HOME/manta/history. */
struct line_reader *line_open(const char *prompt);
/* The next line without its end, or NULL at the end of input. Valid until the next call. */
const char *line_next(struct line_reader *r);
/* The next message: a line, or lines from one with """ at its beginning to one with """ at its end (*out_verbatim: it is no command, whatever it says). Lines
 * that are pasted at once are one message. */
const char *line_message(struct line_reader *r, bool *out_verbatim);
bool line_on_terminal(const struct line_reader *r);
/* Saves the history. NULL is fine. */
void line_close(struct line_reader *r);

#endif
