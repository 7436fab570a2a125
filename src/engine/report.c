#include "engine/state.h"

enum { PIECE_BYTES = 256 }; /* of one token, as clients are told them; longer ones are cut */

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

void report_prefilled(struct batcher *b, const struct job *j)
{
    struct batcher_event ev = event_of(j, BATCHER_PREFILLED);
    ev.prompt_ids = j->r->sampling.prompt_ids ? j->tokens : NULL;
    report(b, &ev);
}

/* What clients are told of a token besides its text: the head has no vocabulary to look bytes up in. */
struct about {
    struct engine_likely top[REQUEST_TOP_LOGPROBS_MAX];
    struct str pieces[1 + REQUEST_TOP_LOGPROBS_MAX];
    char bytes[1 + REQUEST_TOP_LOGPROBS_MAX][PIECE_BYTES];
};

static void add_piece(struct batcher *b, struct about *a, uint32_t i, int32_t id)
{
    int32_t n = b->ops->piece(b->engine, id, a->bytes[i], PIECE_BYTES);
    a->pieces[i] = str_n(a->bytes[i], (size_t)n);
}

static void tell_about(struct batcher *b, const struct job *j, uint32_t row, struct about *a, struct batcher_event *ev)
{
    uint32_t n = j->r->sampling.top_logprobs;
    n = n < REQUEST_TOP_LOGPROBS_MAX ? n : REQUEST_TOP_LOGPROBS_MAX;
    ev->top_n = n > 0 ? b->ops->likely(b->engine, row, n, a->top) : 0;
    ev->top = a->top;
    ev->pieces = a->pieces;
    add_piece(b, a, 0, ev->ids[0]);
    for (uint32_t i = 0; i < ev->top_n; i++)
        add_piece(b, a, i + 1, a->top[i].token);
}

void report_token(struct batcher *b, struct job *j, uint32_t row, uint32_t first, int32_t id, float logprob)
{
    struct batcher_event ev = event_of(j, BATCHER_TOKENS);
    struct about about;
    ev.first = first;
    ev.text = text_take(&j->text);
    ev.ids = &id;
    ev.ids_n = 1;
    if (j->r->sampling.logprobs) {
        ev.logprobs = &logprob;
        tell_about(b, j, row, &about, &ev);
    }
    report(b, &ev);
}

static void end_job(struct batcher *b, struct job *j, struct batcher_event *ev)
{
    ev->completion_tokens = j->answer_n;
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
