/* Parse a request body into a JSON tree, after checking every limit. */
#ifndef MANTA_API_JSON_IN_H
#define MANTA_API_JSON_IN_H

#include <jansson.h>

#include "api/api.h"

/* Parses a body; *out is an object, which the caller releases with json_decref(). Returns
 * ERR_INVALID with the place and the reason (not UTF-8, NUL, nested too deep, bad syntax, a key twice in one
 * object, not an object), or ERR_TOO_LARGE beyond API_BODY_BYTES_MAX or API_JSON_WEIGHT_MAX.
 *
 * A key that occurs twice is refused: a filter before the head may read its first value and the head the last one, and the
 * client would not learn that one of them was ignored. */
int api_json_parse(struct str body, json_t **out, struct api_error *e);
/* The same for JSON within a body, or from a peer. The text may be a model's (arguments of a call), which the client cannot
 * mend: of two equal keys the last one counts, as for the template's reader in the engine. */
int api_json_parse_text(struct str text, json_t **out, struct api_error *e);

/* Names the type of v for messages: "a string", "an array", "true", …; NULL is "nothing". */
const char *api_json_kind(const json_t *v);

#endif
