/* Jobs: one run of a call on an actor each. Their states, delivered tokens, sending and ending. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/states.h"
#include "brain/policy/prefix.h"
#include "brain/queue/queue.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

enum { IDS_FIRST = 32 };

static const struct state job_states[] = {
    [JOB_QUEUED] = {"QUEUED", TO(JOB_SENT) | TO(JOB_ENDED)},
    [JOB_SENT] = {"SENT", TO(JOB_STARTED) | TO(JOB_QUEUED) | TO(JOB_ENDED)},
    [JOB_STARTED] = {"STARTED", TO(JOB_STREAMING) | TO(JOB_QUEUED) | TO(JOB_ENDED)},
    [JOB_STREAMING] = {"STREAMING", TO(JOB_STREAMING) | TO(JOB_QUEUED) | TO(JOB_ENDED)},
    [JOB_ENDED] = {"ENDED", 0},
};

void head_job_move(struct job *job, enum job_state to)
{
    job->state = state_next(job_states, "job", job->state, to);
}

static struct job *job_new(struct head *h, struct call *call, uint32_t branch, struct actor *bound)
{
    struct job *job = xalloc(sizeof *job);
    job->call = call;
    job->branch = branch;
    job->seq = call->seq;
    job->bound = bound;
    job->avoid = UINT32_MAX;
    job->timer.kind = TIMER_JOB;
    idtab_add(&h->jobs, &job->node, h->next_job++);
    list_push(&call->jobs, &job->in_call);
    call->open++;
    h->jobs_begun++;
    return job;
}

struct job *head_job_new(struct head *h, struct call *call, struct actor *bound)
{
    struct job *job = job_new(h, call, call->branches++, bound);
    demand_arrives(&call->pool->load.demand);
    head_queue_put(h, job);
    return job;
}

struct job *head_job_found(struct head *h, struct call *call, uint32_t branch, struct actor *a, uint32_t attempt,
                           struct wire_i32s ids)
{
    struct job *job = job_new(h, call, branch, a->serves ? a : NULL); /* jobs do not wait for an actor that takes none */
    job->attempts_n = attempt;
    job->adopts = a->serves;
    job->token_us = h->now_us;
    head_compatible_join(h, job, a);
    head_job_says(h, job, ids);
    head_queue_put(h, job);
    return job;
}

/* ---- delivered tokens ---- */

static void forget_ids(struct head *h, struct job *job)
{
    h->resume_bytes -= job->ids_cap * sizeof *job->ids;
    free(job->ids);
    job->ids = NULL;
    job->ids_cap = 0;
    job->forgot = true;
    head_log(h, LOG_WARN, "FAILOVER", EVENT("job_not_resumable", KV("job", job->node.id), KV("tokens", job->said), KV("all_bytes", h->resume_bytes)),
             "job %llu cannot continue elsewhere any more: too many tokens to keep (resume_tokens_max %d, resume_bytes_max %llu)",
             (unsigned long long)job->node.id, HEAD_RESUME_TOKENS_MAX, (unsigned long long)h->cfg.resume_bytes_max);
}

/* Makes room for n token ids. False: a limit forbids it. */
static bool make_room(struct head *h, struct job *job, uint32_t n)
{
    if (n <= job->ids_cap)
        return true;
    uint32_t cap = job->ids_cap == 0 ? IDS_FIRST : job->ids_cap * 2;
    cap = cap < n ? n : cap;
    uint64_t more = (uint64_t)(cap - job->ids_cap) * sizeof *job->ids;
    if (n > HEAD_RESUME_TOKENS_MAX || h->resume_bytes + more > h->cfg.resume_bytes_max)
        return false;
    h->resume_bytes += more;
    job->ids_cap = cap;
    job->ids = xrealloc(job->ids, cap * sizeof *job->ids);
    return true;
}

void head_job_says(struct head *h, struct job *job, struct wire_i32s ids)
{
    if (!job->forgot && !make_room(h, job, job->said + ids.n))
        forget_ids(h, job);
    if (!job->forgot && ids.n > 0)
        memcpy(job->ids + job->said, ids.p, ids.n * sizeof *job->ids);
    job->said += ids.n;
    if (ids.n > 0)
        job->barren_attempts = 0;
    job->token_us = job->call->moved_us = h->now_us;
    head_suspect_says(h, job);
}

