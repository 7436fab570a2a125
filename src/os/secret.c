#include "os/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/must.h"
#include "os/dirs.h"
#include "os/file.h"

enum { PATH_BYTES = 1024, TRIES = 3 };

void secret_random(char out[SECRET_BYTES + 1])
{
    unsigned char bytes[SECRET_BYTES / 2];
    MUST(getentropy(bytes, sizeof bytes) == 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void secret_path(const char *name, char *out, size_t cap)
{
    char dir[PATH_BYTES];
    if (dirs_state(dir, sizeof dir) != 0)
        snprintf(out, cap, "%s", "");
    else
        snprintf(out, cap, "%s/%s", dir, name);
}

static int read_whole(int fd, char out[SECRET_BYTES + 1])
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return ERR_FORBIDDEN;
    char text[SECRET_BYTES + 1];
    ssize_t n = read(fd, text, SECRET_BYTES);
    text[n > 0 ? n : 0] = '\0';
    if (strspn(text, "0123456789abcdef") != SECRET_BYTES)
        return ERR_IO;
    memcpy(out, text, sizeof text);
    return 0;
}

static int read_own(const char *path, char out[SECRET_BYTES + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : errno == ELOOP ? ERR_FORBIDDEN : ERR_IO;
    int err = read_whole(fd, out);
    close(fd);
    return err;
}

/* Writes the secret under another name first: the file is either missing or right, even when the
 * disk is full. */
static int make_own(const char *path)
{
    char part[PATH_BYTES + 32], text[SECRET_BYTES + 1];
    secret_random(text);
    file_part_name(path, part, sizeof part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    bool whole = write(fd, text, SECRET_BYTES) == SECRET_BYTES;
    whole = close(fd) == 0 && whole;
    bool placed = whole && (link(part, path) == 0 || errno == EEXIST);
    (void)unlink(part);
    return placed ? 0 : ERR_IO;
}

int secret_own(const char *name, bool make, char out[SECRET_BYTES + 1])
{
    char path[PATH_BYTES];
    secret_path(name, path, sizeof path);
    if (path[0] == '\0')
        return ERR_NOT_FOUND;
    int err = read_own(path, out);
    for (int i = 0; i < TRIES && err == ERR_NOT_FOUND && make; i++) {
        err = make_own(path);
        if (err == 0)
            err = read_own(path, out);
    }
    return err;
}
