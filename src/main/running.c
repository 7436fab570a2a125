#include "main/running.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "net/net.h"
#include "os/dirs.h"
#include "os/file.h"

enum { USUAL_PORT = 8470, PATH_BYTES = 1100, TEXT_BYTES = 1024, PLACE_BYTES = 40, MACHINE_BYTES = 65 };

/* Where a process runs. */
struct place {
    char pids[PLACE_BYTES], net[PLACE_BYTES]; /* its namespaces, as "pid:[4026531836]" */
    char boot[PLACE_BYTES];                   /* id of the machine's present boot */
    char machine[MACHINE_BYTES];
};

static char own_path[PATH_BYTES];

static int folder(char *out, size_t cap)
{
    int err = dirs_state(out, cap);
    size_t n = strlen(out);
    if (err != 0 || n + sizeof "/running" > cap)
        return err != 0 ? err : ERR_IO;
    memcpy(out + n, "/running", sizeof "/running");
    return mkdir(out, 0700) == 0 || errno == EEXIST ? 0 : ERR_IO;
}

/* Returns field 22 of the process's stat; the name before it may have any characters, including
 * blanks and parentheses. 0: no such process. */
static uint64_t start_of(int pid)
{
    char path[64], text[TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (file_read_text(path, text, sizeof text) == 0)
        return 0;
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    at += 2;
    for (int field = 3; field < 22 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

static void read_namespace(const char *path, char out[PLACE_BYTES])
{
    ssize_t n = readlink(path, out, PLACE_BYTES - 1);
    snprintf(out + (n > 0 ? n : 0), PLACE_BYTES - (size_t)(n > 0 ? n : 0), "%s", n > 0 ? "" : "-");
}

static struct place own_place(void)
{
    struct place p = {.boot = "-"};
    struct utsname system;
    read_namespace("/proc/self/ns/pid", p.pids);
    read_namespace("/proc/self/ns/net", p.net);
    if (file_read_text("/proc/sys/kernel/random/boot_id", p.boot, sizeof p.boot) > 0)
        p.boot[strcspn(p.boot, "\n")] = '\0';
    snprintf(p.machine, sizeof p.machine, "%.64s", uname(&system) == 0 && system.nodename[0] != '\0' ? system.nodename : "-");
    for (char *at = p.machine; *at != '\0'; at++)
        *at = *at == '/' || *at <= ' ' ? '_' : *at;
    return p;
}

/* Processes of several machines and containers that share the folder may have the same pid. */
static void name_note(const char *dir, int pid, const struct place *p)
{
    size_t digits = strcspn(p->pids, "0123456789");
    snprintf(own_path, sizeof own_path, "%s/%d-%.*s-%s", dir, pid, (int)strspn(p->pids + digits, "0123456789"), p->pids + digits, p->machine);
}

void running_tell(const char *what, const char *engine, const char *cluster, const char *host, unsigned port)
{
    char dir[PATH_BYTES - 120];
    int pid = (int)getpid();
    if (folder(dir, sizeof dir) != 0)
        return;
    struct place p = own_place();
    name_note(dir, pid, &p);
    int fd = open(own_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        own_path[0] = '\0';
        return;
    }
    int n = fprintf(file, "%d %llu %s %s %s %s %u %s %s %s %s\n", pid, (unsigned long long)start_of(pid), p.pids, what, engine, cluster, port,
                    host[0] != '\0' ? host : "-", p.net, p.boot, p.machine);
    if (fclose(file) != 0 || n < 0)
        running_forget(); /* a full disk: half a note says nothing */
}

const char *running_how_to_stop(bool detached)
{
    static char text[120];
    if (!detached)
        return "Ctrl-C stops it";
    if (own_path[0] != '\0')
        return "`manta down` stops it";
    snprintf(text, sizeof text, "`kill %d` stops it: `manta down` will not find it, the state folder takes no note of it", (int)getpid());
    return text;
}

void running_forget(void)
{
    if (own_path[0] != '\0')
        unlink(own_path);
    own_path[0] = '\0';
}

/* Returns whether the file has a note. One of an earlier version lacks the last members of `p`, which
 * stay as they are. */
static bool parse(const char *path, struct running *r, struct place *p)
{
    char text[TEXT_BYTES];
    unsigned long long start;
    *r = (struct running){0};
    if (file_read_text(path, text, sizeof text) == 0 ||
        sscanf(text, "%d %llu %39s %15s %31s %63s %u %255s %39s %39s %64s", &r->pid, &start, p->pids, r->what, r->engine, r->cluster, &r->port, r->host,
               p->net, p->boot, p->machine) < 8)
        return false;
    r->start = start;
    if (strcmp(r->host, "-") == 0)
        r->host[0] = '\0';
    return r->pid > 0;
}

/* Returns false for an invalid file, for a process of another machine or namespace, and for a
 * process that has `ended`. */
static bool read_one(const char *path, const struct place *own, struct running *r, bool *ended)
{
    struct place p = *own;
    *ended = false;
    if (!parse(path, r, &p) || strcmp(p.machine, own->machine) != 0)
        return false;
    bool same_boot = strcmp(p.boot, own->boot) == 0;
    if (same_boot && strcmp(p.pids, own->pids) != 0)
        return false;
    *ended = !same_boot || start_of(r->pid) != r->start;
    return !*ended && strcmp(p.net, own->net) == 0;
}

static int by_pid(const void *a, const void *b)
{
    const struct running *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

int running_find(struct running out[RUNNING_MAX], size_t *out_n, struct fault *f)
{
    char dir[PATH_BYTES - 260], path[PATH_BYTES];
    size_t n = 0;
    bool ended;
    int err = folder(dir, sizeof dir);
    *out_n = 0;
    if (err == ERR_NOT_FOUND)
        return 0; /* no state folder: no notes */
    DIR *d = err == 0 ? opendir(dir) : NULL;
    if (d == NULL)
        return fault_set(f, ERR_IO, "cannot read the folder '%s', where running clusters are noted: %m", dir);
    struct place own = own_place();
    for (struct dirent *e; n < RUNNING_MAX && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (read_one(path, &own, &out[n], &ended))
            n++;
        else if (ended)
            unlink(path);
    }
    closedir(d);
    qsort(out, n, sizeof *out, by_pid);
    *out_n = n;
    return 0;
}

bool running_at(unsigned port)
{
    static struct running all[RUNNING_MAX];
    struct fault f;
    size_t n;
    bool there = false;
    if (running_find(all, &n, &f) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        there = there || all[i].port == port;
    return there;
}

int running_only(struct running *out, size_t *out_n, struct fault *f)
{
    static struct running all[RUNNING_MAX];
    size_t n, heads = 0, usual = 0, at = 0;
    char list[300] = "";
    int err = running_find(all, &n, f);
    *out_n = 0;
    for (size_t i = 0; err == 0 && i < n; i++) {
        if (all[i].port == 0)
            continue;
        at += at < sizeof list ? (size_t)snprintf(list + at, sizeof list - at, "%s--port %u", heads > 0 ? " or " : "", all[i].port) : 0;
        usual += all[i].port == USUAL_PORT;
        if (heads++ == 0 || all[i].port == USUAL_PORT)
            *out = all[i];
    }
    if (err == 0 && heads > 1 && usual != 1)
        return fault_set(f, ERR_USAGE, "%zu clusters run here: say which one, %s", heads, list);
    *out_n = heads > 0;
    return err;
}

/* A port alone refers to this machine, and is spelled out: "127.0.0.1:9250". */
static int spell_out_port(struct settings *s, struct fault *f)
{
    char address[32], where[200];
    const char *text = setting_text(s, SET_HEAD);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return 0;
    snprintf(address, sizeof address, "127.0.0.1:%s", text);
    snprintf(where, sizeof where, "%s", s->values[SET_HEAD].where);
    return setting_put(s, SET_HEAD, address, s->values[SET_HEAD].source, where, f);
}

int running_head(struct settings *s, struct fault *f)
{
    struct running one;
    struct fault unread = {0};
    size_t n;
    if (s->values[SET_HEAD].source != FROM_DEFAULT)
        return spell_out_port(s, f);
    int err = running_only(&one, &n, &unread);
    if (err == ERR_USAGE)
        *f = unread;
    if (err == 0 && n == 1)
        return setting_put(s, SET_HEAD, net_place(one.host, one.port).text, FROM_DEFAULT, "the cluster that runs here", f);
    return err == ERR_USAGE ? err : 0; /* without a state folder, use the default address */
}

int running_end(const struct running *r, uint32_t patience_ms, struct fault *f)
{
    int fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (fd < 0 && errno == ESRCH)
        return 0;
    if (fd < 0)
        return fault_set(f, ERR_IO, "cannot watch process %d: %m", r->pid);
    int err = 0;
    if (start_of(r->pid) == r->start) { /* from here on fd is that process, even if its pid is reused */
        if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
            err = fault_set(f, errno == EPERM ? ERR_FORBIDDEN : ERR_IO, "cannot end process %d: %m", r->pid);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = 0;
        while (err == 0 && (n = poll(&p, 1, (int)patience_ms)) < 0 && errno == EINTR)
            continue;
        if (err == 0 && n == 0)
            err = fault_set(f, ERR_TIMEOUT, "process %d has not ended within %u s; `kill %d` tells it not to wait any longer", r->pid, patience_ms / 1000,
                            r->pid);
    }
    close(fd);
    return err;
}
