#include "models/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "models/show.h"

enum { READ_BYTES = 1 << 20 };

static int refuse(const char *what, const char *path, struct fault *f)
{
    return fault_set(f, ERR_IO, "cannot %s '%s': %s", what, show_path(path).text, strerror(errno));
}

int part_lock(struct part *p, const char *path, void (*on_wait)(void *), void *user_data, struct fault *f)
{
    char lock[STORE_PATH_BYTES + 16];
    *p = (struct part){.path = path, .lock = -1, .fd = -1};
    snprintf(lock, sizeof lock, "%s.lock", path);
    snprintf(p->part, sizeof p->part, "%s.part", path);
    snprintf(p->from, sizeof p->from, "%s.part.from", path);
    p->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* never removed: a process that removed it could
                                                                 remove another's lock */
    if (p->lock < 0)
        return refuse("open", lock, f);
    if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return refuse("lock", lock, f);
    if (on_wait != NULL)
        on_wait(user_data);
    while (flock(p->lock, LOCK_EX) != 0)
        if (errno != EINTR)
            return refuse("lock", lock, f);
    return 0;
}

static void add(struct part *p, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && p->bytes + i < sizeof p->first; i++)
        p->first[p->bytes + i] = (unsigned char)bytes[i];
    digest_add(p->digest, bytes, n);
    p->bytes += n;
}

/* Reads the ETag of the bytes that are here. Without one they are resumed without If-Range, but
 * their digest is checked. */
static void read_etag(struct part *p)
{
    FILE *file = fopen(p->from, "re");
    size_t n = file != NULL ? fread(p->etag, 1, sizeof p->etag - 1, file) : 0;
    p->etag[n] = '\0';
    if (file != NULL)
        fclose(file);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p->etag[i] < ' ' || (unsigned char)p->etag[i] >= 0x7f)
            p->etag[i] = '\0';
}

int part_open(struct part *p, struct fault *f)
{
    p->digest = digest_new();
    p->fd = open(p->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (p->fd < 0)
        return refuse("open", p->part, f);
    read_etag(p);
    char *bytes = xalloc(READ_BYTES);
    ssize_t n;
    while ((n = read(p->fd, bytes, READ_BYTES)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            add(p, bytes, (size_t)n);
    int err = n < 0 ? refuse("read", p->part, f) : 0;
    free(bytes);
    return err;
}

int part_restart(struct part *p, struct fault *f)
{
    if (ftruncate(p->fd, 0) != 0 || lseek(p->fd, 0, SEEK_SET) != 0)
        return refuse("empty", p->part, f);
    unlink(p->from);
    digest_free(p->digest);
    p->digest = digest_new();
    p->bytes = 0;
    p->etag[0] = '\0';
    return 0;
}

void part_note_etag(struct part *p, const char *etag)
{
    if (strcmp(etag, p->etag) == 0)
        return;
    snprintf(p->etag, sizeof p->etag, "%s", etag);
    FILE *file = fopen(p->from, "we");
    if (file == NULL)
        return;
    fputs(etag, file);
    fclose(file);
}

int part_write(struct part *p, const void *bytes, size_t n, struct fault *f)
{
    const char *at = bytes;
    for (size_t left = n; left > 0;) {
        ssize_t wrote = write(p->fd, at, left);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            int problem = errno;
            fault_set(f, ERR_IO, "cannot write '%s' beyond its %s bytes: %s", show_path(p->part).text, show_count(p->bytes).text, strerror(problem));
            if (problem == ENOSPC || problem == EDQUOT || problem == EFBIG)
                part_remove(p); /* frees the full disk */
            return ERR_IO;
        }
        add(p, at, (size_t)wrote);
        at += wrote;
        left -= (size_t)wrote;
    }
    return 0;
}

void part_digest(struct part *p, char out[DIGEST_BYTES])
{
    digest_end(p->digest, out);
    p->digest = NULL;
}

/* Syncs the folder, which makes the rename durable. A failure does not matter: the name is
 * right. */
static void sync_folder(const char *path)
{
    char folder[STORE_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(reference_basename(path) - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int part_finish(struct part *p, struct fault *f)
{
    if (fsync(p->fd) != 0)
        return refuse("write", p->part, f);
    if (rename(p->part, p->path) != 0)
        return refuse("rename to its place", p->part, f);
    unlink(p->from);
    sync_folder(p->path);
    return 0;
}

void part_remove(struct part *p)
{
    unlink(p->part);
    unlink(p->from);
}

void part_close(struct part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->lock >= 0)
        close(p->lock);
    digest_free(p->digest);
    *p = (struct part){.lock = -1, .fd = -1};
}