struct job *head_job_taken(struct head *h, struct call *call, const struct wire_moved_job *m)
{
    struct job *job = job_new(h, call, m->branch, NULL);
    job->attempts_n = m->attempt;
    job->sought = m->attempt > 0 && call->stream != 0;
    if (m->same_file.n > 0)
        head_compatible_rejoin(h, job, m->same_file, m->same_bits);
    head_job_says(h, job, m->ids);
    if (m->said > m->ids.n) {
        job->said = m->said;
        forget_ids(h, job);
    }
    job->barren_attempts = m->barren_attempts;
    head_queue_put(h, job);
    return job;
}

/* ---- sending ---- */

/* Lets the router predict a quick start here for the next job with the same beginning, or of the same session. */
static void remember_prefix(struct head *h, const struct call *call, const struct actor *a)
{
    uint32_t id = (uint32_t)a->node.id;
    prefix_add(h->prefix, call->blocks, call->blocks_n, id, a->cache_fills);
    if (call->session != 0)
        prefix_add(h->sessions, &call->session, 1, id, 0);
}

static void send_run(struct head *h, const struct job *job, const struct actor *a)
{
    struct wire_msg *msg = head_send(h, a->worker->link, WIRE_run);
    msg->run = job->call->run;
    msg->run.job = job->node.id;
    msg->run.attempt = job->attempts_n;
    msg->run.key = a->key;
    msg->run.stream = job->call->stream;
    msg->run.branch = job->branch;
    msg->run.branches = job->call->branches;
    msg->run.claim = job->call->claim;
    msg->run.client = str_n(job->call->client, job->call->client_n);
    if (job->call->request->inputs_n > 0) {
        const struct input *in = &job->call->request->inputs[job->branch];
        msg->run.text = in->text;
        msg->run.tokens = (struct wire_i32s){.p = in->tokens, .n = in->tokens_n};
    }
    msg->run.sampling.seed += job->branch; /* so that n answers to one prompt differ */
    msg->run.resume = (struct wire_i32s){.p = job->ids, .n = job->said};
    if (job->migration != NULL) {
        msg->run.kv_bytes = job->migration->bytes;
        msg->run.kv_sum = job->migration->sum;
    }
}

static void send_adopt(struct head *h, const struct job *job, const struct actor *a)
{
    head_send(h, a->worker->link, WIRE_adopt)->adopt = (struct wire_adopt){
        .stream = job->call->stream,
        .branch = job->branch,
        .job = job->node.id,
        .attempt = job->attempts_n,
        .said = job->said,
    };
}

void head_job_send(struct head *h, struct job *job, struct actor *a)
{
    MUST(head_actor_is_open(a) || (a->quarantined == job && head_actor_takes_quarantined(a)));
    head_queue_serve(h, job);
    head_job_move(job, JOB_SENT);
    MUST(!job->forgot);
    job->attempts_n++;
    job->barren_attempts++;
    job->moves++;
    job->found_full = false;
    job->wait_ms = (float)(h->now_us - job->call->created_us) / 1000;
    head_attempt_new(h, job, a);
    job->call->tenant->since = h->picks;
    head_compatible_sent(h, job, a);
    remember_prefix(h, job->call, a);
    if (job->adopts)
        send_adopt(h, job, a);
    else
        send_run(h, job, a);
    head_account_chosen(h, job, a);
    if (job->adopts && !job->call->spread)
        job->bound = NULL; /* it was bound for the journal there; from now on it may leave like any other job */
    job->adopts = job->sought = false;
}

/* ---- ending ---- */

void head_job_free(struct grave *g)
{
    struct job *job = list_item(g, struct job, grave);
    free(job->ids);
    free(job->why);
    free(job);
}

void head_job_end(struct head *h, struct job *job)
{
    head_migration_drop(h, job);
    if (job->state == JOB_QUEUED)
        head_queue_take(h, job);
    if (job->attempt != NULL)
        head_job_abandon(h, job);
    head_quarantined_leave(h, job);
    head_job_move(job, JOB_ENDED);
    head_compatible_leave(h, job);
    h->resume_bytes -= job->ids_cap * sizeof *job->ids;
    idtab_remove(&h->jobs, &job->node);
    list_remove(&job->in_call);
    job->call->open--;
    h->jobs_ended++;
    head_bury(h, &job->grave, head_job_free);
}
