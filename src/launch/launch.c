/* Decide which parts there are to be, and the order in which they end. */
#include "launch/launch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/plain.h"
#include "base/alloc.h"
#include "base/must.h"
#include "launch/state.h"

struct launch_config launch_config_default(void)
{
    return (struct launch_config){.times = {
        .restart_first_ms = 250,
        .restart_max_ms = 10000,
        .stable_ms = 60000,
        .grace_ms = 5000,
        .drain_ms = 8000,
        .dial = DIALLER_TIMES,
    }};
}

void launch_prefix(struct buf *out, const char *who, struct str line)
{
    bool json = log_format_now() == LOG_AS_JSON && line.n > 0 && line.p[0] == '{';
    buf_printf(out, json ? "{\"part\":\"%s\"," : "%s | ", who);
    plain_add(out, str_n(line.p + json, line.n - json), PLAIN_LINE); /* output that is not a log line, unchanged */
}

uint32_t launch_running(const struct launch *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++)
        n += a->workers[i] != NULL && part_has_process(a->workers[i]);
    return n;
}

static const struct part *find_part(const struct launch *a, const char *who)
{
    if (strcmp(a->head.name, who) == 0)
        return &a->head;
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (a->workers[i] != NULL && strcmp(a->workers[i]->name, who) == 0)
            return a->workers[i];
    }
    return NULL;
}

int launch_pid(const struct launch *a, const char *who)
{
    const struct part *p = find_part(a, who);
    return p != NULL && part_has_process(p) ? net_child_pid(p->child) : 0;
}

/* ---- the head's side ---- */

/* A head without a number takes ours, so it is not told before there is one. */
static void tell_head(struct launch *a, const char *note)
{
    if (a->link != NULL && a->begun)
        head_link_tell(a->link, &(struct head_link_state){launch_running(a), a->target, note});
}

static bool on_joined(struct head_link_state *out, void *user_data)
{
    const struct launch *a = user_data;
    *out = (struct head_link_state){launch_running(a), a->target, ""};
    return a->begun;
}

static void on_scale(uint32_t workers, void *user_data)
{
    launch_scale(user_data, workers);
}

static void changed(struct launch *a);

static void on_over(void *user_data)
{
    struct launch *a = user_data;
    a->link = NULL;
    changed(a);
}

static int join_head(struct launch *a, struct fault *f)
{
    const struct launch_config *cfg = &a->cfg;
    return head_link_new(a->loop, &(struct head_link_config){
        .host = cfg->host,
        .port = cfg->port,
        .join_token = cfg->join_token,
        .version = cfg->version,
        .node = "launcher",
        .times = cfg->times.dial,
        .on_scale = on_scale,
        .on_joined = on_joined,
        .on_over = on_over,
        .listener = a->listener,
        .user_data = a,
    }, &a->link, f);
}

/* ---- how many ---- */

void launch_want(struct launch *a, uint32_t i)
{
    if (a->workers[i] == NULL) {
        a->workers[i] = xalloc(sizeof *a->workers[i]);
        part_init(a->workers[i], a, i + 1);
    }
    if (a->workers[i]->state == PART_IDLE)
        part_keep_up(a->workers[i]);
}

/* Starts and stops workers until they agree with the target. A worker that is wanted again while it
 * leaves is restarted afterwards. */
static void match_target(struct launch *a)
{
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (i < a->target)
            launch_want(a, i);
        else if (a->workers[i] != NULL)
            part_stop(a->workers[i], !a->stopping);
    }
}

/* A new order is a new chance for workers that were given up. */
static void forgive(struct launch *a)
{
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (a->workers[i] != NULL && a->workers[i]->state == PART_GIVEN_UP)
            part_stop(a->workers[i], false);
    }
}

