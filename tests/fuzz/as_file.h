/* For targets whose subject wants a path: a file in memory has one. */
#ifndef MANTA_TESTS_FUZZ_AS_FILE_H
#define MANTA_TESTS_FUZZ_AS_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"

/* The path of a file with these bytes; valid, with its content, until the next call. */
static inline char *as_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        MUST(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

#endif
