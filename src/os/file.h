/* Small text files: notes, tokens, what the kernel tells. */
#ifndef MANTA_OS_FILE_H
#define MANTA_OS_FILE_H

#include <stddef.h>

/* The beginning of a file, at most cap - 1 bytes of it, terminated. Returns how many were read; 0, and out empty, when
 * there are none or the file cannot be read: errno says why in the latter case. */
size_t file_read_text(const char *path, char *out, size_t cap);

#endif
