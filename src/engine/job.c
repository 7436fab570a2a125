#include "engine/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

enum { PIECE_BYTES_MAX = ENGINE_TOKEN_BYTES_MAX };

struct job *job_new(const struct engine_ops *ops, struct engine *e, uint64_t ticket, struct request *r)
{
    struct job *j = xalloc(sizeof *j);
    *j = (struct job){.ticket = ticket, .ops = ops, .engine = e, .r = r};
    return j;
}

void job_free(struct job *j)
{
    if (j == NULL)
        return;
    MUST(!list_linked(&j->link));
    if (j->sampler != NULL)
        j->ops->sampler_free(j->sampler);
    if (j->guide != NULL)
        j->ops->guide_free(j->guide);
    text_fini(&j->text);
    free(j->withheld);
    buf_fini(&j->prompt_text);
    buf_fini(&j->carry);
    free(j->tokens);
    free(j->resume);
    free(j->biases);
    free(j->r);
    free(j);
}

/* ---- the prompt ---- */

void job_take(struct job *j, struct prompt *p)
{
    const struct engine_info *info = j->ops->info(j->engine);
    bool fits = p->tokens.n <= info->context;
    MUST(p->fault.err == 0 && p->tokens.n > 0 && (fits || j->r->sampling.prompt_only == PROMPT_COUNTED));
    j->tokens = p->tokens.p;
    j->prompt_n = p->tokens.n;
    j->cap = p->tokens.cap;
    p->tokens = (struct engine_tokens){0};
    j->guide = p->guide;
    p->guide = NULL;
    if (p->biases != NULL) {
        j->biases = p->biases;
        j->r->biases = p->biases;
        j->r->biases_n = p->biases_n;
        p->biases = NULL;
    }
    j->prompt_text = p->text;
    p->text = buf_max(0);
    j->cuts = j->guide != NULL && j->ops->guide_cuts != NULL && j->ops->guide_cuts(j->guide);
    /* The last token of an answer is drawn and never fed back, so it needs no place in the
     * context. */
    j->answer_max = fits ? info->context - j->prompt_n + 1 : 1;
    if (j->r->sampling.max_tokens > 0 && j->r->sampling.max_tokens < j->answer_max)
        j->answer_max = j->r->sampling.max_tokens;
    text_init(&j->text, j->r->stops, j->r->stops_n);
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

static int32_t piece_of(const struct job *j, int32_t id, char out[PIECE_BYTES_MAX])
{
    int32_t n = j->ops->piece(j->engine, id, out, PIECE_BYTES_MAX);
    if (n == 0 && j->cuts)
        n = j->ops->guide_piece(j->guide, id, out, PIECE_BYTES_MAX);
    MUST(n >= 0 && n <= PIECE_BYTES_MAX);
    return n;
}

static enum finish add(struct job *j, int32_t id, struct fault *f)
{
    MUST(j->answer_n < j->answer_max);
    if (!j->r->sampling.ignore_eos && j->ops->is_end(j->engine, id)) {
        text_end(&j->text);
        return FINISH_STOP;
    }
    if (j->guide != NULL && j->ops->guide_accept(j->guide, id, f) != 0)
        return FINISH_ERROR;
    push(j, id);
    if (j->sampler != NULL)
        j->ops->sampler_accept(j->sampler, id);
    char piece[PIECE_BYTES_MAX];
    int32_t n = piece_of(j, id, piece);
    if (text_add(&j->text, str_n(piece, (size_t)n)))
        return FINISH_STOP;
    if (j->answer_n < j->answer_max)
        return FINISH_NONE;
    text_end(&j->text);
    return FINISH_LENGTH;
}

/* Text is cut with the token that brings it, whether or not parts are reported: a resumed answer is
 * therefore cut at the same places. */
enum finish job_add(struct job *j, int32_t id, struct fault *f)
{
    uint32_t before = j->answer_n;
    enum finish finish = add(j, id, f);
    if (!j->cuts || finish == FINISH_ERROR)
        return finish;
    if (j->ops->guide_cut(j->guide, text_take(&j->text), finish != FINISH_NONE, &j->cut, f) != 0)
        return FINISH_ERROR;
    if (j->cut.parts_n > 0)
        j->thinking = j->cut.parts[j->cut.parts_n - 1].kind == PART_REASONING;
    j->reasoning_n += j->thinking && j->answer_n > before;
    return (finish == FINISH_STOP && j->cut.calls) || j->cut.over ? FINISH_TOOLS : finish;
}

int job_resume(struct job *j, const int32_t *ids, uint32_t n, enum finish *out_finish, struct fault *f)
{
    uint32_t vocab = j->ops->info(j->engine)->vocab;
    *out_finish = FINISH_NONE;
    if (n > j->answer_max)
        return fault_set(f, ERR_CONTEXT, "the answer to continue already has %u tokens; the context has room for %u", n,
                         j->answer_max);
    for (uint32_t i = 0; i < n && *out_finish == FINISH_NONE; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab)
            return fault_set(f, ERR_INVALID, "token %d to resume from is not one of this model's %u", ids[i], vocab);
        *out_finish = job_add(j, ids[i], f);
        if (*out_finish == FINISH_ERROR)
            return f->err;
        if (!j->cuts)
            text_take_to(&j->text, job_withholds(j) ? UINT64_MAX : text_sure(&j->text)); /* was delivered with these tokens */
    }
    return 0;
}

int job_begin(struct job *j, struct fault *f)
{
    MUST(j->sampler == NULL);
    j->sampler = j->ops->sampler_new(j->engine, j->r, j->guide);
    if (j->sampler == NULL)
        return fault_set(f, ERR_FAILED, "the engine made no sampler for the request");
    for (uint32_t i = 0; i < job_tokens(j); i++)
        j->ops->sampler_accept(j->sampler, j->tokens[i]);
    return 0;
}
