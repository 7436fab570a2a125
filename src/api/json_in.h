/* Bytes of a request body -> JSON tree, with every limit checked before memory is spent. */
#ifndef MANTA_API_JSON_IN_H
#define MANTA_API_JSON_IN_H

#include <jansson.h>

#include "api/api.h"

/* *out is an object; the caller releases it with json_decref(). ERR_INVALID with where and what (not UTF-8, NUL, nested
 * too deep, bad syntax, not an object); ERR_TOO_LARGE past API_BODY_BYTES_MAX or API_JSON_WEIGHT_MAX. */
int api_json_parse(struct str body, json_t **out, struct api_error *e);

/* What v is, for messages: "a string", "an array", "true", …; NULL is "nothing". */
const char *api_json_kind(const json_t *v);

#endif
