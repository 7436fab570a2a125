/* Jobs: `run` becomes a ticket, engine events become messages, each job ends with exactly one `done`.
 *
 * The happy path: run -> AG_RUN -> PREFILLED -> TOKENS … -> DONE. It can fail by: an actor that is not there, too many
 * jobs, or a number that is running already (`done` with an error at once, no ticket); cancel (DONE with
 * FINISH_CANCELLED follows from the engine); the link breaks (the job goes on adrift, agent_kept.c); nobody wants it any
 * more (it becomes an orphan: it is cancelled, its events are dropped, its ticket lives until the engine's DONE). */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "cluster/agent_state.h"

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

/* From now on the head's number means nothing; the ticket stays. */
static void job_unname(struct agent *a, struct agent_job *j)
{
    struct agent_job **at = bucket(a, j->head, j->job, j->attempt);
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->next = NULL;
}

static void job_name(struct agent *a, struct agent_job *j)
{
    struct agent_job **at = bucket(a, j->head, j->job, j->attempt);
    j->next = *at;
    *at = j;
}

/* What was said so far may still be asked for. */
static void job_unkeep(struct agent *a, struct agent_job *j)
{
    if (j->kept == NULL)
        return;
    j->kept->job = NULL;
    agent_kept_expire_later(a, j->kept);
    j->kept = NULL;
}

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
    job_unkeep(a, j);
}

void agent_job_orphan(struct agent *a, struct agent_job *j)
{
    if (j->orphan)
        return;
    job_cancel(a, j);
    if (!j->adrift)
        job_unname(a, j);
    j->adrift = false;
    j->orphan = true;
}

void agent_job_adrift(struct agent *a, struct agent_job *j)
{
    if (j->orphan || j->adrift)
        return;
    if (j->kept == NULL || j->cancelled) {
        agent_job_orphan(a, j);
        return;
    }
    job_unname(a, j);
    j->adrift = true;
    agent_kept_alone(a, j->kept, j->head);
    agent_kept_expire_later(a, j->kept);
}

void agent_job_rename(struct agent *a, struct agent_job *j, uint32_t head, uint64_t job, uint32_t attempt)
{
    MUST(!j->orphan && !j->cancelled);
    if (!j->adrift)
        job_unname(a, j);
    j->adrift = false;
    j->head = head;
    j->epoch = a->uplinks[head].epoch;
    j->job = job;
    j->attempt = attempt;
    job_name(a, j);
}

