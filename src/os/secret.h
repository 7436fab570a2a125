/* Secrets that this user's processes on this machine share through the state folder: files that nobody else can read. */
#ifndef MANTA_OS_SECRET_H
#define MANTA_OS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_JOIN_TOKEN "join.token" /* what workers of this user bring to heads of this user, where nobody gave a token */
enum { SECRET_BYTES = 64 }; /* hexadecimal digits of 256 random bits */

/* Fills out with SECRET_BYTES random digits, terminated. */
void secret_random(char out[SECRET_BYTES + 1]);
/* The secret of that name; with `make`, it is made where it is not there, once for all who ask at the same time. ERR_NOT_FOUND: there
 * is none (or no state folder); ERR_FORBIDDEN: others own the file or may read it; ERR_IO: it cannot be read or written. */
int secret_own(const char *name, bool make, char out[SECRET_BYTES + 1]);
/* Where it lies, for people; empty when there is no state folder. */
void secret_path(const char *name, char *out, size_t cap);

#endif
