/* Secrets that this user's processes on this machine share through the state folder, in files
 * that no other user can read. */
#ifndef MANTA_OS_SECRET_H
#define MANTA_OS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_JOIN_TOKEN "join.token" /* join token between workers and heads of this user, unless one is given */
enum { SECRET_BYTES = 64 }; /* hexadecimal digits of 256 random bits */

/* Fills out with SECRET_BYTES random digits, terminated. */
void secret_random(char out[SECRET_BYTES + 1]);
/* Reads the secret of that name; with `make`, first makes a missing one, once for all processes
 * that ask at the same time. Returns ERR_NOT_FOUND when there is none (or no state folder),
 * ERR_FORBIDDEN when another user owns the file or may read it, ERR_IO when it cannot be read or
 * written. */
int secret_own(const char *name, bool make, char out[SECRET_BYTES + 1]);
/* Writes the path of the secret, for people; "" without a state folder. */
void secret_path(const char *name, char *out, size_t cap);

#endif
