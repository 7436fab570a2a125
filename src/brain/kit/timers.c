/* Timers in a heap, in the order of their deadlines. */
#include "brain/kit/timers.h"

#include "base/list.h"

void timers_set(struct timers *t, struct timer *timer, uint64_t due_us)
{
    timers_clear(t, timer);
    timer->due_us = due_us;
    timer->set = true;
    ranks_add(&t->due, &timer->turn, due_us, t->set_n++);
}

void timers_clear(struct timers *t, struct timer *timer)
{
    if (timer->set)
        ranks_remove(&t->due, &timer->turn);
    timer->set = false;
}

struct timer *timers_first(const struct timers *t)
{
    return t->due.first != NULL ? list_item(t->due.first, struct timer, turn) : NULL;
}
