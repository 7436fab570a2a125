/* Remember which files an engine has loaded: one small file per digest, with the engine's
 * version in it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "models/folders.h"
#include "models/models.h"
#include "os/file.h"

enum { ENGINE_BYTES = 256 };

static bool path_of(const char *folder, const char *digest, char *out, size_t cap)
{
    char dir[FOLDER_BYTES];
    if (digest[0] == '\0' || strchr(digest, '/') != NULL || folder_cache(folder, dir, sizeof dir, NULL) != 0 || folder_make(dir) != 0)
        return false;
    int n = snprintf(out, cap, "%s/%s", dir, digest);
    return n > 0 && (size_t)n < cap;
}

bool models_proved(const char *digest, const char *engine)
{
    char path[FOLDER_BYTES + 80], text[ENGINE_BYTES];
    return path_of("proved", digest, path, sizeof path) && file_read_text(path, text, sizeof text) > 0 && strcmp(text, engine) == 0;
}

/* Writes a temporary file and renames it: several workers may load the model at once. */
static void write_note(const char *path, const char *text)
{
    char part[FOLDER_BYTES + 120];
    file_part_name(path, part, sizeof part);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    size_t n = strlen(text);
    bool ok = write(fd, text, n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    if (!ok || rename(part, path) != 0)
        unlink(part);
}

void models_prove(const char *digest, const char *engine, bool well)
{
    char path[FOLDER_BYTES + 80];
    if (!path_of("proved", digest, path, sizeof path))
        return;
    if (well)
        write_note(path, engine);
    else
        unlink(path);
}

/* ---- how it computes exactly: the set-up in the first line, its key in the second ---- */

bool models_setup(const char *digest, const char *engine, uint32_t threads, char *out, size_t cap)
{
    char path[FOLDER_BYTES + 80], text[2 * ENGINE_BYTES], whom[ENGINE_BYTES + 32];
    if (!path_of("exact", digest, path, sizeof path) || file_read_text(path, text, sizeof text) <= 0)
        return false;
    char *second = strchr(text, '\n');
    snprintf(whom, sizeof whom, "%s, %u threads", engine, threads);
    if (second == NULL || strcmp(second + 1, whom) != 0 || (size_t)(second - text) >= cap)
        return false;
    memcpy(out, text, (size_t)(second - text));
    out[second - text] = '\0';
    return true;
}

void models_setup_note(const char *digest, const char *engine, uint32_t threads, const char *setup)
{
    char path[FOLDER_BYTES + 80], text[2 * ENGINE_BYTES];
    snprintf(text, sizeof text, "%s\n%s, %u threads", setup, engine, threads);
    if (path_of("exact", digest, path, sizeof path))
        write_note(path, text);
}
