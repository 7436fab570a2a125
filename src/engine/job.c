#include "engine/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

enum { PIECE_BYTES_MAX = 1024, GROUPED_BYTES = 32 };

struct job *job_new(const struct engine_ops *ops, struct engine *e, uint64_t ticket, const struct request *r)
{
    struct job *j = xalloc(sizeof *j);
    *j = (struct job){.ticket = ticket, .ops = ops, .engine = e, .r = request_clone(r)};
    return j;
}

void job_free(struct job *j)
{
    if (j == NULL)
        return;
    MUST(!list_linked(&j->link));
    if (j->sampler != NULL)
        j->ops->sampler_free(j->sampler);
    text_fini(&j->text);
    buf_fini(&j->carry);
    free(j->tokens);
    free(j->r);
    free(j);
}

/* ---- the prompt ---- */

/* 5012 as "5,012": numbers people compare. */
static const char *grouped(uint64_t number, char out[GROUPED_BYTES])
{
    char digits[GROUPED_BYTES];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static int too_long(const char *about, uint64_t tokens, uint32_t context, struct fault *f)
{
    char has[GROUPED_BYTES], may[GROUPED_BYTES];
    return fault_set(f, ERR_CONTEXT, "the prompt has %s%s tokens, the model's context is %s: shorten the prompt", about,
                     grouped(tokens, has), grouped(context, may));
}

static int32_t tokenize(struct job *j, struct str text)
{
    uint32_t guess = (uint32_t)(text.n / 2) + 16;
    if (guess > j->cap) {
        j->tokens = xrealloc(j->tokens, guess * sizeof *j->tokens);
        j->cap = guess;
    }
    int32_t n = j->ops->tokenize(j->engine, text, true, j->tokens, (int32_t)j->cap);
    if (n < 0) {
        j->cap = (uint32_t)-n;
        j->tokens = xrealloc(j->tokens, j->cap * sizeof *j->tokens);
        n = j->ops->tokenize(j->engine, text, true, j->tokens, (int32_t)j->cap);
    }
    MUST(n >= 0 && (uint32_t)n <= j->cap);
    return n;
}

static int tokenize_prompt(struct job *j, struct str text, uint32_t context, struct fault *f)
{
    size_t plausible = JOB_PROBE_BYTES_MIN + (size_t)context * JOB_PROBE_BYTES_PER_TOKEN;
    if (text.n > plausible) {
        uint32_t n = (uint32_t)tokenize(j, str_n(text.p, plausible));
        if (n > context)
            return too_long("about ", (uint64_t)((double)n * (double)text.n / (double)plausible), context, f);
    }
    j->prompt_n = (uint32_t)tokenize(j, text);
    if (j->prompt_n > context)
        return too_long("", j->prompt_n, context, f);
    if (j->prompt_n == 0)
        return fault_set(f, ERR_INVALID, "the prompt is empty, and this model has no token to begin a text with");
    return 0;
}

static int check_request(const struct request *r, const struct engine_info *info, struct fault *f)
{
    if (r->kind != REQUEST_EMBED && info->kind == REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model turns text into vectors, it does not answer prompts");
    if (r->kind == REQUEST_EMBED && info->kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "this model writes text, it makes no embeddings");
    if (r->tokens_n > 0 && r->kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "only embeddings can be asked for by token ids");
    if (r->kind != REQUEST_CHAT && r->kind != REQUEST_TEXT && r->kind != REQUEST_EMBED)
        return fault_set(f, ERR_UNSUPPORTED, "a request of kind %u is not known here", (unsigned)r->kind);
    if (r->stops_n > REQUEST_STOPS_MAX)
        return fault_set(f, ERR_INVALID, "%u stop strings, at most %d are possible", r->stops_n, REQUEST_STOPS_MAX);
    for (uint32_t i = 0; i < r->stops_n; i++)
        if (r->stops[i].n > REQUEST_STOP_BYTES_MAX)
            return fault_set(f, ERR_INVALID, "a stop string of %zu bytes, at most %d are possible", r->stops[i].n,
                             REQUEST_STOP_BYTES_MAX);
    return 0;
}

/* A text for an embedding that came as token ids: taken as they are, without the model's own first and last token. */
static int take_tokens(struct job *j, const struct engine_info *info, struct fault *f)
{
    const struct request *r = j->r;
    if (r->tokens_n > info->context)
        return too_long("", r->tokens_n, info->context, f);
    for (uint32_t i = 0; i < r->tokens_n; i++)
        if (r->tokens[i] < 0 || (uint32_t)r->tokens[i] >= info->vocab)
            return fault_set(f, ERR_INVALID, "token %d is not one of this model's %u", r->tokens[i], info->vocab);
    j->prompt_n = j->cap = r->tokens_n;
    j->tokens = xalloc_array(r->tokens_n, sizeof *j->tokens);
    memcpy(j->tokens, r->tokens, r->tokens_n * sizeof *j->tokens);
    return 0;
}

int job_prepare(struct job *j, struct fault *f)
{
    const struct engine_info *info = j->ops->info(j->engine);
    int rc = check_request(j->r, info, f);
    if (rc != 0)
        return rc;
    struct buf rendered = buf_max(JOB_RENDER_BYTES_MAX);
    struct str text = j->r->text;
    if (j->r->kind == REQUEST_CHAT) {
        rc = j->ops->render(j->engine, j->r, &rendered, f);
        text = buf_str(&rendered);
    }
    if (rc == 0)
        rc = j->r->tokens_n > 0 ? take_tokens(j, info, f) : tokenize_prompt(j, text, info->context, f);
    buf_fini(&rendered);
    if (rc != 0)
        return rc;
    /* The last token of an answer is drawn and never fed back, so it needs no place in the context. */
    j->answer_max = info->context - j->prompt_n + 1;
    if (j->r->sampling.max_tokens > 0 && j->r->sampling.max_tokens < j->answer_max)
        j->answer_max = j->r->sampling.max_tokens;
    text_init(&j->text, j->r->stops, j->r->stops_n);
    return 0;
}

/* ---- the answer ---- */

static void push(struct job *j, int32_t id)
{
    if (job_tokens(j) == j->cap) {
        j->cap = j->cap * 2 + 16;
        j->tokens = xrealloc(j->tokens, j->cap * sizeof *j->tokens);
    }
    j->tokens[job_tokens(j)] = id;
    j->answer_n++;
}

enum finish job_add(struct job *j, int32_t id)
{
    MUST(j->answer_n < j->answer_max);
    if (!j->r->sampling.ignore_eos && j->ops->is_end(j->engine, id)) {
        text_end(&j->text);
        return FINISH_STOP;
    }
    push(j, id);
    if (j->sampler != NULL)
        j->ops->sampler_accept(j->sampler, id);
    char piece[PIECE_BYTES_MAX];
    int32_t n = j->ops->piece(j->engine, id, piece, sizeof piece);
    MUST(n >= 0 && n <= PIECE_BYTES_MAX);
    if (text_add(&j->text, str_n(piece, (size_t)n)))
        return FINISH_STOP;
    if (j->answer_n < j->answer_max)
        return FINISH_NONE;
    text_end(&j->text);
    return FINISH_LENGTH;
}

int job_resume(struct job *j, const int32_t *ids, uint32_t n, enum finish *out_finish, struct fault *f)
{
    uint32_t vocab = j->ops->info(j->engine)->vocab;
    *out_finish = FINISH_NONE;
    if (n > j->answer_max)
        return fault_set(f, ERR_CONTEXT, "the answer to go on with has %u tokens already, here it can have %u", n,
                         j->answer_max);
    for (uint32_t i = 0; i < n && *out_finish == FINISH_NONE; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab)
            return fault_set(f, ERR_INVALID, "token %d to resume from is not one of this model's %u", ids[i], vocab);
        *out_finish = job_add(j, ids[i]);
        text_take(&j->text); /* was delivered with these tokens */
    }
    return 0;
}

int job_begin(struct job *j, struct fault *f)
{
    MUST(j->sampler == NULL);
    j->sampler = j->ops->sampler_new(j->engine, j->r);
    if (j->sampler == NULL)
        return fault_set(f, ERR_FAILED, "the engine made no sampler for the request");
    for (uint32_t i = 0; i < job_tokens(j); i++)
        j->ops->sampler_accept(j->sampler, j->tokens[i]);
    return 0;
}