void agent_job_left(struct agent *a, struct agent_job *j)
{
    j->cancelled = true;
    job_unkeep(a, j);
    if (!j->adrift)
        job_unname(a, j);
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

void agent_job_run(struct agent *a, uint32_t head, const struct wire_run *run)
{
    struct agent_job *twin = agent_job_find(a, head, run->job, run->attempt);
    const struct agent_actor *actor = agent_actor_find(a, run->key);
    if (twin != NULL) {
        agent_job_orphan(a, twin); /* which of the two is meant nobody can tell: one `done` ends both */
        agent_job_refuse(a, head, run->job, run->attempt, ERR_IN_USE, "a job of this number and attempt is running already");
        return;
    }
    if (a->duty != WIRE_DUTY_SERVES) { /* it was on its way when we told the head */
        agent_job_refuse(a, head, run->job, run->attempt, ERR_UNAVAILABLE, "this worker takes no new jobs");
        return;
    }
    if (actor == NULL) {
        agent_job_refuse(a, head, run->job, run->attempt, ERR_NOT_FOUND, "this worker has no actor of that number");
        return;
    }
    if (actor->is.state != WIRE_ACTOR_READY) {
        agent_job_refuse(a, head, run->job, run->attempt, ERR_UNAVAILABLE, "the actor is not ready");
        return;
    }
    if (a->jobs.n >= AGENT_JOBS_MAX) {
        agent_job_refuse(a, head, run->job, run->attempt, ERR_BUSY, "this worker holds as many jobs as it can");
        return;
    }
    agent_job_start(a, head, run, NULL);
}

void agent_job_start(struct agent *a, uint32_t head, const struct wire_run *run, struct kept *kept)
{
    struct agent_job *j = xalloc(sizeof *j);
    *j = (struct agent_job){.head = head, .job = run->job, .attempt = run->attempt, .key = run->key,
                            .epoch = a->uplinks[head].epoch};
    job_name(a, j);
    idtab_add(&a->jobs, &j->node, ++a->tickets);
    j->kept = kept != NULL ? kept : agent_kept_new(a, run, j);
    if (j->kept != NULL)
        j->kept->job = j;
    bool held = agent_kv_expect(a, j, run);
    struct ag *ag = agent_add(a, AG_RUN);
    ag->head = head;
    ag->key = run->key;
    ag->ticket = j->node.id;
    ag->msg.type = WIRE_run;
    ag->msg.run = *run;
    ag->msg.run.kv_bytes = held ? run->kv_bytes : 0;
}

void agent_job_cancel(struct agent *a, uint32_t head, const struct wire_cancel *cancel)
{
    struct agent_job *j = agent_job_find(a, head, cancel->job, cancel->attempt);
    if (j != NULL) /* else its `done` and this crossed on the way */
        job_cancel(a, j);
}

/* Kept for whoever may go on with it, and sent to the head it runs for. */
static void job_says(struct agent *a, struct agent_job *j, const struct wire_msg *msg)
{
    if (j->kept != NULL)
        agent_kept_say(a, j->kept, msg);
    if (!j->adrift && !j->orphan)
        agent_add_msg(a, j->head, msg);
}

static void job_done(struct agent *a, struct agent_job *j, const struct wire_done *done)
{
    struct wire_msg msg = {.type = WIRE_done, .done = *done};
    msg.done.job = j->job;
    msg.done.attempt = j->attempt;
    job_says(a, j, &msg);
    if (j->kept != NULL) {
        j->kept->job = NULL;
        agent_kept_expire_later(a, j->kept);
    }
    if (!j->adrift && !j->orphan)
        job_unname(a, j);
    agent_kv_forget(a, j);
    idtab_remove(&a->jobs, &j->node);
    free(j);
}

void agent_job_event(struct agent *a, const struct agent_event *ev)
{
    struct id_node *node = idtab_get(&a->jobs, ev->ticket);
    MUST(node != NULL); /* DONE comes once per AG_RUN, and nothing after it */
    struct agent_job *j = id_item(node, struct agent_job, node);
    if (ev->kind == AGENT_DONE) {
        job_done(a, j, ev->done);
        return;
    }
    if (j->cancelled)
        return;
    struct wire_msg msg = {.type = ev->kind == AGENT_PREFILLED ? WIRE_prefilled : WIRE_tokens};
    if (ev->kind == AGENT_PREFILLED) {
        msg.prefilled = *ev->prefilled;
        msg.prefilled.job = j->job;
        msg.prefilled.attempt = j->attempt;
        agent_kv_prefilled(a, j);
    } else {
        msg.tokens = *ev->tokens;
        msg.tokens.job = j->job;
        msg.tokens.attempt = j->attempt;
    }
    job_says(a, j, &msg);
}

void agent_jobs_adrift(struct agent *a, uint32_t head)
{
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        if (j->head == head)
            agent_job_adrift(a, j);
    }
}

uint32_t agent_jobs_running(const struct agent *a)
{
    uint32_t n = 0;
    IDTAB_EACH(node, &a->jobs)
        n += !id_item(node, struct agent_job, node)->orphan;
    return n;
}

void agent_jobs_moved(struct agent *a, uint32_t head, uint64_t epoch)
{
    IDTAB_EACH(node, &a->jobs)
    {
        struct agent_job *j = id_item(node, struct agent_job, node);
        if (j->adrift && j->head == head && j->epoch == epoch)
            agent_job_orphan(a, j);
    }
    agent_kept_rejoined(a, head, epoch);
}

void agent_jobs_orphan(struct agent *a)
{
    IDTAB_EACH(node, &a->jobs)
        agent_job_orphan(a, id_item(node, struct agent_job, node));
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
        MUST(j->orphan || j->adrift || a->uplinks[j->head].state == UPLINK_WELCOMED); /* 1 */
        MUST(!j->orphan || j->cancelled);                                             /* 1 */
        MUST(!j->adrift || (j->kept != NULL && !j->cancelled && !j->orphan));         /* 1 */
        MUST(!a->left || j->orphan);                                                  /* 7 */
        MUST(j->kept == NULL || j->kept->job == j);
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
