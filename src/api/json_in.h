/* Parse a request body into a JSON tree, after checking every limit. */
#ifndef MANTA_API_JSON_IN_H
#define MANTA_API_JSON_IN_H

#include <jansson.h>

#include "api/api.h"

/* Parses a body; *out is an object, which the caller releases with json_decref(). Returns
 * ERR_INVALID with the place and the reason (not UTF-8, NUL, nested too deep, bad syntax, not an
 * object), or ERR_TOO_LARGE beyond API_BODY_BYTES_MAX or API_JSON_WEIGHT_MAX. */
int api_json_parse(struct str body, json_t **out, struct api_error *e);

/* Names the type of v for messages: "a string", "an array", "true", …; NULL is "nothing". */
const char *api_json_kind(const json_t *v);

#endif
