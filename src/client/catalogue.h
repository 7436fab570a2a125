/* The catalogue as JSON, for the commands that show it. Private to the room. */
#ifndef MANTA_CLIENT_CATALOGUE_H
#define MANTA_CLIENT_CATALOGUE_H

#include <jansson.h>
#include <stdbool.h>

#include "models/models.h"

/* True when its file lies in the models folder, of the size it should have. */
bool catalogue_is_here(const struct catalogue_entry *e);
/* Name, size, licence, digest (null: not known yet), address, and whether it is here. The caller owns it. */
json_t *catalogue_describe(const struct catalogue_entry *e);

/* How many actors of that model are ready, by the answer of /manta/actors (NULL: none). */
uint32_t catalogue_ready(const json_t *actors, const char *model);

#endif
