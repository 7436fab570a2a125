/* What one call into the engine does to slots and jobs. */
#include "base/alloc.h"
#include "base/rng.h"
#include "engine/carry.h"
#include "engine/state.h"
#include "os/last_words.h"

static struct job *leave_slot(struct batcher *b, uint32_t slot)
{
    struct job *j = b->slots.slot[slot].job;
    slots_release(&b->slots, slot);
    return j;
}

/* After a failed call nobody knows for sure what the sequence holds: it starts anew. */
static void fail_slot(struct batcher *b, uint32_t slot, const struct fault *f)
{
    b->ops->seq_trim(b->engine, slot, 0);
    slots_cut(&b->slots, slot, 0);
    report_fault(b, leave_slot(b, slot), f);
}

/* ---- prompts ---- */

void turn_carry(struct batcher *b, uint32_t slot)
{
    struct job *j = b->slots.slot[slot].job;
    struct carry c;
    struct fault f = {0};
    uint32_t held = slots_held(&b->slots.slot[slot], j->r->scope, j->tokens, job_tokens(j));
    if (j->carry.n > 0 && !job_scores(j) && b->ops->seq_load != NULL && carry_open(buf_str(&j->carry), &c, &f) == 0 && c.tokens_n > held &&
        carry_common(&c, j->tokens, job_tokens(j)) == c.tokens_n) {
        int err = b->ops->seq_load(b->engine, slot, c.cells, (int32_t)c.tokens_n, &f);
        slots_cut(&b->slots, slot, 0);
        slots_own(&b->slots, slot, j->r->scope);
        slots_append(&b->slots, slot, j->tokens, err == 0 ? c.tokens_n : 0);
    }
    buf_fini(&j->carry);
}

/* What computing as many rows would take as long as one copy. */
static uint32_t copy_tokens(const struct batcher *b)
{
    uint64_t row_us = cost_prompt(&b->cost, 64) / 64;
    return (uint32_t)(cost_copy(&b->cost) / (row_us > 0 ? row_us : 1));
}

static struct slots_prefix find_prefix(const struct batcher *b, uint32_t slot)
{
    const struct job *j = b->slots.slot[slot].job;
    if (job_scores(j)) /* all of it is computed */
        return (struct slots_prefix){0};
    return slots_find_prefix(&b->slots, slot, j->r->scope, j->tokens, job_tokens(j), copy_tokens(b));
}

/* Puts the beginning of the prompt in place. Prompts start one after another, so a prefix that arrived several times at
 * once is computed by the first and copied by the others. Returns the time a copy took, 0 without one. */
static uint64_t start_prompt(struct batcher *b, uint32_t slot)
{
    struct slot *at = &b->slots.slot[slot];
    struct slots_prefix prefix = find_prefix(b, slot);
    uint64_t start_us = batcher_now(b);
    if (prefix.copy) {
        b->ops->seq_copy(b->engine, prefix.src, slot, (int32_t)prefix.n);
        slots_copy(&b->slots, prefix.src, slot, prefix.n);
    } else if (prefix.n < at->n) {
        b->ops->seq_trim(b->engine, slot, (int32_t)prefix.n);
        slots_cut(&b->slots, slot, prefix.n);
    }
    slots_own(&b->slots, slot, at->job->r->scope);
    at->begun = true;
    at->job->cached = prefix.n < at->job->prompt_n ? prefix.n : at->job->prompt_n;
    at->job->started_us = start_us;
    return prefix.copy ? batcher_now(b) - start_us + 1 : 0;
}

uint32_t turn_rows_left(const struct batcher *b, uint32_t slot)
{
    const struct slot *at = &b->slots.slot[slot];
    return job_tokens(at->job) - (at->begun ? at->n : find_prefix(b, slot).n);
}

/* ---- one decode call ---- */

/* B6: text that was held back until the end goes out with the end token, so that a resumed job knows it did. */
static void tell_drawn(struct batcher *b, struct job *j, const struct drawn *t, uint32_t index, enum finish finish)
{
    bool is_end_token = j->answer_n == index, withholds = job_withholds(j);
    if (withholds)
        report_withheld(b, j, is_end_token ? NULL : t, finish != FINISH_NONE);
    if (is_end_token ? job_tells(j) : !withholds)
        report_token(b, j, index, t);
}

