/* Admit jobs, plan, and make one call into the engine per step. state.h lists the invariants.
 *
 *     submit ──▶ (prepared) ──▶ queue ──slot free──▶ prompt ──last row──▶ answering ──finish──▶ (slot free, keeps its tokens) */
#include "engine/batcher.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/carry.h"
#include "engine/plan.h"
#include "engine/state.h"
#include "os/last_words.h"

/* A request that outlives its job, because another thread is reading it. */
struct leaver {
    struct list link;
    uint64_t ticket;
    struct request *r; /* owned */
};

struct batcher *batcher_new(const struct batcher_config *cfg, batcher_event_fn *on_event, void *user_data)
{
    struct batcher *b = xalloc(sizeof *b);
    *b = (struct batcher){.cfg = *cfg, .ops = cfg->ops, .engine = cfg->engine, .on_event = on_event,
                          .user_data = user_data};
    if (cfg->step_ms == 0)
        b->cfg.step_ms = BATCHER_STEP_MS;
    b->info = b->ops->info(b->engine);
    MUST(b->info->batch_rows_max >= b->info->slots);
    slots_init(&b->slots, b->info->slots, b->info->context);
    prefixes_init(&b->prefixes, b->ops->seq_save != NULL && b->ops->seq_load != NULL ? cfg->prefix_bytes : 0);
    list_init(&b->queue);
    list_init(&b->left);
    b->rows = xalloc_array(b->info->batch_rows_max, sizeof *b->rows);
    return b;
}

static struct job *leave_queue(struct batcher *b, struct job *j)
{
    list_remove(&j->link);
    b->queued--;
    return j;
}

static struct job *queue_head(const struct batcher *b)
{
    return list_empty(&b->queue) ? NULL : list_item(b->queue.next, struct job, link);
}

/* Returns the oldest job that waits only for a slot. */
static struct job *queue_ready(const struct batcher *b)
{
    LIST_EACH(at, &b->queue) {
        struct job *j = list_item(at, struct job, link);
        if (!j->held && !j->preparing)
            return j;
    }
    return NULL;
}

static void free_leaver(struct leaver *l)
{
    list_remove(&l->link);
    free(l->r);
    free(l);
}

void batcher_free(struct batcher *b)
{
    if (b == NULL)
        return;
    MUST(!b->reporting);
    for (struct job *j = queue_head(b); j != NULL; j = queue_head(b))
        job_free(leave_queue(b, j));
    for (uint32_t i = 0; i < b->slots.n; i++)
        job_free(b->slots.slot[i].job);
    LIST_EACH_SAFE(at, next, &b->left)
        free_leaver(list_item(at, struct leaver, link));
    slots_fini(&b->slots);
    prefixes_fini(&b->prefixes);
    free(b->rows);
    free(b->vectors);
    free(b);
}

/* ---- jobs come and go ---- */

static int check_room(const struct batcher *b, struct fault *f)
{
    if (b->slots.busy + b->queued < b->slots.n + b->cfg.queue_max)
        return 0; /* B4 */
    return fault_set(f, ERR_BUSY, "all %u slots are busy and %u requests wait for one; try again later", b->slots.n,
                     b->queued);
}

static int check_embed(const struct batcher *b, const struct job *j, struct fault *f)
{
    if (j->r->kind != REQUEST_EMBED || b->ops->embed != NULL)
        return 0;
    return fault_set(f, ERR_UNSUPPORTED, "the %s engine makes no embeddings", b->ops->name);
}

static int check_drawn(const struct batcher *b, const struct job *j, struct fault *f)
{
    if (!j->r->sampling.drawn_probs || b->ops->drawn != NULL)
        return 0;
    return fault_set(f, ERR_UNSUPPORTED, "the %s engine cannot report the probabilities of its draws (post_sampling_probs)", b->ops->name);
}

/* Takes the tokens and replays the resumed ones. If the job has nothing left to do, reports its end
 * and returns false, with the job in no queue; else returns true. */
