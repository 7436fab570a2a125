/* The model catalogue as JSON, for the commands that show it. Private to the room. */
#ifndef MANTA_CLIENT_CATALOGUE_H
#define MANTA_CLIENT_CATALOGUE_H

#include <jansson.h>

#include "models/models.h"

/* Returns name, size, licence, digest (null: unknown so far), address, and whether the file is
 * here. The caller owns the object. */
json_t *catalogue_describe(const struct catalogue_entry *e);

/* Counts the ready actors of a model in an answer of /manta/actors (NULL: none). */
uint32_t catalogue_ready(const json_t *actors, const char *model);

#endif
