/* Decide which rows run next, so that many streams share one model and none of them stands still.
 *
 * Continuous batching over an engine's slots: prompt chunks are sized by measured time and take turns with decoding; a
 * prefix that another slot holds, or is computing, is copied and not computed again; what a slot held before another prompt
 * took it is kept in the host's memory, and comes back (swap.c). One thread owns a batcher and its
 * engine. Time is read through `now_us`, so tests tell it.
 *
 * The happy path of a job: batcher_submit -> (batcher_prepared, where prompts are tokenized elsewhere) -> (waits for a slot)
 * -> prompt rows -> BATCHER_PREFILLED -> BATCHER_TOKENS …
 * -> BATCHER_DONE. It can fail by: prompt longer than the context (DONE with ERR_CONTEXT, at once), cancel (DONE with
 * FINISH_CANCELLED), engine failure (DONE with ERR_FAILED for every job). DONE comes exactly once per job. */
#ifndef MANTA_ENGINE_BATCHER_H
#define MANTA_ENGINE_BATCHER_H

#include "base/part.h"
#include "engine/engine.h"
#include "engine/prompt.h"

struct batcher;

enum {
    BATCHER_STEP_MS = 200,        /* a good step_ms: streams continue about as fast as people read, and a long prompt keeps
                                   * three quarters of a laptop (docs/bench.md: at 100 it took 1.8 x its time alone) */
    BATCHER_TEXT_ROWS = 128,      /* texts share a call up to so many tokens; one that has more goes alone. All rows of a call
                                   * look at all others, so the next text gets dearer (docs/bench.md: at 512, texts of 100
                                   * tokens took 1.13 x the time they take alone) */
};

/* Tokenizing a long prompt takes seconds, in which no stream would have a token. So whoever owns the batcher may do it on
 * another thread: called from within batcher_submit(), prompt_make() is to run with r, and its result to come back by
 * batcher_prepared(). r is borrowed until then. */
typedef void batcher_prepare_fn(uint64_t ticket, const struct request *r, void *user_data);
/* The job was cancelled. True: r is not read any more, and no batcher_prepared() will come. */
typedef bool batcher_forget_fn(uint64_t ticket, void *user_data);

struct batcher_config {
    const struct engine_ops *ops;
    struct engine *engine;      /* borrowed; outlives the batcher */
    uint32_t step_ms;           /* how long a stream may wait for a token while prompts run; 0: BATCHER_STEP_MS */
    uint64_t prefix_bytes;      /* of the host's memory, for what slots held before other prompts took them; 0: nothing is kept */
    uint32_t queue_max;         /* jobs beyond the slots; more are refused with ERR_BUSY */
    batcher_prepare_fn *prepare; /* NULL: batcher_submit() does it, before it returns */
    batcher_forget_fn *forget;
    void *prepare_user_data;
    uint64_t (*now_us)(void *user_data);
    void *now_user_data;
};

enum batcher_event_kind { BATCHER_PROGRESS, BATCHER_PREFILLED, BATCHER_TOKENS, BATCHER_DONE };

struct batcher_event {
    enum batcher_event_kind kind;
    uint64_t ticket;            /* from batcher_submit */
    const int32_t *prompt_ids;  /* PREFILLED: prompt_tokens of them, borrowed; NULL unless asked for */
    bool of_prompt;             /* TOKENS before PREFILLED: of the prompt, where sampling.prompt_scores asked for them; then without text */
    uint32_t done_tokens;       /* PROGRESS, where sampling.progress asks for it, before PREFILLED: of the prompt, computed or cached by now */
    /* PROGRESS, PREFILLED and DONE */
    uint32_t prompt_tokens, cached_tokens;
    float queue_ms, prefill_ms;
    /* TOKENS; borrowed until the callback returns */
    uint32_t first;             /* index of ids[0] in the answer, or in the prompt */
    struct str text;            /* whole UTF-8 characters, stop strings held back; may be empty. PREFILLED: the prompt, if asked for */
    const struct part *parts;   /* that the text is made of */
    uint32_t parts_n;           /* 0: it is text */
    const int32_t *ids;
    const float *logprobs;      /* NULL unless asked for */
    uint32_t ids_n;
    uint32_t top_n;             /* most likely tokens of each id; 0 unless asked for */
    const struct engine_likely *top; /* ids_n * top_n */
    const struct str *pieces;   /* with logprobs: bytes of each id, followed by those of its `top` */
    /* DONE */
    uint8_t finish;             /* enum finish */
    struct fault fault;         /* when finish is FINISH_ERROR */
    struct str stop;            /* the stop string that ended it; empty: none did */
    uint32_t completion_tokens; /* resumed ones included, the end-of-text token not */
    uint32_t reasoning_tokens;  /* of these, those within reasoning that comes apart */
    float decode_ms;
    double logprob_sum;         /* of the tokens drawn here: without resumed ones; 0 unless asked for */
    const float *embedding;     /* borrowed, REQUEST_EMBED */
    uint32_t embedding_n;
};

