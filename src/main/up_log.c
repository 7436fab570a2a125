#include "main/up_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/plain.h"
#include "base/spool.h"
#include "base/utf8.h"
#include "launch/launch.h"
#include "os/dirs.h"
#include "os/file.h"

enum { RING_BYTES = 1 << 20, CLOSE_MS = 1000, PATH_BYTES = 1024 };

/* Locked bytes of the file; the locks belong to the open file, not to the process. */
enum { LOCK_LIVES = 0, LOCK_ROTATES = 1 };

struct up_log {
    struct spool spool;
    char *ring;           /* owned */
    int fd;               /* owned by the thread after the start; -1: to be opened */
    dev_t dev;            /* identity of the open file */
    ino_t ino;
    uint64_t bytes_max;
    unsigned files;
    char path[PATH_BYTES], link[PATH_BYTES];
};

static bool lock(int fd, int command, short type, int byte, struct flock *out)
{
    *out = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, command, out) == 0;
}

/* ---- on the thread ---- */

static bool open_file(struct up_log *l)
{
    struct stat st;
    struct flock lives;
    l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (l->fd < 0)
        return false;
    if (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(l->fd);
        l->fd = -1;
        errno = EINVAL;
        return false;
    }
    (void)lock(l->fd, F_OFD_SETLK, F_WRLCK, LOCK_LIVES, &lives); /* of two processes with one file, the first holds the lock */
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return true;
}

