/* What the head of a request alone tells against it: where it comes from, its key, its encoding. */
#ifndef MANTA_HEAD_ADMISSION_H
#define MANTA_HEAD_ADMISSION_H

#include "head/state.h"
#include "head/web.h"

/* What a browser says of the page that sends it; borrowed from the request. */
struct web_request admission_web(const struct http_request *r);
/* Does it have the key that the path asks for? ERR_AUTH: none, or a wrong one; ERR_FORBIDDEN: not one of the admin scope. */
int admission_check_key(const struct head_program *p, const struct http_request *r, const char *path, bool open, bool admin, struct fault *f);
/* ERR_ENCODING: a compressed body, which would be taken for broken JSON. */
int admission_check_encoding(const struct http_request *r, struct fault *f);

#endif
