/* Supervise one child process: start it, restart it when it dies, stop it with patience. Its states
 * are drawn in state.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/states.h"
#include "launch/state.h"

enum {
    HEAD_PROVES_ITSELF_MS = 3000, /* a first head that exits sooner has a lasting reason: its port is taken, … */
};

static const struct state part_states[] = {
    [PART_IDLE] = {"IDLE", TO(PART_RUNNING) | TO(PART_WAITING)},
    [PART_RUNNING] = {"RUNNING", TO(PART_IDLE) | TO(PART_WAITING) | TO(PART_STOPPING) | TO(PART_GIVEN_UP)},
    [PART_WAITING] = {"WAITING", TO(PART_RUNNING) | TO(PART_WAITING) | TO(PART_IDLE)},
    [PART_STOPPING] = {"STOPPING", TO(PART_IDLE)},
    [PART_GIVEN_UP] = {"GIVEN_UP", TO(PART_RUNNING) | TO(PART_WAITING) | TO(PART_IDLE)},
};

static void move(struct part *p, enum part_state to)
{
    p->state = state_next(part_states, "part", p->state, to);
}

static void set_timer(struct part *p, uint32_t ms)
{
    net_timer_set(p->timer, net_now_us(p->launch->loop) + ms * (uint64_t)1000);
}

/* ---- its end ---- */

static uint64_t ran_ms(const struct part *p)
{
    return (net_now_us(p->launch->loop) - p->started_us) / 1000;
}

static void describe_exit(char *out, size_t cap, int64_t status, int signum)
{
    if (signum != 0)
        snprintf(out, cap, "was killed by signal %d (%s)", signum, strsignal(signum));
    else
        snprintf(out, cap, "ended with status %lld", (long long)status);
}

/* True if another try would end in the same way. */
static bool is_hopeless(const struct part *p, int64_t status, int signum)
{
    if (signum != 0 || status == 0)
        return false;
    if (p->index == 0 && p->starts == 1 && ran_ms(p) < HEAD_PROVES_ITSELF_MS)
        return true;
    return status == err_exit(ERR_USAGE) || status == err_exit(ERR_AUTH) || status == err_exit(ERR_MEMORY) ||
           status == err_exit(ERR_MODEL);
}

static void give_up(struct part *p, const char *how, int64_t status)
{
    struct fault f;
    move(p, PART_GIVEN_UP);
    launch_reason(&f, p->name, how, p->last_line);
    say(&p->launch->listener, LOG_ERROR, EVENT("child_given_up", KV("part", p->name), KV("code", err_name(f.err)), KV("status", (uint64_t)status)),
        "%s; not starting it again", f.text);
    p->launch->on_part(p->launch, &f);
}

static void wait_and_try_again(struct part *p, const char *how)
{
    const struct launch_times *t = &p->launch->cfg.times;
    if (p->pause_ms == 0 || ran_ms(p) >= t->stable_ms)
        p->pause_ms = t->restart_first_ms;
    move(p, PART_WAITING);
    set_timer(p, p->pause_ms);
    say(&p->launch->listener, LOG_WARN, EVENT("child_died", KV("part", p->name), KV("wait_ms", p->pause_ms)),
        "%s %s: starting it again in %u ms", p->name, how, p->pause_ms);
    p->pause_ms = p->pause_ms * 2 < t->restart_max_ms ? p->pause_ms * 2 : t->restart_max_ms;
    p->launch->on_part(p->launch, NULL);
}

static void on_exit_of(struct net_child *c, int64_t status, int signum, void *user_data)
{
    (void)c;
    struct part *p = user_data;
    char how[96];
    describe_exit(how, sizeof how, status, signum);
    p->child = NULL;
    net_timer_set(p->timer, UINT64_MAX);
    if (p->state == PART_STOPPING || p->launch->stopping) {
        move(p, PART_IDLE);
        p->pause_ms = 0;
        say(&p->launch->listener, LOG_INFO, EVENT("child_stopped", KV("part", p->name)), "%s stopped", p->name);
        p->launch->on_part(p->launch, NULL);
    } else if (is_hopeless(p, status, signum)) {
        give_up(p, how, status);
    } else {
        wait_and_try_again(p, how);
    }
}

