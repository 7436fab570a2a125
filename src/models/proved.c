/* Which files an engine has loaded well: one small file per digest, with the engine's version in it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "models/folders.h"
#include "models/models.h"

enum { ENGINE_BYTES = 256 };

static bool path_of(const char *digest, char *out, size_t cap)
{
    char dir[FOLDER_BYTES];
    if (digest[0] == '\0' || strchr(digest, '/') != NULL || folder_cache("proved", dir, sizeof dir, NULL) != 0 || folder_make(dir) != 0)
        return false;
    int n = snprintf(out, cap, "%s/%s", dir, digest);
    return n > 0 && (size_t)n < cap;
}

bool models_proved(const char *digest, const char *engine)
{
    char path[FOLDER_BYTES + 80], text[ENGINE_BYTES];
    return path_of(digest, path, sizeof path) && file_read_text(path, text, sizeof text) > 0 && strcmp(text, engine) == 0;
}

/* Beside its place and renamed: three workers may load it at once. */
void models_prove(const char *digest, const char *engine, bool well)
{
    char path[FOLDER_BYTES + 80], part[FOLDER_BYTES + 120];
    if (!path_of(digest, path, sizeof path))
        return;
    if (!well) {
        unlink(path);
        return;
    }
    snprintf(part, sizeof part, "%s.%d", path, (int)getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    size_t n = strlen(engine);
    bool ok = write(fd, engine, n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    if (!ok || rename(part, path) != 0)
        unlink(part);
}
