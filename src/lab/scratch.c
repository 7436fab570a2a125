#include "lab/scratch.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 4, PATH_BYTES = 1024 };

static const char NOWHERE[] = "/dev/null";

void scratch_make(char *out, size_t cap)
{
    const char *dir = getenv("TMPDIR");
    int n = snprintf(out, cap, "%s/manta-cluster-XXXXXX", dir != NULL && dir[0] == '/' ? dir : "/tmp");
    if (n < 0 || (size_t)n >= cap || mkdtemp(out) == NULL)
        snprintf(out, cap, "%s", NOWHERE);
}

static void remove_below(const char *path, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char child[PATH_BYTES];
        bool self = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        int n = snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (!self && n > 0 && (size_t)n < sizeof child && unlink(child) != 0)
            remove_below(child, depth + 1);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

void scratch_remove(const char *path)
{
    if (strcmp(path, NOWHERE) != 0)
        remove_below(path, 0);
}
