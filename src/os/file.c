#include "os/file.h"

#include <stdio.h>

size_t file_read_text(const char *path, char *out, size_t cap)
{
    FILE *file = fopen(path, "re");
    size_t n = file != NULL ? fread(out, 1, cap - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    out[n] = '\0';
    return n;
}
