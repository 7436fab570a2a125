/* Whether this worker takes new jobs. The worker decides, and tells every head at each change and
 * after each welcome.
 *
 *                cordon on             drain, or a signal
 *     SERVING ─────────────▶ CORDONED ────────────────────▶ DRAINING ──▶ bye, exit
 *       ▲ ◀────────────────────┘ cordon off                   ▲
 *       └─────────────────────────────────────────────────────┘
 *
 * The happy path of a drain: heads are told -> they send nothing new -> running jobs end within the
 * grace time -> bye -> AG_EXIT. Jobs that still run AGENT_MOVE_LEAD_MS before the grace time ends
 * (or at its half, or at once if a head asks so) are to continue elsewhere: heads are told, and
 * fetch the jobs' KV caches (kv.c). It can fail by: a `run` that crossed on the way (refused; the
 * head has read of the drain by then and blames nothing), the grace time ends (bye all the same:
 * heads let other workers continue the jobs), a head dies (journals that its clients may need stay
 * until another head has them, journal.c; all else ends at once), a second signal (leaves at
 * once). */
#include <stdio.h>

#include "brain/agent/state.h"
#include "brain/kit/text.h"

#define TAG "WORKER AVAILABILITY"
#define MS  1000u /* microseconds */

static const char *availability_says(uint8_t availability)
{
    static const char *const names[] = {"serves", "is cordoned: it takes no new jobs", "drains: it takes no new jobs and leaves"};
    return names[availability];
}

void agent_availability_tell(struct agent *a, uint32_t head)
{
    agent_send(a, head, WIRE_availability)->availability = (struct wire_availability){
        .availability = a->availability, .moves = a->moves, .reason = str_of(a->availability_reason)};
}

static void availability_tell_all(struct agent *a)
{
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        if (uplink_is_welcomed(a, h))
            agent_availability_tell(a, h);
}

static void availability_is(struct agent *a, uint8_t availability, struct str reason)
{
    snprintf(a->availability_reason, sizeof a->availability_reason, "%.*s", STR_ARG(reason));
    a->availability = availability;
    agent_log(a, LOG_INFO, TAG, EVENT("availability", KV("availability", availability_name(availability))),
              "this worker %s%s%s", availability_says(availability), reason.n > 0 ? "; " : "", a->availability_reason);
    availability_tell_all(a);
}

void agent_cordon(struct agent *a, uint32_t head, const struct wire_cordon *m)
{
    uint8_t availability = m->on != 0 ? WIRE_CORDONED : WIRE_SERVING;
    if (a->availability == WIRE_DRAINING || a->availability == availability)
        agent_availability_tell(a, head); /* answers with the present availability */
    else
        availability_is(a, availability, str_of(m->on != 0 ? "a head asked for it" : ""));
}

/* A head's later request counts, whether it gives more or less time. After a signal the deadline
 * never moves back: the process that sent the signal will not wait longer. */
void agent_drain(struct agent *a, uint32_t grace_ms, bool move, bool by_signal, struct str reason)
{
    uint64_t due_us = a->now_us + (uint64_t)grace_ms * MS;
    if (a->signalled && by_signal)
        due_us = a->now_us;
    if ((a->signalled || by_signal) && a->drain_us < due_us)
        due_us = a->drain_us;
    uint64_t left_us = due_us > a->now_us ? due_us - a->now_us : 0, lead_us = AGENT_MOVE_LEAD_MS * (uint64_t)MS;
    a->drain_us = due_us;
    a->move_us = move ? a->now_us : due_us - (lead_us < left_us / 2 ? lead_us : left_us / 2);
    a->moves = a->now_us >= a->move_us;
    a->signalled = a->signalled || by_signal;
    availability_is(a, WIRE_DRAINING, reason);
}

void agent_availability_tick(struct agent *a)
{
    if (a->availability != WIRE_DRAINING || a->moves || a->now_us < a->move_us)
        return;
    a->moves = true;
    agent_log(a, LOG_INFO, TAG, EVENT("grace_ends", KV("jobs", agent_jobs_running(a))),
              "the grace time is nearly over: %u jobs shall continue elsewhere", agent_jobs_running(a));
    availability_tell_all(a);
}

const char *agent_drain_tick(struct agent *a)
{
    if (a->left || a->availability != WIRE_DRAINING)
        return NULL;
    bool wanted = a->carries_n > 0 || agent_journal_matters(a); /* KV caches of jobs that left; answers that a dead
                                                                   head may not have handed on */
    bool done = agent_jobs_running(a) == 0 && !wanted;
    if (!done && a->now_us < a->drain_us)
        return NULL;
    const char *why = done ? "drained: nothing runs here any more" : "drained: the grace time is over";
    agent_log(a, LOG_INFO, TAG, EVENT("drained", KV("grace_over", !done)), "%s", why);
    return why;
}

uint64_t agent_availability_deadline(const struct agent *a)
{
    return a->availability == WIRE_DRAINING && !a->moves && a->move_us < a->drain_us ? a->move_us : a->drain_us;
}
