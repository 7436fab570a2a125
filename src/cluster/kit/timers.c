#include "cluster/kit/timers.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"

void timers_fini(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->set_no < b->set_no;
}

static void put(struct timers *t, size_t i, struct timer *timer)
{
    t->heap[i] = timer;
    timer->at = i + 1;
}

static void rise(struct timers *t, size_t i, struct timer *timer)
{
    for (; i > 0 && before(timer, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        put(t, i, t->heap[(i - 1) / 2]);
    put(t, i, timer);
}

static void sink(struct timers *t, size_t i, struct timer *timer)
{
    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!before(t->heap[child], timer))
            break;
        put(t, i, t->heap[child]);
    }
    put(t, i, timer);
}

/* Puts a timer at place i, whose old content is of no more interest. */
static void settle(struct timers *t, size_t i, struct timer *timer)
{
    if (i > 0 && before(timer, t->heap[(i - 1) / 2]))
        rise(t, i, timer);
    else
        sink(t, i, timer);
}

void timers_set(struct timers *t, struct timer *timer, uint64_t due_us)
{
    timer->due_us = due_us;
    timer->set_no = t->set_n++;
    if (timer_is_set(timer)) {
        settle(t, timer->at - 1, timer);
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->heap = xrealloc(t->heap, t->cap * sizeof(struct timer *));
    }
    rise(t, t->n++, timer);
}

void timers_clear(struct timers *t, struct timer *timer)
{
    if (!timer_is_set(timer))
        return;
    size_t i = timer->at - 1;
    timer->at = 0;
    struct timer *last = t->heap[--t->n];
    if (last != timer)
        settle(t, i, last);
}

struct timer *timers_first(const struct timers *t)
{
    return t->n > 0 ? t->heap[0] : NULL;
}

void timers_check(const struct timers *t)
{
    for (size_t i = 0; i < t->n; i++) {
        MUST(t->heap[i]->at == i + 1);
        MUST(i == 0 || !before(t->heap[i], t->heap[(i - 1) / 2]));
    }
}
