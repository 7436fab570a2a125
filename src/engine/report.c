#include "engine/state.h"

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
    report(b, &ev);
}

void report_token(struct batcher *b, struct job *j, uint32_t first, int32_t id, float logprob)
{
    struct batcher_event ev = event_of(j, BATCHER_TOKENS);
    ev.first = first;
    ev.text = text_take(&j->text);
    ev.ids = &id;
    ev.ids_n = 1;
    ev.logprobs = j->r->sampling.logprobs ? &logprob : NULL;
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
