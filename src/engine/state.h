/* Define the batcher's struct, and the parts of its cycle: report.c reports, turn.c runs,
 * batcher.c decides.
 *
 * Invariants:
 * B1  Every submitted ticket gets exactly one DONE: submitted == done + in slots + queued.
 * B2  The recorded contents of a slot equal the contents of the engine's sequence: rows are added
 *     at slot.n, and slot.n follows.
 * B3  The ids of a job are reported without gaps and once, starting after the resumed ones; where
 *     tokens are withheld (job_withholds()), the ids of a matched stop string are never reported.
 * B4  A slot has at most one job; the queue holds at most queue_max jobs beyond the free slots.
 * B5  A call has 1 … batch_rows_max rows; one for vectors has 1 … slots texts.
 * B6  Text is reported only together with ids, so the delivered text is determined by the
 *     delivered ids (text.h).
 * B7  While jobs are in slots there is always a call to make. Jobs that are held (waiting for a
 *     carry from another engine) or not prepared (waiting for their tokens) wait in the queue, and
 *     do not block the jobs behind them. */
#ifndef MANTA_ENGINE_STATE_H
#define MANTA_ENGINE_STATE_H

#include "base/list.h"
#include "base/must.h"
#include "engine/batcher.h"
#include "engine/cost.h"
#include "engine/job.h"
#include "engine/prefixes.h"
#include "engine/slots.h"

struct batcher {
    struct batcher_config cfg;
    const struct engine_ops *ops;    /* cfg.ops */
    struct engine *engine;           /* cfg.engine, borrowed */
    const struct engine_info *info;  /* the engine's */
    batcher_event_fn *on_event;
    void *user_data;
    struct slots slots;
    struct list queue;               /* job.link, in order of arrival */
    uint32_t queued;
    struct list left;                /* struct leaver: cancelled jobs whose requests are still being read */
    struct prefixes prefixes;        /* saved slot contents; at most cfg.prefix_bytes */
    uint64_t restored, restored_tokens; /* prompts that began with a saved prefix, and the tokens this saved */
    struct cost cost;
    struct engine_row *rows;         /* owned; room for batch_rows_max */
    float *vectors;                  /* owned; room for info.slots vectors; allocated on first use */
    uint32_t last_slot;              /* slot whose prompt ran last */
    bool prompt_ran;                 /* a prompt call ran since the streams' last turn */
    bool hints_old;                  /* slot contents have changed: rows_hint of waiting prompts may be too high */
    bool reporting;                  /* on_event is running: it must not call back */
    uint64_t submitted, done;        /* tickets, for B1 */
    uint64_t last_token_us;
    uint64_t prompt_tokens;
};

/* Returns the time of the batcher's clock, in microseconds. */
static inline uint64_t batcher_now(const struct batcher *b)
{
    return b->cfg.now_us(b->cfg.now_user_data);
}

/* report.c: each calls on_event once, unless stated otherwise. */

/* The prompt of j is computed, or its embedding is about to be reported. */
void report_prefilled(struct batcher *b, struct job *j);
/* Reports `done` computed tokens of the prompt, if requested. */
void report_progress(struct batcher *b, const struct job *j, uint32_t done);
/* Fills in t->top, if requested: the most likely tokens of `row` of the last call. Does not call
 * on_event. */
void report_find_top(struct batcher *b, const struct job *j, uint32_t row, struct drawn *t);
/* Reports token number `at` of the prompt; `row` of the last call is the row of the token before
 * it, whose logits score it. UINT32_MAX: it has no score. */
void report_scored(struct batcher *b, const struct job *j, uint32_t at, uint32_t row);
/* Reports token number `first` of the answer, with the text that can be sent now. */
void report_token(struct batcher *b, struct job *j, uint32_t first, const struct drawn *t);
/* The same for a job that withholds tokens: calls on_event for each token that can be reported
 * now, with its own text. t is the newest token; NULL: an end token was drawn. `over`: the answer
 * has ended; tokens still withheld are never reported. */
void report_withheld(struct batcher *b, struct job *j, const struct drawn *t, bool over);
/* Reports the end of a job that is in no slot and no queue any more, and frees it. */
void report_end(struct batcher *b, struct job *j, enum finish finish);
/* Ends the job with that fault. */
void report_fault(struct batcher *b, struct job *j, const struct fault *f);
/* Ends the job with a vector of n numbers, which is copied. */
void report_embedding(struct batcher *b, struct job *j, const float *v, uint32_t n);

/* stream.c, turn.c: each turn makes at most one call into the engine. A failed call ends only the
 * jobs that took part in it. */

/* Returns the number of running streams; *out_us: the longest time that one of them has waited for a
 * token. */
uint32_t stream_waiting(const struct batcher *b, uint64_t *out_us);
/* Runs a turn: the next token of every running stream. */
void stream_turn(struct batcher *b);
/* Draws the next token of the job in `slot` from that row of the last call, and reports it. */
void stream_draw(struct batcher *b, uint32_t slot, uint32_t row);
/* Makes row i of the next call the token at `position` of the slot's job; `want`: with its
 * logits. */
void stream_put_row(struct batcher *b, uint32_t i, uint32_t slot, uint32_t position, bool want);
/* Frees the slot and returns its job. */
struct job *stream_leave(struct batcher *b, uint32_t slot);
/* Ends the slot's job with that fault. After a failed call the contents of the sequence are
 * uncertain, so it is emptied. */
void stream_fail(struct batcher *b, uint32_t slot, const struct fault *f);
/* Runs up to `rows` rows of the prompt in `slot`, and draws the first token if these are the last
 * ones. */
void turn_prompt(struct batcher *b, uint32_t slot, uint32_t rows);
/* Computes the vectors of 1 … info.slots jobs that were taken from the queue but are still counted
 * in `queued`; together their tokens fit one call. */
void turn_embed(struct batcher *b, struct job *const *jobs, uint32_t n);
/* Loads the carry of the slot's job, if it has one, into the slot; if the carry does not fit, the
 * job computes everything. */
void turn_carry(struct batcher *b, uint32_t slot);
/* Returns the rows of the prompt in `slot` that are still to be computed; its prefix may be in any
 * slot, or in host memory. */
uint32_t turn_rows_left(const struct batcher *b, uint32_t slot);

/* swap.c: slot contents move to host memory and back. */

/* Returns how the prompt in `slot` best begins: as `without` says, or with a saved prefix. */
struct slots_prefix swap_find(const struct batcher *b, uint32_t slot, struct slots_prefix without);
/* Call it before the slot loses all but the first `stays` tokens of its contents: saves them, if
 * that is worth its time and there is room. Returns true if the engine copied. */
bool swap_out(struct batcher *b, uint32_t slot, uint32_t stays);
/* Makes the slot, whose job has not begun, hold the first kept.n tokens of entry kept.src; nothing
 * if they do not fit. */
void swap_in(struct batcher *b, uint32_t slot, struct slots_prefix kept);
/* Returns whether a stream is running, which gets no token while the engine copies. */
bool swap_waits(const struct batcher *b);

#endif
