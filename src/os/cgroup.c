#include "os/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

/* Version 1 has a tree of groups for each controller, /sys/fs/cgroup/memory/…; version 2 has one
 * tree, /sys/fs/cgroup/… /proc/self/cgroup names our group in each tree, a line each:
 * "4:memory:/path" or "0::/path". A container often sees the path as the host does, while only
 * its own group is mounted: a path that does not exist stands for the root then. */

enum { PATH_BYTES = 1024, CPU_PERIOD_US = 100000 };
static const uint64_t no_memory_limit = 1ull << 60; /* version 1 writes "none" as a very large number */

static char entered[2][PATH_BYTES]; /* groups that cgroup_enter() made, or "" */

static const char *mounts_at = "/sys/fs/cgroup", *own_at = "/proc/self/cgroup";

void cgroup_set_root(const char *mounts, const char *own)
{
    mounts_at = mounts;
    own_at = own;
}

struct tree {
    bool v2;
    char root[256];         /* its mount point */
    char group[PATH_BYTES]; /* our folder in it, below or at the root */
};

/* ---- small files ---- */

static bool read_text(const char *folder, const char *name, char *out, size_t cap)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_read_text(path, out, cap) > 0;
}

static int write_text(const char *folder, const char *name, const char *text)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_FORBIDDEN;
    ssize_t n = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return n == (ssize_t)strlen(text) ? 0 : ERR_FORBIDDEN;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- finding our group ---- */

/* Returns whether a list such as "cpu,cpuacct,memory" has the controller. */
static bool names(const char *list, const char *controller)
{
    size_t n = strlen(controller);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, controller, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

static bool own_path(const char *controller, bool v2, char *out, size_t cap)
{
    char line[PATH_BYTES];
    bool found = false;
    FILE *f = fopen(own_at, "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = v2 ? list[1] == '\0' : names(list + 1, controller);
        if (found)
            snprintf(out, cap, "%s", strcmp(path, "/") == 0 ? "" : path);
    }
    if (f != NULL)
        fclose(f);
    return found;
}

static bool find_tree(const char *controller, struct tree *t)
{
    char path[PATH_BYTES / 2] = "";
    *t = (struct tree){0};
    snprintf(t->root, sizeof t->root, "%.200s/%s", mounts_at, controller);
    if (!is_folder(t->root)) {
        t->v2 = true;
        snprintf(t->root, sizeof t->root, "%.200s", mounts_at);
    }
    if (!own_path(controller, t->v2, path, sizeof path))
        return false;
    snprintf(t->group, sizeof t->group, "%s%s", t->root, path);
    if (!is_folder(t->group))
        snprintf(t->group, sizeof t->group, "%s", t->root);
    return is_folder(t->group);
}

/* ---- reading ---- */

static uint64_t memory_of(const struct tree *t, const char *folder)
{
    char text[64];
    if (!read_text(folder, t->v2 ? "memory.max" : "memory.limit_in_bytes", text, sizeof text))
        return 0;
    uint64_t bytes = strtoull(text, NULL, 10); /* "max" reads as 0 */
    return bytes >= no_memory_limit ? 0 : bytes;
}

static double cpus_of(const struct tree *t, const char *folder)
{
    char text[64], period_text[64];
    if (t->v2) {
        char *end;
        if (!read_text(folder, "cpu.max", text, sizeof text))
            return 0;
        double quota = strtod(text, &end), period = strtod(end, NULL); /* "max 100000" reads as 0 */
        return quota > 0 && period > 0 ? quota / period : 0;
    }
    if (!read_text(folder, "cpu.cfs_quota_us", text, sizeof text) || !read_text(folder, "cpu.cfs_period_us", period_text, sizeof period_text))
        return 0;
    double quota = strtod(text, NULL), period = strtod(period_text, NULL); /* -1: no limit */
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* Returns the tightest limit from our group up to the root: a tighter limit of an outer group
 * applies, too. */
static double tightest(const char *controller, double (*limit_of)(const struct tree *, const char *))
{
    struct tree t;
    double least = 0;
    if (!find_tree(controller, &t))
        return 0;
    for (;;) {
        double here = limit_of(&t, t.group);
        if (here > 0 && (least <= 0 || here < least))
            least = here;
        char *slash = strrchr(t.group, '/');
        if (strlen(t.group) <= strlen(t.root) || slash == NULL)
            return least;
        *slash = '\0';
    }
}

static double memory_as_double(const struct tree *t, const char *folder)
{
    return (double)memory_of(t, folder);
}

void cgroup_read(struct cgroup_limits *out)
{
    out->memory_bytes = (uint64_t)tightest("memory", memory_as_double);
    out->cpus = tightest("cpu", cpus_of);
}

/* The number after "total_inactive_file " (version 1) or "inactive_file " at the beginning of a line. */
static uint64_t number_of(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, n) == 0 && at[n] == ' ')
            return strtoull(at + n, NULL, 10);
    }
    return 0;
}

