/* One link's states, deadlines and back-off; the drawing is in dialler.h.
 *
 * It can fail by: the dial fails or no welcome comes in time (back-off, dial again), the head falls silent
 * (hang up, dial again), the head refuses us or sends nonsense (the owner decides: hang up or leave). */
#include "brain/dialler.h"

#include "base/states.h"

#define MS 1000u /* microseconds */

static const struct state states[] = {
    [DIALLER_IDLE] = {"IDLE", TO(DIALLER_DIALLING)},
    [DIALLER_DIALLING] = {"DIALLING", TO(DIALLER_HELLO) | TO(DIALLER_CLOSING) | TO(DIALLER_WAITING) | TO(DIALLER_IDLE)},
    [DIALLER_HELLO] = {"HELLO", TO(DIALLER_WELCOMED) | TO(DIALLER_CLOSING) | TO(DIALLER_WAITING) | TO(DIALLER_IDLE)},
    [DIALLER_WELCOMED] = {"WELCOMED", TO(DIALLER_CLOSING) | TO(DIALLER_WAITING) | TO(DIALLER_IDLE)},
    [DIALLER_CLOSING] = {"CLOSING", TO(DIALLER_WAITING) | TO(DIALLER_IDLE)},
    [DIALLER_WAITING] = {"WAITING", TO(DIALLER_DIALLING) | TO(DIALLER_IDLE)},
};

static void dialler_move(struct dialler *d, enum dialler_state to, uint64_t due_us)
{
    d->state = state_next(states, "dialler", d->state, to);
    d->due_us = due_us;
}

void dialler_start(struct dialler *d, const struct dialler_times *t, uint64_t now_us)
{
    dialler_move(d, DIALLER_DIALLING, now_us + (uint64_t)t->dial_ms * MS);
    d->tries++;
}

bool dialler_linked(struct dialler *d)
{
    if (d->state != DIALLER_DIALLING)
        return false;
    dialler_move(d, DIALLER_HELLO, d->due_us);
    return true;
}

void dialler_welcomed(struct dialler *d, const struct wire_welcome *w, uint64_t now_us)
{
    uint32_t beat = w->beat_ms < DIALLER_BEAT_MS_MIN ? DIALLER_BEAT_MS_MIN : w->beat_ms;
    d->beat_ms = beat > DIALLER_BEAT_MS_MAX ? DIALLER_BEAT_MS_MAX : beat;
    uint32_t patience = d->beat_ms * DIALLER_LOST_BEATS_MIN;
    d->lost_after_ms = w->lost_after_ms < patience ? patience : w->lost_after_ms;
    if (d->epoch != w->epoch)
        d->tries = 0; /* a new process, of which the last link's end says nothing: the head was replaced or restarted */
    d->epoch = w->epoch;
    d->heard_us = d->welcomed_us = now_us;
    dialler_move(d, DIALLER_WELCOMED, now_us + (uint64_t)d->beat_ms * MS);
}

/* A link that broke soon after its welcome counts as one more failed try: two that displace each other
 * would otherwise do so ten times a second. */
static void forgive(struct dialler *d, const struct dialler_times *t, uint64_t now_us)
{
    if (d->state == DIALLER_WELCOMED && now_us - d->welcomed_us >= (uint64_t)t->redial_max_ms * MS)
        d->tries = 0;
}

void dialler_hung_up(struct dialler *d, const struct dialler_times *t, uint64_t now_us)
{
    forgive(d, t, now_us);
    dialler_move(d, DIALLER_CLOSING, UINT64_MAX);
}

/* Doubles from redial_first_ms to redial_max_ms, and draws from the upper half, so that a thousand
 * workers that lost one head do not come back in the same millisecond. */
static uint32_t backoff_ms(const struct dialler_times *t, uint32_t tries, struct rng *rng)
{
    uint64_t ms = t->redial_first_ms;
    for (uint32_t i = 1; i < tries && ms < t->redial_max_ms; i++)
        ms *= 2;
    if (ms > t->redial_max_ms)
        ms = t->redial_max_ms;
    return (uint32_t)(ms - rng_below(rng, ms / 2 + 1));
}

uint32_t dialler_lost(struct dialler *d, const struct dialler_times *t, uint64_t now_us, struct rng *rng)
{
    if (d->state == DIALLER_IDLE || d->state == DIALLER_WAITING)
        return 0;
    forgive(d, t, now_us);
    if (d->tries == 0)
        d->tries = 1;
    uint32_t wait_ms = backoff_ms(t, d->tries, rng);
    dialler_move(d, DIALLER_WAITING, now_us + (uint64_t)wait_ms * MS);
    return wait_ms;
}

bool dialler_leave(struct dialler *d)
{
    bool up = d->state == DIALLER_DIALLING || d->state == DIALLER_HELLO || d->state == DIALLER_WELCOMED;
    if (d->state != DIALLER_IDLE)
        dialler_move(d, DIALLER_IDLE, UINT64_MAX);
    return up;
}

static uint64_t silent_us(const struct dialler *d)
{
    return d->state == DIALLER_WELCOMED ? d->heard_us + (uint64_t)d->lost_after_ms * MS : UINT64_MAX;
}

enum dialler_act dialler_tick(struct dialler *d, uint64_t now_us, const char **why)
{
    if (now_us < dialler_deadline(d))
        return DIALLER_NOTHING;
    bool silent = now_us >= silent_us(d);
    if (d->state == DIALLER_WAITING)
        return DIALLER_DIAL;
    if (d->state == DIALLER_WELCOMED && !silent) {
        d->due_us = now_us + (uint64_t)d->beat_ms * MS;
        return DIALLER_BEAT;
    }
    *why = silent                             ? "the head has fallen silent"
           : d->state == DIALLER_DIALLING     ? "the dial took too long"
                                              : "connected, but no welcome came";
    return DIALLER_HANG_UP;
}

uint64_t dialler_deadline(const struct dialler *d)
{
    if (d->state == DIALLER_IDLE || d->state == DIALLER_CLOSING)
        return UINT64_MAX;
    return silent_us(d) < d->due_us ? silent_us(d) : d->due_us;
}

bool dialler_is_worth_a_line(const struct dialler *d)
{
    return (d->tries & (d->tries - 1)) == 0;
}
