#include "os/dirs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"

static int make_path(char *path)
{
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0700); /* existing folders are fine; the last mkdir() shows a failure */
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : ERR_IO;
}

int dirs_state(char *out, size_t cap)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (state != NULL && state[0] == '/')
        n = snprintf(out, cap, "%s/manta", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, cap, "%s/.local/state/manta", home);
    else
        return ERR_NOT_FOUND;
    return n > 0 && (size_t)n < cap ? make_path(out) : ERR_TOO_LARGE;
}
