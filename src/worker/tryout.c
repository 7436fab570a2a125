#include "worker/tryout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/orphans.h"
#include "worker/tryout_lines.h"

/* The parent's side: starts the child, reads its lines, judges its end. */

enum { ARGS = 12, NUMBER_BYTES = 24, LOOK_EVERY_MS = 200 };

struct child {
    const struct tryout *t;
    pid_t pid;
    int fd;                   /* its standard output and error */
    char line[TRYOUT_LINE_BYTES];
    size_t line_n;
    char words[200];          /* its last line about an error */
    bool ok, too_much_memory;
    uint64_t moved_us;        /* time of its last progress */
    float progress;
    struct fault *f;          /* the fault that the child itself reports */
};

/* ---- the start ---- */

static int spawn(struct child *c, struct fault *f)
{
    const struct engine_load *load = &c->t->load;
    unsigned long long numbers[] = {c->t->whole, load->slots, load->context, load->threads, load->kv, load->exact, load->repack, c->t->memory_bytes};
    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
    char texts[NUMBERS][NUMBER_BYTES];
    const char *argv[ARGS + 1] = {"manta", TRYOUT_COMMAND, c->t->engine, load->path};
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(texts[i], sizeof texts[i], "%llu", numbers[i]);
        argv[4 + i] = texts[i];
    }
    int pipes[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return fault_set(f, ERR_FAILED, "cannot try '%s': no pipe: %s", load->path, strerror(errno));
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int problem = posix_spawn(&c->pid, "/proc/self/exe", &actions, &attr, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(pipes[1]);
    c->fd = pipes[0];
    if (problem == 0)
        return 0;
    close(c->fd);
    return fault_set(f, ERR_FAILED, "cannot try '%s' in a process of its own: %s", load->path, strerror(problem));
}

/* ---- its lines ---- */

static void hear(struct child *c, char *line)
{
    int err;
    float progress;
    int at = 0;
    if (strcmp(line, TRYOUT_OK) == 0) {
        c->ok = true;
    } else if (sscanf(line, TRYOUT_PROGRESS, &progress) == 1) {
        c->moved_us = progress > c->progress ? clock_us() : c->moved_us;
        c->progress = progress > c->progress ? progress : c->progress;
    } else if (sscanf(line, TRYOUT_FAULT "%n", &err, &at) == 1 && at > 0) {
        fault_set(c->f, err, "%s", line + at);
    } else if (line[0] != '\0' && (strstr(line, "ASSERT") != NULL || strstr(c->words, "ASSERT") == NULL)) {
        snprintf(c->words, sizeof c->words, "%.199s", line);
    }
    c->too_much_memory = c->too_much_memory || strstr(line, "bad_alloc") != NULL || strstr(line, "out of memory") != NULL ||
                         strstr(line, "failed to allocate") != NULL;
}

static void hear_bytes(struct child *c, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n' && c->line_n + 1 < sizeof c->line) {
            c->line[c->line_n++] = (unsigned char)p[i] < 0x20 ? ' ' : p[i];
            continue;
        }
        c->line[c->line_n] = '\0';
        hear(c, c->line);
        c->line_n = 0;
    }
}

/* ---- its end ---- */

/* Cuts the place in the engine's source off an assertion: "…/ggml.c:123: GGML_ASSERT(…) failed" */
static const char *words_of(const struct child *c)
{
    const char *assertion = strstr(c->words, "GGML_ASSERT");
    return assertion != NULL ? assertion : c->words;
}

static int judge(const struct child *c, int status, struct fault *f)
{
    const char *path = c->t->load.path;
    const char *words = words_of(c);
    if (WIFEXITED(status) && c->ok)
        return 0;
    if (WIFEXITED(status) && c->f->err != 0)
        return c->f->err;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (c->too_much_memory || killed)
        return fault_set(f, ERR_MEMORY, "model file '%s' is left out: tried in a process of its own, it took more memory than the %.0f MiB it may have",
                         path, (double)tryout_memory(c->t->memory_bytes) / (1 << 20));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
        return fault_set(f, ERR_IO, "model file '%s' became shorter, or could not be read, while it was tried", path);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return fault_set(f, ERR_TIMEOUT, "model file '%s' is left out: tried in a process of its own, it does not come to an end", path);
    return fault_set(f, ERR_MODEL, "model file '%s' is left out: tried in a process of its own, it made the engine crash (%s %d%s%.160s)", path,
                     WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                     words[0] != '\0' ? ": " : "", words);
}

static int give_up(struct child *c, engine_progress_fn *progress, void *user_data, struct fault *f)
{
    if (progress != NULL && !progress(c->progress, user_data))
        return fault_set(f, ERR_CANCELLED, "trying '%s' was stopped", c->t->load.path);
    if (clock_us() - c->moved_us > c->t->stall_s * (uint64_t)1000000)
        return fault_set(f, ERR_TIMEOUT,
                         "model file '%s' is left out: tried in a process of its own, it made no progress for %u s (--load-stall-s)",
                         c->t->load.path, c->t->stall_s);
    return 0;
}

/* Hears the child to its end, or ends it. */
static int hear_out(struct child *c, engine_progress_fn *progress, void *user_data, int *out_status, struct fault *f)
{
    int err = 0;
    while (err == 0) {
        char bytes[4096];
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        ssize_t n = poll(&p, 1, LOOK_EVERY_MS) > 0 ? read(c->fd, bytes, sizeof bytes) : -1;
        if (n == 0)
            break; /* the child has ended, with all processes it started */
        hear_bytes(c, bytes, n > 0 ? (size_t)n : 0);
        err = give_up(c, progress, user_data, f);
    }
    if (err != 0)
        kill(c->pid, SIGKILL);
    close(c->fd);
    while (waitpid(c->pid, out_status, 0) < 0 && errno == EINTR)
        ;
    return err;
}

int tryout_run(const struct tryout *t, engine_progress_fn *progress, void *user_data, struct fault *f)
{
    struct fault said = {0};
    struct child c = {.t = t, .f = &said, .moved_us = clock_us()};
    int status = 0;
    orphans_not_mine(true);
    int err = spawn(&c, f);
    if (err == 0)
        err = hear_out(&c, progress, user_data, &status, f);
    orphans_not_mine(false);
    if (err != 0)
        return err;
    err = judge(&c, status, f);
    if (err != 0 && said.err != 0 && f != NULL)
        *f = said;
    return err;
}
