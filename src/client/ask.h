/* Send one prompt to the head and show the answer between tags. Private to the room. */
#ifndef MANTA_CLIENT_ASK_H
#define MANTA_CLIENT_ASK_H

#include <stdbool.h>

#include <jansson.h>

#include "client/client.h"

/* Sends a prompt. Streams the text if stdout is a terminal and one actor answers, then shows the block of
 * tags. `sampling`: more fields of the request, or NULL. `all`: every actor answers. Errors are shown and returned; ERR_CANCELLED after Ctrl-C. */
int ask(const struct client_options *o, const json_t *sampling, const char *prompt, bool all);

#endif
