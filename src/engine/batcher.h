/* Decide which rows run next, so that many streams share one model and none of them stalls.
 *
 * Continuous batching over an engine's slots. Prompt chunks are sized by measured time and alternate with
 * decoding. A prefix that another slot holds, or is computing, is copied instead of computed again. When a new
 * prompt takes a slot, the slot's old contents are saved in host memory and can be restored (swap.c). One
 * thread owns a batcher and its engine. Time is read only through `now_us`, so tests can control it.
 *
 * The normal course of a job: batcher_submit -> (batcher_prepared, where prompts are tokenized elsewhere) ->
 * (waits for a slot) -> prompt rows -> BATCHER_PREFILLED -> BATCHER_TOKENS … -> BATCHER_DONE. A job can fail
 * because its prompt is longer than the context (DONE with ERR_CONTEXT, at once), because it is cancelled
 * (DONE with FINISH_CANCELLED), or because the engine fails (DONE with ERR_FAILED for every job in the call).
 * DONE is reported exactly once per job. */
#ifndef MANTA_ENGINE_BATCHER_H
#define MANTA_ENGINE_BATCHER_H

#include "base/part.h"
#include "engine/engine.h"
#include "engine/prompt.h"

struct batcher;

enum {
    BATCHER_STEP_MS = 200,        /* a good step_ms: streams continue about as fast as people read, and a long prompt
                                   * keeps three quarters of a laptop's compute (docs/bench.md: at 100 it took 1.8 x its
                                   * time alone) */
    BATCHER_TEXT_ROWS = 128,      /* texts share a call up to this many tokens; a text with more runs alone. Every row
                                   * of a call attends to all the others, so each further text costs more
                                   * (docs/bench.md: at 512, texts of 100 tokens took 1.13 x the time they take alone) */
};

/* Tokenizing a long prompt takes seconds, during which no stream would get a token. The owner of
 * the batcher may therefore do it on another thread: this function is called within
 * batcher_submit(); the owner then runs prompt_make() with r and returns the result with
 * batcher_prepared(). r is borrowed until then. */
typedef void batcher_prepare_fn(uint64_t ticket, const struct request *r, void *user_data);
/* The job was cancelled. Returns true if r is no longer being read and batcher_prepared() will not be
 * called. */
typedef bool batcher_forget_fn(uint64_t ticket, void *user_data);

struct batcher_config {
    const struct engine_ops *ops;
    struct engine *engine;      /* borrowed; outlives the batcher */
    uint32_t step_ms;           /* the longest a stream should wait for a token while prompts run; 0: BATCHER_STEP_MS */
    uint64_t prefix_bytes;      /* host memory for saved slot contents; 0: nothing is saved */
    uint32_t queue_max;         /* jobs that may wait beyond the slots; further ones are refused with ERR_BUSY */
    batcher_prepare_fn *prepare; /* NULL: batcher_submit() prepares the prompt itself, before it returns */
    batcher_forget_fn *forget;
    void *prepare_user_data;
    uint64_t (*now_us)(void *user_data);
    void *now_user_data;
};

enum batcher_event_kind { BATCHER_PROGRESS, BATCHER_PREFILLED, BATCHER_TOKENS, BATCHER_DONE };

struct batcher_event {
    enum batcher_event_kind kind;
    uint64_t ticket;            /* from batcher_submit */
    const int32_t *prompt_ids;  /* PREFILLED: prompt_tokens of them, borrowed; NULL unless requested */
    bool of_prompt;             /* TOKENS before PREFILLED: these are prompt tokens, reported because of
                                 * sampling.prompt_scores; they carry no text */
    uint32_t done_tokens;       /* PROGRESS (sampling.progress, before PREFILLED): prompt tokens computed or cached so far */
    /* PROGRESS, PREFILLED and DONE */
    uint32_t prompt_tokens, cached_tokens;
    float queue_ms, prefill_ms;
    /* TOKENS; borrowed until the callback returns */
    uint32_t first;             /* index of ids[0] in the answer, or in the prompt */
    struct str text;            /* whole UTF-8 characters, without text held back for a stop string; may be empty.
                                 * PREFILLED: the prompt, if requested */
    const struct part *parts;   /* the parts of the text */
    uint32_t parts_n;           /* 0: plain text */
    const int32_t *ids;
    const float *logprobs;      /* NULL unless requested */
    uint32_t ids_n;
    uint32_t top_n;             /* most likely tokens listed for each id; 0 unless requested */
    const struct engine_likely *top; /* ids_n * top_n */
    const struct str *pieces;   /* with logprobs: bytes of each id, followed by the bytes of its `top` */
    /* DONE */
    uint8_t finish;             /* enum finish */
    struct fault fault;         /* when finish is FINISH_ERROR */
    struct str stop;            /* the stop string that ended the answer; empty: none */
    uint32_t completion_tokens; /* includes resumed tokens, excludes the end-of-text token */
    uint32_t reasoning_tokens;  /* of these, tokens within separated reasoning */
    float decode_ms;
    double logprob_sum;         /* of the tokens drawn here, without resumed ones; 0 unless requested */
    const float *embedding;     /* borrowed, REQUEST_EMBED */
    uint32_t embedding_n;
};

