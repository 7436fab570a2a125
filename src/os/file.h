/* Read small text files: notes, tokens, settings, files of the kernel. */
#ifndef MANTA_OS_FILE_H
#define MANTA_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { FILE_WRITER_MS = 3000 }; /* a named pipe's writer must open it within this time */

/* Opens a file for reading. A named pipe may be one, but not without end: if nobody writes to it within FILE_WRITER_MS, it
 * cannot be opened (ENODATA). NULL: errno says why. The caller closes it. */
FILE *file_open_text(const char *path);

/* Reads the beginning of a file, at most cap - 1 bytes, terminated. Returns the number of bytes;
 * 0, with out empty, for an empty file, or for one that cannot be read: errno then says why. A byte
 * order mark is left out. */
size_t file_read_text(const char *path, char *out, size_t cap);

enum { FILE_PART_BYTES = 32 }; /* longer than the path */
/* Names the file that is written before it is renamed to `path`. No other process gets that name, neither on another machine nor in another
 * container that shares the folder and has a process of the same id. */
void file_part_name(const char *path, char *out, size_t cap);

/* Returns whether the descriptor is a pipe that nobody reads any longer: `| head` has seen enough. */
bool file_reader_is_gone(int fd);

#endif
