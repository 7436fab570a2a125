/* Handles workers' messages about running jobs: prefilled, tokens. (done is in links/done.c.)
 *
 * Everything is fenced: a message counts only if its job's present attempt runs on an actor of its
 * link. Messages about an older attempt or a cancelled job are ignored (their `done` frees the
 * slot). A job that this head never had, a token index that repeats or leaves a gap, or an
 * impossible order ends the link. */
#include <math.h>

#include "base/part.h"
#include "base/smooth.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

/* ---- effects ---- */

struct fx *head_branch_fx(struct head *h, const struct job *job, enum fx_kind kind)
{
    struct fx *fx = head_fx(h, kind);
    fx->call = job->call->node.id;
    fx->branch = job->branch;
    fx->branches = job->call->branches;
    return fx;
}

void head_fx_actor(struct fx *fx, const struct actor *a)
{
    fx->actor = (uint32_t)a->node.id;
    fx->model = str_of(a->member_of[POOL_MODEL].pool->name);
    fx->node = str_of(a->worker->name);
    fx->address = str_of(a->worker->address);
}

float head_time_ms(float said)
{
    return isfinite(said) && said > 0 ? said : 0;
}

/* ---- prefilled ---- */

static void attempt_prefilled(struct attempt *f)
{
    f->actor->waiting_bytes -= f->prompt_bytes;
    f->actor->fresh_bytes -= f->fresh_bytes;
    f->prompt_bytes = f->fresh_bytes = 0;
}

static const double LEARN = 0.2; /* weight of the newest observation */

void head_learn(float *known, float seen)
{
    *known = (float)smooth((double)*known, (double)seen, LEARN);
}

/* English has about four bytes per token; other languages and tokenizers have one to ten. */
static void learn_tokens(struct attempt *f, uint32_t prompt_tokens)
{
    static const float LEAST = 0.25f, MOST = 16;
    struct pool *pool = f->actor->member_of[POOL_MODEL].pool;
    if (f->prompt_bytes == 0 || prompt_tokens == 0)
        return;
    head_learn(&pool->prompt_tokens, (float)prompt_tokens);
    head_learn(&pool->bytes_per_token, fminf(fmaxf((float)f->prompt_bytes / (float)prompt_tokens, LEAST), MOST));
}

/* Of an answer that has begun, and is computed again elsewhere, nobody is told. */
int head_progress(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_progress *m = &msg->progress;
    const struct job *job = head_job_of(h, w, m->job, m->attempt, f);
    if (job == NULL)
        return f->err;
    if (job->state != JOB_SENT || !job->call->request->sampling.progress || m->cached_tokens > m->done_tokens || m->done_tokens > m->prompt_tokens)
        return fault_set(f, ERR_PROTOCOL, "job %llu: progress of no prompt", (unsigned long long)m->job);
    job->call->moved_us = h->now_us;
    if (job->started || job->said > 0)
        return 0;
    struct fx *fx = head_branch_fx(h, job, FX_PROGRESS);
    fx->first = m->done_tokens;
    fx->usage = (struct fx_usage){.prompt_tokens = m->prompt_tokens, .cached_tokens = m->cached_tokens, .prefill_ms = head_time_ms(m->prefill_ms)};
    return 0;
}

int head_prefilled(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_prefilled *m = &msg->prefilled;
    struct attempt *attempt = head_attempt_of(h, w, m->job, m->attempt, f);
    if (attempt == NULL)
        return f->err;
    struct job *job = attempt->job;
    if (job == NULL) {
        attempt_prefilled(attempt);
        return 0;
    }
    const char *wrong = job->state != JOB_SENT                 ? "came twice"
                        : m->cached_tokens > m->prompt_tokens ? "counts more cached tokens than the prompt has"
                        : m->ids.n != 0 && m->ids.n != m->prompt_tokens ? "has other ids than the prompt"
                                                                       : NULL;
    if (wrong != NULL)
        return fault_set(f, ERR_PROTOCOL, "job %llu: prefilled %s", (unsigned long long)m->job, wrong);
    learn_tokens(attempt, m->prompt_tokens);
    job->prompt_tokens = m->prompt_tokens;
    job->call->moved_us = h->now_us;
    attempt_prefilled(attempt);
    head_job_move(job, JOB_STARTED);
    if (job->started)
        return 0; /* reported for an actor that was lost since */
    if (job->same_file == NULL) /* else it was found with a part of its answer, and has its pools */
        head_compatible_join(h, job, attempt->actor);
    struct fx *fx = head_branch_fx(h, job, FX_STARTED);
    head_fx_actor(fx, attempt->actor);
    fx->exact = attempt->actor->exact;
    fx->ids = m->ids;
    fx->text = job->call->request->sampling.prompt_text ? m->text : str_n(NULL, 0);
    fx->usage = (struct fx_usage){
        .prompt_tokens = m->prompt_tokens,
        .cached_tokens = m->cached_tokens,
        .wait_ms = job->wait_ms,
        .prefill_ms = head_time_ms(m->prefill_ms),
    };
    job->started = job->call->reported = true;
    return 0;
}

