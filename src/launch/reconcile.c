#include "launch/reconcile.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

enum { CALM_MS = 60000 }; /* after this long without news, lists come every period_ms */

static uint64_t us(uint32_t ms)
{
    return ms * (uint64_t)1000;
}

struct reconcile_times reconcile_times_default(void)
{
    return (struct reconcile_times){
        .pause_first_ms = 1000,
        .pause_max_ms = 60000,
        .stable_ms = 60000,
        .patience_ms = LAUNCHER_PATIENCE_MS + 10000,
        .settle_ms = 30000,
        .collect_ms = 200,
        .busy_ms = 2000,
        .period_ms = 15000,
    };
}

void reconcile_init(struct reconcile *r, const struct reconcile_times *t, uint32_t desired)
{
    *r = (struct reconcile){.times = *t, .change_us = UINT64_MAX};
    r->desired = desired < LAUNCHER_WORKERS_MAX ? desired : LAUNCHER_WORKERS_MAX;
}

static uint32_t next_pause(const struct reconcile *r, uint32_t pause_ms)
{
    if (pause_ms == 0)
        return r->times.pause_first_ms;
    return pause_ms < r->times.pause_max_ms / 2 ? pause_ms * 2 : r->times.pause_max_ms;
}

/* ---- orders ---- */

uint32_t reconcile_want(struct reconcile *r, uint64_t now_us, uint32_t desired)
{
    desired = desired < LAUNCHER_WORKERS_MAX ? desired : LAUNCHER_WORKERS_MAX;
    if (desired == r->desired)
        return desired;
    r->desired = desired;
    r->news_us = now_us;
    r->act_not_before_us = r->list_not_before_us = 0;
    r->act_pause_ms = r->list_pause_ms = 0;
    for (uint32_t i = 0; i < LAUNCHER_WORKERS_MAX; i++) {
        struct reconcile_worker *w = &r->workers[i];
        if (w->lacking > 0)
            continue; /* it may still be there: R2 */
        w->pause_ms = 0;
        w->not_before_us = w->not_before_us > now_us ? now_us : w->not_before_us;
    }
    /* the known state may be old, except for a list in flight */
    r->fresh = r->fresh && r->flight.what == RECONCILE_LIST;
    return desired;
}

void reconcile_changed(struct reconcile *r, uint64_t now_us)
{
    uint64_t at = now_us + us(r->times.collect_ms);
    r->change_us = at < r->change_us ? at : r->change_us;
}

/* ---- answers ---- */

static bool is_of_flight(struct reconcile *r, uint64_t ticket)
{
    if (r->flight.what != RECONCILE_NOTHING && ticket == r->flight.ticket)
        return true;
    r->ignored++;
    return false;
}

/* A single worker that the engine refused has not begun; of several, some may have; of unanswered
 * ones, all may have. */
static bool may_have_begun(const struct reconcile_action *a, const struct fault *f)
{
    return a->range.last > a->range.first || f->err == ERR_TIMEOUT || f->err == ERR_NET;
}

static void end_act(struct reconcile *r, uint64_t now_us, const struct reconcile_action *a, const struct fault *f)
{
    r->fresh = false;
    r->acted = true;
    r->act_fault = *f;
    if (f->err == 0) {
        r->act_pause_ms = 0;
        r->act_not_before_us = 0;
        return;
    }
    r->act_pause_ms = next_pause(r, r->act_pause_ms);
    r->act_not_before_us = now_us + us(r->act_pause_ms);
    for (uint32_t i = a->range.first - 1; i < a->range.last; i++) {
        struct reconcile_worker *w = &r->workers[i];
        if (a->what == RECONCILE_START)
            w->asked_us = may_have_begun(a, f) ? now_us : 0;
        else
            w->told_us = 0;
    }
}

static void end_flight(struct reconcile *r, uint64_t now_us, const struct fault *f)
{
    struct reconcile_action a = r->flight;
    uint32_t wait_s = f->err == 0 ? 0 : f->wait_s < RECONCILE_WAIT_S_MAX ? f->wait_s : RECONCILE_WAIT_S_MAX;
    r->flight.what = RECONCILE_NOTHING;
    r->news_us = now_us;
    r->quiet_until_us = now_us + us(wait_s * 1000);
    if (a.what != RECONCILE_LIST) {
        end_act(r, now_us, &a, f);
        return;
    }
    r->fresh = false;
    r->list_fault = *f;
    r->list_pause_ms = next_pause(r, r->list_pause_ms);
    r->list_not_before_us = now_us + us(r->list_pause_ms);
}

