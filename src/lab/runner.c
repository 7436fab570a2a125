#include "lab/runner.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "lab/load.h"

/* Faults come one after the other:
 *
 *     WAITS ──its share of the streams ended, or patience──▶ PAUSES ──▶ strike ──▶ STRUCK ──started again──▶ the next
 *                                                                        └───────▶ AWAY ────lasts_ms──────▶ the next
 *
 * and CALM after the last one. Observations come from the events in the heads' log lines.
 *
 * A stream lives in its head and in its worker. Either may die, but not both at once: before and
 * after the death of a head, PAUSES lasts until each stream has received something since the
 * previous fault, at most RUNNER_SETTLE_S. */

enum { LOOK_EVERY_MS = 20 };

/* ---- times ---- */

void runner_times_add(struct runner_times *t, double ms)
{
    if (t->n < RUNNER_SAMPLES_MAX)
        t->ms[t->n++] = (float)ms;
}

double runner_median_ms(struct runner_times *t)
{
    return lab_percentile(t->ms, t->n, 0.5);
}

double runner_longest_ms(const struct runner_times *t)
{
    float longest = 0;
    for (uint32_t i = 0; i < t->n; i++)
        longest = t->ms[i] > longest ? t->ms[i] : longest;
    return (double)longest;
}

/* ---- faults ---- */

static void set_timer(struct runner *w, uint32_t ms)
{
    net_timer_set(w->timer, net_now_us(w->loop) + ms * 1000ull);
}

static void next_fault(struct runner *w)
{
    w->over_us = net_now_us(w->loop);
    w->before = w->fault.kind;
    if (w->next == w->schedule.faults) {
        w->state = RUNNER_CALM;
        net_timer_set(w->timer, UINT64_MAX);
        return;
    }
    w->fault = schedule_fault(&w->schedule, w->next++);
    w->state = RUNNER_WAITS;
    set_timer(w, w->ended >= w->fault.ended ? 0 : w->fault.patience_ms);
}

static void pause_then_strike(struct runner *w)
{
    w->state = RUNNER_PAUSES;
    w->patient_us = net_now_us(w->loop) + RUNNER_SETTLE_S * 1000000ull;
    set_timer(w, w->fault.pause_ms);
}

static void strike(struct runner *w)
{
    const struct schedule_fault *f = &w->fault;
    bool head = f->kind == SCHEDULE_HEAD;
    uint32_t part = head ? f->victim : lab_cluster_part_of_worker(w->cluster, f->victim);
    w->faults[f->kind]++;
    if (!head) {
        w->struck[f->victim].at_us = net_now_us(w->loop);
        w->struck[f->victim].kind = f->kind;
    }
    if (f->kind == SCHEDULE_FREEZE || f->kind == SCHEDULE_CUT) {
        w->state = RUNNER_AWAY;
        set_timer(w, f->lasts_ms);
        if (f->kind == SCHEDULE_FREEZE)
            lab_cluster_signal(w->cluster, part, SIGSTOP);
        else
            lab_cluster_cable(w->cluster, f->victim, false);
        return;
    }
    w->state = RUNNER_STRUCK;
    set_timer(w, RUNNER_LEAVE_S * 1000);
    lab_cluster_strike(w->cluster, part, f->kind == SCHEDULE_LEAVE ? SIGTERM : SIGKILL, f->lasts_ms);
}

static void come_back(struct runner *w)
{
    if (w->fault.kind == SCHEDULE_FREEZE)
        lab_cluster_signal(w->cluster, lab_cluster_part_of_worker(w->cluster, w->fault.victim), SIGCONT);
    else
        lab_cluster_cable(w->cluster, w->fault.victim, true);
    w->struck[w->fault.victim].at_us = 0;
    next_fault(w);
}

static void strike_when_settled(struct runner *w)
{
    bool head = w->fault.kind == SCHEDULE_HEAD || w->before == SCHEDULE_HEAD;
    if (head && net_now_us(w->loop) < w->patient_us && !w->is_settled(w->over_us, w->user_data))
        set_timer(w, LOOK_EVERY_MS);
    else
        strike(w);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    struct runner *w = user_data;
    (void)t;
    switch (w->state) {
    case RUNNER_WAITS: pause_then_strike(w); break;
    case RUNNER_PAUSES: strike_when_settled(w); break;
    case RUNNER_AWAY: come_back(w); break;
    case RUNNER_STRUCK: w->on_failed("a worker that was asked to leave is still there", w->user_data); break;
    case RUNNER_CALM: break;
    }
}

void runner_again(struct runner *w)
{
    if (w->state == RUNNER_STRUCK)
        next_fault(w);
}

void runner_ended(struct runner *w, uint32_t ended)
{
    w->ended = ended;
    if (w->state == RUNNER_WAITS && ended >= w->fault.ended)
        pause_then_strike(w);
}

bool runner_is_calm(const struct runner *w)
{
    return w->state == RUNNER_CALM;
}

void runner_start(struct runner *w)
{
    w->timer = net_timer_new(w->loop, on_timer, w);
    next_fault(w);
}

void runner_end(struct runner *w)
{
    if (w->timer != NULL)
        net_timer_free(w->timer);
    w->timer = NULL;
}

/* ---- the heads' reports ---- */

/* The head calls a second worker with the same name worker-2#2. */
static void someone_left(struct runner *w, struct str line)
{
    char node[128];
    event_from_line(line, "node", node, sizeof node);
    node[strcspn(node, "#")] = '\0';
    for (uint32_t i = 0; i < w->schedule.workers; i++) {
        if (strcmp(node, lab_cluster_part_name(w->cluster, lab_cluster_part_of_worker(w->cluster, i))) != 0 || w->struck[i].at_us == 0)
            continue;
        runner_times_add(&w->detected[w->struck[i].kind], (double)(net_now_us(w->loop) - w->struck[i].at_us) / 1000);
        w->struck[i].at_us = 0;
    }
}

static void add_time(struct runner_times *t, struct str line, const char *key)
{
    char ms[32];
    if (event_from_line(line, key, ms, sizeof ms))
        runner_times_add(t, strtod(ms, NULL));
}

void runner_line(struct runner *w, struct str line)
{
    char event[32];
    event_from_line(line, "event", event, sizeof event);
    if (strcmp(event, "worker_left") == 0) {
        someone_left(w, line);
    } else if (strcmp(event, "job_resumed") == 0) {
        w->resumed++;
        add_time(&w->waits, line, "wait_ms");
        add_time(&w->replays, line, "replay_ms");
    }
}
