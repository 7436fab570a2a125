/* `manta run MODEL [PROMPT]`, and prompts made of a command line's words. */
#ifndef MANTA_MAIN_RUN_H
#define MANTA_MAIN_RUN_H

#include "client/client.h"
#include "settings/settings.h"

/* Sends the words as one prompt, followed by the text of a pipe or file. Without words: a chat on a
 * terminal, or lines of prompts. Returns the exit status. */
int words_ask(const struct client_options *o, char *const *words, int n);
/* Asks the model of the cluster that runs here; if none runs, starts one in the background. Returns
 * the exit status. */
int run_model(const struct settings *s);

#endif
