/* Orders deadlines: timers live inside the things they belong to, in a heap (ranks.h).
 *
 * Timers of the same moment ring in the order in which they were set, so that runs repeat. */
#ifndef MANTA_BRAIN_KIT_TIMERS_H
#define MANTA_BRAIN_KIT_TIMERS_H

#include "brain/kit/ranks.h"

struct timer {
    struct rank turn; /* in timers.due: by due_us, then by the number of timers set before */
    uint64_t due_us;
    bool set;
    int kind;         /* the owner's purpose */
};

struct timers {
    struct ranks due; /* timer.turn */
    uint64_t set_n;   /* timers set so far */
};

/* Sets the timer, or moves it if it is set. */
void timers_set(struct timers *t, struct timer *timer, uint64_t due_us);
/* Clears the timer; harmless when it is not set. */
void timers_clear(struct timers *t, struct timer *timer);
/* Returns the earliest timer; NULL: none. */
struct timer *timers_first(const struct timers *t);
/* The timer is set and will ring. */
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->set;
}

#endif
