/* Say no: fill a struct api_error with a sentence that begins with the field's name. */
#ifndef MANTA_API_REFUSE_H
#define MANTA_API_REFUSE_H

#include "api/api.h"

/* fault = err, "<param>: <sentence>" (just the sentence when param is ""), and the error's param. Returns err. */
int api_refuse(struct api_error *e, int err, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

enum { API_PATH_BYTES = 64 }; /* as api_error.param */
/* The place of a value, "messages[2].content"; cut off where it is too long. */
void api_path(char out[API_PATH_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
