/* Jobs: `run` becomes a ticket, engine events become messages, each job ends with exactly one `done`.
 *
 * The happy path: run -> AG_RUN -> PREFILLED -> TOKENS … -> DONE. It can fail by: a missing actor,
 * too many jobs, or a number that runs already (`done` with an error at once, no ticket); cancel (the
 * engine answers DONE with FINISH_CANCELLED); a broken link (the job continues adrift, journal.c); no
 * head wants it any more (it becomes an orphan: cancelled, its events are dropped, its ticket lives
 * until the engine's DONE). */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/agent/state.h"

void agent_job_run(struct agent *a, uint32_t head, const struct wire_run *run)
{
    struct agent_job *other = agent_job_find(a, head, run->job, run->attempt);
    const struct agent_actor *actor = agent_actor_find(a, run->key);
    if (other != NULL) {
        agent_job_orphan(a, other); /* the head may mean either: one `done` ends both */
        agent_job_refuse(a, head, run->job, run->attempt, ERR_IN_USE, "a job of this number and attempt is running already");
        return;
    }
    if (a->availability != WIRE_SERVING) { /* the run crossed our `availability` on the way */
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

void agent_job_start(struct agent *a, uint32_t head, const struct wire_run *run, struct journal *journal)
{
    struct agent_job *j = xalloc(sizeof *j);
    *j = (struct agent_job){.head = head, .job = run->job, .attempt = run->attempt, .key = run->key,
                            .epoch = a->uplinks[head].dialler.epoch};
    agent_job_name(a, j);
    idtab_add(&a->jobs, &j->node, ++a->tickets);
    j->journal = journal != NULL ? journal : agent_journal_new(a, run, j);
    if (j->journal != NULL)
        j->journal->job = j;
    bool held = agent_kv_expect(a, j, run);
    struct ag *ag = agent_add(a, AG_RUN);
    ag->head = head;
    ag->key = run->key;
    ag->ticket = j->node.id;
    ag->msg.type = WIRE_run;
    ag->msg.run = *run;
    ag->msg.run.kv_bytes = held ? run->kv_bytes : 0;
}

/* Appends the message to the job's journal, and sends it to the job's head. */
static void job_says(struct agent *a, struct agent_job *j, const struct wire_msg *msg)
{
    if (j->journal != NULL)
        agent_journal_say(a, j->journal, msg);
    if (!j->adrift && !j->orphan)
        agent_add_msg(a, j->head, msg);
}

static void job_done(struct agent *a, struct agent_job *j, const struct wire_done *done)
{
    struct wire_msg msg = {.type = WIRE_done, .done = *done};
    msg.done.job = j->job;
    msg.done.attempt = j->attempt;
    job_says(a, j, &msg);
    agent_job_unkeep(a, j);
    if (!j->adrift && !j->orphan)
        agent_job_unname(a, j);
    agent_kv_forget(a, j);
    idtab_remove(&a->jobs, &j->node);
    free(j);
}

/* Not kept: who takes the stream over is told nothing of its past. */
static void job_progress(struct agent *a, const struct agent_job *j, const struct wire_progress *progress)
{
    struct wire_msg msg = {.type = WIRE_progress, .progress = *progress};
    msg.progress.job = j->job;
    msg.progress.attempt = j->attempt;
    if (!j->adrift && !j->orphan)
        agent_add_msg(a, j->head, &msg);
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
    if (ev->kind == AGENT_PROGRESS) {
        job_progress(a, j, ev->progress);
        return;
    }
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
