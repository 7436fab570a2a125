/* One request on its way through the batcher: its tokens, its answer so far, and when it is over. */
#ifndef MANTA_ENGINE_JOB_H
#define MANTA_ENGINE_JOB_H

#include "base/list.h"
#include "engine/engine.h"
#include "engine/prompt.h"
#include "engine/text.h"

enum { WITHHELD_MAX = 64 }; /* tokens; the oldest is reported when one more comes */

/* A token as it was drawn, until it is reported. */
struct drawn {
    int32_t id;
    float logprob;
    uint32_t top_n;
    struct engine_likely top[REQUEST_TOP_LOGPROBS_MAX]; /* the most likely ones in its place */
    uint64_t start, end; /* its text, as positions of text.h: the characters that were whole with it */
    uint8_t part_n;      /* bytes of the unfinished character behind them */
};

/* The youngest tokens of an answer whose text may yet turn out to be a stop string. Who asks for tokens beside the text is to
 * have no tokens of a stop string either. */
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
    int32_t *tokens;       /* owned; the prompt, then the answer so far */
    uint32_t cap;          /* room in tokens */
    uint32_t prompt_n;
    uint32_t answer_n;     /* tokens of the answer, resumed ones included */
    uint32_t reasoning_n;  /* of those, the ones after which it was thinking */
    bool thinking;         /* the last part that it was cut into is reasoning */
    uint32_t answer_max;   /* it ends with so many: max_tokens, or what the context leaves */
    uint32_t rows_hint;    /* rows its prompt will take, as far as known; for planning */
    uint32_t cached;       /* prompt tokens that were not computed */
    bool answering;        /* the prompt is computed, tokens are drawn */
    bool preparing;        /* its tokens are made elsewhere: waits for batcher_prepared() */
    int32_t *resume;       /* owned; meanwhile, the answer so far */
    uint32_t resume_n;
    bool held;             /* waits for batcher_give() */
    struct buf prompt_text; /* owned; until it is reported, where it was asked for */
    struct buf carry;      /* owned; what another engine computed of it, until it has a slot; empty: nothing */
    struct engine_guide *guide;     /* owned; NULL: its answer is free */
    bool cuts;                      /* the guide cuts the answer into parts … */
    struct engine_cut cut;          /* … and this is what its last token brought of them; borrowed from the guide */
    struct engine_sampler *sampler; /* owned; from job_begin() on */
    struct text text;
    struct withheld *withheld; /* owned; NULL: none were */
    double logprob_sum;    /* of the tokens drawn here; 0 where sampling.logprobs is off */
    uint64_t submitted_us, started_us, first_us, last_us;
};

/* r is taken over: one block, as request_clone() makes it. Never NULL. */
struct job *job_new(const struct engine_ops *ops, struct engine *e, uint64_t ticket, struct request *r);
/* NULL is fine. */
void job_free(struct job *j);
/* The tokens of its prompt, and its guide; p is empty afterwards. */
void job_take(struct job *j, struct prompt *p);
/* Replays tokens of the answer that were delivered before. *out_finish: how the answer ended with them, if it did.
 * ERR_INVALID: they are no tokens of this model. ERR_CONTEXT: an answer of that length has no place here. ERR_FORM: its guide does
 * not let them follow each other. */
int job_resume(struct job *j, const int32_t *ids, uint32_t n, enum finish *out_finish, struct fault *f);
/* Makes the sampler, and tells it of all tokens so far. ERR_FAILED. */
int job_begin(struct job *j, struct fault *f);
/* Adds one token to the answer; what it adds to the text is then in text_take(). Returns how the answer ended, or
 * FINISH_NONE. An end-of-text token ends it and is not part of it. FINISH_ERROR: its guide does not let it come, and f says so. */
enum finish job_add(struct job *j, int32_t id, struct fault *f);

/* Are its tokens withheld from reports while a stop string may have begun in their text? Where they are, the text that was
 * delivered with n tokens ends where the n-th does. */
static inline bool job_withholds(const struct job *j)
{
    return !j->cuts && j->text.stops_n > 0 && (j->r->sampling.logprobs || j->r->sampling.prompt_ids);
}

/* Is there text that its last token can be reported with? */
static inline bool job_tells(const struct job *j)
{
    return j->cuts ? j->cut.parts_n > 0 : text_waits(&j->text);
}

/* Is each token of its prompt computed, and its log-probability told? */
static inline bool job_scores(const struct job *j)
{
    return j->r->sampling.prompt_scores && j->r->sampling.prompt_only != PROMPT_COUNTED && j->r->kind != REQUEST_EMBED;
}

/* Tokens of prompt and answer together. */
static inline uint32_t job_tokens(const struct job *j)
{
    return j->prompt_n + j->answer_n;
}

#endif
