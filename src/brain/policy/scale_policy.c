/* The arithmetic of the autoscaler; docs/autoscaling.md has its derivation and comparisons. */
#include "brain/scale_policy.h"

#include <math.h>

static const double FAST_S = 8, SLOW_S = 60;       /* time constants of the two rates */
static const double CHANGED_SIGMAS = 3;            /* if the rates differ by more than chance, believe the fast one */
static const double AHEAD_MOST = 0.5;              /* a trend is followed up to this much above the present rate */
static const double JUMP = 1.6;                    /* a fast rate this many times the slow one is a jump, which has
                                                      no slope to follow */
static const double SERVED_KEEPS = 63.0 / 64;      /* about the last 64 jobs count */
static const double SERVICE_GUESS_S = 2, SERVED_ENOUGH = 8;
static const double SLOTS_GUESS = 4;               /* of a worker, before one was seen: --slots */
static const double WAIT_OK_S = 1;                 /* a predicted wait that is not worth a worker */
static const double CLEAR_S = 30;                  /* a queue is to be gone this long after more workers are ready */
static const double SLACK = 0.1;                   /* of a worker: a need this little above is not worth one more */
static const double HOLD_STARTS = 3, HOLD_SERVICES = 3, HOLD_LEAST_S = 180, HOLD_MOST_S = 300; /* keep a worker for the cost of a few starts */
enum { WRONG_MOST = 3 };
static const double COOL_LEAST_S = 15, COOL_MOST_S = 30, COOL_HOLDS = 0.5, COOL_HOLDS_MOST_S = 90;
static const double REGRET_S = 300, FORGET_S = 900; /* a decrease reversed within this time was wrong; how long that
                                                       lengthens the hold time */
static const double RISES_S = 60, RISES_BY = 0.5;  /* an increase this soon after another shows a growing need: it
                                                      adds this share more */

const char *scale_mode_name(enum scale_mode mode)
{
    return mode == SCALE_AUTO ? "auto" : "fixed";
}

const char *scale_reason_name(enum scale_reason reason)
{
    static const char *const names[SCALE_REASONS] = {"none", "asked", "taught", "limits", "wake", "rate", "queue", "idle"};
    return names[reason];
}

/* ---- the demand for a model ---- */

void demand_served(struct demand *d, double s)
{
    fading_add(&d->served_s, s, SERVED_KEEPS);
}

void demand_tick(struct demand *d, double s)
{
    if (s <= 0)
        return;
    double now = d->arrivals / s;
    d->fast += (now - d->fast) * (1 - exp(-s / FAST_S));
    d->slow += (now - d->slow) * (1 - exp(-s / SLOW_S));
    d->arrivals = 0;
}

double demand_service_s(const struct demand *d)
{
    return fading_mean(&d->served_s, SERVICE_GUESS_S);
}

/* Chance alone makes the fast rate of arrivals vary by sqrt(rate / 2T). Beyond that, the fast rate
 * counts; if it rises, the rate at the time when a worker ordered now is ready: an average over T
 * lags behind a ramp by T, so the two averages give its slope. A jump, as at the start of a burst,
 * differs by more than a ramp does; treated as a ramp, it would order twice what the burst needs. */
static double rate_in(const struct demand *d, double start_s)
{
    double sigma = sqrt(fmax(d->slow, 1 / SLOW_S) / (2 * FAST_S)), differs = d->fast - d->slow;
    if (fabs(differs) <= CHANGED_SIGMAS * sigma)
        return d->slow;
    if (differs < 0)
        return d->fast;
    if (d->fast > d->slow * JUMP)
        return d->fast;
    double slope = differs / (SLOW_S - FAST_S);
    return d->fast + fmin(slope * (FAST_S + start_s), d->fast * AHEAD_MOST);
}

/* ---- the need for workers ---- */

/* Slots in use `s` seconds from now if no job has to wait, plus one standard deviation, so that
 * hardly any does. Each present job stays with a probability given by the mean length, and arrivals
 * until then are a Poisson number. Long answers change slowly, whatever arrives. Until some have
 * ended, their length is not known: present jobs stay. */
static double slots_in(const struct demand *d, double there, double rate, double s)
{
    double service_s = demand_service_s(d), known = fmin(d->served_s.n / SERVED_ENOUGH, 1);
    double stays = 1 - known * (1 - exp(-s / service_s)), comes = rate * service_s * (1 - stays);
    return there * stays + comes + sqrt(there * stays * (1 - stays) + comes);
}

struct scale_need scale_need(const struct demand *d, const struct scale_seen *seen, double start_s)
{
    double each = d->slots_each > 0 ? d->slots_each : SLOTS_GUESS, service_s = demand_service_s(d);
    struct scale_need n = {.rate = rate_in(d, start_s), .reason = SCALE_RATE};
    double load = n.rate * service_s, slots = slots_in(d, seen->busy + seen->waiting, n.rate, start_s + SCALE_UP_EVERY_S);
    /* Jobs that will still wait when a worker ordered now is ready, given the workers that are ready already. */
    double left = seen->waiting + (n.rate - seen->slots / service_s) * start_s;
    left = left > seen->waiting && seen->waiting <= 0 ? 0 : left; /* a rate that is not there yet: rate_in() covers that */
    double then = fmax(seen->slots, seen->desired_slots);
    if (left > 0)
        n.wait_s = then > 0 ? left * service_s / then : INFINITY;
    if (left > 0 && n.wait_s > WAIT_OK_S) {
        slots = fmax(slots, load + left * service_s / fmax(CLEAR_S, service_s));
        n.reason = SCALE_QUEUE;
    }
    n.workers = slots / each;
    n.floor = seen->busy / each;
    return n;
}

