/* Turn the name of a host, a file or a person into a name that can be shown to others. */
#ifndef MANTA_BASE_NAME_H
#define MANTA_BASE_NAME_H

#include <stddef.h>

#include "base/str.h"

enum { NAME_CAP = 129 }; /* a head accepts names of 128 bytes (HEAD_NAME_BYTES_MAX) */

/* Copies a name, made printable and short enough, into `out`, terminated. A name of printable
 * UTF-8 (base/plain.h) shorter than `cap` bytes is unchanged. In any other name each unprintable
 * byte becomes %XX; the name is cut after a whole character if necessary and ends in "~" and 8
 * hex digits of a checksum, so that different names stay different. cap: at least 32. An empty
 * name becomes "?". */
void name_fit(struct str from, char *out, size_t cap);
/* Writes a worker's node name: `given`, or, when that is empty, "worker-" and the name of this
 * host. */
void name_of_node(const char *given, char out[static NAME_CAP]);

#endif
