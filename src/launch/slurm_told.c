/* Remember the jobs that were told to end, until they are gone. */
#include "launch/slurm.h"

enum { OVERDUE_MS = 20000 }; /* added to the grace of a worker that was told to end */

struct slurm_told *slurm_find_told(struct slurm *s, uint64_t id)
{
    for (size_t i = 0; i < s->told_n; i++) {
        if (s->told[i].id == id)
            return &s->told[i];
    }
    return NULL;
}

void slurm_note_told(struct slurm *s, uint64_t id)
{
    if (slurm_find_told(s, id) != NULL || s->told_n == LAUNCHER_WORKERS_MAX)
        return;
    uint64_t grace_ms = (uint64_t)s->base.cfg.drain_ms + OVERDUE_MS;
    s->told[s->told_n++] = (struct slurm_told){.id = id, .until_us = net_now_us(s->base.loop) + grace_ms * 1000};
}

static bool is_over(const struct slurm *s, uint64_t id)
{
    for (size_t i = 0; i < s->jobs_n; i++) {
        if (s->jobs[i].id == id)
            return !slurm_is_there(&s->jobs[i]);
    }
    return true;
}

void slurm_forget_gone(struct slurm *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->told_n; i++) {
        if (!is_over(s, s->told[i].id))
            s->told[kept++] = s->told[i];
    }
    s->told_n = kept;
}
