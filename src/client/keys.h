/* Keys of a terminal for the line editor: characters, pastes in one piece, Ctrl-C, Ctrl-Z, and a window that changes its size. Private to the room. */
#ifndef MANTA_CLIENT_KEYS_H
#define MANTA_CLIENT_KEYS_H

#include <histedit.h>
#include <stdbool.h>

/* The editor reads through this from now on. There is one terminal, so there is one of these. */
void keys_open(EditLine *el);
/* A line is edited from here to keys_end(): the terminal tells what is pasted. */
void keys_begin(EditLine *el);
void keys_end(void);
/* A line that was edited, with the line ends and tabs that were pasted into it: those are shown as signs meanwhile. In place; it gets shorter. */
void keys_restore(char *line);

#endif