static bool begin(struct batcher *b, struct job *j, struct prompt *p, const int32_t *resume, uint32_t resume_n)
{
    enum finish finish = FINISH_NONE;
    struct fault f = p->fault;
    if (f.err == 0) {
        job_take(j, p);
        job_resume(j, resume, resume_n, &finish, &f);
    }
    if (f.err != 0)
        report_fault(b, j, &f);
    else if (finish != FINISH_NONE)
        report_end(b, j, finish);
    return f.err == 0 && finish == FINISH_NONE;
}

static void prepare_elsewhere(struct batcher *b, struct job *j, const int32_t *resume, uint32_t resume_n)
{
    j->preparing = true;
    j->resume = xalloc_array(resume_n + 1, sizeof *resume);
    j->resume_n = resume_n;
    if (resume_n > 0)
        memcpy(j->resume, resume, resume_n * sizeof *resume);
    list_push(&b->queue, &j->link);
    b->queued++;
    b->cfg.prepare(j->ticket, j->r, b->cfg.prepare_user_data);
}

static void prepare_here(struct batcher *b, struct job *j, const int32_t *resume, uint32_t resume_n)
{
    struct prompt p = prompt_make(b->ops, b->engine, j->r, NULL);
    if (!begin(b, j, &p, resume, resume_n))
        return;
    list_push(&b->queue, &j->link);
    b->queued++;
}

void batcher_take(struct batcher *b, uint64_t ticket, struct request *r, const int32_t *resume, uint32_t resume_n)
{
    MUST(!b->reporting);
    struct fault f = {0};
    struct job *j = job_new(b->ops, b->engine, ticket, r);
    j->submitted_us = batcher_now(b);
    j->order = ++b->submitted;
    last_words_computing(&ticket, 1);
    if (check_room(b, &f) != 0 || check_embed(b, j, &f) != 0 || check_drawn(b, j, &f) != 0 || prompt_check(r, b->info, &f) != 0)
        report_fault(b, j, &f);
    else if (b->cfg.prepare != NULL)
        prepare_elsewhere(b, j, resume, resume_n);
    else
        prepare_here(b, j, resume, resume_n);
}

void batcher_submit(struct batcher *b, uint64_t ticket, const struct request *r, const int32_t *resume,
                    uint32_t resume_n)
{
    batcher_take(b, ticket, request_clone(r), resume, resume_n);
}

static struct job *find_queued(const struct batcher *b, uint64_t ticket)
{
    LIST_EACH(at, &b->queue) {
        if (list_item(at, struct job, link)->ticket == ticket)
            return list_item(at, struct job, link);
    }
    return NULL;
}

/* The job keeps its place in the queue, in order of arrival. */
void batcher_prepared(struct batcher *b, uint64_t ticket, struct prompt *p)
{
    MUST(!b->reporting);
    struct job *j = find_queued(b, ticket);
    LIST_EACH_SAFE(at, next, &b->left) {
        if (list_item(at, struct leaver, link)->ticket == ticket)
            free_leaver(list_item(at, struct leaver, link));
    }
    if (j != NULL && j->preparing) {
        struct list *before = j->link.prev;
        j->preparing = false;
        last_words_computing(&ticket, 1);
        if (begin(b, leave_queue(b, j), p, j->resume, j->resume_n)) {
            list_add_before(before->next, &j->link);
            b->queued++;
            free(j->resume);
            j->resume = NULL;
        }
    }
    prompt_free(p);
}

/* Returns the slot that has the job; b->slots.n: none. */
static uint32_t find_slot(const struct batcher *b, uint64_t ticket)
{
    uint32_t i = 0;
    while (i < b->slots.n && (b->slots.slot[i].job == NULL || b->slots.slot[i].job->ticket != ticket))
        i++;
    return i;
}

static void cancel_in_slot(struct batcher *b, uint32_t slot)
{
    struct job *j = b->slots.slot[slot].job;
    slots_release(&b->slots, slot);
    report_end(b, j, FINISH_CANCELLED);
}

