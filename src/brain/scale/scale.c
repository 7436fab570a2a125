/* Launchers, and the number of workers they are to keep up: who decides it, when it changes, how they learn it. */
#include "brain/scale/scale.h"

#include <math.h>
#include <stdio.h>


#define TAG "CLUSTER SCALING"

/* No actor serves, but a request would make a worker start. */
static bool sleeps(const struct head *h)
{
    return h->scale.known && h->scale.limits.mode == SCALE_AUTO && h->scale.limits.max > 0 && head_launcher(h) != NULL && h->actors_serving == 0;
}

/* ---- the number ---- */

static void tell(struct head *h, const struct link *launcher)
{
    const struct scale_limits *l = &h->scale.limits;
    head_send(h, launcher, WIRE_scale)->scale = (struct wire_scale){
        .workers = h->scale.desired,
        .policy = l->mode == SCALE_AUTO ? WIRE_SCALE_AUTO : WIRE_SCALE_FIXED,
        .min = l->min,
        .max = l->max,
    };
}

/* Sets the desired number. */
static void becomes(struct head *h, uint32_t to, enum scale_reason reason, const char *why)
{
    struct scale *s = &h->scale;
    uint32_t from = s->known ? s->desired : 0;
    if (s->known)
        head_orders_change(h, from, to);
    if (s->known && (to != from || reason == SCALE_ASKED))
        s->changes[reason]++;
    s->known = true;
    s->desired = to;
    s->reason = reason;
    s->changed_us = h->now_us;
    snprintf(s->why, sizeof s->why, "%s", why);
    head_log(h, LOG_INFO, TAG, EVENT("desired_workers", KV("from", from), KV("to", to), KV("reason", scale_reason_name(reason))),
             "desired workers: %u -> %u: %s", from, to, why);
}

static void set(struct head *h, uint32_t to, enum scale_reason reason, const char *why)
{
    const struct link *launcher = head_launcher(h);
    becomes(h, to, reason, why);
    h->scale.own = true;
    if (launcher != NULL)
        tell(h, launcher);
}

/* ---- the policy ---- */

static void say_why(const struct head *h, enum scale_reason reason, const struct scale_input *in, char *out, size_t cap)
{
    const struct scale *s = &h->scale;
    const struct pool *p = s->busiest;
    const struct scale_need none = {0}, *n = p != NULL ? &p->load.need : &none;
    double service_s = p != NULL ? demand_service_s(&p->load.demand) : 0;
    switch (reason) {
    case SCALE_LIMITS: snprintf(out, cap, "outside of its limits, %u to %u", s->limits.min, s->limits.max); break;
    case SCALE_WAKE: snprintf(out, cap, "a request came and no worker was there; one takes about %.0f s", in->start_s); break;
    case SCALE_QUEUE:
        snprintf(out, cap, "%u requests wait, in %.0f s still for %.1f s: %.1f workers needed", h->queued, in->start_s, isfinite(n->wait_s) ? n->wait_s : 0,
                 in->workers);
        break;
    case SCALE_IDLE:
        snprintf(out, cap, "%.1f workers were enough for %.0f s", fmax(in->workers, in->floor), s->hold_s);
        break;
    default: snprintf(out, cap, "%.2f requests/s of %.1f s each, in %.0f s: %.1f workers needed", n->rate, service_s, in->start_s, in->workers);
    }
}

static void decide(struct head *h)
{
    struct scale *s = &h->scale;
    double passed_s = (double)(h->now_us - s->ticked_us) / 1e6;
    s->ticked_us = h->now_us;
    head_orders_expire(h);
    struct scale_input in = head_scale_measure(h, passed_s);
    if (!s->known || head_launcher(h) == NULL)
        return; /* no launcher to order from */
    s->hold_s = scale_hold_s(&s->policy, &s->limits, in.start_s, in.service_s);
    enum scale_reason reason = SCALE_NONE;
    uint32_t to = scale_next(&s->policy, &s->limits, &in, &reason);
    if (to == s->desired)
        return;
    char why[sizeof s->why];
    say_why(h, reason, &in, why, sizeof why);
    set(h, to, reason, why);
}

