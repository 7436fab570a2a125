/* Read lines: with editing and history on a terminal, unedited from a pipe. Private to the room. */
#ifndef MANTA_CLIENT_LINE_H
#define MANTA_CLIENT_LINE_H

#include <stdbool.h>

struct line_reader;

/* Opens the reader. The prompt is shown only on a terminal; borrowed. The history is in
 * $XDG_STATE_HOME/manta/history. */
struct line_reader *line_open(const char *prompt);
/* Returns the next line without its end, or NULL at the end of input. Valid until the next call. */
const char *line_next(struct line_reader *r);
/* Returns the next message: a line, pasted lines, or the lines from one that begins with """ to one
 * that ends with """ (*out_verbatim: not a command, whatever the text). */
const char *line_message(struct line_reader *r, bool *out_verbatim);
bool line_on_terminal(const struct line_reader *r);
/* Saves the history. NULL is allowed. */
void line_close(struct line_reader *r);

#endif
