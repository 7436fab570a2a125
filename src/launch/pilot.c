/* OPENING --opened--> KEEPING --stop--> ENDING --(UP: nothing is in flight any more)--> TAKING --done--> OVER
 *    |  |                ^                 |
 *    |  +-> RAISING -----+                 +-- (KEEP: the link has said its bye) ----------------------> OVER
 *    |  +-> WAITING -----+   RAISING: UP, the engine has a head to raise; WAITING: UP, the owner's own head is to come
 *    |  +-> ADOPTING ----+   ADOPTING: KEEP, the number that the engine has is to be read
 *    +-- opened, DOWN -----------------------------------------------------------> TAKING
 *       RAISING --a fault, or no answer in time------------------------------------> TAKING: what of it was made goes again
 *    +-- a fault that needs a person ---------------------------------------------------------------> OVER */
#include "launch/pilot_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "launch/head_link.h"
#include "launch/say.h"

enum {
    HEAD_SAYS_MS = 1000, /* after the welcome, a head that knows the wanted number has sent it within this time */
    ADOPT_AGAIN_MS = 2000,
};
/* Tickets of raise(), down() and the first list; the reconciler counts from 1. */
static const uint64_t ticket_raise = 1ull << 62, ticket_down = (1ull << 62) + 1, ticket_adopt = (1ull << 62) + 2;

static void step(struct pilot *p);

static void set_timer(struct pilot *p, uint64_t ms)
{
    net_timer_set(p->timer, net_now_us(p->loop) + ms * 1000);
}

/* ---- the end ---- */

/* Ends in the next turn: on_ended may free the pilot and its engine, which may be in the middle of
 * a callback. */
static void over(struct pilot *p)
{
    p->state = OVER;
    net_timer_set(p->timer, 0);
}

static void end_with(struct pilot *p, const struct fault *f)
{
    if (p->state != OVER)
        p->fault = *f;
    over(p);
}

static void take_away(struct pilot *p)
{
    p->state = TAKING;
    set_timer(p, LAUNCHER_PATIENCE_MS + (uint64_t)p->cfg.launcher.drain_ms);
    p->engine->ops->down(p->engine, ticket_down);
}

/* The story of a failed raise: the engine's fault is kept for on_ended, and everything that carries
 * the cluster's name is taken away, since no user would come back for half a cluster. The user
 * learns why the raise failed; if the clean-up fails, too, then also that, and how to repeat it. A
 * later answer to raise() has no valid ticket, but objects it created meanwhile carry the name:
 * `manta down` finds them. */
static void fail_to_raise(struct pilot *p, const struct fault *f)
{
    p->fault = *f;
    take_away(p);
}

/* Ends when the link has sent its bye and no operation is in flight. */
static void end_when_alone(struct pilot *p)
{
    if (p->state != ENDING || p->link != NULL)
        return;
    if (p->cfg.mode == PILOT_KEEP)
        over(p);
    else if (p->r.flight.what == RECONCILE_NOTHING)
        take_away(p);
}

static void taken(struct pilot *p, const struct fault *f)
{
    if (f->err != 0 && p->fault.err != 0)
        say(&p->listener, LOG_WARN, EVENT("not_taken_away", KV("code", err_name(f->err))),
            "%s; `manta down --on %s --cluster %s` takes away what is left", f->text, p->cfg.engine->engine, p->cfg.launcher.cluster);
    end_with(p, p->fault.err != 0 ? &p->fault : f);
}

void pilot_stop(struct pilot *p)
{
    if (p->state == OVER)
        return;
    bool asked_nothing = p->state == OPENING || p->state == WAITING; /* so the engine has nothing of ours */
    if (p->state == ENDING || p->state == TAKING || asked_nothing) {
        if (!asked_nothing)
            fault_set(&p->fault, ERR_CANCELLED, "not everything may have been taken away: `manta down --on %s --cluster %s` does it again",
                      p->cfg.engine->engine, p->cfg.launcher.cluster);
        net_timer_set(p->timer, 0); /* on_ended never comes from within this call */
        p->state = ENDING;
        p->cfg.mode = PILOT_KEEP;
        if (p->link != NULL)
            head_link_abandon(p->link);
        p->link = NULL;
        return;
    }
    bool raising = p->state == RAISING;
    p->state = ENDING;
    if (raising)
        p->r.flight.what = RECONCILE_NOTHING;
    if (p->link != NULL)
        head_link_stop(p->link);
    else
        net_timer_set(p->timer, 0);
}

/* ---- the head ---- */

static void on_scale(uint32_t workers, void *user_data)
{
    struct pilot *p = user_data;
    uint32_t before = p->r.desired, n = reconcile_want(&p->r, net_now_us(p->loop), workers);
    p->hold_us = 0;
    if (n != before)
        say(&p->listener, LOG_INFO, EVENT("keeping_up", KV("workers", n)), "keeping up %u workers", n);
    if (n != workers)
        say(&p->listener, LOG_WARN, EVENT("too_many_workers", KV("workers", workers)),
            "%u workers were asked for, %s has at most %d", workers, p->cfg.engine->engine, LAUNCHER_WORKERS_MAX);
    step(p);
}