static void policy_begins(struct head *h)
{
    struct scale *s = &h->scale;
    timers_clear(&h->timers, &s->timer);
    if (s->limits.mode != SCALE_AUTO)
        return;
    scale_policy_init(&s->policy, (double)h->now_us / 1e6);
    s->quiet_us = h->now_us;
    s->ticked_us = h->now_us;
    timers_set(&h->timers, &s->timer, head_after_ms(h, SCALE_EVERY_MS));
}

void head_scale_begin(struct head *h)
{
    h->scale.timer.kind = TIMER_SCALE;
    h->scale.limits = h->cfg.scale;
    h->scale.limits_own = h->cfg.scale_given;
    policy_begins(h);
}

void head_scale_overdue(struct head *h)
{
    timers_set(&h->timers, &h->scale.timer, head_after_ms(h, SCALE_EVERY_MS));
    h->scale.due = true;
}

void head_scale_look(struct head *h)
{
    if (!h->scale.due)
        return;
    h->scale.due = false;
    if (h->scale.limits.mode == SCALE_AUTO)
        decide(h);
}

/* ---- requests of clients ---- */

static uint32_t or_as_is(uint32_t asked, uint32_t now)
{
    return asked == HEAD_SCALE_AS_IS ? now : asked;
}

static int check_ask(const struct head *h, const struct head_scale_ask *a, struct fault *f)
{
    if (a->mode == SCALE_FIXED && a->workers > HEAD_SCALE_MAX)
        return fault_set(f, ERR_INVALID, "%u workers were asked for, at most %d can be", a->workers, HEAD_SCALE_MAX);
    if (a->mode == SCALE_AUTO && (a->max > HEAD_SCALE_MAX || a->max == 0))
        return fault_set(f, ERR_INVALID, "max is %u: 1 to %d workers can be", a->max, HEAD_SCALE_MAX);
    if (a->mode == SCALE_AUTO && a->min > a->max)
        return fault_set(f, ERR_INVALID, "min is %u, more than max, %u", a->min, a->max);
    if (head_launcher(h) == NULL && !h->scale.known)
        return fault_set(f, ERR_UNAVAILABLE,
                         "this head has no launcher, so nobody can start workers for it: ask the head that has one (`manta up` and `manta launcher` join one "
                         "head), or name all of them, `manta scale --head A,B`");
    return 0;
}

static void ask_auto(struct head *h, const struct head_scale_ask *a)
{
    struct scale *s = &h->scale;
    s->limits = (struct scale_limits){.mode = SCALE_AUTO, .min = a->min, .max = a->max, .idle_s = h->cfg.scale.idle_s};
    policy_begins(h);
    char why[80];
    snprintf(why, sizeof why, "by the load from now on, %u to %u workers", a->min, a->max);
    uint32_t now = s->known ? s->desired : 0;
    set(h, now < a->min ? a->min : now > a->max ? a->max : now, SCALE_ASKED, why);
}

static void ask_fixed(struct head *h, const struct head_scale_ask *a, bool number)
{
    h->scale.limits.mode = SCALE_FIXED;
    policy_begins(h);
    set(h, a->workers, SCALE_ASKED, number ? "a command named this number" : "no longer by the load: as many as there are");
}

void head_scale(struct head *h, const struct head_event *ev)
{
    const struct head_scale_ask *asked = ev->scale;
    struct head_scale_ask a = asked != NULL ? *asked : (struct head_scale_ask){.mode = SCALE_FIXED, .workers = ev->count};
    struct fault f = {0};
    a.workers = or_as_is(a.workers, h->scale.desired);
    a.min = or_as_is(a.min, h->scale.limits.min);
    a.max = or_as_is(a.max, h->scale.limits.max);
    if (check_ask(h, &a, &f) == 0) {
        h->scale.limits_own = true;
        if (a.mode == SCALE_AUTO)
            ask_auto(h, &a);
        else
            ask_fixed(h, &a, asked == NULL || asked->workers != HEAD_SCALE_AS_IS);
    }
    head_answer(h, ev->call, &f);
}

/* ---- messages of launchers ---- */

void head_launcher_joins(struct head *h, const struct link *link)
{
    if (h->scale.known && h->scale.own)
        tell(h, link);
}

/* The launcher's target becomes the desired number. More than before are held as long as if the load had asked for them. */
static void adopt(struct head *h, uint32_t target)
{
    struct scale *s = &h->scale;
    bool more = !s->known || target > s->desired;
    becomes(h, target < HEAD_SCALE_MAX ? target : HEAD_SCALE_MAX, SCALE_TAUGHT, "the number its launcher came with");
    if (more && s->limits.mode == SCALE_AUTO)
        scale_policy_changed(&s->policy, (double)h->now_us / 1e6);
}

