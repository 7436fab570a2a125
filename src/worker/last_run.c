#include "worker/last_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/sum.h"

enum { MAGIC = 0x6d6e7472, NEAR_THE_LIMIT_PERCENT = 80 };

struct record {
    uint32_t magic;
    uint32_t pid;        /* of the run; 0: it ended by itself */
    uint64_t used_bytes; /* last seen */
    uint64_t limit_bytes; /* 0: none */
};

struct last_run {
    int fd;              /* locked while the worker lives: the kernel unlocks it when it dies */
    struct record record; /* as it should be in the file */
};

static bool path_of(const char *node, char *out, size_t cap)
{
    char dir[900];
    if (dirs_state(dir, sizeof dir) != 0)
        return false;
    int n = snprintf(out, cap, "%s/run-%s", dir, node);
    bool slash = strchr(node, '/') != NULL; /* a name is anything, and another one may have the sign that stands for it */
    for (char *at = out + strlen(dir) + 1; *at != '\0'; at++)
        *at = *at == '/' ? '_' : *at;
    if (slash && n > 0 && (size_t)n < cap)
        n += snprintf(out + n, cap - (size_t)n, "~%08x", (unsigned)(sum_of(str_of(node)) >> 32));
    return n > 0 && (size_t)n < cap;
}

static void tell(const struct record *r, char *out, size_t cap)
{
    double used = (double)r->used_bytes / 1e6, limit = (double)r->limit_bytes / 1e6;
    bool near = r->limit_bytes > 0 && r->used_bytes > r->limit_bytes / 100 * NEAR_THE_LIMIT_PERCENT;
    if (near)
        snprintf(out, cap, "its last run (pid %u) was killed, most likely by the kernel at its memory limit: it used %.0f of %.0f MB; "
                           "a smaller --context or fewer --slots need less",
                 r->pid, used, limit);
    else if (r->limit_bytes > 0)
        snprintf(out, cap, "its last run (pid %u) was killed or crashed, it did not end by itself; last seen with %.0f of %.0f MB of memory",
                 r->pid, used, limit);
    else
        snprintf(out, cap, "its last run (pid %u) was killed or crashed, it did not end by itself; last seen with %.0f MB of memory", r->pid, used);
}

/* Written, not mapped: a page of a mapping that the disk has no block for, or whose file was cut, is a SIGBUS. What cannot be
 * written is not worth an error: the record is for the next run. */
static bool keep(const struct last_run *run)
{
    return pwrite(run->fd, &run->record, sizeof run->record, 0) == (ssize_t)sizeof run->record;
}

struct last_run *last_run_begin(const char *node, uint64_t limit_bytes, char *out, size_t cap)
{
    char path[1200];
    out[0] = '\0';
    if (!path_of(node, path, sizeof path))
        return NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return NULL;
    }
    struct record before;
    if (pread(fd, &before, sizeof before, 0) == (ssize_t)sizeof before && before.magic == MAGIC && before.pid != 0)
        tell(&before, out, cap);
    struct last_run *run = xalloc(sizeof *run);
    *run = (struct last_run){.fd = fd, .record = {.magic = MAGIC, .pid = (uint32_t)getpid(), .limit_bytes = limit_bytes}};
    if (keep(run))
        return run;
    close(fd);
    free(run);
    return NULL;
}

void last_run_note(struct last_run *r, uint64_t used_bytes)
{
    if (r == NULL)
        return;
    r->record.used_bytes = used_bytes;
    (void)keep(r);
}

void last_run_end(struct last_run *r)
{
    if (r == NULL)
        return;
    r->record.pid = 0;
    (void)keep(r);
    close(r->fd);
    free(r);
}
