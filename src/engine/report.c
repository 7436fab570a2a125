/* Report events of the batcher's jobs: computed prompts, tokens with text, ends. */
#include <math.h>

#include "base/alloc.h"
#include "engine/state.h"

enum { PIECE_BYTES = 256 }; /* reported bytes of one token; longer ones are truncated */

static void report(struct batcher *b, const struct batcher_event *ev)
{
    MUST(!b->reporting);
    b->reporting = true;
    b->on_event(ev, b->user_data);
    b->reporting = false;
}

static float ms_between(uint64_t from_us, uint64_t to_us)
{
    return from_us == 0 || to_us <= from_us ? 0 : (float)(to_us - from_us) / 1000.0f;
}

static struct batcher_event event_of(const struct job *j, enum batcher_event_kind kind)
{
    return (struct batcher_event){
        .kind = kind,
        .ticket = j->ticket,
        .prompt_tokens = j->prompt_n,
        .cached_tokens = j->cached,
        .queue_ms = ms_between(j->submitted_us, j->started_us),
        .prefill_ms = ms_between(j->started_us, j->first_us),
    };
}

void report_progress(struct batcher *b, const struct job *j, uint32_t done)
{
    struct batcher_event ev = event_of(j, BATCHER_PROGRESS);
    if (!j->r->sampling.progress || j->answer_n > 0) /* replayed tokens are not part of the prompt */
        return;
    ev.done_tokens = done;
    ev.prefill_ms = done > j->cached ? ms_between(j->started_us, batcher_now(b)) : 0;
    report(b, &ev);
}

void report_prefilled(struct batcher *b, struct job *j)
{
    struct batcher_event ev = event_of(j, BATCHER_PREFILLED);
    ev.prompt_ids = j->r->sampling.prompt_ids ? j->tokens : NULL;
    ev.text = buf_str(&j->prompt_text);
    report(b, &ev);
    buf_fini(&j->prompt_text);
}

/* Facts about a token besides its text: the head has no vocabulary to look up bytes. */
struct about {
    struct str pieces[1 + REQUEST_TOP_LOGPROBS_MAX];
    char bytes[1 + REQUEST_TOP_LOGPROBS_MAX][PIECE_BYTES];
};

static void add_piece(struct batcher *b, const struct job *j, struct about *a, uint32_t i, int32_t id)
{
    int32_t n = id >= 0 ? b->ops->piece(b->engine, id, a->bytes[i], PIECE_BYTES) : 0;
    if (n == 0 && id >= 0 && j->r->sampling.prompt_only == PROMPT_COUNTED && b->ops->control != NULL) /* a tokenized text is reported completely */
        n = b->ops->control(b->engine, id, a->bytes[i], PIECE_BYTES);
    a->pieces[i] = str_n(a->bytes[i], (size_t)n);
}

static void tell_about(struct batcher *b, const struct job *j, const struct drawn *t, struct about *a, struct batcher_event *ev)
{
    ev->logprobs = &t->logprob;
    ev->top_n = t->top_n;
    ev->top = t->top;
    ev->pieces = a->pieces;
    add_piece(b, j, a, 0, t->id);
    for (uint32_t i = 0; i < t->top_n; i++)
        add_piece(b, j, a, i + 1, t->top[i].token);
}

/* The draw may have had fewer candidates than requested; the lists of all tokens have the same
 * length (-1: no token). */
static uint32_t find_drawn(struct batcher *b, const struct job *j, uint32_t n, struct drawn *t)
{
    uint32_t found = b->ops->drawn(j->sampler, t->id, n, t->top, &t->logprob);
    for (; found < n; found++)
        t->top[found] = (struct engine_likely){.token = -1, .logprob = -INFINITY};
    return n;
}

void report_find_top(struct batcher *b, const struct job *j, uint32_t row, struct drawn *t)
{
    uint32_t n = j->r->sampling.logprobs ? j->r->sampling.top_logprobs : 0;
    n = n < REQUEST_TOP_LOGPROBS_MAX ? n : REQUEST_TOP_LOGPROBS_MAX;
    if (j->r->sampling.logprobs && j->r->sampling.drawn_probs)
        t->top_n = find_drawn(b, j, n, t);
    else
        t->top_n = n > 0 ? b->ops->likely(b->engine, row, n, t->top) : 0;
}