uint32_t launch_scale(struct launch *a, uint32_t workers)
{
    if (a->stopping)
        return 0;
    bool too_many = workers > LAUNCH_WORKERS_MAX;
    a->target = too_many ? LAUNCH_WORKERS_MAX : workers;
    a->scaled = a->begun = true;
    say(&a->listener, LOG_INFO, EVENT("keeping_up", KV("workers", a->target)), "keeping up %u workers", a->target);
    forgive(a);
    match_target(a);
    char note[64] = "";
    if (too_many)
        snprintf(note, sizeof note, "at most %d workers on one machine", LAUNCH_WORKERS_MAX);
    tell_head(a, note);
    return a->target;
}

void launch_begin(struct launch *a, uint32_t workers)
{
    if (a->stopping)
        return;
    a->begun = true;
    a->target = workers < LAUNCH_WORKERS_MAX ? workers : LAUNCH_WORKERS_MAX;
    changed(a);
}

/* ---- the end ---- */

static void stop_head_when_alone(struct launch *a)
{
    if (launch_running(a) == 0 || a->in_a_hurry || !part_has_process(&a->head))
        part_stop(&a->head, false);
}

static void kill_all(struct launch *a)
{
    part_kill(&a->head);
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (a->workers[i] != NULL)
            part_kill(a->workers[i]);
    }
}

/* A part's process came or went, or the link has ended. May free the launch. */
static void changed(struct launch *a)
{
    if (!a->stopping) {
        match_target(a);
        tell_head(a, "");
        return;
    }
    stop_head_when_alone(a);
    if (launch_running(a) > 0 || part_has_process(&a->head) || a->link != NULL)
        return;
    a->cfg.on_ended(&a->fault, a->cfg.user_data);
}

void launch_stop(struct launch *a)
{
    if (a->stopping) {
        a->in_a_hurry = true;
        stop_head_when_alone(a);
        kill_all(a);
        return;
    }
    a->stopping = true;
    a->target = 0;
    match_target(a);
    stop_head_when_alone(a);
    if (a->link != NULL)
        head_link_stop(a->link);
}

static bool is_hope_left(const struct launch *a)
{
    if (a->head.state == PART_GIVEN_UP)
        return false;
    for (uint32_t i = 0; i < a->target; i++) {
        if (a->workers[i]->state != PART_GIVEN_UP)
            return true;
    }
    return a->target == 0;
}

/* Ends the launch if a part was given up and no other part can still serve. */
static void on_part(struct launch *a, const struct fault *given_up)
{
    if (given_up != NULL && !a->stopping && !is_hope_left(a)) {
        a->fault = *given_up;
        launch_stop(a);
    } else if (given_up != NULL && !a->stopping) {
        tell_head(a, given_up->text);
    }
    if (given_up == NULL || a->stopping)
        changed(a);
}

/* ---- the start ---- */

struct launch *launch_start(struct net_loop *l, const struct launch_config *cfg, struct fault *f)
{
    MUST(cfg->on_ended != NULL);
    struct launch *a = xalloc(sizeof *a);
    a->cfg = *cfg;
    a->listener = (struct listener){cfg->on_event, cfg->user_data};
    a->loop = l;
    if (cfg->program != NULL)
        snprintf(a->program, sizeof a->program, "%s", cfg->program);
    else
        command_own_program(a->program, sizeof a->program);
    a->on_part = on_part;
    part_init(&a->head, a, 0);
    if (part_start(&a->head, f) != 0 || (!cfg->head_only && join_head(a, f) != 0)) {
        launch_free(a);
        return NULL;
    }
    a->begun = !cfg->begins_later && !cfg->head_only;
    a->target = cfg->workers < LAUNCH_WORKERS_MAX ? cfg->workers : LAUNCH_WORKERS_MAX;
    match_target(a);
    return a;
}

void launch_free(struct launch *a)
{
    if (a == NULL)
        return;
    if (a->link != NULL)
        head_link_abandon(a->link);
    part_fini(&a->head);
    for (uint32_t i = 0; i < LAUNCH_WORKERS_MAX; i++) {
        if (a->workers[i] == NULL)
            continue;
        part_fini(a->workers[i]);
        free(a->workers[i]);
    }
    free(a);
}
