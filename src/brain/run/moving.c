/* The record of a KV migration: made, dropped, freed. recover/migrate.c has the story. */
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/run/run.h"

struct migration *head_migration_new(struct head *h, struct job *job)
{
    struct migration *mig = xalloc(sizeof *mig);
    mig->job = job;
    mig->from = job->attempt->actor->worker;
    mig->from_attempt = job->attempts_n;
    mig->timer.kind = TIMER_MIGRATION;
    job->migration = mig;
    job->saved_attempt = job->attempts_n;
    mig->from->kv_out = mig;
    list_push(&h->migrations, &mig->link);
    h->migrations_n++;
    timers_set(&h->timers, &mig->timer, head_after_ms(h, h->cfg.kv_stall_ms));
    return mig;
}

void head_migration_free(struct head *h, struct migration *mig)
{
    timers_clear(&h->timers, &mig->timer);
    list_remove(&mig->link);
    h->migrations_n--;
    mig->job->migration = NULL;
    mig->from->kv_out = NULL;
    if (mig->to != NULL)
        mig->to->kv_in = NULL;
    free(mig);
}

void head_kv_drop(struct head *h, const struct worker *w, uint64_t job, uint32_t attempt)
{
    if (w->state != WORKER_LOST)
        head_send(h, w->link, WIRE_kv_drop)->kv_drop = (struct wire_kv_drop){.job = job, .attempt = attempt};
}

void head_migration_drop(struct head *h, struct job *job)
{
    struct migration *mig = job->migration;
    if (mig == NULL)
        return;
    if (mig->state == MIGRATION_MOVING) {
        head_kv_drop(h, mig->from, job->node.id, mig->from_attempt);
        if (job->attempt != NULL)
            head_kv_drop(h, mig->to, job->node.id, job->attempts_n);
    }
    head_migration_free(h, mig);
}