static bool on_joined(struct head_link_state *out, void *user_data)
{
    struct pilot *p = user_data;
    if (p->hold_us == UINT64_MAX) {
        p->hold_us = net_now_us(p->loop) + HEAD_SAYS_MS * 1000;
        net_timer_set(p->timer, p->hold_us);
    }
    *out = (struct head_link_state){pilot_running(p), p->r.desired, reconcile_note(&p->r)};
    return true;
}

static void on_link_over(void *user_data)
{
    struct pilot *p = user_data;
    p->link = NULL;
    end_when_alone(p);
}

/* final: no head will ever set the number of workers, so the owner must know. Otherwise the head
 * may accept another launcher instead, so nothing is started or ended until a head has accepted
 * this one. */
static void on_refused(const struct fault *f, bool final, void *user_data)
{
    struct pilot *p = user_data;
    if (!final)
        p->hold_us = UINT64_MAX;
    else if (p->state == KEEPING)
        end_with(p, f);
}

static int dial_head(struct pilot *p, const char *address, struct fault *f)
{
    snprintf(p->name, sizeof p->name, "%s/%s", p->cfg.engine->engine, p->cfg.launcher.cluster);
    return head_link_new(p->loop, &(struct head_link_config){
        .host = address,
        .join_token = p->token[0] != '\0' ? p->token : p->cfg.join_token,
        .version = p->cfg.version,
        .node = p->name,
        .times = DIALLER_TIMES,
        .on_scale = on_scale,
        .on_joined = on_joined,
        .on_over = on_link_over,
        .on_refused = on_refused,
        .listener = p->listener,
        .user_data = p,
    }, &p->link, f);
}

/* ---- the engine ---- */

static void keep(struct pilot *p)
{
    struct fault f = {0};
    const char *head = p->head[0] != '\0' ? p->head : p->cfg.head;
    p->state = KEEPING;
    if (p->cfg.engine->start == NULL)
        /* the engine has a launcher inside; this one would replace it, since the head asks the last
         * that joined */
        return;
    if (dial_head(p, head, &f) != 0) {
        end_with(p, &f);
        return;
    }
    if (p->cfg.engine->watch != NULL)
        p->cfg.engine->watch(p->engine, true);
    step(p);
}

/* Reads the engine's number before dialling the head, which learns it if it has none either. */
static void adopt(struct pilot *p)
{
    p->state = ADOPTING;
    p->engine->ops->list(p->engine, ticket_adopt);
}

static void adopted(struct pilot *p, const struct launcher_worker *workers, size_t n)
{
    uint32_t highest = 0;
    for (size_t i = 0; i < n; i++) {
        if (workers[i].state != LAUNCHER_ENDING && workers[i].index > highest)
            highest = workers[i].index;
    }
    uint32_t has = reconcile_want(&p->r, net_now_us(p->loop), highest);
    say(&p->listener, LOG_INFO, EVENT("engine_has", KV("engine", p->cfg.engine->engine), KV("workers", has)),
        "%s has %u workers", p->cfg.engine->engine, has);
    keep(p);
}

static bool may_pass(const struct fault *f)
{
    return f->err == ERR_UNAVAILABLE || f->err == ERR_TIMEOUT || f->err == ERR_NET || f->err == ERR_BUSY;
}

static void on_opened(const struct fault *f, void *user_data)
{
    struct pilot *p = user_data;
    if (p->state != OPENING)
        return;
    if (f->err != 0 && (p->cfg.mode != PILOT_KEEP || !may_pass(f))) {
        end_with(p, f);
        return;
    }
    if (f->err != 0)
        say(&p->listener, LOG_WARN, EVENT("not_opened", KV("code", err_name(f->err))), "%s; trying again", f->text);
    if (p->cfg.waits)
        p->state = WAITING;
    if (p->cfg.on_opened != NULL)
        p->cfg.on_opened(p->cfg.user_data);
    if (p->cfg.waits)
        return;
    if (p->cfg.mode == PILOT_KEEP && p->cfg.adopt) {
        adopt(p);
    } else if (p->cfg.mode == PILOT_DOWN) {
        take_away(p);
    } else if (p->cfg.mode == PILOT_UP && p->cfg.engine->raise != NULL) {
        p->state = RAISING;
        set_timer(p, LAUNCHER_PATIENCE_MS);
        p->cfg.engine->raise(p->engine, ticket_raise);
    } else {
        keep(p);
    }
}

void pilot_head_is_up(struct pilot *p)
{
    if (p->state == WAITING)
        keep(p);
}

