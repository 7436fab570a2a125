/* A name that can be told to others, out of whatever a host, a file or a person is called. */
#ifndef MANTA_BASE_NAME_H
#define MANTA_BASE_NAME_H

#include <stddef.h>

#include "base/str.h"

enum { NAME_CAP = 129 }; /* a head takes names of 128 bytes (HEAD_NAME_BYTES_MAX) */

/* A name of printable UTF-8 (base/plain.h) of less than `cap` bytes stays as it is. Of another one, bytes that are none become
 * %XX, and it ends after a whole character, where need be, in "~" and 8 hex digits of a checksum: so two different names stay
 * different. cap: at least 32. Terminated; an empty name is "?". */
void name_fit(struct str from, char *out, size_t cap);
/* What a worker calls its node: `given`, or, where that is empty, "worker-" and the name of this host. */
void name_of_node(const char *given, char out[static NAME_CAP]);

#endif
