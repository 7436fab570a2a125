/* The batcher's own struct, and the parts of its cycle: report.c tells, turn.c runs, batcher.c decides.
 *
 * Invariants:
 * B1  every ticket that was submitted gets exactly one DONE: submitted == done + in slots + queued.
 * B2  what a slot says it holds is what the engine's sequence holds: rows go in at slot.n, and slot.n follows.
 * B3  the ids of a job are reported gap-free and once, from the number of resumed ones on; where tokens are withheld
 *     (job_withholds()), those of a met stop string never.
 * B4  a slot has at most one job; the queue holds at most queue_max beyond the free slots.
 * B5  a call has 1 … batch_rows_max rows; one for vectors has 1 … slots texts.
 * B6  text is reported only together with ids, so what was delivered is known from the ids (text.h).
 * B7  while jobs are in slots there is always a call to make: nobody waits for nobody. Jobs that are held (they wait
 *     for what another engine computed of them) or not prepared (for their tokens) wait in the queue, and nobody behind them
 *     waits for them. */
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
    struct list queue;               /* job.link, in the order of arrival */
    uint32_t queued;
    struct list left;                /* struct leaver: cancelled, but their requests are still being read */
    struct prefixes prefixes;        /* what slots held before others took them; at most cfg.prefix_bytes */
    uint64_t restored, restored_tokens; /* prompts that began with one of those, and with how many of its tokens */
    struct cost cost;
    struct engine_row *rows;         /* owned; room for batch_rows_max */
    float *vectors;                  /* owned; room for info.slots vectors; made on first use */
    uint32_t last_slot;              /* whose prompt ran last */
    bool prompt_ran;                 /* a prompt call ran since the streams' last turn */
    bool hints_old;                  /* slots changed what they hold: rows_hint of waiting prompts may be too high */
    bool reporting;                  /* on_event runs: it must not call back */
    uint64_t submitted, done;        /* tickets, for B1 */
    uint64_t last_token_us;
    uint64_t prompt_tokens, cached_tokens, answer_tokens;
};

/* Microseconds, by the batcher's clock. */
static inline uint64_t batcher_now(const struct batcher *b)
{
    return b->cfg.now_us(b->cfg.now_user_data);
}

/* report.c: each calls on_event once, unless it says otherwise. */

/* The prompt of j is computed, or the embedding about to be reported. */
void report_prefilled(struct batcher *b, struct job *j);
/* So much of its prompt is there, where it is to be told. */
void report_progress(struct batcher *b, const struct job *j, uint32_t done);
/* Fills in t->top, where it was asked for: the most likely tokens of `row` of the last call. */
void report_find_top(struct batcher *b, const struct job *j, uint32_t row, struct drawn *t);
/* Token number `at` of the prompt; `row` of the last call is that of the token before it, whose logits it is scored by. UINT32_MAX: it is
 * not scored. */
void report_scored(struct batcher *b, const struct job *j, uint32_t at, uint32_t row);
/* Token number `first` of the answer, with the text that can be sent now. */
void report_token(struct batcher *b, struct job *j, uint32_t first, const struct drawn *t);
/* The same for a job that withholds tokens: calls on_event for each token that can be reported now, with its own text. t is
 * the youngest; NULL: an end token was drawn. `over`: the answer is, and what is withheld now is never reported. */
void report_withheld(struct batcher *b, struct job *j, const struct drawn *t, bool over);
/* The end of a job that is in no slot and in no queue any more; frees it. */
void report_end(struct batcher *b, struct job *j, enum finish finish);
/* The job ends with that fault. */
void report_fault(struct batcher *b, struct job *j, const struct fault *f);
/* The job ends with a vector of n numbers, copied. */
void report_embedding(struct batcher *b, struct job *j, const float *v, uint32_t n);

/* stream.c, turn.c: what takes a turn makes one call into the engine. A call that fails ends the jobs that took part in it, and nobody
 * else's. */

/* How many streams run; *out_us: for how long the one that waits the longest has had no token. */
uint32_t stream_waiting(const struct batcher *b, uint64_t *out_us);
/* A turn: the next token of every running stream. */
void stream_turn(struct batcher *b);
/* Draws the next token of the job in `slot` from that row of the last call, and reports it. */
void stream_draw(struct batcher *b, uint32_t slot, uint32_t row);
/* Row i of the next call is that one of the slot's job; `want`: with its logits. */
void stream_put_row(struct batcher *b, uint32_t i, uint32_t slot, uint32_t position, bool want);
/* The slot is free; its job, which is in none then. */
struct job *stream_leave(struct batcher *b, uint32_t slot);
/* Its job ends with that fault. After a failed call nobody knows for sure what the sequence holds: it starts anew. */
void stream_fail(struct batcher *b, uint32_t slot, const struct fault *f);
/* Up to `rows` rows of the prompt in `slot`, and its first token when these are the last ones. */
void turn_prompt(struct batcher *b, uint32_t slot, uint32_t rows);
/* The vectors of 1 … info.slots jobs that were taken from the queue, but are still counted in `queued`; their tokens are
 * no more than one call may have. */
void turn_embed(struct batcher *b, struct job *const *jobs, uint32_t n);
/* What another engine computed of the slot's job, if it brought that, is put into the slot; a job that brought something
 * unfit computes it. */
void turn_carry(struct batcher *b, uint32_t slot);
/* Rows of the prompt in `slot` that are still to compute; its prefix may be in any slot, or in the host's memory. */
uint32_t turn_rows_left(const struct batcher *b, uint32_t slot);

/* swap.c: what slots hold, to the memory of the host and back. */

/* How the prompt in `slot` begins: as `without` says, or better with what is kept. */
struct slots_prefix swap_find(const struct batcher *b, uint32_t slot, struct slots_prefix without);
/* The slot is about to lose all but the first `stays` tokens of what it holds: keeps all of it, where that is worth its time and what is
 * kept has room. True: the engine copied. */
bool swap_out(struct batcher *b, uint32_t slot, uint32_t stays);
/* The slot, whose job has not begun, holds the first n tokens of the entry at `src`, or nothing, where they do not fit. */
void swap_in(struct batcher *b, uint32_t slot, struct slots_prefix kept);
/* Does a stream run, that has no token while the engine copies? */
bool swap_waits(const struct batcher *b);

#endif
