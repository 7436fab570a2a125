/* Refuse requests: fill a struct api_error with a sentence that begins with the field's name. */
#ifndef MANTA_API_REFUSE_H
#define MANTA_API_REFUSE_H

#include "api/api.h"

/* Sets the fault to err and "<param>: <sentence>" (only the sentence if param is ""), and the
 * error's param. Returns err. */
int api_refuse(struct api_error *e, int err, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

enum { API_PATH_BYTES = 64 }; /* as api_error.param */
/* Formats the place of a value, "messages[2].content"; truncates it if it is too long. */
void api_path(char out[API_PATH_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
