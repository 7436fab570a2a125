#include "models/folders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "models/models.h"

/* Returns the variable's value if it is an absolute path: the XDG specification ignores relative
 * ones. */
static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] == '/' ? value : NULL;
}

static int fits(int written, size_t cap, struct fault *f)
{
    if (written < 0 || (size_t)written >= cap)
        return fault_set(f, ERR_TOO_LARGE, "the path of the cache folder is longer than %zu bytes", cap - 1);
    return 0;
}

int folder_cache(const char *sub, char *out, size_t cap, struct fault *f)
{
    const char *cache = absolute("XDG_CACHE_HOME"), *home = absolute("HOME");
    if (cache != NULL)
        return fits(snprintf(out, cap, "%s/manta/%s", cache, sub), cap, f);
    if (home != NULL)
        return fits(snprintf(out, cap, "%s/.cache/manta/%s", home, sub), cap, f);
    return fault_set(f, ERR_NOT_FOUND, "there is no cache folder: neither XDG_CACHE_HOME nor HOME is set to one");
}

int models_dir(char *out, size_t cap, struct fault *f)
{
    const char *dir = getenv("MANTA_MODELS_DIR");
    if (dir != NULL && dir[0] != '\0')
        return fits(snprintf(out, cap, "%s", dir), cap, f);
    return folder_cache("models", out, cap, f);
}

int folder_make(const char *path)
{
    char part[FOLDER_BYTES];
    size_t n = strlen(path);
    if (n >= sizeof part)
        return ERR_IO;
    memcpy(part, path, n + 1);
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(part, 0700); /* the last mkdir() shows a failure */
        *p = '/';
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST ? 0 : ERR_IO;
}