void reconcile_done(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct fault *f)
{
    struct fault none;
    if (!is_of_flight(r, ticket))
        return;
    if (r->flight.what == RECONCILE_LIST && f->err == 0) { /* a list must end with reconcile_listed() */
        fault_set(&none, ERR_PROTOCOL, "the engine was asked for a list and gave none");
        f = &none;
    }
    end_flight(r, now_us, f);
}

/* ---- a list ---- */

static int rank(enum launcher_state s)
{
    static const int ranks[] = {[LAUNCHER_PENDING] = 3, [LAUNCHER_RUNNING] = 4, [LAUNCHER_ENDING] = 2, [LAUNCHER_FAILED] = 1};
    return ranks[s];
}

struct view {
    const struct launcher_worker *of[LAUNCHER_WORKERS_MAX]; /* borrowed from the list; NULL: lacking */
    uint32_t twice;                                         /* an index with two live workers; 0: none */
};

static void read_list(struct reconcile *r, const struct launcher_worker *workers, size_t n, struct view *v)
{
    *v = (struct view){0};
    r->ignored += n > LAUNCHER_LISTED_MAX ? n - LAUNCHER_LISTED_MAX : 0;
    for (size_t i = 0; i < n && i < LAUNCHER_LISTED_MAX; i++) {
        const struct launcher_worker *w = &workers[i];
        if (w->index < 1 || w->index > LAUNCHER_WORKERS_MAX || (unsigned)w->state > LAUNCHER_FAILED) {
            r->ignored++;
            continue;
        }
        const struct launcher_worker **at = &v->of[w->index - 1];
        if (*at != NULL && rank((*at)->state) >= 3 && rank(w->state) >= 3)
            v->twice = w->index;
        if (*at == NULL || rank(w->state) > rank((*at)->state))
            *at = w;
    }
}

static void penalize(const struct reconcile *r, struct reconcile_worker *w, uint64_t now_us)
{
    if (w->ran_us != 0 && now_us - w->ran_us >= us(r->times.stable_ms))
        w->pause_ms = 0;
    w->pause_ms = next_pause(r, w->pause_ms);
    w->not_before_us = now_us + us(w->pause_ms);
}

static void see(const struct reconcile *r, struct reconcile_worker *w, enum launcher_state state, uint64_t now_us)
{
    bool failed_before = w->listed && w->state == LAUNCHER_FAILED && w->asked_us == 0;
    if (state == LAUNCHER_FAILED && !failed_before)
        penalize(r, w, now_us);
    if (state != LAUNCHER_RUNNING)
        w->ran_us = 0;
    else if (w->ran_us == 0)
        w->ran_us = now_us;
    w->listed = true;
    w->state = state;
    w->lacking = 0;
    w->asked_us = 0;
}

static void miss(const struct reconcile *r, struct reconcile_worker *w, uint64_t now_us)
{
    bool went_as_told = w->listed && (w->state == LAUNCHER_ENDING || w->told_us != 0);
    if (went_as_told) {
        w->lacking = 0;
        w->not_before_us = 0;
    } else if (w->listed) {
        w->lacking = 1;
        penalize(r, w, now_us);
    } else if (w->lacking > 0 && r->flight_began_us >= w->not_before_us) {
        w->lacking++;
    }
    if (w->asked_us != 0 && now_us >= w->asked_us + us(r->times.settle_ms))
        w->asked_us = 0; /* it was accepted but never appeared */
    w->listed = false;
    w->ran_us = 0;
    w->told_us = 0;
}

