/* Read small text files: notes, tokens, files of the kernel. */
#ifndef MANTA_OS_FILE_H
#define MANTA_OS_FILE_H

#include <stddef.h>

/* Reads the beginning of a file, at most cap - 1 bytes, terminated. Returns the number of bytes;
 * 0, with out empty, for an empty file, or for one that cannot be read: errno then says why. */
size_t file_read_text(const char *path, char *out, size_t cap);

#endif
