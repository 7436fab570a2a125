#include "worker/last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sum.h"
#include "os/cgroup.h"
#include "os/dirs.h"

enum { MAGIC = 0x6d6e7473, LOADS_MAX = 16, NEAR_THE_LIMIT_PERCENT = 80, BEAT_S_MAX = 10 };

struct record {
    uint32_t magic;
    uint32_t pid;        /* of the run; 0: the run ended by itself */
    uint64_t used_bytes; /* at the last write */
    uint64_t limit_bytes; /* 0: no limit */
    uint64_t oom_kills;  /* the machine's count at the last write */
    uint64_t engine;     /* checksum of its words */
    uint32_t crashed;    /* it died by its own fault */
    struct load {
        char digest[72]; /* "": unused */
        uint32_t loading, deaths;
    } loads[LOADS_MAX];
    uint64_t beat_ms;    /* of the last heartbeat, since the machine started; 0: none yet */
    uint32_t ready;      /* ready actors at that time */
};

struct last_run {
    int fd;              /* locked while the worker lives: the kernel unlocks it at its death */
    struct record record; /* the intended content of the file */
};

static bool path_of(const char *node, char *out, size_t cap)
{
    char dir[900];
    if (dirs_state(dir, sizeof dir) != 0)
        return false;
    int n = snprintf(out, cap, "%s/run-%s", dir, node);
    bool slash = strchr(node, '/') != NULL; /* a name may hold any character, including the one that replaces '/' */
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

/* Written, not mapped: a page of a mapping without a block on the disk, or of a truncated file,
 * raises SIGBUS. A failed write is no error: the record is for the next run. */
static bool keep(const struct last_run *run)
{
    return pwrite(run->fd, &run->record, sizeof run->record, 0) == (ssize_t)sizeof run->record;
}

static struct last_run *current; /* for the signal handler */

void last_run_crashes(void)
{
    if (current == NULL)
        return;
    current->record.crashed = 1; /* written alone: other threads may be writing the record */
    (void)!pwrite(current->fd, &current->record.crashed, sizeof current->record.crashed, offsetof(struct record, crashed));
}

static struct load *load_of(const struct last_run *r, const char *digest)
{
    for (int i = 0; r != NULL && i < LOADS_MAX; i++)
        if (strcmp(r->record.loads[i].digest, digest) == 0)
            return (struct load *)(uintptr_t)&r->record.loads[i];
    return NULL;
}

/* Counts a death for each file being loaded, if the last run died of a cause that a load can
 * have. */
static void take_over_loads(struct last_run *r, const struct record *before)
{
    bool near = before->limit_bytes > 0 && before->used_bytes > before->limit_bytes / 100 * NEAR_THE_LIMIT_PERCENT;
    bool counts = before->pid != 0 && (before->crashed || near || cgroup_oom_kills() > before->oom_kills);
    r->record.engine = before->engine;
    for (int i = 0; i < LOADS_MAX; i++) {
        struct load *to = &r->record.loads[i];
        *to = before->loads[i];
        to->digest[sizeof to->digest - 1] = '\0';
        to->deaths += to->loading && counts;
        to->loading = 0;
    }
}

uint32_t last_run_deaths(const struct last_run *r, const char *digest)
{
    const struct load *l = load_of(r, digest);
    return l != NULL && digest[0] != '\0' ? l->deaths : 0;
}

void last_run_loads(struct last_run *r, const char *digest)
{
    struct load *l = load_of(r, digest);
    l = l != NULL ? l : load_of(r, "");
    if (l == NULL)
        return;
    snprintf(l->digest, sizeof l->digest, "%s", digest);
    l->loading = 1;
    r->record.oom_kills = cgroup_oom_kills();
    (void)keep(r);
}

void last_run_loaded(struct last_run *r, const char *digest, bool well)
{
    struct load *l = load_of(r, digest);
    if (l == NULL)
        return;
    l->loading = 0;
    if (well)
        *l = (struct load){0};
    (void)keep(r);
}

void last_run_engine(struct last_run *r, const char *engine)
{
    if (r == NULL || r->record.engine == sum_of(str_of(engine)))
        return;
    r->record.engine = sum_of(str_of(engine));
    memset(r->record.loads, 0, sizeof r->record.loads);
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
    bool known = pread(fd, &before, sizeof before, 0) == (ssize_t)sizeof before && before.magic == MAGIC;
    if (known && before.pid != 0)
        tell(&before, out, cap);
    struct last_run *run = xalloc(sizeof *run);
    *run = (struct last_run){.fd = fd, .record = {.magic = MAGIC, .pid = (uint32_t)getpid(), .limit_bytes = limit_bytes}};
    if (known)
        take_over_loads(run, &before);
    current = run;
    if (keep(run))
        return run;
    current = NULL;
    close(fd);
    free(run);
    return NULL;
}

void last_run_note(struct last_run *r, uint64_t used_bytes, uint32_t ready)
{
    if (r == NULL)
        return;
    r->record.used_bytes = used_bytes;
    r->record.beat_ms = clock_us() / 1000 + 1;
    r->record.ready = ready;
    r->record.oom_kills = cgroup_oom_kills();
    (void)keep(r);
}

int last_run_health(const char *node, struct fault *f)
{
    char path[1200];
    struct record now;
    int fd = path_of(node, path, sizeof path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool known = fd >= 0 && pread(fd, &now, sizeof now, 0) == (ssize_t)sizeof now && now.magic == MAGIC;
    if (fd >= 0)
        close(fd);
    if (!known || now.pid == 0 || (kill((pid_t)now.pid, 0) != 0 && errno == ESRCH))
        return fault_set(f, ERR_NOT_FOUND, "no worker '%.60s' runs on this host", node);
    if (now.beat_ms == 0)
        return fault_set(f, ERR_UNAVAILABLE, "%.60s has not joined a head", node);
    uint64_t age_s = (clock_us() / 1000 + 1 - now.beat_ms) / 1000;
    if (age_s > BEAT_S_MAX)
        return fault_set(f, ERR_UNAVAILABLE, "%.60s has sent no heartbeat for %llu s: it has lost its head, or hangs", node, (unsigned long long)age_s);
    if (now.ready == 0)
        return fault_set(f, ERR_UNAVAILABLE, "%.60s has no actor that is ready: is its model still loading?", node);
    return 0;
}

void last_run_end(struct last_run *r)
{
    if (r == NULL)
        return;
    r->record.pid = 0;
    (void)keep(r);
    current = NULL;
    close(r->fd);
    free(r);
}
