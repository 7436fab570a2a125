/* What one step of the head's brain needs: effects, words that live as long as these, and graves for records that effects point to. */
#ifndef MANTA_BRAIN_STEP_STEP_H
#define MANTA_BRAIN_STEP_STEP_H

#include "brain/step/find.h"
#include "brain/step/state.h"

/* Frees what the last step buried. The first thing of each step, and of the head's end. */
void head_graves_clear(struct head *h);
/* Frees `g` by `bury` (NULL: free()) when the next step begins, so that this step's effects may point to it. */
void head_bury(struct head *h, struct grave *g, void (*bury)(struct grave *g));
/* A zeroed effect of that kind at the end of this step's list; valid until the next one is added. */
struct fx *head_fx(struct head *h, enum fx_kind kind);
/* The message to fill of a new FX_SEND; valid until the next effect is added. */
struct wire_msg *head_send(struct head *h, const struct link *link, enum wire_type type);
/* A log line with its event; both are copied. Returns the effect, for the few who add to it. */
struct fx *head_log(struct head *h, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Memory that lives as long as this step's effects. */
void *head_bytes(struct head *h, size_t n);
/* Text that lives as long as this step's effects, at most a log line long, without what a terminal obeys. */
struct str head_text(struct head *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Answers somebody who asked for something other than a prompt: FX_CALL_END, or FX_CALL_FAILED where f has an error. */
void head_answer(struct head *h, uint64_t call, const struct fault *f);

/* The moment so many milliseconds from now. */
static inline uint64_t head_after_ms(const struct head *h, uint64_t ms)
{
    return h->now_us + ms * 1000;
}

/* When models and workers that are not there yet are no longer taken to be on their way, after the head's start. */
static inline uint64_t head_settled_us(const struct head *h)
{
    return h->began_us + (uint64_t)h->cfg.settle_ms * 1000;
}

#endif