/* A launcher joined a head that knows less than it does. */
static void learn(struct head *h, const struct wire_scale_state *m)
{
    struct scale *s = &h->scale;
    if (!s->limits_own && m->policy == WIRE_SCALE_AUTO && m->min <= m->max && m->max > 0 && m->max <= HEAD_SCALE_MAX) {
        s->limits = (struct scale_limits){.mode = SCALE_AUTO, .min = m->min, .max = m->max, .idle_s = h->cfg.scale.idle_s};
        head_log(h, LOG_INFO, TAG, EVENT("policy_taught", KV("min", m->min), KV("max", m->max)),
                 "the launcher was told to scale by the load, %u to %u workers: that continues", m->min, m->max);
        policy_begins(h);
        s->due = s->due || (s->own && (s->desired < m->min || s->desired > m->max)); /* an earlier number, outside the limits */
    }
    if (!s->own)
        adopt(h, m->target);
}

/* The launcher's target changed, and not to this head's number: another head changed it. A head
 * without its own number adopts the target; in mode AUTO every head adopts a higher one, as the
 * policy reduces it by itself. Otherwise the launcher is told this head's number, once: it may have
 * its own limit. */
static void differs(struct head *h, const struct link *link, const struct wire_scale_state *m)
{
    struct scale *s = &h->scale;
    bool more = s->limits.mode == SCALE_AUTO && m->target > s->desired && m->target <= s->limits.max;
    if (!s->own || more)
        adopt(h, m->target);
    else
        tell(h, link);
}

void head_scale_state(struct head *h, struct link *link, const struct wire_scale_state *m)
{
    bool unseen = m->running == WIRE_NOT_KNOWN;
    uint32_t running = unseen ? 0 : m->running;
    bool first = !link->scale_said, moves = m->target != link->scale_target;
    bool news = moves || running != link->scale_running || unseen != link->scale_unseen;
    link->scale_running = running;
    link->scale_unseen = unseen;
    link->scale_target = m->target;
    link->scale_said = true;
    const struct event_field *event = EVENT("workers_run", KV("running", unseen ? -1 : (int64_t)running), KV("target", m->target),
                                            KV("launcher", link->name));
    if (unseen && m->note.n > 0)
        head_log(h, LOG_WARN, TAG, event, "how many of %u workers run is not known: %.*s", m->target, STR_ARG(m->note));
    else if (unseen)
        head_log(h, LOG_INFO, TAG, event, "%u workers are wanted, the launcher has not seen its engine yet", m->target);
    else if (m->note.n > 0)
        head_log(h, LOG_WARN, TAG, event, "%.*s", STR_ARG(m->note));
    else if (news)
        head_log(h, LOG_INFO, TAG, event, "%u of %u workers run", running, m->target);
    if (news && !head_launcher_brings(h))
        head_queues_hurry(h);
    if (link != head_launcher(h))
        return;
    if (m->note.n > 0 || (running == m->target && !unseen))
        snprintf(h->scale.note, sizeof h->scale.note, "%.*s", STR_ARG(m->note));
    if (first)
        learn(h, m);
    else if (moves && m->target != h->scale.desired)
        differs(h, link, m);
}

/* ---- for people ---- */

void head_scale_view(const struct head *h, struct head_scale_view *out)
{
    const struct scale *s = &h->scale;
    const struct link *launcher = head_launcher(h);
    *out = (struct head_scale_view){
        .launcher = launcher != NULL,
        .known = s->known,
        .limits = s->limits,
        .desired = s->desired,
        .running = launcher != NULL ? launcher->scale_running : 0,
        .running_known = launcher != NULL && launcher->scale_said && !launcher->scale_unseen,
        .target = launcher != NULL ? launcher->scale_target : 0,
        .starting = head_scale_starting(h),
        .reason = s->reason,
        .why = str_of(s->why),
        .note = str_of(s->note),
        .changed_us = s->changed_us,
        .hold_s = s->hold_s,
        .start_s = s->start_s,
        .wait_s = isfinite(s->wait_s) ? s->wait_s : head_scale_start_s(h),
        .sleeps = sleeps(h),
    };
    memcpy(out->changes, s->changes, sizeof out->changes);
}