void report_scored(struct batcher *b, const struct job *j, uint32_t at, uint32_t row)
{
    struct batcher_event ev = event_of(j, BATCHER_TOKENS);
    struct about about;
    struct drawn t = {.id = j->tokens[at]};
    if (row != UINT32_MAX) {
        t.logprob = b->ops->logprob(b->engine, row, t.id);
        report_find_top(b, j, row, &t);
    } else { /* fills the place of a score */
        t.top_n = j->r->sampling.top_logprobs;
        for (uint32_t i = 0; i < t.top_n; i++)
            t.top[i].token = t.id;
    }
    ev.of_prompt = true;
    ev.first = at;
    ev.ids = &t.id;
    ev.ids_n = 1;
    tell_about(b, j, &t, &about, &ev);
    report(b, &ev);
}

static void report_with(struct batcher *b, const struct job *j, uint32_t first, const struct drawn *t, struct str text)
{
    struct batcher_event ev = event_of(j, BATCHER_TOKENS);
    struct about about;
    ev.first = first;
    ev.text = text;
    ev.parts = j->cuts ? j->cut.parts : NULL;
    ev.parts_n = j->cuts ? j->cut.parts_n : 0;
    ev.ids = &t->id;
    ev.ids_n = 1;
    if (j->r->sampling.logprobs)
        tell_about(b, j, t, &about, &ev);
    report(b, &ev);
}

void report_token(struct batcher *b, struct job *j, uint32_t first, const struct drawn *t)
{
    report_with(b, j, first, t, j->cuts ? j->cut.text : text_take(&j->text));
}

static void report_oldest(struct batcher *b, struct job *j)
{
    struct withheld *w = j->withheld;
    struct drawn t = w->tokens[0];
    uint32_t first = j->answer_n - w->n;
    memmove(w->tokens, w->tokens + 1, --w->n * sizeof *w->tokens);
    report_with(b, j, first, &t, text_take_to(&j->text, t.end));
}

/* Returns whether the oldest token can be reported. At the end of an answer, every token with a
 * byte in the text can. */
static bool is_released(const struct job *j, const struct drawn *oldest, bool over)
{
    if (over)
        return !j->text.stopped || oldest->start < text_made(&j->text);
    return oldest->end + oldest->part_n <= text_sure(&j->text);
}

void report_withheld(struct batcher *b, struct job *j, const struct drawn *t, bool over)
{
    if (j->withheld == NULL)
        j->withheld = xalloc(sizeof *j->withheld);
    struct withheld *w = j->withheld;
    if (t != NULL)
        w->tokens[w->n++] = *t;
    while (w->n > 0 && is_released(j, &w->tokens[0], over))
        report_oldest(b, j);
    if (over)
        w->n = 0;
    if (w->n == WITHHELD_MAX)
        report_oldest(b, j);
}

static void end_job(struct batcher *b, struct job *j, struct batcher_event *ev)
{
    ev->completion_tokens = j->answer_n;
    ev->reasoning_tokens = j->reasoning_n;
    ev->decode_ms = ms_between(j->first_us, j->last_us);
    ev->logprob_sum = j->logprob_sum;
    b->done++;
    MUST(b->submitted == b->done + b->slots.busy + b->queued); /* B1 */
    report(b, ev);
    job_free(j);
}

void report_end(struct batcher *b, struct job *j, enum finish finish)
{
    struct batcher_event ev = event_of(j, BATCHER_DONE);
    ev.finish = (uint8_t)finish;
    ev.stop = j->text.met;
    end_job(b, j, &ev);
}

void report_fault(struct batcher *b, struct job *j, const struct fault *f)
{
    struct batcher_event ev = event_of(j, BATCHER_DONE);
    ev.finish = FINISH_ERROR;
    ev.fault = *f;
    end_job(b, j, &ev);
}

void report_embedding(struct batcher *b, struct job *j, const float *v, uint32_t n)
{
    struct batcher_event ev = event_of(j, BATCHER_DONE);
    ev.finish = FINISH_STOP;
    ev.embedding = v;
    ev.embedding_n = n;
    end_job(b, j, &ev);
}