/* Must not call the batcher. One TOKENS event per job and step, or several where tokens were withheld (batcher_submit()). */
typedef void batcher_event_fn(const struct batcher_event *ev, void *user_data);

/* A batcher over that engine, with nothing to do; cfg is copied, the engine borrowed. */
struct batcher *batcher_new(const struct batcher_config *cfg, batcher_event_fn *on_event, void *user_data);
/* Ends without events for what is still running. Nothing may be prepared any more. NULL is fine. */
void batcher_free(struct batcher *b);

/* Takes a job; r is copied. `resume` are tokens of its answer that were delivered before (failover): they are
 * replayed, not reported again. Errors come as DONE events, from within this call or a later step.
 *
 * An end-of-text token is not part of the answer and normally not reported. When text was held back until then, that
 * text comes with the end token's id, so that whoever resumes from the ids sent neither repeats nor loses it.
 *
 * Where a request with stop strings asks for log-probabilities or prompt ids as well, a token is reported once its whole text
 * is known to be outside of a stop string, with exactly its own text; tokens that lie wholly in a met stop string are counted
 * in completion_tokens and not reported. Up to WITHHELD_MAX (job.h) tokens wait for that. Answers that are cut into parts withhold
 * no tokens. */
void batcher_submit(struct batcher *b, uint64_t ticket, const struct request *r, const int32_t *resume,
                    uint32_t resume_n);
/* The same without a copy: r is one block (request_clone()), and is taken over. */
void batcher_take(struct batcher *b, uint64_t ticket, struct request *r, const int32_t *resume, uint32_t resume_n);
/* What prepare() was to make; p is empty afterwards. Tickets that were cancelled meanwhile are fine. */
void batcher_prepared(struct batcher *b, uint64_t ticket, struct prompt *p);
/* Holds a job back that was just submitted, until batcher_give(): what it needs is on its way. Unknown tickets are ignored. */
void batcher_hold(struct batcher *b, uint64_t ticket);
/* What batcher_save() of another batcher wrote about the same request: the job need not compute that again. Its bytes are
 * taken over. Empty, of another prompt, or in another way not fit for it: it computes all. Unknown tickets are ignored. */
void batcher_give(struct batcher *b, uint64_t ticket, struct buf *carry);
/* Appends what is computed of a job to `out` and ends it with FINISH_CANCELLED: another batcher will continue it.
 * ERR_NOT_FOUND: no such job, or nothing of it is computed; ERR_TOO_LARGE: that is more than out may have; ERR_UNSUPPORTED:
 * not with this engine. Then it continues here. */
int batcher_save(struct batcher *b, uint64_t ticket, struct buf *out, struct fault *f);
/* Ends a job with FINISH_CANCELLED before the next decode call; unknown tickets are ignored. */
void batcher_cancel(struct batcher *b, uint64_t ticket);
/* Makes one call into the engine. Returns false when there was nothing to do: then wait for the next submit. */
bool batcher_step(struct batcher *b);

struct batcher_load {
    uint32_t busy, waiting;
    uint32_t held;          /* of those waiting, how many wait for batcher_give() or batcher_prepared() */
    float prefill_tps;      /* measured on this machine, one stream; 0 until known */
    float decode_tps;       /* same, of one stream alone */
    uint64_t last_token_us; /* now_us of the last token */
    uint64_t prompt_tokens, cached_tokens, answer_tokens; /* totals */
    uint32_t prefixes;      /* kept beside the slots */
    uint64_t prefix_bytes;  /* they take */
    uint64_t restored, restored_tokens; /* totals: prompts that one of those began, with so many tokens */
};
/* How busy it is, and how fast, now. */
void batcher_load(const struct batcher *b, struct batcher_load *out);

#endif
