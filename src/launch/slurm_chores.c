/* Slurm's commands, and the chores: jobs to be released, started, told to end or cancelled, collected from one look at
 * the queue and then run one command per kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/slurm.h"

void slurm_run(struct slurm *s, const char *const *argv, struct str input, uint32_t timeout_ms, exec_done_fn *on_done)
{
    s->exec = exec_start(s->base.loop, &(struct exec_config){.argv = argv, .env_add = s->env, .input = input,
                                                              .timeout_ms = timeout_ms, .slot = &s->exec, .on_done = on_done, .user_data = s});
}

void slurm_chore_add(struct slurm *s, enum slurm_chore chore, uint64_t id)
{
    if (s->ids_n[chore] < SLURM_JOBS_MAX)
        s->ids[chore][s->ids_n[chore]++] = id;
}

/* ---- running them ---- */

/* Runs scontrol release 1,2 or scontrol update JobId=1,2 StartTime=now. */
static void let_start(struct slurm *s, enum slurm_chore chore, exec_done_fn *on_done)
{
    struct buf list = buf_max(SLURM_JOBS_MAX * 24);
    bool release = chore == SLURM_CHORE_RELEASE;
    buf_puts(&list, release ? "" : "JobId=");
    for (size_t i = 0; i < s->ids_n[chore]; i++)
        buf_printf(&list, "%s%llu", i == 0 ? "" : ",", (unsigned long long)s->ids[chore][i]);
    const char *argv[] = {"scontrol", release ? "release" : "update", buf_cstr(&list), release ? NULL : "StartTime=now", NULL};
    slurm_run(s, argv, str_n("", 0), SLURM_CHANGE_MS, on_done);
    buf_fini(&list);
}

static void cancel(struct slurm *s, enum slurm_chore chore, exec_done_fn *on_done)
{
    const uint64_t *ids = s->ids[chore];
    size_t n = s->ids_n[chore];
    char(*text)[24] = xalloc_array(n, sizeof *text);
    const char **argv = xalloc_array(n + 4, sizeof *argv);
    size_t at = 0;
    argv[at++] = "scancel";
    if (chore == SLURM_CHORE_TERM) {
        argv[at++] = "--signal=TERM";
        argv[at++] = "--batch"; /* signal the script, which passes it on to the worker */
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%llu", (unsigned long long)ids[i]);
        argv[at++] = text[i];
    }
    slurm_run(s, argv, str_n("", 0), SLURM_CHANGE_MS, on_done);
    free(argv);
    free(text);
}

static size_t first_chore(const struct slurm *s)
{
    size_t chore = 0;
    while (chore < SLURM_CHORES && s->ids_n[chore] == 0)
        chore++;
    return chore;
}

bool slurm_chore_run(struct slurm *s, exec_done_fn *on_done)
{
    size_t chore = first_chore(s);
    if (chore == SLURM_CHORES)
        return false;
    if (chore == SLURM_CHORE_RELEASE || chore == SLURM_CHORE_HURRY)
        let_start(s, (enum slurm_chore)chore, on_done);
    else
        cancel(s, (enum slurm_chore)chore, on_done);
    return true;
}

/* A job that ended meanwhile is no failure: it was meant to end. */
static bool is_about_gone_jobs(const struct exec_result *r)
{
    const char *words = r->err.n > 0 ? r->err.p : "";
    return r->status > 0 && (strstr(words, "Invalid job id") != NULL || strstr(words, "already complet") != NULL ||
                             strstr(words, "pending execution") != NULL || strstr(words, "presently disabled") != NULL);
}

int slurm_chore_done(struct slurm *s, const struct exec_result *r, struct fault *f)
{
    static const char *const tried[] = {"release a worker whose start had failed", "let a requeued worker start at once",
                                        "tell workers to end", "cancel workers"};
    size_t chore = first_chore(s);
    s->ids_n[chore] = 0;
    return r->fault.err == 0 || is_about_gone_jobs(r) ? 0 : slurm_blame(f, r, tried[chore]);
}