static void cancel_in_queue(struct batcher *b, struct job *j)
{
    if (j->preparing && !b->cfg.forget(j->ticket, b->cfg.prepare_user_data)) {
        struct leaver *l = xalloc(sizeof *l);
        *l = (struct leaver){.ticket = j->ticket, .r = j->r};
        list_push(&b->left, &l->link);
        j->r = NULL;
    }
    report_end(b, leave_queue(b, j), FINISH_CANCELLED);
}

void batcher_cancel(struct batcher *b, uint64_t ticket)
{
    MUST(!b->reporting);
    struct job *queued = find_queued(b, ticket);
    uint32_t slot = find_slot(b, ticket);
    if (queued != NULL)
        cancel_in_queue(b, queued);
    else if (slot < b->slots.n)
        cancel_in_slot(b, slot);
}

/* Jobs whose prompt is only counted need no slot and no turn. */
static void tell_counted(struct batcher *b)
{
    LIST_EACH_SAFE(pos, next, &b->queue) {
        struct job *j = list_item(pos, struct job, link);
        if (j->r->sampling.prompt_only != PROMPT_COUNTED || j->preparing || j->held)
            continue;
        j->started_us = j->first_us = batcher_now(b);
        for (uint32_t i = 0; j->r->sampling.prompt_scores && i < j->prompt_n; i++)
            report_scored(b, j, i, UINT32_MAX);
        report_prefilled(b, j);
        report_end(b, leave_queue(b, j), FINISH_STOP);
    }
}

static uint32_t pick_slot(const struct batcher *b, const struct job *j)
{
    uint32_t n = job_tokens(j), kept = job_scores(j) ? 0 : prefixes_find(&b->prefixes, j->r->scope, j->tokens, n).n;
    return slots_pick(&b->slots, j->r->scope, j->tokens, n, kept);
}

/* First come, first served. An embedding needs no slot, but waits for its turn like a prompt. */
static void admit(struct batcher *b)
{
    struct job *j;
    tell_counted(b);
    while (b->slots.busy < b->slots.n && (j = queue_ready(b)) != NULL && j->r->kind != REQUEST_EMBED) {
        leave_queue(b, j);
        uint32_t slot = pick_slot(b, j);
        slots_take(&b->slots, slot, j);
        turn_carry(b, slot);
        b->hints_old = true;
    }
}

/* ---- jobs move from one batcher to another ---- */

void batcher_hold(struct batcher *b, uint64_t ticket)
{
    struct job *j = find_queued(b, ticket);
    if (j != NULL)
        j->held = true;
}

void batcher_give(struct batcher *b, uint64_t ticket, struct buf *carry)
{
    struct job *j = find_queued(b, ticket);
    if (j == NULL)
        return;
    j->held = false;
    buf_fini(&j->carry);
    j->carry = *carry;
    *carry = buf_max(carry->max);
}

int batcher_save(struct batcher *b, uint64_t ticket, struct buf *out, struct fault *f)
{
    MUST(!b->reporting);
    uint32_t slot = find_slot(b, ticket);
    const struct slot *at = &b->slots.slot[slot];
    if (slot == b->slots.n || !at->begun || at->n == 0)
        return fault_set(f, ERR_NOT_FOUND, "nothing of the job is computed here");
    int err = carry_pack(b->ops, b->engine, slot, at->tokens, at->n, out, f);
    if (err == 0)
        cancel_in_slot(b, slot);
    return err;
}

/* ---- what next ---- */

/* Lists the prompts in slots, oldest first. Returns their number. */
static uint32_t sort_prompts(const struct batcher *b, struct plan_prompt out[ENGINE_SLOTS_MAX])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->slots.n; i++) {
        const struct job *j = b->slots.slot[i].job;
        if (j == NULL || j->answering)
            continue;
        uint32_t at = n++;
        for (; at > 0 && b->slots.slot[out[at - 1].slot].job->order > j->order; at--)
            out[at] = out[at - 1];
        out[at] = (struct plan_prompt){.slot = i};
    }
    return n;
}