static void note_workers(struct reconcile *r, const struct view *v)
{
    char *note = r->worker_note;
    uint32_t waiting = 0;
    const struct launcher_worker *waits = NULL;
    note[0] = '\0';
    if (v->twice != 0)
        snprintf(note, sizeof r->worker_note, "worker-%u is there twice: end one of them by the engine's own means", v->twice);
    for (uint32_t i = 0; i < r->desired; i++) {
        const struct launcher_worker *w = v->of[i];
        if (w == NULL)
            continue;
        if (w->state == LAUNCHER_FAILED && note[0] == '\0')
            snprintf(note, sizeof r->worker_note, "worker-%u failed%s%.*s: it is started again after a pause of %.0f s", w->index,
                     w->reason[0] != '\0' ? ": " : "", UTF8_HEAD(w->reason, sizeof w->reason - 1), r->workers[i].pause_ms / 1000.0);
        if (w->state == LAUNCHER_PENDING && w->reason[0] != '\0') {
            waits = waits == NULL ? w : waits;
            waiting++;
        }
    }
    if (waits != NULL && note[0] == '\0')
        snprintf(note, sizeof r->worker_note, "%u of %u workers wait: %.*s", waiting, r->desired,
                 UTF8_HEAD(waits->reason, sizeof waits->reason - 1));
}

static void count(struct reconcile *r, uint64_t now_us)
{
    uint32_t n[4] = {0}, surplus = 0;
    for (uint32_t i = 0; i < LAUNCHER_WORKERS_MAX; i++) {
        const struct reconcile_worker *w = &r->workers[i];
        if (!w->listed)
            continue;
        surplus += i >= r->desired;
        n[w->state] += i < r->desired;
    }
    if (n[LAUNCHER_RUNNING] != r->running || n[LAUNCHER_PENDING] != r->pending)
        r->news_us = now_us;
    r->running = n[LAUNCHER_RUNNING];
    r->pending = n[LAUNCHER_PENDING];
    r->surplus = surplus;
}

void reconcile_listed(struct reconcile *r, uint64_t now_us, uint64_t ticket, const struct launcher_worker *workers, size_t n)
{
    struct view v;
    if (!is_of_flight(r, ticket))
        return;
    if (r->flight.what != RECONCILE_LIST) { /* the answer to another operation */
        r->ignored++;
        return;
    }
    r->flight.what = RECONCILE_NOTHING;
    r->listed_us = r->flight_began_us;
    r->list_end_us = now_us; /* the next interval starts here: a slow list must leave time to act */
    r->acted = false;
    r->list_fault.err = 0;
    r->list_pause_ms = 0;
    r->list_not_before_us = 0;
    read_list(r, workers, n, &v);
    for (uint32_t i = 0; i < LAUNCHER_WORKERS_MAX; i++) {
        if (v.of[i] != NULL)
            see(r, &r->workers[i], v.of[i]->state, now_us);
        else
            miss(r, &r->workers[i], now_us);
    }
    count(r, now_us);
    /* a refused operation is no longer needed, or took effect */
    if (r->running + r->pending == r->desired && r->surplus == 0) {
        r->act_fault.err = 0;
        r->act_pause_ms = 0;
    }
    note_workers(r, &v);
}

/* ---- decisions ---- */

static bool is_surplus(const struct reconcile *r, uint32_t i, uint64_t now_us)
{
    const struct reconcile_worker *w = &r->workers[i];
    return i >= r->desired && w->listed && w->state != LAUNCHER_ENDING &&
           (w->told_us == 0 || now_us >= w->told_us + us(r->times.settle_ms));
}

static bool is_lacking(const struct reconcile *r, uint32_t i, uint64_t now_us)
{
    const struct reconcile_worker *w = &r->workers[i];
    if (i >= r->desired || now_us < w->not_before_us)
        return false;
    if (w->listed)
        return w->state == LAUNCHER_FAILED;
    return w->asked_us == 0 && w->lacking != 1;
}

/* Finds the first run of indices for which `holds` is true. */
static bool find_range(const struct reconcile *r, uint64_t now_us, bool (*holds)(const struct reconcile *, uint32_t, uint64_t),
                       struct launcher_range *out)
{
    uint32_t i = 0, end;
    while (i < LAUNCHER_WORKERS_MAX && !holds(r, i, now_us))
        i++;
    for (end = i; end < LAUNCHER_WORKERS_MAX && holds(r, end, now_us); end++)
        continue;
    *out = (struct launcher_range){.first = i + 1, .last = end};
    return end > i;
}