/* False if the file was moved away, by another process with the same file or by logrotate. */
static bool is_ours(const struct up_log *l)
{
    struct stat st;
    return stat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

static bool follow(struct up_log *l)
{
    if (l->fd >= 0 && is_ours(l))
        return true;
    if (l->fd >= 0)
        close(l->fd);
    return open_file(l);
}

/* up-8470.log.2 -> .3, .1 -> .2, up-8470.log -> .1; the last one is deleted. */
static void shift_files(const struct up_log *l)
{
    char from[PATH_BYTES + 16], to[PATH_BYTES + 16];
    for (unsigned i = l->files - 1; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%u", l->path, i);
        if (i > 1)
            snprintf(from, sizeof from, "%s.%u", l->path, i - 1);
        else
            snprintf(from, sizeof from, "%s", l->path);
        rename(from, to);
    }
    if (l->files == 1)
        unlink(l->path);
}

/* Returns false if the file is full and cannot be moved away. */
static bool rotate(struct up_log *l)
{
    struct flock rotates;
    if (!lock(l->fd, F_OFD_SETLK, F_WRLCK, LOCK_ROTATES, &rotates))
        return errno == EAGAIN || errno == EACCES; /* another process does it */
    if (is_ours(l))
        shift_files(l);
    return follow(l) && (!is_ours(l) || lseek(l->fd, 0, SEEK_END) < (off_t)l->bytes_max);
}

static bool put(const char *lines, size_t n, void *user_data)
{
    struct up_log *l = user_data;
    struct stat st;
    if (!follow(l) || fstat(l->fd, &st) != 0)
        return false;
    if ((uint64_t)st.st_size + n > l->bytes_max && st.st_size > 0 && !rotate(l))
        return false;
    return l->fd >= 0 && spool_write(l->fd, lines, n);
}

/* ---- the owner's ---- */

static bool is_in_use(const char *path)
{
    struct flock lives;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool in_use = fd >= 0 && lock(fd, F_OFD_GETLK, F_WRLCK, LOCK_LIVES, &lives) && lives.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return in_use;
}

/* Points the link to this log, unless it points to another running cluster's. */
static void lead_to(const struct up_log *l)
{
    char old[PATH_BYTES + 16], fresh[PATH_BYTES + 32];
    struct stat st;
    if (is_in_use(l->link))
        return;
    if (lstat(l->link, &st) == 0 && S_ISREG(st.st_mode)) { /* from a version with one log for all */
        snprintf(old, sizeof old, "%s.old", l->link);
        rename(l->link, old);
    }
    file_part_name(l->link, fresh, sizeof fresh);
    if (symlink(strrchr(l->path, '/') + 1, fresh) == 0 && rename(fresh, l->link) != 0)
        unlink(fresh);
}

static int find_place(struct up_log *l, const char *host, unsigned port, struct fault *f)
{
    char dir[PATH_BYTES - 300], name[280];
    bool usual = strcmp(host, "127.0.0.1") == 0;
    int err = dirs_state(dir, sizeof dir);
    if (err == ERR_NOT_FOUND)
        return fault_set(f, err, "no log file: neither XDG_STATE_HOME nor HOME names a folder");
    if (err != 0)
        return fault_set(f, err, "no log file: cannot make the folder '%.300s': %s", dir, err == ERR_IO ? strerror(errno) : err_text(err));
    snprintf(name, sizeof name, "up-%.200s%s%u.log", usual ? "" : host, usual ? "" : "-", port);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '/' ? '_' : *at;
    snprintf(l->path, sizeof l->path, "%s/%s", dir, name);
    snprintf(l->link, sizeof l->link, "%s/up.log", dir);
    return 0;
}

int up_log_find(const char *host, unsigned port, char *out, size_t cap, struct fault *f)
{
    struct up_log l = {0};
    int err = find_place(&l, host != NULL ? host : "", port, f);
    if (err == 0)
        snprintf(out, cap, "%s", host != NULL ? l.path : l.link);
    return err;
}

struct up_log *up_log_open(const char *host, unsigned port, uint64_t bytes_max, unsigned files, struct fault *f)
{
    struct up_log *l = xalloc(sizeof *l);
    l->fd = -1;
    l->bytes_max = bytes_max;
    l->files = files;
    l->ring = xalloc(RING_BYTES);
    spool_init(&l->spool, l->ring, RING_BYTES);
    int err = find_place(l, host, port, f);
    if (err == 0 && !open_file(l))
        err = fault_set(f, ERR_IO, "no log file: cannot write '%s': %m", l->path);
    if (err == 0)
        lead_to(l);
    if (err == 0 && !spool_start(&l->spool, put, l))
        err = fault_set(f, ERR_IO, "no log file: no thread for it");
    if (err == 0)
        return l;
    up_log_close(l);
    return NULL;
}

static void put_line(struct up_log *l, const char *line, size_t n)
{
    char text[SPOOL_CHUNK_BYTES / 2];
    if (l == NULL)
        return;
    size_t body = n < sizeof text - 1 ? n : sizeof text - 1;
    memcpy(text, line, body);
    text[body] = '\n';
    spool_add(&l->spool, text, body + 1, false);
}

void up_log_child(struct up_log *l, bool shown, const char *who, struct str line)
{
    struct buf out = buf_max(16384);
    launch_prefix(&out, who, line);
    put_line(l, out.p, out.n);
    if (shown)
        log_raw(out.p, out.n);
    buf_fini(&out);
}

/* On a terminal: without the fields, and broken between words. */
static void show_sentence(struct str sentence)
{
    struct buf out = buf_max(LOG_LINE_BYTES_MAX * 2);
    wrap_text(sentence, cells_columns(STDERR_FILENO), 0, 0, &out);
    log_raw(out.p, out.n);
    buf_fini(&out);
}

void up_log_say(struct up_log *l, bool shown, enum log_level level, const struct event_field *event, const char *fmt, ...)
{
    char text[LOG_LINE_BYTES_MAX], line[LOG_JSON_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t n = plain_in_place(text, utf8_whole(text, strlen(text))), sentence = 0;
    if (log_format_now() == LOG_AS_JSON) {
        n = sentence = log_json(level, "up", event, str_n(text, n), line);
    } else {
        sentence = (size_t)snprintf(line, sizeof line, "%s%.*s", level == LOG_ERROR ? "error: " : "up | ", (int)n, text);
        n = sentence + plain_in_place(line + sentence, event_write(level == LOG_ERROR ? NULL : event, false, line + sentence));
    }
    put_line(l, line, n);
    if (shown && isatty(STDERR_FILENO) != 0 && log_format_now() != LOG_AS_JSON)
        show_sentence(str_n(line, sentence));
    else if (shown)
        log_raw(line, n);
}

bool up_log_matters(struct str line)
{
    return str_holds(line, "] warning: ") || str_holds(line, "] error: ") || str_holds(line, " event=request ");
}

const char *up_log_path(const struct up_log *l)
{
    return l->path;
}

void up_log_close(struct up_log *l)
{
    if (l == NULL || !spool_end(&l->spool, CLOSE_MS))
        return; /* the disk hangs: the thread still uses everything */
    if (l->fd >= 0)
        close(l->fd);
    free(l->ring);
    free(l);
}
