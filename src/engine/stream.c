/* Run the streams: the next token of every running stream, and the first of each that begins. */
#include "base/rng.h"
#include "engine/state.h"
#include "os/last_words.h"

struct job *stream_leave(struct batcher *b, uint32_t slot)
{
    struct job *j = b->slots.slot[slot].job;
    slots_release(&b->slots, slot);
    return j;
}

void stream_fail(struct batcher *b, uint32_t slot, const struct fault *f)
{
    b->ops->seq_trim(b->engine, slot, 0);
    slots_cut(&b->slots, slot, 0);
    report_fault(b, stream_leave(b, slot), f);
}

/* B6: text held back until the end is reported with the end token, so that a resumed job knows that it
 * was. */
static void tell_drawn(struct batcher *b, struct job *j, const struct drawn *t, uint32_t index, enum finish finish)
{
    bool is_end_token = j->answer_n == index, withholds = job_withholds(j);
    if (withholds)
        report_withheld(b, j, is_end_token ? NULL : t, finish != FINISH_NONE);
    if (is_end_token ? job_tells(j) : !withholds)
        report_token(b, j, index, t);
}

void stream_draw(struct batcher *b, uint32_t slot, uint32_t row)
{
    struct job *j = b->slots.slot[slot].job;
    uint32_t index = j->answer_n;
    last_words_computing(&j->ticket, 1);
    struct drawn t = {.start = text_made(&j->text)};
    struct fault f = {0};
    /* Computing a log-probability is a pass over the vocabulary, during which all other compute
     * threads wait: only if requested. */
    t.id = b->ops->sampler_draw(b->engine, j->sampler, row, rng_unit(j->r->sampling.seed, index),
                                j->r->sampling.logprobs ? &t.logprob : NULL, &f);
    if (t.id < 0) {
        report_fault(b, stream_leave(b, slot), &f);
        return;
    }
    MUST((uint32_t)t.id < b->info->vocab);
    report_find_top(b, j, row, &t);
    j->last_us = batcher_now(b);
    if (j->first_us == 0)
        j->first_us = j->last_us;
    enum finish finish = job_add(j, t.id, &f);
    if (finish == FINISH_ERROR) {
        report_fault(b, stream_leave(b, slot), &f);
        return;
    }
    bool is_end_token = j->answer_n == index;
    t.end = text_made(&j->text);
    t.part_n = j->text.part_n;
    if (!j->answering) {
        j->answering = true;
        report_prefilled(b, j);
    }
    if (!is_end_token) {
        MUST(j->answer_n == index + 1); /* B3 */
        j->logprob_sum += t.logprob;
        b->last_token_us = j->last_us;
    }
    tell_drawn(b, j, &t, index, finish);
    if (finish != FINISH_NONE)
        report_end(b, stream_leave(b, slot), finish);
}

void stream_put_row(struct batcher *b, uint32_t i, uint32_t slot, uint32_t position, bool want)
{
    MUST(i < b->info->batch_rows_max); /* B5 */
    const struct job *j = b->slots.slot[slot].job;
    b->rows[i] = (struct engine_row){
        .token = j->tokens[position], .position = (int32_t)position, .seq = slot, .want = want};
}

uint32_t stream_waiting(const struct batcher *b, uint64_t *out_us)
{
    uint64_t now_us = batcher_now(b);
    uint32_t streams = 0;
    *out_us = 0;
    for (uint32_t i = 0; i < b->slots.n; i++) {
        const struct job *j = b->slots.slot[i].job;
        if (j == NULL || !j->answering)
            continue;
        streams++;
        if (now_us - j->last_us > *out_us)
            *out_us = now_us - j->last_us;
    }
    return streams;
}

void stream_turn(struct batcher *b)
{
    uint32_t n = 0;
    uint64_t start_us = batcher_now(b), tickets[ENGINE_SLOTS_MAX];
    for (uint32_t i = 0; i < b->slots.n; i++) {
        const struct slot *at = &b->slots.slot[i];
        if (at->job == NULL || !at->job->answering)
            continue;
        MUST(at->n + 1 == job_tokens(at->job)); /* B2 */
        tickets[n] = at->job->ticket;
        stream_put_row(b, n++, i, at->n, true);
    }
    struct fault f = {0};
    last_words_computing(tickets, n);
    int rc = b->ops->decode(b->engine, b->rows, n, &f);
    b->prompt_ran = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = b->rows[i].seq;
        if (rc != 0) {
            stream_fail(b, slot, &f);
            continue;
        }
        slots_append(&b->slots, slot, &b->rows[i].token, 1);
        stream_draw(b, slot, i);
    }
    if (rc == 0)
        cost_saw_decode(&b->cost, n, batcher_now(b) - start_us);
}

