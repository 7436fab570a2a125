/* Whether this worker takes new jobs. The worker decides, and tells every head at each change and
 * after each welcome.
 *
 *               cordon on             drain, or a signal
 *     SERVES ─────────────▶ CORDONED ────────────────────▶ DRAINS ──▶ bye, exit
 *       ▲ ◀───────────────────┘ cordon off                   ▲
 *       └────────────────────────────────────────────────────┘
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

#define TAG "WORKER DUTY"
#define MS  1000u /* microseconds */

static const char *duty_says(uint8_t duty)
{
    static const char *const names[] = {"serves", "is cordoned: it takes no new jobs", "drains: it takes no new jobs and leaves"};
    return names[duty];
}

void agent_duty_tell(struct agent *a, uint32_t head)
{
    agent_send(a, head, WIRE_duty)->duty = (struct wire_duty){
        .duty = a->duty, .moves = a->moves, .reason = str_of(a->duty_reason)};
}

static void duty_tell_all(struct agent *a)
{
    for (uint32_t h = 0; h < a->cfg.heads_n; h++)
        if (uplink_is_welcomed(a, h))
            agent_duty_tell(a, h);
}

static void duty_is(struct agent *a, uint8_t duty, struct str reason)
{
    snprintf(a->duty_reason, sizeof a->duty_reason, "%.*s", STR_ARG(reason));
    a->duty = duty;
    agent_log(a, LOG_INFO, TAG, EVENT("duty", KV("duty", duty_name(duty))),
              "this worker %s%s%s", duty_says(duty), reason.n > 0 ? "; " : "", a->duty_reason);
    duty_tell_all(a);
}

void agent_cordon(struct agent *a, uint32_t head, const struct wire_cordon *m)
{
    uint8_t duty = m->on != 0 ? WIRE_DUTY_CORDONED : WIRE_DUTY_SERVES;
    if (a->duty == WIRE_DUTY_DRAINS || a->duty == duty)
        agent_duty_tell(a, head); /* answers with the present duty */
    else
        duty_is(a, duty, str_of(m->on != 0 ? "a head asked for it" : ""));
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
    duty_is(a, WIRE_DUTY_DRAINS, reason);
}

void agent_duty_tick(struct agent *a)
{
    if (a->duty != WIRE_DUTY_DRAINS || a->moves || a->now_us < a->move_us)
        return;
    a->moves = true;
    agent_log(a, LOG_INFO, TAG, EVENT("grace_ends", KV("jobs", agent_jobs_running(a))),
              "the grace time is nearly over: %u jobs shall continue elsewhere", agent_jobs_running(a));
    duty_tell_all(a);
}

const char *agent_drain_tick(struct agent *a)
{
    if (a->left || a->duty != WIRE_DUTY_DRAINS)
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

uint64_t agent_duty_deadline(const struct agent *a)
{
    return a->duty == WIRE_DUTY_DRAINS && !a->moves && a->move_us < a->drain_us ? a->move_us : a->drain_us;
}
