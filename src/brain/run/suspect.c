/* Suspects, which may have crashed a worker, run quarantined: alone on an actor. When they leave
 * it, and when they are cleared. recover/poison.c has the story. */
#include "brain/registry/registry.h"
#include "brain/run/run.h"

void head_quarantined_leave(struct head *h, struct job *job)
{
    struct actor *a = job->bound;
    if (a == NULL || a->quarantined != job)
        return;
    a->quarantined = NULL;
    if (!job->call->spread)
        job->bound = NULL;
    head_actor_refresh(h, a);
}

void head_job_clear(struct job *job)
{
    if (job->call->suspect == job->node.id)
        job->call->suspect = job->call->crashes = 0;
}

void head_suspect_says(struct head *h, struct job *job)
{
    struct call *call = job->call;
    if (call->suspect != job->node.id || job->said < call->suspect_from + HEAD_CLEAR_TOKENS)
        return;
    head_job_clear(job);
    head_quarantined_leave(h, job);
}
