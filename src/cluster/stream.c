/* What workers say about jobs: prefilled, tokens, done.
 *
 * Everything is fenced: a message counts only when its job's present attempt runs on an actor of the link it came over.
 * What belongs to an older attempt or a cancelled job is ignored (its `done` frees the slot); what no job of this head
 * ever was, a token index that leaves a gap or comes twice, and an order that cannot be, end the link. */
#include <math.h>

#include "base/alloc.h"
#include "base/part.h"
#include "cluster/duty.h"
#include "cluster/failover.h"
#include "cluster/find.h"
#include "cluster/handover.h"
#include "cluster/head_state.h"
#include "cluster/link.h"
#include "cluster/poison.h"

/* ---- the fence ---- */

static struct flight *orphan_of(const struct worker *w, uint64_t job, uint32_t attempt)
{
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        if (w->actors[key] == NULL)
            continue;
        LIST_EACH(pos, &w->actors[key]->orphans) {
            struct flight *f = list_item(pos, struct flight, in_actor);
            if (f->job_id == job && f->attempt == attempt)
                return f;
        }
    }
    return NULL;
}

struct flight *head_flight_of(struct head *h, struct worker *w, uint64_t id, uint32_t attempt)
{
    if (id >= h->next_job || id == 0) {
        head_link_refuse(h, w->link, ERR_PROTOCOL, false, "it speaks of job %llu, which never was",
                         (unsigned long long)id);
        return NULL;
    }
    const struct job *job = head_job_find(h, id);
    struct flight *f = job != NULL ? job->flight : NULL;
    if (f == NULL || f->attempt != attempt || f->actor->worker != w)
        f = orphan_of(w, id, attempt);
    if (f != NULL)
        f->actor->progress_us = h->now_us;
    return f;
}

struct job *head_job_of(struct head *h, struct worker *w, uint64_t id, uint32_t attempt)
{
    struct flight *f = head_flight_of(h, w, id, attempt);
    return f != NULL ? f->job : NULL;
}

/* ---- effects ---- */

static struct fx *branch_fx(struct head *h, const struct job *job, enum fx_kind kind)
{
    struct fx *fx = head_fx(h, kind);
    fx->call = job->call->node.id;
    fx->branch = job->branch;
    fx->branches = job->call->branches;
    return fx;
}

static void name_actor(struct fx *fx, const struct actor *a)
{
    fx->actor = (uint32_t)a->node.id;
    fx->model = str_of(a->seats[SEAT_MODEL].pool->name);
    fx->node = str_of(a->worker->name);
    fx->address = str_of(a->worker->address);
}

static float time_ms(float said)
{
    return isfinite(said) && said > 0 ? said : 0;
}

/* ---- prefilled ---- */

static void flight_prefilled(struct flight *f)
{
    f->actor->waiting_bytes -= f->prompt_bytes;
    f->actor->fresh_bytes -= f->fresh_bytes;
    f->prompt_bytes = f->fresh_bytes = 0;
}

static const float LEARN = 0.2f; /* weight of the newest */

static void learn(float *known, float seen)
{
    *known = *known > 0 ? *known + LEARN * (seen - *known) : seen;
}

/* English has four bytes to a token, other languages and other tokenizers one or ten. */
static void learn_tokens(struct flight *f, uint32_t prompt_tokens)
{
    static const float LEAST = 0.25f, MOST = 16;
    if (f->prompt_bytes > 0 && prompt_tokens > 0)
        learn(&f->actor->seats[SEAT_MODEL].pool->bytes_per_token, fminf(fmaxf((float)f->prompt_bytes / (float)prompt_tokens, LEAST), MOST));
}

void head_prefilled(struct head *h, struct worker *w, const struct wire_prefilled *m)
{
    struct flight *f = head_flight_of(h, w, m->job, m->attempt);
    if (f == NULL)
        return;
    if (f->job == NULL) {
        flight_prefilled(f);
        return;
    }
    struct job *job = f->job;
    const char *wrong = job->state != JOB_SENT                 ? "came twice"
                        : m->cached_tokens > m->prompt_tokens ? "counts more cached tokens than the prompt has"
                        : m->ids.n != 0 && m->ids.n != m->prompt_tokens ? "has other ids than the prompt"
                                                                       : NULL;
    if (wrong != NULL) {
        head_link_refuse(h, w->link, ERR_PROTOCOL, false, "job %llu: prefilled %s", (unsigned long long)m->job, wrong);
        return;
    }
    learn_tokens(f, m->prompt_tokens);
    job->prompt_tokens = m->prompt_tokens;
    job->call->moved_us = h->now_us;
    flight_prefilled(f);
    head_job_move(job, JOB_STARTED);
    if (job->started)
        return; /* by an actor that was lost then */
    if (job->kin == NULL) /* else it was found with a part of its answer, and its kin with it */
        head_kin_join(h, job, f->actor);
    struct fx *fx = branch_fx(h, job, FX_STARTED);
    name_actor(fx, f->actor);
    fx->exact = f->actor->exact;
    fx->ids = m->ids;
    fx->usage = (struct fx_usage){
        .prompt_tokens = m->prompt_tokens,
        .cached_tokens = m->cached_tokens,
        .wait_ms = job->wait_ms,
        .prefill_ms = time_ms(m->prefill_ms),
    };
    job->started = job->call->reported = true;
}

