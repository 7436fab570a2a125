/* Keep the folder for the jobs' output: worker-K.log, to which each job of a worker appends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/plain.h"
#include "base/utf8.h"
#include "launch/slurm.h"
#include "os/dirs.h"

enum { TAIL_BYTES = 4096 };

int slurm_logs_make(struct slurm *s, struct fault *f)
{
    const char *given = launcher_option_value(&s->base, "logs");
    char state[SLURM_PATH_BYTES];
    if (given[0] != '\0')
        snprintf(s->logs, sizeof s->logs, "%s", given);
    else if (dirs_state(state, sizeof state) != 0)
        return fault_set(f, ERR_NOT_FOUND, "there is no folder for the output of Slurm's jobs: set HOME, or --set logs=/a/shared/folder");
    else
        snprintf(s->logs, sizeof s->logs, "%.900s/slurm/%s", state, s->base.cfg.cluster);
    if (s->logs[0] != '/' || strpbrk(s->logs, "%\\\n") != NULL)
        return fault_set(f, ERR_USAGE, "--set logs='%s' is not an absolute path that sbatch takes as it is (without %% and \\)", s->logs);
    for (char *slash = strchr(s->logs + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(s->logs, 0700) != 0 && errno != EEXIST)
            return fault_set(f, ERR_IO, "cannot make the folder %s for the output of Slurm's jobs: %s", s->logs, strerror(errno));
        if (slash == NULL)
            return 0;
        *slash = '/';
    }
}

/* ---- why a worker gave up ---- */

static size_t read_tail(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = pread(fd, out, cap, st.st_size > (off_t)cap ? st.st_size - (off_t)cap : 0);
    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* Returns the text after the last "error: ", up to the end of its line. */
static struct str last_error(struct str text)
{
    static const char mark[] = "error: ";
    struct str found = {0};
    for (const char *at; (at = memmem(text.p, text.n, mark, sizeof mark - 1)) != NULL;) {
        at += sizeof mark - 1;
        text = str_n(at, text.n - (size_t)(at - text.p));
        const char *end = memchr(text.p, '\n', text.n);
        found = str_n(text.p, end != NULL ? (size_t)(end - text.p) : text.n);
    }
    return found;
}

void slurm_logs_reason(const struct slurm *s, struct launcher_worker *w)
{
    char path[SLURM_PATH_BYTES + 80], tail[TAIL_BYTES];
    size_t n = strlen(w->reason);
    snprintf(path, sizeof path, "%s/%s.log", s->logs, launcher_name(w->index).text);
    struct str words = last_error(str_n(tail, read_tail(path, tail, sizeof tail)));
    if (words.n == 0 || n + 3 >= sizeof w->reason)
        return;
    words = utf8_head(words, sizeof w->reason - n - 3);
    snprintf(w->reason + n, sizeof w->reason - n, "%s%.*s", n > 0 ? ": " : "", STR_ARG(words));
    w->reason[plain_in_place(w->reason, strlen(w->reason))] = '\0';
}
