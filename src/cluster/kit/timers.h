/* Deadlines in order: a binary heap of timers that live inside what they belong to.
 *
 * Two timers of the same moment come in the order in which they were set, so stories repeat. */
#ifndef MANTA_CLUSTER_TIMERS_H
#define MANTA_CLUSTER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due_us;
    uint64_t set_no; /* how many were set before it: breaks ties */
    size_t at;       /* place in the heap + 1; 0: not set */
    int kind;        /* the owner's: what it is for */
};

struct timers {
    struct timer **heap; /* owned; the timers are borrowed */
    size_t n, cap;
    uint64_t set_n; /* timers set so far */
};

/* Frees the heap; the timers are the owners'. */
void timers_fini(struct timers *t);
/* Sets it, or moves it when it was set. */
void timers_set(struct timers *t, struct timer *timer, uint64_t due_us);
/* Harmless when it is not set. */
void timers_clear(struct timers *t, struct timer *timer);
/* It will ring. */
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->at != 0;
}
/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *t);
/* MUST: each timer knows its place and none is due before its parent. */
void timers_check(const struct timers *t);

#endif
