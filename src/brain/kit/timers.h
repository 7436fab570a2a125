/* Deadlines in order: timers that live inside what they belong to, in a heap (ranks.h).
 *
 * Two timers of the same moment come in the order in which they were set, so stories repeat. */
#ifndef MANTA_BRAIN_KIT_TIMERS_H
#define MANTA_BRAIN_KIT_TIMERS_H

#include "brain/kit/ranks.h"

struct timer {
    struct rank turn; /* in timers.due: by due_us, and how many were set before it */
    uint64_t due_us;
    bool set;
    int kind;         /* the owner's: what it is for */
};

struct timers {
    struct ranks due; /* timer.turn */
    uint64_t set_n;   /* timers set so far */
};

/* Sets it, or moves it when it was set. */
void timers_set(struct timers *t, struct timer *timer, uint64_t due_us);
/* Harmless when it is not set. */
void timers_clear(struct timers *t, struct timer *timer);
/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *t);
/* It will ring. */
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->set;
}

#endif
