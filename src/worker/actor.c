#include "worker/actor_state.h"

#include "brain/agent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/must.h"
#include "base/wait.h"
#include "worker/actor_mail.h"
#include "worker/scribe.h"

/* The thread owns the engine and the batcher; the loop owns the events. Commands cross through a
 * locked list, events through net_mail. The load figures are copied under the same lock, after
 * each step. */

enum command_kind { CMD_RUN, CMD_CANCEL, CMD_SAVE, CMD_GIVE, CMD_PREPARED };

struct command {
    struct list link;        /* in actor.commands */
    enum command_kind kind;
    uint64_t ticket;
    struct request *request; /* RUN; owned */
    int32_t *resume;         /* owned */
    uint32_t resume_n;
    bool held;               /* RUN */
    struct buf carry;        /* GIVE; owned */
    uint64_t bytes_max;      /* SAVE */
    struct prompt prompt;    /* PREPARED; owned */
};

/* ---- thread -> loop ---- */

static void on_mail(struct net_mail *m, struct net_mail_item *items, void *user_data)
{
    (void)m;
    struct actor *a = user_data;
    actor_mail_open(items, a->cfg.on_event, a->cfg.user_data);
}

static void add_to_step(struct actor *a, struct actor_mail *l)
{
    l->event.key = a->cfg.key;
    if (a->step_last != NULL)
        a->step_last->next = l;
    else
        a->step_first = l;
    a->step_last = l;
}

/* Called by the batcher within a step: keeps a copy of the event until the step's end. */
static void on_batcher_event(const struct batcher_event *ev, void *user_data)
{
    struct actor *a = user_data;
    struct actor_mail *l = actor_mail_of_event(ev);
    add_to_step(a, l);
}

/* Posts all events of a step as one piece of mail, so that they leave as one write. */
static void post_step(struct actor *a)
{
    struct actor_mail *first = a->step_first;
    a->step_first = a->step_last = NULL;
    if (first != NULL)
        net_mail_post(a->mail, &first->item);
}

/* ---- the thread ---- */

static uint64_t now(void *user_data)
{
    (void)user_data;
    return clock_us();
}

static void command_free(struct command *c)
{
    buf_fini(&c->carry);
    prompt_free(&c->prompt);
    free(c->request);
    free(c->resume);
    free(c);
}