static void on_done(uint64_t ticket, const struct fault *f, void *user_data)
{
    struct pilot *p = user_data;
    if (p->state == TAKING && ticket == ticket_down) {
        taken(p, f);
    } else if (p->state == RAISING && ticket == ticket_raise) {
        if (f->err != 0)
            fail_to_raise(p, f);
        else
            keep(p);
    } else if (p->state == ADOPTING && ticket == ticket_adopt && may_pass(f)) {
        say(&p->listener, LOG_WARN, EVENT("not_listed", KV("code", err_name(f->err))), "%s; trying again", f->text);
        set_timer(p, ADOPT_AGAIN_MS);
    } else if (p->state == ADOPTING && ticket == ticket_adopt) {
        end_with(p, f);
    } else if (p->state == KEEPING || p->state == ENDING) {
        reconcile_done(&p->r, net_now_us(p->loop), ticket, f);
        step(p);
    }
}

static void on_listed(uint64_t ticket, const struct launcher_worker *workers, size_t n, void *user_data)
{
    struct pilot *p = user_data;
    if (p->state == ADOPTING && ticket == ticket_adopt) {
        adopted(p, workers, n);
        return;
    }
    if (p->state != KEEPING && p->state != ENDING)
        return;
    reconcile_listed(&p->r, net_now_us(p->loop), ticket, workers, n);
    step(p);
}

static void on_changed(void *user_data)
{
    struct pilot *p = user_data;
    reconcile_changed(&p->r, net_now_us(p->loop));
    step(p);
}

static void ask_engine(struct pilot *p, const struct reconcile_action *a)
{
    const struct launcher_ops *ops = p->cfg.engine;
    switch (a->what) {
    case RECONCILE_LIST: ops->list(p->engine, a->ticket); break;
    case RECONCILE_START:
        say(&p->listener, LOG_INFO, EVENT("starting", KV("first", a->range.first), KV("last", a->range.last)),
            "starting workers %u to %u", a->range.first, a->range.last);
        ops->start(p->engine, a->ticket, a->range);
        break;
    case RECONCILE_STOP:
        say(&p->listener, LOG_INFO, EVENT("ending", KV("first", a->range.first), KV("last", a->range.last)),
            "ending workers %u to %u", a->range.first, a->range.last);
        ops->stop(p->engine, a->ticket, a->range, true);
        break;
    case RECONCILE_NOTHING: break;
    }
}

/* Called after each event and at the deadline. */
static void step(struct pilot *p)
{
    struct reconcile_action a;
    uint64_t now = net_now_us(p->loop), at;
    if (p->state == ENDING) {
        end_when_alone(p);
        return;
    }
    if (p->state != KEEPING || p->stepping || p->cfg.engine->start == NULL)
        return;
    p->stepping = true;
    p->r.holds = now < p->hold_us;
    while ((a = reconcile_next(&p->r, net_now_us(p->loop))).what != RECONCILE_NOTHING)
        ask_engine(p, &a);
    p->stepping = false;
    pilot_tell(p);
    at = reconcile_deadline(&p->r);
    net_timer_set(p->timer, p->r.holds && p->hold_us < at ? p->hold_us : at);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    struct pilot *p = user_data;
    struct fault f;
    (void)t;
    if (p->state == OVER) {
        p->cfg.on_ended(&p->fault, p->cfg.user_data);
        return;
    }
    if (p->state == ADOPTING) {
        adopt(p);
        return;
    }
    if (p->state == RAISING || p->state == TAKING) {
        fault_set(&f, ERR_TIMEOUT, "%s did not %s within %d s", p->cfg.engine->engine, p->state == RAISING ? "bring the head up" : "take everything away",
                  LAUNCHER_PATIENCE_MS / 1000);
        if (p->state == RAISING)
            fail_to_raise(p, &f);
        else
            taken(p, &f);
        return;
    }
    step(p);
}

struct pilot *pilot_start(struct net_loop *l, const struct pilot_config *cfg, struct fault *f)
{
    static const struct launcher_events events = {
        .opened = on_opened,
        .done = on_done,
        .listed = on_listed,
        .changed = on_changed,
        .keys = pilot_on_keys,
        .head_at = pilot_on_head_at,
        .took = pilot_on_took,
        .line = pilot_on_line,
        .said = pilot_on_said,
    };
    struct pilot *p = xalloc(sizeof *p);
    MUST(cfg->on_event != NULL && cfg->on_ended != NULL);
    p->cfg = *cfg;
    p->listener = (struct listener){cfg->on_event, cfg->user_data};
    p->loop = l;
    p->timer = net_timer_new(l, on_timer, p);
    reconcile_init(&p->r, &cfg->times, cfg->launcher.workers);
    p->hold_us = cfg->waits ? 0 : UINT64_MAX; /* a new head knows no number */
    p->engine = cfg->engine->open(l, &cfg->launcher, &events, p, f);
    if (p->engine != NULL)
        return p;
    pilot_free(p);
    return NULL;
}

void pilot_free(struct pilot *p)
{
    if (p == NULL)
        return;
    if (p->link != NULL)
        head_link_abandon(p->link);
    if (p->engine != NULL)
        p->cfg.engine->free(p->engine);
    net_timer_free(p->timer);
    free(p);
}