/* Must not call the batcher. One TOKENS event per job and step, or several after tokens were
 * withheld (batcher_submit()). */
typedef void batcher_event_fn(const struct batcher_event *ev, void *user_data);

/* Returns an idle batcher for cfg->engine. cfg is copied, the engine borrowed. */
struct batcher *batcher_new(const struct batcher_config *cfg, batcher_event_fn *on_event, void *user_data);
/* Drops unfinished jobs without events. No prepare() may be pending. NULL is allowed. */
void batcher_free(struct batcher *b);

/* Takes a job; r is copied. `resume` are tokens of its answer that were delivered before a
 * failover: they are replayed and not reported again. Errors are reported as DONE events, within
 * this call or in a later step.
 *
 * An end-of-text token is not part of the answer and normally not reported. If text was held back
 * until the end, that text is reported with the id of the end token, so that a client that resumes
 * from the received ids neither repeats nor loses the text.
 *
 * If a request with stop strings also asks for log-probabilities or prompt ids, a token is reported
 * once all of its text is known to be outside a stop string, together with exactly its own text.
 * Tokens that lie wholly within a matched stop string are counted in completion_tokens and not
 * reported. Up to WITHHELD_MAX (job.h) tokens are withheld for this. Answers that are cut into
 * parts withhold no tokens. */
void batcher_submit(struct batcher *b, uint64_t ticket, const struct request *r, const int32_t *resume,
                    uint32_t resume_n);
/* Like batcher_submit(), without a copy: takes over r, which is one block (request_clone()). */
void batcher_take(struct batcher *b, uint64_t ticket, struct request *r, const int32_t *resume, uint32_t resume_n);
/* Delivers the prompt that prepare() was asked for; p is empty afterwards. Tickets cancelled in the
 * meantime are allowed. */
void batcher_prepared(struct batcher *b, uint64_t ticket, struct prompt *p);
/* Holds back a job that was just submitted until batcher_give(): its carry is being transferred.
 * Unknown tickets are ignored. */
void batcher_hold(struct batcher *b, uint64_t ticket);
/* Hands over the bytes that batcher_save() of another batcher wrote for the same request, so that
 * the job need not compute them again. The buffer is taken over. If it is empty, belongs to another
 * prompt or does not fit, the job computes everything. Unknown tickets are ignored. */
void batcher_give(struct batcher *b, uint64_t ticket, struct buf *carry);
/* Appends the computed state of a job to `out` and ends the job with FINISH_CANCELLED, so that another batcher
 * can continue it. On error the job continues here: ERR_NOT_FOUND: no such job, or nothing of it is computed;
 * ERR_TOO_LARGE: the state exceeds out->max; ERR_UNSUPPORTED: this engine cannot save. */
int batcher_save(struct batcher *b, uint64_t ticket, struct buf *out, struct fault *f);
/* Ends a job with FINISH_CANCELLED before the next decode call; unknown tickets are ignored. */
void batcher_cancel(struct batcher *b, uint64_t ticket);
/* Makes one call into the engine. Returns false if there was nothing to do; then wait for the next
 * submit. */
bool batcher_step(struct batcher *b);

struct batcher_load {
    uint32_t busy, waiting;
    uint32_t held;          /* of those waiting, how many wait for batcher_give() or batcher_prepared() */
    float prefill_tps;      /* measured on this machine, one stream; 0 until known */
    float decode_tps;       /* same, of a single stream running alone */
    uint64_t last_token_us; /* now_us of the last token */
    uint64_t prompt_tokens; /* total */
    uint32_t prefixes;      /* saved in host memory */
    uint64_t prefix_bytes;  /* their size */
    uint64_t restored, restored_tokens; /* totals: prompts that began with a saved prefix, and the tokens this saved */
};
/* Fills in the current load and measured speeds. */
void batcher_load(const struct batcher *b, struct batcher_load *out);

#endif
