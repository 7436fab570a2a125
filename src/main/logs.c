/* `manta logs`: prints the log file and, with --follow, later lines, across rotations. */
#include "main/logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/plain.h"
#include "main/running.h"
#include "main/up_log.h"

enum { PATH_BYTES = 1100, LOOK_EVERY_MS = 100 };

struct logs {
    const char *worker;       /* "worker-2", "head", "up"; NULL: all */
    const char *path;
    FILE *file;
    char *line;               /* of getline() */
    size_t cap;
    struct buf half;          /* of an incomplete line */
    bool printed;             /* at least one line */
};

/* "worker-2 | …", or {"part":"worker-2",…} */
static bool is_wanted(const struct logs *l, const char *line)
{
    static const char part[] = "{\"part\":\"";
    const char *at = strncmp(line, part, sizeof part - 1) == 0 ? line + sizeof part - 1 : line;
    size_t n = l->worker != NULL ? strlen(l->worker) : 0;
    return l->worker == NULL || (strncmp(at, l->worker, n) == 0 && (strncmp(at + n, " | ", 3) == 0 || at[n] == '"'));
}

static void print_line(struct logs *l, const char *line)
{
    if (!is_wanted(l, line))
        return;
    l->printed = true;
    if (isatty(STDOUT_FILENO) != 0)
        plain_print(stdout, "%.*s", (int)strcspn(line, "\n"), line);
    else
        fputs(line, stdout);
}

/* Prints up to the end of the file; keeps an incomplete line for later. */
static void print_rest(struct logs *l)
{
    clearerr(l->file);
    for (ssize_t n; (n = getline(&l->line, &l->cap, l->file)) > 0;) {
        buf_add(&l->half, l->line, (size_t)n);
        if (l->line[n - 1] != '\n')
            break;
        print_line(l, buf_cstr(&l->half));
        buf_reset(&l->half);
    }
    fflush(stdout);
}

/* Seeks to the last `tail` wanted lines; 0: all lines. */
static void skip_to_tail(struct logs *l, uint64_t tail)
{
    if (tail == 0)
        return;
    long *places = xalloc_array(tail, sizeof *places), at = 0;
    uint64_t n = 0;
    for (ssize_t got; (got = getline(&l->line, &l->cap, l->file)) > 0; at += got)
        if (is_wanted(l, l->line))
            places[n++ % tail] = at;
    fseek(l->file, n > tail ? places[n % tail] : 0, SEEK_SET);
    free(places);
}

static bool was_moved(const struct logs *l)
{
    struct stat now, ours;
    return stat(l->path, &now) == 0 && fstat(fileno(l->file), &ours) == 0 && (now.st_ino != ours.st_ino || now.st_dev != ours.st_dev);
}

static void follow(struct logs *l)
{
    for (;;) {
        print_rest(l);
        if (ferror(stdout) != 0)
            return; /* the reader is gone */
        if (was_moved(l)) {
            FILE *next = fopen(l->path, "re");
            print_rest(l);
            if (next != NULL) {
                fclose(l->file);
                l->file = next;
                continue;
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000l}, NULL);
    }
}

/* Finds the log: of the given port, else of the only cluster that runs here, else the last one. */
static int find_log(const struct settings *s, char *path, size_t cap, struct fault *f)
{
    struct running one;
    size_t clusters;
    if (s->values[SET_PORT].source == FROM_FLAG)
        return up_log_find("127.0.0.1", (unsigned)setting_number(s, SET_PORT), path, cap, f);
    int err = running_only(&one, &clusters, f);
    if (err == 0 && clusters == 1 && strcmp(one.engine, "local") != 0)
        return fault_set(f, ERR_NOT_FOUND, "the cluster here has its workers on %s: their logs are there; this machine keeps none", one.engine);
    if (err == 0 && clusters == 1)
        return up_log_find(one.host, one.port, path, cap, f);
    return err == 0 ? up_log_find(NULL, 0, path, cap, f) : err;
}

int logs_main(const struct settings *s, const char *worker)
{
    char path[PATH_BYTES];
    struct logs l = {.worker = worker, .path = path, .half = buf_max(SIZE_MAX / 2)};
    struct fault f = {0};
    int err = find_log(s, path, sizeof path, &f);
    if (err == 0 && (l.file = fopen(path, "re")) == NULL)
        err = fault_set(&f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read the log '%s': %s%s", path, strerror(errno),
                        errno == ENOENT ? ": no `manta up` has run there; --port N names another one" : "");
    if (err == 0) {
        skip_to_tail(&l, setting_number(s, SET_TAIL));
        print_rest(&l);
        if (setting_on(s, SET_FOLLOW) && worker != NULL && !l.printed)
            plain_print(stderr, "waiting for the first line of '%.60s' in '%s'", worker, path);
        if (setting_on(s, SET_FOLLOW))
            follow(&l);
        else if (worker != NULL && !l.printed)
            err = fault_set(&f, ERR_NOT_FOUND, "no line in '%s' is of '%.60s': lines are of head, up and the workers that `manta status` names", path, worker);
        fclose(l.file);
    }
    if (err != 0)
        plain_error("%s", f.text);
    free(l.line);
    buf_fini(&l.half);
    return err_exit(err);
}
