#include "os/mapped.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"

enum { PATH_BYTES = 1024 };

static struct {
    char path[PATH_BYTES];
    atomic_bool used, lost;
} files[MAPPED_FILES_MAX];

void mapped_watch(uint32_t slot, const char *path)
{
    MUST(slot < MAPPED_FILES_MAX);
    atomic_store(&files[slot].used, false);
    if (path == NULL)
        return;
    snprintf(files[slot].path, sizeof files[slot].path, "%s", path);
    atomic_store(&files[slot].lost, false);
    atomic_store(&files[slot].used, true);
}

bool mapped_is_lost(uint32_t slot)
{
    return atomic_load(&files[slot].lost);
}

/* ---- in the handler: only calls that are safe there ---- */

static uintptr_t take_hex(const char **at)
{
    uintptr_t n = 0;
    for (;; (*at)++) {
        char c = **at;
        if (c >= '0' && c <= '9')
            n = n * 16 + (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n * 16 + (uintptr_t)(c - 'a' + 10);
        else
            return n;
    }
}

/* Matches a line "7f01-7f02 r--s 00000000 08:01 123   /path" or "… /path (deleted)". */
static bool names(const char *line, uint32_t slot)
{
    const char *path = strchr(line, '/');
    size_t n = strlen(files[slot].path);
    return path != NULL && strncmp(path, files[slot].path, n) == 0 && (path[n] == '\0' || strcmp(path + n, " (deleted)") == 0);
}

enum look { NOT_IN_IT, MENDED, FOREIGN };

static enum look mend(uintptr_t from, uintptr_t to, const char *line)
{
    if (strchr(line, '/') == NULL)
        return MENDED; /* by another thread that faulted in the same mapping */
    for (uint32_t slot = 0; slot < MAPPED_FILES_MAX; slot++) {
        if (!atomic_load(&files[slot].used) || !names(line, slot))
            continue;
        atomic_store(&files[slot].lost, true);
        void *zeros = mmap((void *)from, to - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        return zeros != MAP_FAILED ? MENDED : FOREIGN;
    }
    return FOREIGN;
}

static enum look look_at(const char *line, uintptr_t address)
{
    const char *at = line;
    uintptr_t from = take_hex(&at), to = *at == '-' ? (at++, take_hex(&at)) : 0;
    return address < from || address >= to ? NOT_IN_IT : mend(from, to, line);
}

bool mapped_mend(void *address)
{
    char bytes[4096], line[PATH_BYTES + 200];
    size_t line_n = 0;
    ssize_t n;
    enum look look = NOT_IN_IT;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && look == NOT_IN_IT && (n = read(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < n && look == NOT_IN_IT; i++) {
            if (bytes[i] != '\n') {
                line[line_n] = bytes[i];
                line_n += line_n + 1 < sizeof line;
                continue;
            }
            line[line_n] = '\0';
            line_n = 0;
            look = look_at(line, (uintptr_t)address);
        }
    }
    if (fd >= 0)
        close(fd);
    return look == MENDED;
}
