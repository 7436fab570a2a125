/* `manta run MODEL [PROMPT]` as people know it from elsewhere, and words of a command line that are a prompt. */
#ifndef MANTA_MAIN_RUN_H
#define MANTA_MAIN_RUN_H

#include "client/client.h"
#include "settings/settings.h"

/* The words are one prompt; what comes by a pipe or from a file follows them. None: a chat on a terminal, or lines of prompts. Returns the exit status. */
int words_ask(const struct client_options *o, char *const *words, int n);
/* Asks the model of the cluster that runs here; where none runs, one is started in the background first. Returns the exit status. */
int run_model(const struct settings *s);

#endif
