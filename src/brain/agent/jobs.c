/* The table of jobs, by ticket and by the heads' numbers; jobs that run on without their head, and orphans. */
#include <stdlib.h>

#include "base/must.h"
#include "brain/agent/state.h"

/* ---- by name ---- */

static struct agent_job **bucket(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt)
{
    return &a->by_name[rng_mix(job ^ rng_mix(((uint64_t)head << 32) | attempt)) % AGENT_JOB_BUCKETS];
}

struct agent_job *agent_job_find(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt)
{
    struct agent_job *j = *bucket(a, head, job, attempt);
    while (j != NULL && (j->head != head || j->job != job || j->attempt != attempt))
        j = j->next;
    return j;
}

void agent_job_unname(struct agent *a, struct agent_job *j)
{
    struct agent_job **at = bucket(a, j->head, j->job, j->attempt);
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->next = NULL;
}

void agent_job_name(struct agent *a, struct agent_job *j)
{
    struct agent_job **at = bucket(a, j->head, j->job, j->attempt);
    j->next = *at;
    *at = j;
}

void agent_job_rename(struct agent *a, struct agent_job *j, uint32_t head, uint64_t job, uint32_t attempt)
{
    MUST(!j->orphan && !j->cancelled);
    if (!j->adrift)
        agent_job_unname(a, j);
    j->adrift = false;
    j->head = head;
    j->epoch = a->uplinks[head].dialler.epoch;
    j->job = job;
    j->attempt = attempt;
    agent_job_name(a, j);
}

/* ---- the journal of a job that ends, or whose head is lost ---- */

void agent_journal_expire_later(struct agent *a, struct journal *k)
{
    bool told = k->done && !k->alone;
    list_remove(&k->expiring);
    k->due_us = a->now_us + (uint64_t)(told ? a->cfg.told_ms : a->cfg.adrift_ms) * 1000;
    list_push(told ? &a->told : &a->expiring, &k->expiring);
}

void agent_journal_alone(struct agent *a, struct journal *k, uint32_t head)
{
    k->alone = true;
    k->lost_head = head;
    k->lost_epoch = a->uplinks[head].dialler.epoch;
}

void agent_job_unkeep(struct agent *a, struct agent_job *j)
{
    if (j->journal == NULL)
        return;
    j->journal->job = NULL;
    agent_journal_expire_later(a, j->journal);
    j->journal = NULL;
}

/* ---- no head wants it, or its head is gone ---- */

static void job_cancel(struct agent *a, struct agent_job *j)
{
    if (j->cancelled)
        return;
    j->cancelled = true;
    agent_kv_forget(a, j);
    struct ag *ag = agent_add(a, AG_CANCEL);
    ag->head = j->head;
    ag->key = j->key;
    ag->ticket = j->node.id;
    agent_job_unkeep(a, j);
}

void agent_job_cancel(struct agent *a, uint32_t head, const struct wire_cancel *cancel)
{
    struct agent_job *j = agent_job_find(a, head, cancel->job, cancel->attempt);
    if (j != NULL) /* else its `done` crossed this message on the way */
        job_cancel(a, j);
}

void agent_job_orphan(struct agent *a, struct agent_job *j)
{
    if (j->orphan)
        return;
    job_cancel(a, j);
    if (!j->adrift)
        agent_job_unname(a, j);
    j->adrift = false;
    j->orphan = true;
}

void agent_job_adrift(struct agent *a, struct agent_job *j)
{
    if (j->orphan || j->adrift)
        return;
    if (j->journal == NULL || j->cancelled) {
        agent_job_orphan(a, j);
        return;
    }
    agent_job_unname(a, j);
    j->adrift = true;
    agent_journal_alone(a, j->journal, j->head);
    agent_journal_expire_later(a, j->journal);
}

void agent_job_left(struct agent *a, struct agent_job *j)
{
    j->cancelled = true;
    agent_job_unkeep(a, j);
    if (!j->adrift)
        agent_job_unname(a, j);
    j->adrift = false;
    j->orphan = true;
}

void agent_job_refuse(struct agent *a, uint32_t head, uint64_t job, uint32_t attempt, int err, const char *why)
{
    agent_send(a, head, WIRE_done)->done = (struct wire_done){.job = job,
                                                              .attempt = attempt,
                                                              .finish = FINISH_ERROR,
                                                              .error = (uint16_t)-err,
                                                              .message = str_of(why)};
}

/* ---- all of them ---- */

void agent_jobs_adrift(struct agent *a, uint32_t head)
{
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        if (j->head == head)
            agent_job_adrift(a, j);
    }
}

void agent_jobs_moved(struct agent *a, uint32_t head, uint64_t epoch)
{
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        if (j->adrift && j->head == head && j->epoch == epoch)
            agent_job_orphan(a, j);
    }
}

void agent_jobs_orphan(struct agent *a)
{
    IDTAB_EACH(node, &a->jobs)
        agent_job_orphan(a, id_item(node, struct agent_job, node));
}

uint32_t agent_jobs_running(const struct agent *a)
{
    uint32_t n = 0;
    IDTAB_EACH(node, &a->jobs)
        n += !id_item(node, struct agent_job, node)->orphan;
    return n;
}

void agent_jobs_check(const struct agent *a)
{
    size_t named = 0, nameless = 0;
    for (size_t i = 0; i < AGENT_JOB_BUCKETS; i++)
        for (const struct agent_job *j = a->by_name[i]; j != NULL; j = j->next) {
            MUST(!j->orphan && !j->adrift);
            named++;
        }
    IDTAB_EACH(node, &a->jobs)
    {
        const struct agent_job *j = id_item(node, struct agent_job, node);
        MUST(j->node.id <= a->tickets);                                  /* 4 */
        MUST(j->orphan || j->adrift || uplink_is_welcomed(a, j->head)); /* 1 */
        MUST(!j->orphan || j->cancelled);                                             /* 1 */
        MUST(!j->adrift || (j->journal != NULL && !j->cancelled && !j->orphan));         /* 1 */
        MUST(!a->left || j->orphan);                                                  /* 7 */
        MUST(j->journal == NULL || j->journal->job == j);
        nameless += j->orphan || j->adrift;
    }
    MUST(named + nameless == a->jobs.n); /* 2 */
    MUST(a->jobs.n <= AGENT_JOBS_MAX);  /* 3 */
}

void agent_jobs_free(struct agent *a)
{
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        idtab_remove(&a->jobs, &j->node);
        free(j);
    }
    idtab_fini(&a->jobs);
}
