/* Handles `done`: a job ended on its worker; its client is told, or another actor tries. */
#include <math.h>

#include "brain/kit/text.h"
#include "brain/links/links.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

/* Another actor may succeed: this one was full, out of memory, leaving, its engine broke, or its
 * context is too small for an answer that another actor began. */
static bool worth_another_try(const struct job *job, const struct wire_done *m, int err)
{
    if (m->finish == FINISH_CANCELLED)
        return true; /* the head did not cancel it: the worker stops */
    if (err == ERR_CONTEXT)
        return job->said > 0;
    return m->finish == FINISH_ERROR && (err == ERR_BUSY || err == ERR_UNAVAILABLE || err == ERR_MEMORY ||
                                         err == ERR_FAILED || err == ERR_IO || err == ERR_WORKER_LOST);
}

static void done_fault(const struct job *job, const struct wire_done *m, struct fault *f)
{
    const struct actor *a = job->attempt->actor;
    int err = m->error == 0 || m->error > -ERR_LAST ? ERR_FAILED : -(int)m->error;
    if (m->finish == FINISH_CANCELLED)
        fault_set(f, ERR_WORKER_LOST, "actor %u on worker '%s' stopped", (unsigned)a->node.id, a->worker->name);
    else if (!text_is_name(m->message, HEAD_LINE_BYTES_MAX))
        fault_set(f, err, "%s on actor %u of worker '%s'", err_text(err), (unsigned)a->node.id, a->worker->name);
    else
        fault_set(f, err, "%.*s", STR_ARG(m->message));
    f->count = m->count;
    f->limit = m->limit;
}

/* The worker sums its own draws; the head has counted those of earlier actors. An end token that
 * came with held-back text is among the delivered tokens but not part of the answer. */
static double logprob_sum(const struct job *job, const struct wire_done *m)
{
    const struct attempt *f = job->attempt;
    double before = f->logprob_from - (m->completion_tokens < f->from ? (double)job->logprob_last : 0);
    return before + (isfinite(m->logprob_sum) ? m->logprob_sum : 0);
}

static void done_fx(struct head *h, const struct job *job, const struct wire_done *m, const struct fault *fault)
{
    struct fx *fx = head_branch_fx(h, job, FX_BRANCH_DONE);
    head_fx_actor(fx, job->attempt->actor);
    fx->finish = fault->err != 0 ? FINISH_ERROR : m->finish;
    fx->fault = *fault;
    fx->embedding = m->embedding;
    if (m->stop.n <= REQUEST_STOP_BYTES_MAX)
        fx->stop = m->stop;
    fx->usage = (struct fx_usage){
        .prompt_tokens = m->prompt_tokens,
        .cached_tokens = m->cached_tokens,
        .completion_tokens = m->completion_tokens,
        .reasoning_tokens = m->reasoning_tokens,
        .wait_ms = job->wait_ms,
        .prefill_ms = head_time_ms(m->prefill_ms),
        .logprob_sum = logprob_sum(job, m),
    };
    job->call->reported = true;
}

static void count_done(struct head *h, const struct attempt *f, struct call *call, const struct wire_done *m, bool failed)
{
    struct actor *a = f->actor;
    a->jobs_failed += failed;
    a->jobs_done += !failed;
    a->tokens += m->completion_tokens > f->from ? m->completion_tokens - f->from : 0;
    if (failed)
        head_call_count_failed(h, call);
    h->prompt_tokens += m->prompt_tokens;
    h->cached_tokens += m->cached_tokens;
    h->answer_tokens += m->completion_tokens;
    call->tenant->prompt_tokens += m->prompt_tokens;
    call->tenant->answered_tokens += m->completion_tokens;
    if (failed)
        return;
    head_actor_succeeds(h, a);
    if (m->completion_tokens > 0 && m->completion_tokens <= a->context) {
        head_learn(&a->member_of[POOL_MODEL].pool->answer_tokens, (float)m->completion_tokens);
        head_learn(&call->tenant->answer_tokens, (float)m->completion_tokens);
    }
}

/* The worker stopped taking jobs while this one was on its way, or has by now forgotten the
 * journal: no failure of either. */
static bool crossed(const struct job *job, int err)
{
    const struct attempt *f = job->attempt;
    return err == ERR_UNAVAILABLE && job->state == JOB_SENT && (f->adopts || head_worker_is_off(f->actor->worker));
}

static void try_elsewhere(struct head *h, struct attempt *f, const struct fault *fault)
{
    struct job *job = f->job;
    struct actor *a = f->actor;
    a->jobs_failed++;
    head_log(h, LOG_WARN, "FAILOVER",
             EVENT("job_failed", KV("job", job->node.id), KV("actor", a->node.id), KV("node", a->worker->name), KV("code", err_name(fault->err))),
             "job %llu failed: %s", (unsigned long long)job->node.id, fault->text);
    head_job_leave(h, job, fault->err == ERR_BUSY ? LEAVE_FULL : LEAVE_FAILED, fault, NULL);
}

/* Clients pay for tokens: limits the counts to the actor's context, which a prompt that was only counted need not fit. */
static struct wire_done plausible(struct wire_done m, const struct attempt *f)
{
    bool counted = f->job != NULL && f->job->call->request->sampling.prompt_only == PROMPT_COUNTED;
    uint32_t most = counted ? HEAD_CONTEXT_MAX : f->actor->context;
    m.prompt_tokens = m.prompt_tokens < most ? m.prompt_tokens : most;
    m.cached_tokens = m.cached_tokens < m.prompt_tokens ? m.cached_tokens : m.prompt_tokens;
    m.completion_tokens = m.completion_tokens < most ? m.completion_tokens : most;
    m.reasoning_tokens = m.reasoning_tokens < m.completion_tokens ? m.reasoning_tokens : m.completion_tokens;
    return m;
}

static void job_ends(struct head *h, struct job *job, const struct wire_done *m)
{
    struct attempt *f = job->attempt;
    struct fault fault = {0};
    if (m->finish == FINISH_CANCELLED || m->finish == FINISH_ERROR)
        done_fault(job, m, &fault);
    if (m->finish == FINISH_ERROR && crossed(job, fault.err)) {
        head_job_leave(h, job, LEAVE_CROSSED, &fault, NULL);
        return;
    }
    if (worth_another_try(job, m, fault.err)) {
        try_elsewhere(h, f, &fault);
        return;
    }
    struct call *call = job->call;
    call->moved_us = h->now_us;
    done_fx(h, job, m, &fault);
    count_done(h, f, call, m, fault.err != 0);
    if (fault.err == 0)
        head_job_clear(job);
    head_attempt_end(h, f);
    head_job_end(h, job);
    head_call_branch_ended(h, call);
}

int head_done(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    struct attempt *attempt = head_attempt_of(h, w, msg->done.job, msg->done.attempt, f);
    if (attempt == NULL)
        return f->err;
    const struct wire_done told = plausible(msg->done, attempt), *m = &told;
    if (m->finish <= FINISH_NONE || m->finish > FINISH_TOOLS)
        return fault_set(f, ERR_PROTOCOL, "job %llu: done with the unknown finish %u", (unsigned long long)m->job, m->finish);
    struct job *job = attempt->job;
    if (job == NULL)
        head_attempt_end(h, attempt); /* cancelled, or it went elsewhere: the slot is free now */
    else
        job_ends(h, job, m);
    return 0;
}