static void command(struct actor *a, struct command c)
{
    struct command *copy = xalloc(sizeof *copy);
    *copy = c;
    pthread_mutex_lock(&a->lock);
    list_push(&a->commands, &copy->link);
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

/* Waits for a command; while a file is held, at most a second: no computation would notice a
 * change of the file meanwhile. Returns true when it is time to look at the file. */
static bool is_time_to_look(struct actor *a)
{
    if (a->hold.fd < 0 || a->lost)
        return pthread_cond_wait(&a->wake, &a->lock) != 0;
    struct timespec until = wait_until(1000);
    return pthread_cond_timedwait(&a->wake, &a->lock, &until) != 0;
}

/* Moves all commands to `out`; when `idle`, first waits for commands or for the time to look at
 * the file. Returns false to stop. */
static bool take_commands(struct actor *a, bool idle, struct list *out)
{
    pthread_mutex_lock(&a->lock);
    batcher_load(a->batcher, &a->load);
    while (idle && !a->stop && list_empty(&a->commands) && !is_time_to_look(a))
        continue;
    a->progress_us = clock_us();
    LIST_EACH_SAFE(pos, nxt, &a->commands)
    {
        list_remove(pos);
        list_push(out, pos);
    }
    bool go_on = !a->stop;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

static void run(struct actor *a, struct command *c)
{
    batcher_take(a->batcher, c->ticket, c->request, c->resume, c->resume_n);
    c->request = NULL;
    if (c->held)
        batcher_hold(a->batcher, c->ticket);
}

/* Adds the mail before saving, because saving brings about DONE: a receiver of DONE would pass
 * it on first. */
static void save(struct actor *a, uint64_t ticket, uint64_t bytes_max)
{
    struct actor_mail *l = xalloc(sizeof *l);
    l->carry = buf_max((size_t)bytes_max);
    l->event.kind = ACTOR_SAVED;
    l->event.ticket = ticket;
    l->event.carry = &l->carry;
    add_to_step(a, l);
    if (batcher_save(a->batcher, ticket, &l->carry, &l->event.fault) != 0)
        buf_fini(&l->carry); /* possibly half written */
}

static void obey(struct actor *a, struct command *c)
{
    switch (c->kind) {
    case CMD_RUN: run(a, c); break;
    case CMD_CANCEL: batcher_cancel(a->batcher, c->ticket); break;
    case CMD_SAVE: save(a, c->ticket, c->bytes_max); break;
    case CMD_GIVE: batcher_give(a->batcher, c->ticket, &c->carry); break;
    case CMD_PREPARED: batcher_prepared(a->batcher, c->ticket, &c->prompt); break;
    }
}

/* Called before the step, so that an engine that hangs in the step counts as busy: waiting jobs
 * get the free slots in it. */
static void note_load_of_step(struct actor *a)
{
    struct batcher_load l;
    batcher_load(a->batcher, &l);
    uint32_t free_slots = l.busy < a->cfg.load.slots ? a->cfg.load.slots - l.busy : 0;
    uint32_t ready = l.waiting - l.held; /* held jobs wait for another worker, not for this engine */
    uint32_t admitted = ready < free_slots ? ready : free_slots;
    l.busy += admitted;
    l.waiting -= admitted;
    pthread_mutex_lock(&a->lock);
    a->load = l;
    pthread_mutex_unlock(&a->lock);
}

static void use_threads(struct actor *a, uint32_t threads)
{
    if (threads == a->threads || a->cfg.ops->set_threads == NULL)
        return;
    a->cfg.ops->set_threads(a->engine, threads);
    a->threads = threads;
}

/* An idle actor has no threads that spin beside those of the others. */
static void rest(struct actor *a)
{
    if (!a->works || a->cfg.thread_budget->actors == 1)
        return;
    a->works = false;
    atomic_fetch_sub(&a->cfg.thread_budget->busy, 1);
    use_threads(a, 1);
}

/* Called before each step: the number of busy actors may have changed. */
static void work(struct actor *a)
{
    struct actor_thread_budget *thread_budget = a->cfg.thread_budget;
    if (thread_budget->actors == 1)
        return;
    if (!a->works)
        atomic_fetch_add(&thread_budget->busy, 1);
    a->works = true;
    unsigned busy = atomic_load(&thread_budget->busy);
    use_threads(a, thread_budget->threads > busy ? thread_budget->threads / busy : 1);
}

static void serve(struct actor *a)
{
    bool idle = true;
    struct list commands;
    list_init(&commands);
    a->threads = a->cfg.load.threads;
    while (take_commands(a, idle, &commands)) {
        if (idle && list_empty(&commands)) {
            actor_look_at_file(a);
            continue;
        }
        work(a);
        LIST_EACH_SAFE(pos, nxt, &commands)
        {
            struct command *c = list_item(pos, struct command, link);
            list_remove(pos);
            obey(a, c);
            command_free(c);
        }
        note_load_of_step(a);
        idle = !batcher_step(a->batcher);
        post_step(a);
        actor_look_at_file(a);
        if (idle)
            rest(a);
    }
    rest(a);
    LIST_EACH_SAFE(pos, nxt, &commands)
    {
        list_remove(pos);
        command_free(list_item(pos, struct command, link));
    }
}

/* ---- prompts: the scribe turns them into tokens ---- */

static void on_prompt(uint64_t ticket, struct prompt *p, void *user_data)
{
    command(user_data, (struct command){.kind = CMD_PREPARED, .ticket = ticket, .prompt = *p});
    *p = (struct prompt){0};
}

static void prepare(uint64_t ticket, const struct request *r, void *user_data)
{
    struct actor *a = user_data;
    scribe_take(a->scribe, ticket, r);
}

static bool forget(uint64_t ticket, void *user_data)
{
    struct actor *a = user_data;
    return scribe_forget(a->scribe, ticket);
}

static struct scribe *open_scribe(struct actor *a)
{
    return scribe_new(&(struct scribe_config){.ops = a->cfg.ops, .engine = a->engine, .memory_bytes = a->cfg.thread_budget->prompt_bytes,
                                              .long_turn = &a->cfg.thread_budget->long_turn, .on_done = on_prompt, .user_data = a});
}

static void serve_until_stopped(struct actor *a)
{
    struct batcher_config cfg = {
        .ops = a->cfg.ops,
        .engine = a->engine,
        .step_ms = a->cfg.step_ms,
        .prefix_bytes = a->cfg.prefix_bytes,
        /* One head never sends more jobs than slots, but several heads may, and adrift answers
         * take slots, too. */
        .queue_max = a->cfg.load.slots * AGENT_HEADS_MAX,
        .prepare = prepare,
        .forget = forget,
        .prepare_user_data = a,
        .now_us = now,
    };
    a->scribe = open_scribe(a);
    a->batcher = batcher_new(&cfg, on_batcher_event, a);
    serve(a);
    scribe_free(a->scribe); /* it reads requests of the batcher's jobs */
    batcher_free(a->batcher);
    a->cfg.ops->free(a->engine);
}

static void *actor_thread(void *arg)
{
    struct actor *a = arg;
    file_hold_begin(&a->hold, a->cfg.key, a->cfg.load.path);
    file_hold_watch(&a->hold);
    if (actor_thread_load(a) == 0)
        serve_until_stopped(a);
    file_hold_end(&a->hold);
    pthread_mutex_lock(&a->lock);
    a->ended = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- loop -> thread ---- */

struct actor *actor_start(struct net_loop *loop, const struct actor_config *cfg)
{
    struct actor *a = xalloc(sizeof *a);
    a->cfg = *cfg;
    list_init(&a->commands);
    pthread_mutex_init(&a->lock, NULL);
    wait_init(&a->wake);
    a->mail = net_mail_new(loop, on_mail, a);
    MUST(pthread_create(&a->thread, NULL, actor_thread, a) == 0);
    return a;
}

void actor_run(struct actor *a, uint64_t ticket, struct request *request, const int32_t *resume, uint32_t resume_n, bool held)
{
    struct command c = {.kind = CMD_RUN, .ticket = ticket, .request = request, .resume_n = resume_n, .held = held};
    if (resume_n > 0) {
        c.resume = xalloc_array(resume_n, sizeof *resume);
        memcpy(c.resume, resume, resume_n * sizeof *resume);
    }
    command(a, c);
}

void actor_cancel(struct actor *a, uint64_t ticket)
{
    command(a, (struct command){.kind = CMD_CANCEL, .ticket = ticket});
}

void actor_save(struct actor *a, uint64_t ticket, uint64_t bytes_max)
{
    command(a, (struct command){.kind = CMD_SAVE, .ticket = ticket, .bytes_max = bytes_max});
}

void actor_give(struct actor *a, uint64_t ticket, struct buf *carry)
{
    command(a, (struct command){.kind = CMD_GIVE, .ticket = ticket, .carry = *carry});
    *carry = buf_max(0);
}

void actor_load(struct actor *a, struct batcher_load *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->load;
    out->last_token_us = a->progress_us;
    pthread_mutex_unlock(&a->lock);
}

static void ignore(const struct actor_event *event, void *user_data)
{
    (void)event;
    (void)user_data;
}

void actor_stop(struct actor *a)
{
    if (a == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    if (!a->stop)
        a->give_up = wait_until(ACTOR_STOP_S * 1000);
    a->stop = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

bool actor_free(struct actor *a)
{
    if (a == NULL)
        return true;
    actor_stop(a);
    pthread_mutex_lock(&a->lock);
    bool ended = wait_flag(&a->wake, &a->lock, &a->ended, &a->give_up);
    pthread_mutex_unlock(&a->lock);
    if (!ended)
        return false; /* the thread is stuck in a call of the engine */
    pthread_join(a->thread, NULL);
    actor_mail_open(net_mail_free(a->mail), ignore, NULL);
    LIST_EACH_SAFE(pos, nxt, &a->commands)
    {
        list_remove(pos);
        command_free(list_item(pos, struct command, link));
    }
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->wake);
    free(a);
    return true;
}