/* ---- the number to ask for ---- */

double scale_hold_s(const struct scale_policy *p, const struct scale_limits *l, double start_s, double service_s)
{
    double least_s = fmax(HOLD_STARTS * start_s, HOLD_SERVICES * service_s);
    return l->idle_s > 0 ? l->idle_s : fmin(fmax(least_s, HOLD_LEAST_S) * (1 << p->wrong), HOLD_MOST_S);
}

double scale_cool_s(double hold_s, double start_s)
{
    return fmax(fmin(COOL_HOLDS * hold_s, COOL_HOLDS_MOST_S), fmax(COOL_LEAST_S, fmin(start_s, COOL_MOST_S)));
}

void scale_policy_changed(struct scale_policy *p, double now_s)
{
    p->up_s = p->down_s = now_s;
    p->fewer = false;
}

void scale_policy_init(struct scale_policy *p, double now_s)
{
    *p = (struct scale_policy){.more_s = -INFINITY};
    for (uint32_t i = 0; i < SCALE_PEAKS; i++)
        p->peaks[i].at_s = -INFINITY;
    scale_policy_changed(p, now_s);
}

static void peaks_add(struct scale_policy *p, double now_s, double workers, double most_s)
{
    struct scale_peak *last = &p->peaks[p->last];
    if (now_s - last->at_s >= most_s / (SCALE_PEAKS - 2)) {
        p->last = (p->last + 1) % SCALE_PEAKS;
        p->peaks[p->last] = (struct scale_peak){.at_s = now_s, .workers = workers};
    } else if (workers > last->workers) {
        last->workers = workers;
    }
}

static double peaks_most(const struct scale_policy *p, double from_s)
{
    double most = 0;
    for (uint32_t i = 0; i < SCALE_PEAKS; i++) {
        if (p->peaks[i].at_s >= from_s)
            most = fmax(most, p->peaks[i].workers);
    }
    return most;
}

static uint32_t within(const struct scale_limits *l, double workers)
{
    return workers <= l->min ? l->min : workers >= l->max ? l->max : (uint32_t)workers;
}

/* A decrease is reversed: bursts come closer together than the hold time, so it doubles. */
static void learn_from_increase(struct scale_policy *p, double now_s)
{
    if (p->fewer && now_s - p->down_s < REGRET_S) {
        p->wrong += p->wrong < WRONG_MOST;
        p->wrong_s = now_s;
    }
    p->fewer = false;
}

static uint32_t increase(struct scale_policy *p, const struct scale_limits *l, double now_s, uint32_t from, uint32_t wanted)
{
    double more = now_s - p->more_s < RISES_S ? ceil((wanted - from) * RISES_BY) : 0;
    learn_from_increase(p, now_s);
    p->up_s = p->more_s = now_s;
    return within(l, wanted + more);
}

uint32_t scale_next(struct scale_policy *p, const struct scale_limits *l, const struct scale_input *in, enum scale_reason *out_reason)
{
    p->wrong = in->now_s - p->wrong_s < FORGET_S ? p->wrong : 0;
    double hold_s = scale_hold_s(p, l, in->start_s, in->service_s), need = fmax(ceil(in->workers - SLACK), 0);
    bool silent = in->quiet_s >= hold_s; /* an average over a minute takes minutes to forget past jobs */
    need = in->demand ? fmax(need, 1) : silent ? 0 : need;
    peaks_add(p, in->now_s, fmax(need, ceil(in->floor - SLACK)), l->idle_s > 0 ? hold_s : HOLD_MOST_S);
    uint32_t wanted = within(l, need);
    if (in->desired < l->min || in->desired > l->max) {
        *out_reason = SCALE_LIMITS;
        scale_policy_changed(p, in->now_s);
        return in->desired < l->min ? l->min : l->max;
    }
    if (wanted > in->desired && in->desired > 0 && in->now_s - p->more_s < SCALE_UP_EVERY_S)
        return in->desired;
    if (wanted > in->desired) {
        *out_reason = in->desired == 0 ? SCALE_WAKE : in->reason;
        return increase(p, l, in->now_s, in->desired, wanted);
    }
    uint32_t enough = within(l, silent ? 0 : peaks_most(p, in->now_s - hold_s));
    if (enough >= in->desired || in->now_s - p->up_s < hold_s || in->now_s - p->down_s < scale_cool_s(hold_s, in->start_s))
        return in->desired;
    *out_reason = SCALE_IDLE;
    p->down_s = in->now_s;
    p->fewer = true;
    return enough;
}