/* ---- tokens ---- */

/* The API's writers rely on these checks: the parts make up the text, and a tool call takes at least a token. */
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

/* Checks that the lists fit each other. */
static int check_lists(const struct job *job, const struct wire_tokens *m, struct fault *f)
{
    unsigned long long id = job->node.id;
    if (m->logprobs.n != 0 && m->logprobs.n != m->ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u log-probabilities for %u tokens", id, m->logprobs.n, m->ids.n);
    uint32_t top = m->ids.n > 0 ? m->top_ids.n / m->ids.n : 0;
    if (m->top_ids.n != top * m->ids.n || m->top_ids.n != m->top_logprobs.n || top > REQUEST_TOP_LOGPROBS_MAX)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u likely tokens with %u log-probabilities for %u tokens", id,
                         m->top_ids.n, m->top_logprobs.n, m->ids.n);
    if (m->pieces.n != 0 && m->pieces.n != m->ids.n + m->top_ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: %u pieces of text for %u tokens", id, m->pieces.n,
                         m->ids.n + m->top_ids.n);
    return 0;
}

static int check_tokens(const struct job *job, const struct wire_tokens *m, struct fault *f)
{
    unsigned long long id = job->node.id;
    uint32_t context = job->attempt->actor->context;
    if (job->state != JOB_STARTED && job->state != JOB_STREAMING)
        return fault_set(f, ERR_PROTOCOL, "job %llu: tokens before prefilled", id);
    if (m->first != job->said)
        return fault_set(f, ERR_PROTOCOL, "job %llu: token %u came where token %u was due", id, m->first, job->said);
    if (m->ids.n > context || job->said > context - m->ids.n)
        return fault_set(f, ERR_PROTOCOL, "job %llu: more tokens than the context of %u has", id, context);
    int err = check_lists(job, m, f);
    return err != 0 ? err : check_parts(job, m, f);
}

/* Tokens of the prompt must be requested, come before the prompt is computed, and follow those known without a gap. */
static int check_scores(const struct job *job, const struct wire_tokens *m, struct fault *f)
{
    unsigned long long id = job->node.id;
    uint32_t context = job->attempt->actor->context;
    if (!job->call->request->sampling.prompt_scores || job->state != JOB_SENT || m->text.n > 0 || m->parts_n > 0 || m->ids.n == 0)
        return fault_set(f, ERR_PROTOCOL, "job %llu: prompt tokens that were not requested", id);
    if (m->first > job->scored || m->ids.n > context || m->first > context - m->ids.n || (m->first < job->scored && m->first + m->ids.n > job->scored))
        return fault_set(f, ERR_PROTOCOL, "job %llu: token %u of the prompt came where token %u was due", id, m->first, job->scored);
    return check_lists(job, m, f);
}

/* The first tokens after a failover: logs the client's wait, and the part in which the new actor
 * recomputed prompt and tokens. */
static void goes_on(struct head *h, const struct job *job)
{
    const struct actor *a = job->attempt->actor;
    double sent_ms = (double)job->call->created_us / 1000 + (double)job->wait_ms;
    uint64_t wait_ms = (h->now_us - job->token_us) / 1000;
    double replay_ms = fmin(fmax((double)h->now_us / 1000 - sent_ms, 0), (double)wait_ms); /* rounded, it would exceed the whole */
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

static void tokens_fx(struct head *h, const struct job *job, const struct wire_tokens *m)
{
    struct fx *fx = head_branch_fx(h, job, FX_TOKENS);
    fx->of_prompt = m->of_prompt != 0;
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

/* If an actor was lost while scoring the prompt, the next one scores all of it again: known tokens are dropped. */
static int prompt_says(struct head *h, struct job *job, const struct wire_tokens *m, struct fault *f)
{
    int err = check_scores(job, m, f);
    job->call->moved_us = h->now_us;
    if (err != 0 || m->first < job->scored || job->started)
        return err;
    job->scored += m->ids.n;
    tokens_fx(h, job, m);
    return 0;
}

int head_tokens(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_tokens *m = &msg->tokens;
    struct job *job = head_job_of(h, w, m->job, m->attempt, f);
    if (job != NULL && m->of_prompt)
        return prompt_says(h, job, m, f);
    if (job == NULL || check_tokens(job, m, f) != 0 || (m->ids.n == 0 && m->text.n == 0))
        return f->err;
    if (job->state == JOB_STARTED && job->said > 0)
        goes_on(h, job);
    head_job_move(job, JOB_STREAMING);
    head_attempt_paces(h, job->attempt, m->ids.n);
    head_job_says(h, job, m->ids);
    add_logprobs(job, m->logprobs);
    tokens_fx(h, job, m);
    return 0;
}