uint64_t cgroup_memory_used(void)
{
    struct tree t;
    char text[32], stat[8192];
    if (!find_tree("memory", &t) || !read_text(t.group, t.v2 ? "memory.current" : "memory.usage_in_bytes", text, sizeof text) ||
        !read_text(t.group, "memory.stat", stat, sizeof stat))
        return 0;
    uint64_t used = strtoull(text, NULL, 10), files = number_of(stat, t.v2 ? "inactive_file" : "total_inactive_file");
    return used > files ? used - files : 0;
}

uint64_t cgroup_oom_kills(void)
{
    char text[16384];
    return file_read_text("/proc/vmstat", text, sizeof text) > 0 ? number_of(text, "oom_kill") : 0;
}

/* ---- entering a smaller group ---- */

/* Returns whether the group belongs to a manta process that is gone. Other groups may have names
 * that begin alike, and a living process may be about to enter its own group. */
static bool is_left_over(const char *name)
{
    char *end = NULL;
    long pid = strncmp(name, "manta-", 6) == 0 && name[6] >= '1' && name[6] <= '9' ? strtol(name + 6, &end, 10) : 0;
    return pid > 0 && pid <= INT_MAX && *end == '\0' && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* rmdir() takes only groups without processes. */
static void remove_old_groups(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[PATH_BYTES + 300];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (is_left_over(e->d_name))
            rmdir(path);
    }
    if (d != NULL)
        closedir(d);
}

static int make_group(const struct tree *t, const char *controller, char *out, size_t cap)
{
    remove_old_groups(t->group);
    if (snprintf(out, cap, "%s/manta-%d", t->group, (int)getpid()) >= (int)cap)
        return ERR_TOO_LARGE;
    if (t->v2) {
        char enable[32];
        snprintf(enable, sizeof enable, "+%s", controller);
        write_text(t->group, "cgroup.subtree_control", enable); /* the next step fails if this was necessary and is
                                                                   forbidden */
    }
    return mkdir(out, 0755) == 0 || errno == EEXIST ? 0 : ERR_FORBIDDEN;
}

static int move_to(const char *group)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    return write_text(group, "cgroup.procs", pid);
}

static int enter(const char *group)
{
    int err = move_to(group);
    char *note = entered[0][0] == '\0' ? entered[0] : entered[1];
    if (err == 0 && strcmp(entered[0], group) != 0)
        snprintf(note, PATH_BYTES, "%s", group);
    return err;
}

void cgroup_leave(void)
{
    for (int i = 0; i < 2; i++) {
        char above[PATH_BYTES], *slash;
        memcpy(above, entered[i], sizeof above);
        slash = strrchr(above, '/');
        if (slash == NULL)
            continue;
        *slash = '\0';
        if (move_to(above) == 0)
            rmdir(entered[i]);
        entered[i][0] = '\0';
    }
}

static int refuse(const char *what, const char *where, struct fault *f)
{
    return fault_set(f, ERR_FORBIDDEN, "%s: %s: %s", what, where, strerror(errno));
}

static int enter_memory(uint64_t bytes, char *group, size_t cap, struct fault *f)
{
    struct tree t;
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    if (!find_tree("memory", &t))
        return fault_set(f, ERR_FORBIDDEN, "no control groups for memory under %s", mounts_at);
    if (make_group(&t, "memory", group, cap) != 0 || write_text(group, t.v2 ? "memory.max" : "memory.limit_in_bytes", text) != 0 ||
        enter(group) != 0)
        return refuse("memory", group, f);
    return 0;
}

/* In version 2 one group has both limits: memory_group, when there is one. */
static int enter_cpu(uint32_t cpus, const char *memory_group, struct fault *f)
{
    struct tree t;
    char group[PATH_BYTES] = "", quota[32], period[32];
    if (!find_tree("cpu", &t))
        return fault_set(f, ERR_FORBIDDEN, "no control groups for processors under %s", mounts_at);
    snprintf(period, sizeof period, "%d", CPU_PERIOD_US);
    snprintf(quota, sizeof quota, t.v2 ? "%llu %s" : "%llu", (unsigned long long)cpus * CPU_PERIOD_US, period);
    int err = 0;
    if (t.v2 && memory_group[0] != '\0')
        snprintf(group, sizeof group, "%s", memory_group);
    else
        err = make_group(&t, "cpu", group, sizeof group);
    if (err == 0 && !t.v2)
        err = write_text(group, "cpu.cfs_period_us", period);
    if (err == 0)
        err = write_text(group, t.v2 ? "cpu.max" : "cpu.cfs_quota_us", quota);
    if (err == 0)
        err = enter(group);
    return err == 0 ? 0 : refuse("processors", group, f);
}

int cgroup_enter(uint64_t memory_bytes, uint32_t cpus, struct fault *f)
{
    char memory_group[PATH_BYTES] = "";
    int err = memory_bytes > 0 ? enter_memory(memory_bytes, memory_group, sizeof memory_group, f) : 0;
    if (err != 0)
        memory_group[0] = '\0';
    struct fault cpu_fault = {0};
    if (cpus > 0 && enter_cpu(cpus, memory_group, &cpu_fault) != 0 && err == 0) {
        *f = cpu_fault;
        err = cpu_fault.err;
    }
    return err;
}
