/* Show an answer of the head as a page, once or repeatedly. Private to the room. */
#ifndef MANTA_CLIENT_PAGE_H
#define MANTA_CLIENT_PAGE_H

#include <jansson.h>

#include "client/client.h"

typedef void show_page_fn(const struct client_options *o, const json_t *answer);
/* GETs the path and shows the answer with `show`, or as JSON or YAML. With --watch repeats until
 * Ctrl-C, in place on a terminal. Returns the exit status. */
int show_page(const struct client_options *o, const char *path, show_page_fn *show);

#endif
