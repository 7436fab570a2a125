/* A page of what a head says: once, or again and again. Private to the room. */
#ifndef MANTA_CLIENT_PAGE_H
#define MANTA_CLIENT_PAGE_H

#include <jansson.h>

#include "client/client.h"

typedef void show_page_fn(const struct client_options *o, const json_t *answer);
/* GET path, and shows it: by `show`, or as JSON or YAML. With --watch until Ctrl-C, on a terminal in place. Returns the exit status. */
int show_page(const struct client_options *o, const char *path, show_page_fn *show);

#endif
