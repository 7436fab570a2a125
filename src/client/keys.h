/* Terminal keys for the line editor: characters, whole pastes, Ctrl-C, Ctrl-Z, and window resizes.
 * Private to the room. */
#ifndef MANTA_CLIENT_KEYS_H
#define MANTA_CLIENT_KEYS_H

#include <histedit.h>
#include <stdbool.h>

/* Makes the editor read through this file. There is one terminal, so the state is static. */
void keys_open(EditLine *el);
/* Begins the editing of a line, up to keys_end(): the terminal marks pasted text. */
void keys_begin(EditLine *el);
void keys_end(void);
/* Whether the terminal shows typed characters while no line is edited. */
void keys_echo(bool on);
/* Restores pasted line feeds and tabs, which are shown as symbols while the line is edited. In
 * place; the line gets shorter. */
void keys_restore(char *line);

#endif