/* Looking for prefixes compares tokens with every slot, so waiting prompts are looked up only when slot
 * contents have changed; the plan is exact for the oldest prompt and an estimate for the others. */
static void count_rows(struct batcher *b, struct plan_prompt *prompts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct job *j = b->slots.slot[prompts[i].slot].job;
        if (i == 0 || b->hints_old || b->slots.slot[prompts[i].slot].begun)
            j->rows_hint = turn_rows_left(b, prompts[i].slot);
        prompts[i].rows = j->rows_hint;
    }
    b->hints_old = false;
}

static bool embed_has_turn(const struct batcher *b, const struct plan_input *in)
{
    const struct job *j = queue_ready(b);
    return j != NULL && j->r->kind == REQUEST_EMBED && (in->streams == 0 || !b->prompt_ran);
}

/* Takes the texts of one call from the head of the queue, in order; at least one. They count as
 * queued until they are reported. */
static uint32_t take_texts(struct batcher *b, struct job *out[ENGINE_SLOTS_MAX])
{
    uint32_t n = 0, rows = 0, most = BATCHER_TEXT_ROWS < b->info->batch_rows_max ? BATCHER_TEXT_ROWS : b->info->batch_rows_max;
    struct job *j;
    while (n < b->slots.n && (j = queue_ready(b)) != NULL && j->r->kind == REQUEST_EMBED) {
        if (n > 0 && rows + j->prompt_n > most)
            break;
        rows += j->prompt_n;
        list_remove(&j->link);
        out[n++] = j;
    }
    return n;
}

bool batcher_step(struct batcher *b)
{
    MUST(!b->reporting);
    struct plan_prompt prompts[ENGINE_SLOTS_MAX];
    struct job *texts[ENGINE_SLOTS_MAX];
    struct plan_input in = {.cost = &b->cost, .step_us = b->cfg.step_ms * 1000, .prompts = prompts,
                            .rows_max = b->info->batch_rows_max, .chunk_rows = b->info->chunk_rows,
                            .prompt_ran = b->prompt_ran, .last_slot = b->last_slot};
    admit(b);
    in.streams = stream_waiting(b, &in.waited_us);
    if (embed_has_turn(b, &in)) {
        turn_embed(b, texts, take_texts(b, texts));
        last_words_computing(NULL, 0);
        return true;
    }
    in.prompts_n = sort_prompts(b, prompts);
    count_rows(b, prompts, in.prompts_n);
    struct plan plan = plan_next(&in);
    if (plan.kind == PLAN_STREAMS)
        stream_turn(b);
    else if (plan.kind == PLAN_PROMPT)
        turn_prompt(b, plan.slot, plan.rows);
    else
        MUST(b->slots.busy == 0 && queue_ready(b) == NULL); /* B7 */
    last_words_computing(NULL, 0);
    return plan.kind != PLAN_NOTHING;
}

static uint32_t count_held(const struct batcher *b)
{
    uint32_t n = 0;
    LIST_EACH(at, &b->queue) {
        const struct job *j = list_item(at, struct job, link);
        n += j->held || j->preparing;
    }
    return n;
}

void batcher_load(const struct batcher *b, struct batcher_load *out)
{
    *out = (struct batcher_load){
        .busy = b->slots.busy,
        .waiting = b->queued,
        .held = count_held(b),
        .prefill_tps = cost_prefill_tps(&b->cost),
        .decode_tps = cost_decode_tps(&b->cost),
        .last_token_us = b->last_token_us,
        .prompt_tokens = b->prompt_tokens,
        .prefixes = b->prefixes.n,
        .prefix_bytes = b->prefixes.bytes,
        .restored = b->restored,
        .restored_tokens = b->restored_tokens,
    };
}
