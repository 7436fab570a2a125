/* Checks that need only the header of a request: its origin, its key, its encoding. */
#ifndef MANTA_HEAD_ADMISSION_H
#define MANTA_HEAD_ADMISSION_H

#include "head/state.h"
#include "head/web.h"

/* Collects the headers that describe the sending page; borrowed from the request. */
struct web_request admission_web(const struct http_request *r);
/* Checks the key that the path requires. Returns ERR_AUTH for a missing or wrong key, ERR_FORBIDDEN
 * for a key without the admin scope. */
int admission_check_key(const struct head_program *p, const struct http_request *r, const char *path, bool open, bool admin, struct fault *f);
/* Returns ERR_ENCODING for a compressed body, which would otherwise be reported as broken JSON. */
int admission_check_encoding(const struct http_request *r, struct fault *f);

#endif
