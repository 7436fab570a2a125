/* Create and open the engine: its options, and the environment of Slurm's commands. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/slurm.h"

extern char **environ;

/* Within an allocation, sbatch would inherit that allocation's values: SLURM_CPUS_PER_TASK,
 * SLURM_MEM_PER_NODE, … */
static void make_env(struct slurm *s)
{
    size_t n = 0, ours = 0;
    const char *const *more = s->base.cfg.worker_env;
    while (environ[ours] != NULL)
        ours++;
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        ours++;
    s->env = xalloc_array(ours + 1, sizeof *s->env);
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        s->env[n++] = more[i];
    for (size_t i = 0; environ[i] != NULL; i++) {
        if (strncmp(environ[i], "SLURM_", 6) == 0 && strncmp(environ[i], "SLURM_CONF=", 11) != 0)
            s->env[n++] = xstr_dup(str_n(environ[i], strcspn(environ[i], "=")));
    }
    s->env[n] = NULL;
}

static void free_env(struct slurm *s)
{
    size_t n = 0;
    const char *const *more = s->base.cfg.worker_env;
    while (more != NULL && more[n] != NULL)
        n++;
    for (; s->env != NULL && s->env[n] != NULL; n++)
        free((char *)s->env[n]);
    free(s->env);
}

/* ---- watching: Slurm sends no notice, so the queue is polled ---- */

static void set_watch(struct slurm *s)
{
    net_timer_set(s->watch, s->watched ? net_now_us(s->base.loop) + s->poll_s * (uint64_t)1000000 : UINT64_MAX);
}

static void on_watch_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    struct slurm *s = user_data;
    set_watch(s);
    s->base.events.changed(s->base.user_data);
}

static void slurm_watch(struct launcher *a, bool on)
{
    struct slurm *s = (struct slurm *)a;
    s->watched = on;
    set_watch(s);
}

/* ---- interface ---- */

static void slurm_free(struct launcher *a)
{
    struct slurm *s = (struct slurm *)a;
    if (s == NULL)
        return;
    slurm_end(s);
    net_timer_free(s->watch);
    buf_fini(&s->names);
    free_env(s);
    free(s);
}

static struct launcher *slurm_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events,
                                   void *user_data, struct fault *f)
{
    struct slurm *s = xalloc(sizeof *s);
    struct slurm_command c;
    if (launcher_init(&s->base, &launch_slurm, l, cfg, events, user_data, f) != 0 || slurm_check_options(&s->base, f) != 0 ||
        slurm_logs_make(s, f) != 0 ||
        slurm_command_make(&c, &s->base, LAUNCHER_WORKERS_MAX, s->logs, f) != 0) {
        free(s);
        return NULL;
    }
    slurm_command_fini(&c);
    slurm_names(&s->names, &s->base);
    make_env(s);
    s->watch = net_timer_new(l, on_watch_timer, s);
    s->poll_s = (uint32_t)strtoul(launcher_option_value(&s->base, "poll"), NULL, 10);
    slurm_begin(s);
    return &s->base;
}

static const struct launcher_option options[] = {
    {"partition", "", "partition of the jobs"},
    {"account", "", "account they are charged to"},
    {"qos", "", "quality of service"},
    {"time", "", "time limit, as sbatch takes it: 8:00:00"},
    {"gres", "", "generic resources: gpu:1"},
    {"reservation", "", "reservation to take them from"},
    {"sbatch", "", "more options for sbatch, each one word: '--constraint=avx512 --container-image=manta'"},
    {"notice", "60", "seconds before its time limit at which a worker is told to drain; 0: never"},
    {"lead", "60", "seconds before that at which its successor is submitted; more where jobs wait for long"},
    {"program", "", "path of manta on the compute nodes, where it is another one"},
    {"poll", "5", "seconds between two looks at the queue while all is well"},
    {"logs", "", "folder, on a file system that the nodes share, for the jobs' output; default: slurm/CLUSTER in the state folder"},
    {0},
};

const struct launcher_ops launch_slurm = {
    .engine = "slurm",
    .about = "one Slurm job per worker, by sbatch; the head runs here",
    .options = options,
    .open = slurm_open,
    .start = slurm_start,
    .stop = slurm_stop,
    .list = slurm_list,
    .watch = slurm_watch,
    .down = slurm_down,
    .free = slurm_free,
};
