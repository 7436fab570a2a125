/* Make the command line of a child. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launch/state.h"

void command_own_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n > 0) {
        out[n] = '\0';
        if (access(out, X_OK) == 0)
            return;
    }
    /* the file was replaced by a newer one: this name still leads to the old one */
    snprintf(out, cap, "/proc/self/exe");
}

static uint32_t own_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* Shares the processors out among the wanted workers; a worker keeps its share until it is
 * restarted. */
static uint32_t share(const struct launch *a)
{
    if (a->cfg.worker_threads > 0)
        return a->cfg.worker_threads;
    uint32_t each = own_processors() / (a->target > 0 ? a->target : 1);
    return each > 0 ? each : 1;
}

int command_make(struct command *c, const struct part *p, struct fault *f)
{
    const struct launch *a = p->launch;
    snprintf(c->pid, sizeof c->pid, "%d", (int)getpid());
    snprintf(c->threads, sizeof c->threads, "%u", share(a));
    /* a restarted or later worker has models that were good before: an error in them now may pass */
    bool again = p->starts > 0 || a->scaled;
    const char *const added[] = {"--die-with-parent", c->pid, "--node", p->name, "--threads", c->threads, "--again"};
    size_t added_n = p->index == 0 ? 2 : again ? 7 : 6;
    const char *const *args = p->index == 0 ? a->cfg.head_args : a->cfg.worker_args;
    size_t n = 0;
    c->argv[n++] = a->program;
    while (*args != NULL && n + added_n < LAUNCH_ARGS_MAX)
        c->argv[n++] = *args++;
    if (*args != NULL)
        return fault_set(f, ERR_USAGE, "cannot start %s: more than %d arguments", p->name, LAUNCH_ARGS_MAX);
    memcpy(&c->argv[n], added, added_n * sizeof added[0]);
    c->argv[n + added_n] = NULL;
    return 0;
}
