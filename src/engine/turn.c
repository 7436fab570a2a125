/* Run one call of the engine, and update slots and jobs. */
#include "base/alloc.h"
#include "engine/carry.h"
#include "engine/state.h"
#include "os/last_words.h"

/* ---- prompts ---- */

/* Replaces the slot's contents by cells that another engine computed. Cells that must be computed here are cut
 * off: job_reusable(). */
static void take_cells(struct batcher *b, uint32_t slot, const struct carry *c)
{
    const struct job *j = b->slots.slot[slot].job;
    struct fault f = {0};
    int err = b->ops->seq_load(b->engine, slot, c->cells, (int32_t)c->tokens_n, &f);
    slots_cut(&b->slots, slot, 0);
    slots_own(&b->slots, slot, j->r->scope);
    slots_append(&b->slots, slot, j->tokens, err == 0 ? c->tokens_n : 0);
    if (err == 0 && c->tokens_n >= job_reusable(j)) {
        b->ops->seq_trim(b->engine, slot, (int32_t)job_reusable(j) - 1);
        slots_cut(&b->slots, slot, job_reusable(j) - 1);
    }
}

void turn_carry(struct batcher *b, uint32_t slot)
{
    struct job *j = b->slots.slot[slot].job;
    struct carry c;
    struct fault f = {0};
    uint32_t held = slots_held(&b->slots.slot[slot], j->r->scope, j->tokens, job_tokens(j));
    bool useful = j->carry.n > 0 && !job_scores(j) && b->ops->seq_load != NULL;
    if (useful && carry_open(buf_str(&j->carry), &c, &f) == 0 && c.tokens_n > held &&
        carry_common(&c, j->tokens, job_tokens(j)) == c.tokens_n) {
        swap_out(b, slot, held);
        take_cells(b, slot, &c);
    }
    buf_fini(&j->carry);
}

/* Returns the number of rows whose computation takes as long as one copy. */
static uint32_t copy_tokens(const struct batcher *b)
{
    uint64_t row_us = cost_prompt(&b->cost, 64) / 64;
    return (uint32_t)(cost_copy(&b->cost) / (row_us > 0 ? row_us : 1));
}

static struct slots_prefix find_prefix(const struct batcher *b, uint32_t slot)
{
    const struct job *j = b->slots.slot[slot].job;
    if (job_scores(j) || j->r->sampling.fresh) /* all of it is computed */
        return (struct slots_prefix){0};
    return swap_find(b, slot, slots_find_prefix(&b->slots, slot, j->r->scope, j->tokens, job_reusable(j), copy_tokens(b)));
}

/* Saves the slot's contents before the prompt replaces them. Returns true if the engine copied
 * while streams wait: then the turn is over. */
static bool make_way(struct batcher *b, uint32_t slot)
{
    struct slots_prefix prefix = find_prefix(b, slot);
    if (prefix.from == SLOTS_KEPT)
        prefixes_touch(&b->prefixes, prefix.src); /* so that saving evicts other entries first */
    return swap_out(b, slot, prefix.from == SLOTS_HERE ? prefix.n : 0) && swap_waits(b);
}

static void place(struct batcher *b, uint32_t slot, struct slots_prefix prefix)
{
    if (prefix.from == SLOTS_KEPT) {
        swap_in(b, slot, prefix);
    } else if (prefix.from == SLOTS_COPY) {
        b->ops->seq_copy(b->engine, prefix.src, slot, (int32_t)prefix.n);
        slots_copy(&b->slots, prefix.src, slot, prefix.n);
    } else if (prefix.n < b->slots.slot[slot].n) {
        b->ops->seq_trim(b->engine, slot, (int32_t)prefix.n);
        slots_cut(&b->slots, slot, prefix.n);
    }
}

/* Puts the beginning of the prompt in place. Prompts start one after another, so a prefix that
 * arrived several times at once is computed by the first and copied by the others. *out_copy_us:
 * the time of a copy between slots, 0 without one. Returns true if the turn is over. */
static bool start_prompt(struct batcher *b, uint32_t slot, uint64_t *out_copy_us)
{
    struct slot *at = &b->slots.slot[slot];
    struct job *j = at->job;
    if (j->started_us == 0)
        j->started_us = batcher_now(b);
    if (make_way(b, slot))
        return true;
    struct slots_prefix prefix = find_prefix(b, slot);
    uint64_t start_us = batcher_now(b);
    place(b, slot, prefix);
    slots_own(&b->slots, slot, j->r->scope);
    at->begun = true;
    at->asked = j->prompt_n;
    j->cached = at->n < j->prompt_n ? at->n : j->prompt_n;
    report_progress(b, j, j->cached);
    *out_copy_us = prefix.from == SLOTS_COPY ? batcher_now(b) - start_us + 1 : 0;
    return prefix.from == SLOTS_KEPT && swap_waits(b);
}