/* ---- tokens ---- */

/* Writers trust what is checked here: the parts are the text, and a call of a tool takes at least a token. */
static int check_parts(const struct job *job, const struct wire_tokens *m, struct fault *f)
{
    uint64_t bytes = 0;
    if (m->parts_n > PARTS_MAX)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u parts, at most %d come at once", (unsigned long long)job->node.id, m->parts_n, PARTS_MAX);
    for (uint32_t i = 0; i < m->parts_n; i++) {
        const struct wire_part *p = &m->parts[i];
        bytes += p->bytes;
        if (p->kind >= PART_KINDS || (p->kind == PART_TOOL_NAME && p->bytes == 0) || p->call > job->said + m->ids.n)
            return fault_set(f, ERR_PROTOCOL, "job %llu: part %u of the text is none", (unsigned long long)job->node.id, i);
    }
    if (m->parts_n > 0 && bytes != m->text.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: parts of %llu bytes are not a text of %zu", (unsigned long long)job->node.id,
                         (unsigned long long)bytes, m->text.n);
    return 0;
}

static int check_tokens(const struct job *job, const struct wire_tokens *m, struct fault *f)
{
    unsigned long long id = job->node.id;
    uint32_t context = job->flight->actor->context;
    if (job->state != JOB_STARTED && job->state != JOB_STREAMING)
        return fault_set(f, ERR_PROTOCOL, "job %llu: tokens before prefilled", id);
    if (m->first != job->said)
        return fault_set(f, ERR_PROTOCOL, "job %llu: token %u came where token %u was due", id, m->first, job->said);
    if (m->logprobs.n != 0 && m->logprobs.n != m->ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u log-probabilities for %u tokens", id, m->logprobs.n, m->ids.n);
    uint32_t top = m->ids.n > 0 ? m->top_ids.n / m->ids.n : 0;
    if (m->top_ids.n != top * m->ids.n || m->top_ids.n != m->top_logprobs.n || top > REQUEST_TOP_LOGPROBS_MAX)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u likely tokens with %u log-probabilities for %u tokens", id,
                         m->top_ids.n, m->top_logprobs.n, m->ids.n);
    if (m->pieces.n != 0 && m->pieces.n != m->ids.n + m->top_ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u pieces of text for %u tokens", id, m->pieces.n,
                         m->ids.n + m->top_ids.n);
    if (m->ids.n > context || job->said > context - m->ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: more tokens than the context of %u has", id, context);
    return check_parts(job, m, f);
}

/* The first tokens after a failover: how long the client waited for them, and how much of that the actor that goes on took
 * for the prompt and the tokens again. */
static void goes_on(struct head *h, const struct job *job)
{
    const struct actor *a = job->flight->actor;
    double sent_ms = (double)job->call->created_us / 1000 + (double)job->wait_ms;
    double replay_ms = fmax((double)h->now_us / 1000 - sent_ms, 0);
    uint64_t wait_ms = (h->now_us - job->token_us) / 1000;
    h->jobs_resumed++;
    head_log(h, LOG_INFO, "FAILOVER",
             EVENT("job_resumed", KV("job", job->node.id), KV("token", job->said), KV("wait_ms", wait_ms), KV("replay_ms", replay_ms),
             KV("actor", a->node.id), KV("node", a->worker->name)), "job %llu resumes at token %u after %llu ms, %.0f of them replaying",
             (unsigned long long)job->node.id, job->said, (unsigned long long)wait_ms, replay_ms);
}

static void add_logprobs(struct job *job, struct wire_f32s logprobs)
{
    for (uint32_t i = 0; i < logprobs.n; i++) {
        job->logprob_last = isfinite(logprobs.p[i]) ? logprobs.p[i] : 0;
        job->logprob_sum += (double)job->logprob_last;
    }
}

void head_tokens(struct head *h, struct worker *w, const struct wire_tokens *m)
{
    struct job *job = head_job_of(h, w, m->job, m->attempt);
    if (job == NULL)
        return;
    struct fault f = {0};
    if (check_tokens(job, m, &f) != 0) {
        head_link_refuse(h, w->link, f.err, false, "%s", f.text);
        return;
    }
    if (m->ids.n == 0 && m->text.n == 0)
        return;
    if (job->state == JOB_STARTED && job->said > 0)
        goes_on(h, job);
    head_job_move(job, JOB_STREAMING);
    head_flight_paces(h, job->flight, m->ids.n);
    head_job_says(h, job, m->ids);
    add_logprobs(job, m->logprobs);
    struct fx *fx = branch_fx(h, job, FX_TOKENS);
    fx->first = m->first;
    fx->text = m->text;
    fx->parts = m->parts;
    fx->parts_n = m->parts_n;
    fx->ids = m->ids;
    fx->logprobs = m->logprobs;
    fx->top_ids = m->top_ids;
    fx->top_logprobs = m->top_logprobs;
    fx->pieces = m->pieces;
}

/* ---- done ---- */

/* Another actor may do better: it was full, out of memory, leaving, its engine broke, or its context is too small for
 * what another one began. */
static bool worth_another_try(const struct job *job, const struct wire_done *m, int err)
{
    if (m->finish == FINISH_CANCELLED)
        return true; /* not by us: the worker stops */
    if (err == ERR_CONTEXT)
        return job->said > 0;
    return m->finish == FINISH_ERROR && (err == ERR_BUSY || err == ERR_UNAVAILABLE || err == ERR_MEMORY ||
                                         err == ERR_FAILED || err == ERR_IO || err == ERR_WORKER_LOST);
}

static void done_fault(const struct job *job, const struct wire_done *m, struct fault *f)
{
    const struct actor *a = job->flight->actor;
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

/* The worker counts what it drew itself; what others drew before, we have counted. An end token that came with held-back
 * text is reported with the tokens but is none of the answer. */
static double logprob_sum(const struct job *job, const struct wire_done *m)
{
    const struct flight *f = job->flight;
    double before = f->logprob_from - (m->completion_tokens < f->from ? (double)job->logprob_last : 0);
    return before + (isfinite(m->logprob_sum) ? m->logprob_sum : 0);
}

static void done_fx(struct head *h, const struct job *job, const struct wire_done *m, const struct fault *fault)
{
    struct fx *fx = branch_fx(h, job, FX_BRANCH_DONE);
    name_actor(fx, job->flight->actor);
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
        .prefill_ms = time_ms(m->prefill_ms),
        .decode_ms = time_ms(m->decode_ms),
        .logprob_sum = logprob_sum(job, m),
    };
    job->call->reported = true;
}

static void count_done(struct head *h, const struct flight *f, struct call *call, const struct wire_done *m, bool failed)
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
        learn(&a->seats[SEAT_MODEL].pool->answer_tokens, (float)m->completion_tokens);
        learn(&call->tenant->answer_tokens, (float)m->completion_tokens);
    }
}

