/* The services of one step of the head's brain: effects, texts that live as long as these, and
 * graves for records that effects point to. */
#ifndef MANTA_BRAIN_STEP_STEP_H
#define MANTA_BRAIN_STEP_STEP_H

#include "brain/step/find.h"
#include "brain/step/state.h"

/* Frees the records that the last step buried. Called first in each step, and when the head ends. */
void head_graves_clear(struct head *h);
/* Frees `g` by `bury` (NULL: free()) when the next step begins; until then effects may point to it. */
void head_bury(struct head *h, struct grave *g, void (*bury)(struct grave *g));
/* Appends a zeroed effect of that kind to this step's list; valid until the next one is added. */
struct fx *head_fx(struct head *h, enum fx_kind kind);
/* Appends an FX_SEND and returns its message to fill; valid until the next effect is added. */
struct wire_msg *head_send(struct head *h, const struct link *link, enum wire_type type);
/* Appends a log line with its event, copying both. Returns the effect, for the few callers that add to it. */
struct fx *head_log(struct head *h, enum log_level level, const char *tag, const struct event_field *event, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Returns memory that lives as long as this step's effects. */
void *head_bytes(struct head *h, size_t n);
/* Formats a text that lives as long as this step's effects: at most a log line long, without
 * terminal control characters. */
struct str head_text(struct head *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Answers a request that is no prompt: FX_CALL_END, or FX_CALL_FAILED when f has an error. */
void head_answer(struct head *h, uint64_t call, const struct fault *f);

/* Returns the time `ms` milliseconds from now. */
static inline uint64_t head_after_ms(const struct head *h, uint64_t ms)
{
    return h->now_us + ms * 1000;
}

/* Returns the time after the head's start from which missing models and workers are no longer expected. */
static inline uint64_t head_settled_us(const struct head *h)
{
    return h->began_us + (uint64_t)h->cfg.settle_ms * 1000;
}

#endif
