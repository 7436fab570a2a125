/* The engine is this process: workers are its children, supervised as in `manta up` (part.c), for a
 * head that runs elsewhere.
 *
 * All answers are known at once and come in the next turn of the loop. part.c restarts a child that
 * dies; a child that ends with a status that another try would repeat is FAILED, and restarted when
 * the reconciler asks for it. Children do not outlive this process, so free() is the exception to
 * the last rule in launcher.h: it kills. `manta launcher --on local` ends with down(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "launch/engines.h"
#include "launch/state.h"

struct local {
    struct launcher base;    /* first */
    struct launch launch;    /* its workers; no head, no link */
    struct net_timer *timer; /* owned; the answer of the operation, in the next turn */
    uint64_t ticket;         /* of that operation; 0: none */
    bool is_list, is_open;
    bool goes_down;          /* in down(): answered when no child is left */
    bool told_children;      /* took was called for the children */
};

static bool has_child(const struct launch *a)
{
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (a->workers[i] != NULL && part_has_process(a->workers[i]))
            return true;
    }
    return false;
}

static bool show(const struct part *p, struct launcher_worker *w)
{
    static const enum launcher_state states[] = {
        [PART_RUNNING] = LAUNCHER_RUNNING,
        [PART_WAITING] = LAUNCHER_PENDING,
        [PART_STOPPING] = LAUNCHER_ENDING,
        [PART_GIVEN_UP] = LAUNCHER_FAILED,
    };
    if (p == NULL || p->state == PART_IDLE)
        return false;
    *w = (struct launcher_worker){.index = p->index, .state = states[p->state]};
    if (p->child != NULL)
        snprintf(w->id, sizeof w->id, "%d", net_child_pid(p->child));
    if (p->state == PART_GIVEN_UP)
        snprintf(w->reason, sizeof w->reason, "%.255s", p->last_line);
    else if (p->state == PART_WAITING)
        snprintf(w->reason, sizeof w->reason, "it died and is started again in %u ms", p->pause_ms);
    return true;
}

static void give_list(struct local *l, uint64_t ticket)
{
    struct launcher_worker *workers = xalloc_array(LAUNCH_WORKERS_MAX, sizeof *workers);
    size_t n = 0;
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++)
        n += show(l->launch.workers[i], &workers[n]);
    l->base.events.listed(ticket, workers, n, l->base.user_data);
    free(workers);
}

static void tell_children(struct local *l)
{
    l->told_children = true;
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        struct part *p = l->launch.workers[i];
        if (p != NULL && part_has_process(p))
            l->base.events.took(p->name, l->base.user_data);
        if (p != NULL)
            part_stop(p, true);
    }
}

static void on_timer(struct net_timer *t, void *user_data)
{
    struct local *l = user_data;
    struct fault none = {0};
    uint64_t ticket = l->ticket;
    (void)t;
    if (l->goes_down && !l->told_children)
        tell_children(l);
    if (l->goes_down && has_child(&l->launch))
        return; /* on_part comes when no child is left */
    l->ticket = 0;
    if (!l->is_open) {
        l->is_open = true;
        l->base.events.opened(&none, l->base.user_data);
    } else if (ticket != 0 && l->is_list) {
        give_list(l, ticket);
    } else if (ticket != 0) {
        l->base.events.done(ticket, &none, l->base.user_data);
    }
}

static void answer_soon(struct local *l, uint64_t ticket, bool is_list)
{
    l->ticket = ticket;
    l->is_list = is_list;
    net_timer_set(l->timer, 0);
}

static void on_part(struct launch *a, const struct fault *f)
{
    (void)f;
    struct local *l = list_item(a, struct local, launch);
    if (l->goes_down && l->ticket != 0)
        net_timer_set(l->timer, 0);
    else if (!l->goes_down)
        l->base.events.changed(l->base.user_data);
}

/* ---- operations ---- */

static void local_start(struct launcher *base, uint64_t ticket, struct launcher_range r)
{
    struct local *l = (struct local *)base;
    struct launch *a = &l->launch;
    a->target = r.last > a->target ? r.last : a->target; /* number by which the processors are divided */
    for (uint32_t i = r.first - 1; i < r.last; i++) {
        if (a->workers[i] != NULL && a->workers[i]->state == PART_GIVEN_UP)
            part_stop(a->workers[i], false);
        launch_want(a, i);
    }
    answer_soon(l, ticket, false);
}

static void local_stop(struct launcher *base, uint64_t ticket, struct launcher_range r, bool drain)
{
    struct local *l = (struct local *)base;
    if (r.last >= l->launch.target)
        l->launch.target = r.first - 1;
    for (uint32_t i = r.first - 1; i < r.last; i++) {
        if (l->launch.workers[i] != NULL)
            part_stop(l->launch.workers[i], drain);
    }
    answer_soon(l, ticket, false);
}

static void local_list(struct launcher *base, uint64_t ticket)
{
    answer_soon((struct local *)base, ticket, true);
}

/* Nothing to do: on_part always reports changes. */
static void local_watch(struct launcher *base, bool on)
{
    (void)base;
    (void)on;
}

static void local_down(struct launcher *base, uint64_t ticket)
{
    struct local *l = (struct local *)base;
    l->goes_down = true;
    answer_soon(l, ticket, false);
}

static void local_free(struct launcher *base)
{
    struct local *l = (struct local *)base;
    if (l == NULL)
        return;
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (l->launch.workers[i] == NULL)
            continue;
        part_fini(l->launch.workers[i]);
        free(l->launch.workers[i]);
    }
    net_timer_free(l->timer);
    free(l);
}

/* ---- the start ---- */

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    const struct local *l = user_data;
    launcher_say(&l->base, level, event, "%s", text);
}

static void on_line(const char *who, struct str line, void *user_data)
{
    const struct local *l = user_data;
    if (l->base.events.line != NULL)
        l->base.events.line(who, line, l->base.user_data);
}

static struct launcher *local_open(struct net_loop *loop, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                   struct fault *f)
{
    struct local *l = xalloc(sizeof *l);
    if (launcher_init(&l->base, &launch_local, loop, cfg, events, user_data, f) != 0) {
        free(l);
        return NULL;
    }
    l->timer = net_timer_new(loop, on_timer, l);
    l->launch.loop = loop;
    l->launch.cfg = launch_config_default();
    l->launch.cfg.worker_args = cfg->worker_args;
    l->launch.cfg.worker_env = cfg->worker_env;
    l->launch.cfg.worker_threads = cfg->threads;
    l->launch.cfg.times.drain_ms = cfg->drain_ms;
    l->launch.listener = (struct listener){on_event, l};
    l->launch.cfg.on_line = on_line;
    l->launch.cfg.user_data = l;
    l->launch.on_part = on_part;
    snprintf(l->launch.program, sizeof l->launch.program, "%s", cfg->program);
    answer_soon(l, 0, false);
    return &l->base;
}

const struct launcher_ops launch_local = {
    .engine = "local",
    .about = "child processes on this machine (the default)",
    .open = local_open,
    .start = local_start,
    .stop = local_stop,
    .list = local_list,
    .watch = local_watch,
    .down = local_down,
    .free = local_free,
};