/* The worker stopped taking jobs while this one was on its way to it, or has forgotten by now what it told of a stream: nobody
 * has failed. */
static bool crossed(const struct job *job, int err)
{
    const struct flight *f = job->flight;
    return err == ERR_UNAVAILABLE && job->state == JOB_SENT && (f->adopts || head_worker_is_off(f->actor->worker));
}

static void try_elsewhere(struct head *h, struct flight *f, const struct fault *fault)
{
    struct job *job = f->job;
    struct actor *a = f->actor;
    a->jobs_failed++;
    head_log(h, LOG_WARN, "FAILOVER",
             EVENT("job_failed", KV("job", job->node.id), KV("actor", a->node.id), KV("node", a->worker->name), KV("code", err_name(fault->err))),
             "job %llu failed: %s", (unsigned long long)job->node.id, fault->text);
    head_job_leave(h, job, fault->err == ERR_BUSY ? LEAVE_FULL : LEAVE_FAILED, fault, NULL);
}

/* Clients pay for tokens: no more than the actor has room for. */
static struct wire_done plausible(struct wire_done m, uint32_t most)
{
    m.prompt_tokens = m.prompt_tokens < most ? m.prompt_tokens : most;
    m.cached_tokens = m.cached_tokens < m.prompt_tokens ? m.cached_tokens : m.prompt_tokens;
    m.completion_tokens = m.completion_tokens < most ? m.completion_tokens : most;
    m.reasoning_tokens = m.reasoning_tokens < m.completion_tokens ? m.reasoning_tokens : m.completion_tokens;
    return m;
}

void head_done(struct head *h, struct worker *w, const struct wire_done *said)
{
    struct flight *f = head_flight_of(h, w, said->job, said->attempt);
    if (f == NULL)
        return;
    const struct wire_done told = plausible(*said, f->actor->context), *m = &told;
    if (m->finish <= FINISH_NONE || m->finish > FINISH_TOOLS) {
        head_link_refuse(h, w->link, ERR_PROTOCOL, false, "job %llu: done with the unknown finish %u",
                         (unsigned long long)m->job, m->finish);
        return;
    }
    struct job *job = f->job;
    if (job == NULL) {
        head_flight_end(h, f); /* cancelled, or it went elsewhere: now the slot is free */
        return;
    }
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
        head_job_acquit(job);
    head_flight_end(h, f);
    head_job_end(h, job);
    head_call_branch_ended(h, call);
}
