/* Release the mapped pages of weights that were copied into another layout: reading them through
 * the mapping left them resident. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/llama/module.h"

/* Safe: the mapping is read-only, and a page that is touched again comes from the page cache. */
void pages_let_go(const char *path)
{
    char line[1400];
    size_t path_n = strlen(path);
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        size_t n = strcspn(line, "\n");
        bool is_it = n > path_n && line[n - path_n - 1] == ' ' && memcmp(line + n - path_n, path, path_n) == 0;
        if (is_it && sscanf(line, "%" SCNxPTR "-%" SCNxPTR " r--", &from, &to) == 2)
            madvise((void *)from, to - from, MADV_DONTNEED); /* only a hint */
    }
    if (maps != NULL)
        fclose(maps);
}