uint32_t turn_rows_left(const struct batcher *b, uint32_t slot)
{
    const struct slot *at = &b->slots.slot[slot];
    return job_tokens(at->job) - (at->begun ? at->n : find_prefix(b, slot).n);
}

/* The engine may defer a copy to its next call, so the excess time of that call counts as the
 * copy's. */
static void saw_copy(struct batcher *b, uint32_t rows, uint64_t copy_us, uint64_t call_us)
{
    uint64_t expected_us = cost_prompt(&b->cost, rows);
    cost_saw_copy(&b->cost, copy_us + (call_us > expected_us ? call_us - expected_us : 0));
}

/* Reports the prompt tokens that are scored by the rows from position `from` on. */
static void tell_scores(struct batcher *b, const struct job *j, uint32_t from, uint32_t n)
{
    if (!job_scores(j))
        return;
    if (from == 0)
        report_scored(b, j, 0, UINT32_MAX);
    for (uint32_t i = 0; i < n && from + i + 1 < j->prompt_n; i++)
        report_scored(b, j, from + i + 1, i);
}

/* Returns whether the sampler needs the logits of that position, because the token after it belongs to a resumed
 * answer. */
static bool is_replayed(const struct job *j, uint32_t position)
{
    return job_remembers(j) && position + 1 >= j->prompt_n && position + 1 < job_tokens(j);
}

static void replay(struct batcher *b, const struct job *j, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (is_replayed(j, from + i))
            b->ops->sampler_replay(b->engine, j->sampler, i, j->tokens[from + i + 1]);
}

static void prompt_is_done(struct batcher *b, uint32_t slot, uint32_t last_row)
{
    struct job *j = b->slots.slot[slot].job;
    b->prompt_tokens += j->prompt_n;
    b->hints_old = true;
    if (j->r->sampling.prompt_only == PROMPT_AND_ANSWER) {
        stream_draw(b, slot, last_row);
        return;
    }
    j->first_us = j->last_us = batcher_now(b);
    report_prefilled(b, j);
    report_end(b, stream_leave(b, slot), FINISH_LENGTH);
}

/* Limits the rows of a call that needs the logits of more than its last row. */
static uint32_t wanted_rows(const struct batcher *b, const struct job *j, uint32_t from, uint32_t rows)
{
    bool many = job_scores(j) || (job_remembers(j) && j->answer_n > 0 && from + rows >= j->prompt_n);
    return many && rows > b->info->wants_max ? b->info->wants_max : rows;
}

/* Limits the rows of a resumed answer so that it is computed in the same shape as before: its
 * prompt like a prompt, its tokens like a stream's. An engine with a preferred chunk size uses
 * another kernel for calls of that size, whose bits differ slightly. */
static uint32_t replay_rows(const struct batcher *b, const struct job *j, uint32_t from, uint32_t rows)
{
    uint32_t tile = b->info->chunk_rows;
    if (tile <= 1 || j->answer_n == 0)
        return rows;
    if (from < j->prompt_n)
        return from + rows > j->prompt_n ? j->prompt_n - from : rows;
    return rows < tile ? rows : tile - 1;
}

void turn_prompt(struct batcher *b, uint32_t slot, uint32_t rows)
{
    struct slot *at = &b->slots.slot[slot];
    struct fault f = {0};
    b->last_slot = slot;
    b->prompt_ran = true;
    last_words_computing(&at->job->ticket, 1);
    uint64_t copy_us = 0;
    if (at->job->sampler == NULL && job_begin(at->job, &f) != 0) {
        stream_fail(b, slot, &f);
        return;
    }
    if (!at->begun && start_prompt(b, slot, &copy_us)) {
        b->prompt_ran = true;
        return;
    }
    uint32_t from = at->n, total = job_tokens(at->job), n = total - from < rows ? total - from : rows;
    bool scores = job_scores(at->job);
    n = wanted_rows(b, at->job, from, replay_rows(b, at->job, from, n));
    for (uint32_t i = 0; i < n; i++)
        stream_put_row(b, i, slot, from + i, scores || from + i + 1 == total || is_replayed(at->job, from + i));
    uint64_t start_us = batcher_now(b);
    if (b->ops->decode(b->engine, b->rows, n, &f) != 0) {
        stream_fail(b, slot, &f);
        return;
    }
    slots_append(&b->slots, slot, at->job->tokens + from, n);
    uint64_t took_us = batcher_now(b) - start_us;
    if (copy_us == 0)
        cost_saw_prompt(&b->cost, n, took_us);
    else
        saw_copy(b, n, copy_us, took_us);
    tell_scores(b, at->job, from, n);
    replay(b, at->job, from, n);
    report_progress(b, at->job, at->n);
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
