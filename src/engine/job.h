/* Keep one request of the batcher: its tokens, its answer so far, and its end. */
#ifndef MANTA_ENGINE_JOB_H
#define MANTA_ENGINE_JOB_H

#include "base/list.h"
#include "engine/engine.h"
#include "engine/prompt.h"
#include "engine/text.h"

enum { WITHHELD_MAX = 64 }; /* tokens; a further one causes the oldest to be reported */

/* A drawn token that was not reported yet. */
struct drawn {
    int32_t id;
    float logprob;
    uint32_t top_n;
    struct engine_likely top[REQUEST_TOP_LOGPROBS_MAX]; /* the most likely candidates in its place */
    uint64_t start, end; /* its text, as positions of text.h: the characters completed by this token */
    uint8_t part_n;      /* bytes of the unfinished character after them */
};

/* The most recent tokens of an answer whose text may turn out to be part of a stop string. A client
 * that asks for tokens besides the text must not get the tokens of a stop string either. */
struct withheld {
    struct drawn tokens[WITHHELD_MAX]; /* oldest first */
    uint32_t n;
};

struct job {
    struct list link;      /* in the batcher's queue while it has no slot */
    uint64_t ticket;
    uint64_t order;        /* of arrival */
    const struct engine_ops *ops;
    struct engine *engine; /* borrowed */
    struct request *r;     /* owned */
    struct logit_bias *biases; /* owned; of r, in place of those with texts; NULL: r's own */
    int32_t *tokens;       /* owned; the prompt, then the answer so far */
    uint32_t cap;          /* room in tokens */
    uint32_t prompt_n;
    uint32_t answer_n;     /* tokens of the answer, including resumed ones */
    uint32_t reasoning_n;  /* of these, tokens after which the answer was in reasoning */
    bool thinking;         /* the last part is reasoning */
    uint32_t answer_max;   /* the answer ends at this length: max_tokens, or the rest of the context */
    uint32_t rows_hint;    /* estimated rows its prompt will take; for planning */
    uint32_t cached;       /* prompt tokens that were not computed */
    bool answering;        /* the prompt is computed, tokens are being drawn */
    bool preparing;        /* prompt_make() runs elsewhere: waits for batcher_prepared() */
    int32_t *resume;       /* owned; while preparing: the answer so far */
    uint32_t resume_n;
    bool held;             /* waits for batcher_give() */
    struct buf prompt_text; /* owned; until it is reported, if requested */
    struct buf carry;      /* owned; state computed by another engine, until the job has a slot; empty: none */
    struct engine_guide *guide;     /* owned; NULL: the answer is unconstrained */
    bool cuts;                      /* the guide cuts the answer into parts … */
    struct engine_cut cut;          /* … and these parts came with its last token; borrowed from the guide */
    struct engine_sampler *sampler; /* owned; from job_begin() on */
    struct text text;
    struct withheld *withheld; /* owned; NULL: no token was withheld yet */
    double logprob_sum;    /* of the tokens drawn here; 0 if sampling.logprobs is off */
    uint64_t submitted_us, started_us, first_us, last_us;
};

/* Takes over r, one block as request_clone() makes it. Never returns NULL. */
struct job *job_new(const struct engine_ops *ops, struct engine *e, uint64_t ticket, struct request *r);
/* NULL is allowed. */
void job_free(struct job *j);
/* Takes over the prompt's tokens, the guide and the biases; p is empty afterwards. */
void job_take(struct job *j, struct prompt *p);
/* Replays tokens of the answer that were delivered before. *out_finish: how the answer ended with
 * them, if it did. Returns ERR_INVALID if they are not tokens of this model, ERR_CONTEXT if an
 * answer of that length does not fit, ERR_FORM if the guide does not allow them. */
int job_resume(struct job *j, const int32_t *ids, uint32_t n, enum finish *out_finish, struct fault *f);
/* Makes the sampler and feeds it all tokens so far. Returns ERR_FAILED on failure. */
int job_begin(struct job *j, struct fault *f);
/* Adds one token to the answer; its text is then available from text_take(). Returns how the answer
 * ended, or FINISH_NONE. An end-of-text token ends the answer and is not part of it. Returns
 * FINISH_ERROR with f if the guide does not allow the token. */
enum finish job_add(struct job *j, int32_t id, struct fault *f);

/* Returns whether tokens are withheld while a stop string may have begun in their text. If so, the
 * text delivered with n tokens ends where the n-th token does. */
static inline bool job_withholds(const struct job *j)
{
    return !j->cuts && j->text.stops_n > 0 && (j->r->sampling.logprobs || j->r->sampling.prompt_ids);
}

/* Returns whether there is text to report with the last token. */
static inline bool job_tells(const struct job *j)
{
    return j->cuts ? j->cut.parts_n > 0 : text_waits(&j->text);
}

/* Returns whether every prompt token is computed, and reported with its log-probability. */
static inline bool job_scores(const struct job *j)
{
    return j->r->sampling.prompt_scores && j->r->sampling.prompt_only != PROMPT_COUNTED && j->r->kind != REQUEST_EMBED;
}

/* Returns whether a draw depends on how likely the tokens before it were, so that a resumed answer needs their
 * logits again. */
static inline bool job_remembers(const struct job *j)
{
    return j->r->sampling.mirostat != 0 && j->ops->sampler_replay != NULL;
}

/* Returns the number of tokens of prompt and answer together. */
static inline uint32_t job_tokens(const struct job *j)
{
    return j->prompt_n + j->answer_n;
}

/* Returns how many of the first tokens a cache may provide, plus one: the last of them is always computed, for its
 * logits. */
static inline uint32_t job_reusable(const struct job *j)
{
    return job_remembers(j) ? j->prompt_n : job_tokens(j);
}

#endif