/* Draws the next token of a job from row `row` of the last call, and reports it. */
static void draw(struct batcher *b, uint32_t slot, uint32_t row)
{
    struct job *j = b->slots.slot[slot].job;
    uint32_t index = j->answer_n;
    last_words_computing(&j->ticket, 1);
    struct drawn t = {.start = text_made(&j->text)};
    struct fault f = {0};
    /* A log-probability is a pass over the vocabulary, during which all but one compute thread wait: only for who asked. */
    t.id = b->ops->sampler_draw(b->engine, j->sampler, row, rng_unit(j->r->sampling.seed, index),
                                j->r->sampling.logprobs ? &t.logprob : NULL, &f);
    if (t.id < 0) {
        report_fault(b, leave_slot(b, slot), &f);
        return;
    }
    MUST((uint32_t)t.id < b->info->vocab);
    report_find_top(b, j, row, &t);
    j->last_us = batcher_now(b);
    if (j->first_us == 0)
        j->first_us = j->last_us;
    enum finish finish = job_add(j, t.id, &f);
    if (finish == FINISH_ERROR) {
        report_fault(b, leave_slot(b, slot), &f);
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
        b->answer_tokens++;
        b->last_token_us = j->last_us;
    }
    tell_drawn(b, j, &t, index, finish);
    if (finish != FINISH_NONE)
        report_end(b, leave_slot(b, slot), finish);
}

static void put_row(struct batcher *b, uint32_t i, uint32_t slot, uint32_t position, bool want)
{
    MUST(i < b->info->batch_rows_max); /* B5 */
    const struct job *j = b->slots.slot[slot].job;
    b->rows[i] = (struct engine_row){
        .token = j->tokens[position], .position = (int32_t)position, .seq = slot, .want = want};
}

/* The next token of every running stream. */
void turn_streams(struct batcher *b)
{
    uint32_t n = 0;
    uint64_t start_us = batcher_now(b), tickets[ENGINE_SLOTS_MAX];
    for (uint32_t i = 0; i < b->slots.n; i++) {
        const struct slot *at = &b->slots.slot[i];
        if (at->job == NULL || !at->job->answering)
            continue;
        MUST(at->n + 1 == job_tokens(at->job)); /* B2 */
        tickets[n] = at->job->ticket;
        put_row(b, n++, i, at->n, true);
    }
    struct fault f = {0};
    last_words_computing(tickets, n);
    int rc = b->ops->decode(b->engine, b->rows, n, &f);
    b->prompt_ran = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = b->rows[i].seq;
        if (rc != 0) {
            fail_slot(b, slot, &f);
            continue;
        }
        slots_append(&b->slots, slot, &b->rows[i].token, 1);
        draw(b, slot, i);
    }
    if (rc == 0)
        cost_saw_decode(&b->cost, n, batcher_now(b) - start_us);
}

/* The engine may put a copy off until its next call, so what that took too long counts as the copy's. */
static void saw_copy(struct batcher *b, uint32_t rows, uint64_t copy_us, uint64_t call_us)
{
    uint64_t expected_us = cost_prompt(&b->cost, rows);
    cost_saw_copy(&b->cost, copy_us + (call_us > expected_us ? call_us - expected_us : 0));
}

/* Tells of the tokens that the rows from position `from` on brought a log-probability for. */
static void tell_scores(struct batcher *b, const struct job *j, uint32_t from, uint32_t n)
{
    if (!job_scores(j))
        return;
    if (from == 0)
        report_scored(b, j, 0, UINT32_MAX);
    for (uint32_t i = 0; i < n && from + i + 1 < j->prompt_n; i++)
        report_scored(b, j, from + i + 1, i);
}

static void prompt_is_done(struct batcher *b, uint32_t slot, uint32_t last_row)
{
    struct job *j = b->slots.slot[slot].job;
    b->prompt_tokens += j->prompt_n;
    b->cached_tokens += j->cached;
    b->hints_old = true;
    if (j->r->sampling.prompt_only == PROMPT_AND_ANSWER) {
        draw(b, slot, last_row);
        return;
    }
    j->first_us = j->last_us = batcher_now(b);
    report_prefilled(b, j);
    report_end(b, leave_slot(b, slot), FINISH_LENGTH);
}