/* ---- its life ---- */

/* Keeps the last line, or the last one that contains "error": it mostly says why the child ended. */
static void note_words(struct part *p, struct str line)
{
    bool says_error = str_holds(line, "error");
    if (line.n == 0 || (p->says_error && !says_error))
        return;
    p->says_error = says_error;
    snprintf(p->last_line, sizeof p->last_line, "%.*s", STR_ARG(line));
}

static void on_line(struct net_child *c, struct str line, void *user_data)
{
    (void)c;
    struct part *p = user_data;
    note_words(p, line);
    if (p->launch->cfg.on_line != NULL)
        p->launch->cfg.on_line(p->name, line, p->launch->cfg.user_data);
}

int part_start(struct part *p, struct fault *f)
{
    struct launch *a = p->launch;
    struct command command;
    int err = command_make(&command, p, f);
    if (err != 0)
        return err;
    p->last_line[0] = '\0';
    p->says_error = false;
    p->started_us = net_now_us(a->loop); /* also of a try that starts nothing: that part has not run */
    p->child = net_spawn(a->loop,
                         &(struct net_child_config){.argv = command.argv, .env_add = p->index == 0 ? a->cfg.head_env : a->cfg.worker_env, .on_line = on_line,
                                                    .on_exit = on_exit_of, .user_data = p}, f);
    if (p->child == NULL)
        return ERR_IO;
    move(p, PART_RUNNING);
    p->starts++;
    say(&a->listener, LOG_INFO, EVENT("child_started", KV("part", p->name), KV("pid", net_child_pid(p->child))),
        "%s started, pid %d", p->name, net_child_pid(p->child));
    return 0;
}

void part_keep_up(struct part *p)
{
    struct fault f = {0};
    if (part_start(p, &f) != 0)
        wait_and_try_again(p, f.text);
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    struct part *p = user_data;
    if (p->state == PART_WAITING) {
        part_keep_up(p);
        if (p->state == PART_RUNNING)
            p->launch->on_part(p->launch, NULL);
    } else if (p->state == PART_STOPPING) {
        say(&p->launch->listener, LOG_WARN, EVENT("child_hangs", KV("part", p->name)),
            "%s did not stop within %u ms: killing it", p->name, p->grace_ms);
        part_kill(p);
    }
}

static void ask_to_end(struct part *p, bool drain)
{
    const struct launch_times *t = &p->launch->cfg.times;
    net_child_kill(p->child, drain ? SIGTERM : SIGINT);
    p->drains = drain;
    p->grace_ms = t->grace_ms + (drain ? t->drain_ms : 0);
    set_timer(p, p->grace_ms);
}

void part_stop(struct part *p, bool drain)
{
    switch (p->state) {
    case PART_RUNNING:
        move(p, PART_STOPPING);
        ask_to_end(p, drain);
        break;
    case PART_STOPPING:
        if (p->drains && !drain)
            ask_to_end(p, false); /* no drain: everything ends now */
        break;
    case PART_WAITING:
    case PART_GIVEN_UP:
        move(p, PART_IDLE);
        net_timer_set(p->timer, UINT64_MAX);
        break;
    case PART_IDLE: break;
    }
}

void part_kill(struct part *p)
{
    if (p->child != NULL)
        net_child_kill(p->child, SIGKILL);
}

void part_init(struct part *p, struct launch *a, uint32_t index)
{
    *p = (struct part){.launch = a, .index = index, .timer = net_timer_new(a->loop, on_timer, p)};
    if (index == 0)
        snprintf(p->name, sizeof p->name, "head");
    else
        snprintf(p->name, sizeof p->name, "worker-%u", index);
}

void part_fini(struct part *p)
{
    if (p->child != NULL)
        net_child_abandon(p->child);
    net_timer_free(p->timer);
}