static uint64_t list_due_us(const struct reconcile *r)
{
    if (!r->fresh)
        return r->list_not_before_us;
    bool busy = !reconcile_is_settled(r) && r->now_us - r->news_us < us(CALM_MS);
    uint64_t due = r->list_end_us + us(busy ? r->times.busy_ms : r->times.period_ms);
    due = r->change_us < due ? r->change_us : due;
    for (uint32_t i = 0; i < r->desired; i++) { /* the second list required by R2 */
        const struct reconcile_worker *w = &r->workers[i];
        if (!w->listed && w->lacking == 1 && w->not_before_us < due)
            due = w->not_before_us;
    }
    return due > r->list_not_before_us ? due : r->list_not_before_us;
}

static struct reconcile_action begin(struct reconcile *r, uint64_t now_us, enum reconcile_what what, struct launcher_range range)
{
    MUST(r->flight.what == RECONCILE_NOTHING); /* R1 */
    MUST(what == RECONCILE_LIST || r->fresh);  /* R2 */
    r->flight = (struct reconcile_action){.what = what, .ticket = ++r->tickets, .range = range};
    r->flight_began_us = now_us;
    r->flight_end_us = now_us + us(r->times.patience_ms);
    if (what == RECONCILE_LIST) {
        r->fresh = true;
        r->change_us = UINT64_MAX;
        return r->flight;
    }
    r->news_us = now_us;
    for (uint32_t i = range.first - 1; i < range.last; i++) {
        struct reconcile_worker *w = &r->workers[i];
        if (what == RECONCILE_START) {
            w->asked_us = now_us;
            w->told_us = 0;
            w->lacking = 0;
        } else {
            w->told_us = now_us;
        }
    }
    return r->flight;
}

struct reconcile_action reconcile_next(struct reconcile *r, uint64_t now_us)
{
    static const char *const words[] = {"", "what there is", "to start workers", "to stop workers"};
    struct reconcile_action nothing = {0};
    struct launcher_range range = {0};
    struct fault f;
    r->now_us = now_us;
    if (r->flight.what != RECONCILE_NOTHING && now_us >= r->flight_end_us) {
        fault_set(&f, ERR_TIMEOUT, "the engine was asked %s and did not answer within %u s", words[r->flight.what], r->times.patience_ms / 1000);
        end_flight(r, now_us, &f);
    }
    if (r->flight.what != RECONCILE_NOTHING || now_us < r->quiet_until_us)
        return nothing;
    if (now_us >= list_due_us(r))
        return begin(r, now_us, RECONCILE_LIST, range);
    if (r->holds || !r->fresh || now_us < r->act_not_before_us)
        return nothing;
    if (find_range(r, now_us, is_surplus, &range)) /* first: removing surplus makes room */
        return begin(r, now_us, RECONCILE_STOP, range);
    if (find_range(r, now_us, is_lacking, &range))
        return begin(r, now_us, RECONCILE_START, range);
    return nothing;
}

uint64_t reconcile_deadline(const struct reconcile *r)
{
    if (r->flight.what != RECONCILE_NOTHING)
        return r->flight_end_us;
    uint64_t at = list_due_us(r);
    if (r->quiet_until_us > r->now_us)
        return r->quiet_until_us;
    if (!r->fresh || reconcile_is_settled(r))
        return at;
    if (r->act_not_before_us > r->now_us && r->act_not_before_us < at)
        at = r->act_not_before_us;
    for (uint32_t i = 0; i < r->desired; i++) {
        uint64_t t = r->workers[i].not_before_us;
        at = t > r->now_us && t < at ? t : at;
    }
    return at;
}

bool reconcile_is_settled(const struct reconcile *r)
{
    bool acts = r->flight.what == RECONCILE_START || r->flight.what == RECONCILE_STOP || r->acted;
    return !acts && r->listed_us != 0 && r->list_fault.err == 0 && r->running == r->desired && r->surplus == 0;
}

const char *reconcile_note(const struct reconcile *r)
{
    return r->list_fault.err != 0 ? r->list_fault.text : r->act_fault.err != 0 ? r->act_fault.text : r->worker_note;
}
