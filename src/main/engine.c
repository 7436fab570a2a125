#include "main/engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/plain.h"
#include "main/running.h"

static void own_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    if (n <= 0 || access(out, X_OK) != 0)
        snprintf(out, cap, "/proc/self/exe"); /* replaced by a newer one since */
}

/* After all --set items: the last one counts. */
static int add_address(struct engine *e, const char *address, struct fault *f)
{
    size_t n = 0;
    while (e->options[n] != NULL)
        n++;
    if (snprintf(e->address, sizeof e->address, "address=%s", address) >= (int)sizeof e->address)
        return fault_set(f, ERR_USAGE, "--address: '%.40s...' is too long, an address has at most %zu characters", address,
                         sizeof e->address - sizeof "address=");
    e->options[n] = e->address;
    return 0;
}

int engine_init(struct engine *e, const struct settings *s, const char *head, bool own_token, struct fault *f)
{
    uint32_t n;
    const char *const *set = setting_items(s, SET_SET, &n), *worker_head = setting_text(s, SET_WORKER_HEAD);
    *e = (struct engine){0};
    children_args(&e->children, s, worker_head[0] != '\0' ? worker_head : head);
    children_env(&e->children, own_token);
    for (uint32_t i = 0; i < n && s->values[SET_SET].source != FROM_DEFAULT; i++)
        e->options[i] = set[i];
    if (setting_text(s, SET_ADDRESS)[0] != '\0' && add_address(e, setting_text(s, SET_ADDRESS), f) != 0)
        return f->err;
    own_program(e->program, sizeof e->program);
    e->cfg = (struct launcher_config){
        .cluster = setting_text(s, SET_CLUSTER),
        .head = e->children.head,
        .program = e->program,
        .worker_args = e->children.worker_args,
        .worker_env = e->children.worker_env,
        .head_args = e->children.head_args,
        .head_env = e->children.head_env,
        .options = e->options,
        .workers = (uint32_t)setting_number(s, SET_WORKERS),
        .memory_bytes = setting_number(s, SET_MEMORY),
        .threads = (uint32_t)setting_number(s, SET_THREADS),
        .gpus = (uint32_t)setting_number(s, SET_GPUS),
        .drain_ms = (uint32_t)setting_number(s, SET_DRAIN_GRACE) * 1000,
    };
    return launcher_find(setting_text(s, SET_ON), &e->ops, f);
}

void engine_fini(struct engine *e)
{
    children_fini(&e->children);
}

int engine_check_alone(const struct engine *e, struct fault *f)
{
    static struct running all[RUNNING_MAX];
    size_t n;
    if (running_find(all, &n, NULL) != 0)
        return 0; /* no state folder: no notes */
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].engine, e->ops->engine) == 0 && strcmp(all[i].cluster, e->cfg.cluster) == 0)
            return fault_set(f, ERR_IN_USE,
                             "the cluster '%s' on %s is run by process %d (manta %s) already: take another --cluster, or `manta down --on %s` first",
                             e->cfg.cluster, e->ops->engine, all[i].pid, all[i].what, e->ops->engine);
    }
    return 0;
}

bool engine_help(const struct settings *s)
{
    if (strcmp(setting_text(s, SET_ON), "help") != 0)
        return false;
    for (const struct launcher_ops *const *e = launcher_engines; *e != NULL; e++) {
        printf("%-12s %s\n", (*e)->engine, (*e)->about);
        for (const struct launcher_option *o = (*e)->options; o != NULL && o->name != NULL; o++) {
            char set[200];
            snprintf(set, sizeof set, "%s=%s", o->name, o->fallback);
            printf("    --set %-24s %s\n", set, o->help);
        }
    }
    return true;
}

int engine_fail(const struct fault *f)
{
    log_flush();
    plain_error("%s", f->text);
    return err_exit(f->err);
}