/* A resumed answer is computed once more in the shape it had: its prompt like a prompt, its tokens like a stream's. An
 * engine with a favourite chunk takes another kernel for calls of that size, whose bits differ a little. */
static uint32_t replay_rows(const struct batcher *b, const struct job *j, uint32_t from, uint32_t rows)
{
    uint32_t tile = b->info->chunk_rows;
    if (tile <= 1 || j->answer_n == 0)
        return rows;
    if (from < j->prompt_n)
        return from + rows > j->prompt_n ? j->prompt_n - from : rows;
    return rows < tile ? rows : tile - 1;
}

/* Up to `rows` rows of the prompt in `slot`; its first token when these are the last ones. */
void turn_prompt(struct batcher *b, uint32_t slot, uint32_t rows)
{
    struct slot *at = &b->slots.slot[slot];
    struct fault f = {0};
    b->last_slot = slot;
    b->prompt_ran = true;
    last_words_computing(&at->job->ticket, 1);
    uint64_t copy_us = at->begun ? 0 : start_prompt(b, slot);
    if (at->job->sampler == NULL && job_begin(at->job, &f) != 0) {
        fail_slot(b, slot, &f);
        return;
    }
    uint32_t from = at->n, total = job_tokens(at->job), n = total - from < rows ? total - from : rows;
    bool scores = job_scores(at->job);
    n = replay_rows(b, at->job, from, n);
    n = scores && n > b->info->wants_max ? b->info->wants_max : n;
    for (uint32_t i = 0; i < n; i++)
        put_row(b, i, slot, from + i, scores || from + i + 1 == total);
    uint64_t start_us = batcher_now(b);
    if (b->ops->decode(b->engine, b->rows, n, &f) != 0) {
        fail_slot(b, slot, &f);
        return;
    }
    slots_append(&b->slots, slot, at->job->tokens + from, n);
    uint64_t took_us = batcher_now(b) - start_us;
    if (copy_us == 0)
        cost_saw_prompt(&b->cost, n, took_us);
    else
        saw_copy(b, n, copy_us, took_us);
    tell_scores(b, at->job, from, n);
    if (at->n == total)
        prompt_is_done(b, slot, n - 1);
}

/* ---- vectors ---- */

static void tell_vector(struct batcher *b, struct job *j, const float *vector, int rc, const struct fault *f)
{
    b->queued--;
    if (rc != 0) {
        report_fault(b, j, f);
        return;
    }
    b->prompt_tokens += j->prompt_n;
    report_prefilled(b, j);
    report_embedding(b, j, vector, b->info->width);
}

void turn_embed(struct batcher *b, struct job *const *jobs, uint32_t n)
{
    struct fault f = {0};
    struct engine_text texts[ENGINE_SLOTS_MAX];
    uint64_t tickets[ENGINE_SLOTS_MAX];
    uint32_t rows = 0;
    MUST(n > 0 && n <= b->info->slots); /* B5 */
    if (b->vectors == NULL)
        b->vectors = xalloc_array((size_t)b->info->slots * b->info->width, sizeof *b->vectors);
    uint64_t start_us = batcher_now(b);
    for (uint32_t i = 0; i < n; i++) {
        jobs[i]->started_us = start_us;
        texts[i] = (struct engine_text){.tokens = jobs[i]->tokens, .n = jobs[i]->prompt_n};
        tickets[i] = jobs[i]->ticket;
        rows += jobs[i]->prompt_n;
    }
    last_words_computing(tickets, n);
    MUST(rows > 0 && rows <= b->info->batch_rows_max); /* B5 */
    b->prompt_ran = true;
    int rc = b->ops->embed(b->engine, texts, n, b->vectors, &f);
    uint64_t end_us = batcher_now(b);
    if (rc == 0)
        cost_saw_prompt(&b->cost, rows, end_us - start_us);
    for (uint32_t i = 0; i < n; i++) {
        jobs[i]->first_us = jobs[i]->last_us = end_us;
        tell_vector(b, jobs[i], b->vectors + (size_t)i * b->info->width, rc, &f);
    }
}
