/* The program around struct head: feeds it, carries its effects out, checks it. */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

/* head_check() walks everything it has: too long for every step, and the longer the more there is. While it settles all
 * steps of small clusters are checked. */
enum { CHECK_EVERY_STEPS = 64, SMALL = 50, GREAT = 300 };

static void coordinator_tick(struct sim *s, uint64_t no, uint64_t life, uint64_t at_us);

uint64_t coordinator_now(const struct sim *s, const struct coordinator *c)
{
    return s->now_us + c->clock_us;
}

static void coordinator_wake(struct sim *s, struct coordinator *c)
{
    uint64_t due_us = head_deadline(c->head);
    if (due_us == SIM_NEVER)
        return;
    due_us = due_us > coordinator_now(s, c) ? due_us - c->clock_us : s->now_us;
    if (due_us >= c->tick_at_us)
        return;
    c->tick_at_us = due_us;
    sim_at(s, due_us, coordinator_tick, c->no, c->life, due_us);
}

static void coordinator_tick(struct sim *s, uint64_t no, uint64_t life, uint64_t at_us)
{
    struct coordinator *c = &s->heads[no];
    uint64_t until_us;
    if (c->head == NULL || c->life != life || c->tick_at_us != at_us)
        return;
    if (coordinator_asleep(s, c, &until_us)) {
        c->tick_at_us = until_us;
        sim_at(s, until_us, coordinator_tick, no, life, until_us);
        return;
    }
    c->tick_at_us = SIM_NEVER;
    coordinator_feed(s, c, (struct head_event){.kind = HEAD_TICK});
}

bool coordinator_asleep(const struct sim *s, const struct coordinator *c, uint64_t *until_us)
{
    *until_us = c->stalled_until_us;
    return *until_us > s->now_us;
}

struct coordinator *coordinator_any(struct sim *s)
{
    uint64_t first = sim_between(s, 0, s->heads_n - 1), until_us;
    for (uint64_t i = 0; i < s->heads_n; i++) {
        struct coordinator *c = &s->heads[(first + i) % s->heads_n];
        if (c->head != NULL && !coordinator_asleep(s, c, &until_us))
            return c;
    }
    return NULL;
}

/* All heads are alike, as people who run several would have it. */
static struct head_config config_of(struct sim *s)
{
    static const uint32_t queues[] = {32, 200, 1024}, attempts[] = {2, 3, 4};
    struct head_config cfg = head_config_default();
    cfg.balance = (enum balance)sim_between(s, 0, BALANCE_COUNT - 1);
    cfg.queue_jobs_max = queues[sim_between(s, 0, 2)];
    cfg.attempts_max = attempts[sim_between(s, 0, 2)];
    cfg.token_stall_ms = 6000;
    cfg.token_floor_ms = 3000;
    cfg.queue_deadline_ms = s->mood.deadline_ms;
    cfg.links_max = cfg.newcomers_max = cfg.actors_max = 4096 + 8 * s->opt.workers;
    if (s->opt.scale)
        cfg.scale = (struct scale_limits){.min = 0, .max = 4, .idle_s = (uint32_t)sim_between(s, 5, 25)};
    cfg.scale_given = s->opt.scale && sim_chance(s, 30);
    cfg.scale.mode = cfg.scale_given ? SCALE_AUTO : SCALE_FIXED;
    cfg.version = str_of("sim");
    cfg.join_token = str_of(s->mood.token ? "let me in" : "");
    return cfg;
}

/* A process that knows nothing. */
static void coordinator_begin(struct sim *s, struct coordinator *c)
{
    c->head = head_new(&c->cfg, coordinator_now(s, c));
    c->tick_at_us = SIM_NEVER;
    c->models = c->models_ready = 0;
    c->rebalanced_n = 0; /* jobs are numbered anew */
    free(c->call_of_job);
    c->call_of_job = NULL;
    c->jobs_cap = 0;
    c->began_us = coordinator_now(s, c);
}

void coordinator_start(struct sim *s, struct coordinator *c)
{
    if (c->life++ == 0) {
        c->no = (uint32_t)(c - s->heads);
        c->cfg = c->no == 0 ? config_of(s) : s->heads[0].cfg;
        list_init(&c->links);
        list_init(&c->askings);
    }
    c->cfg.seed = rng_next(&s->rng);
    c->clock_us = sim_between(s, 0, 1000 * (uint64_t)SIM_S);
    coordinator_begin(s, c);
    sim_trace(s, "head starts", "", c->no, c->life, 0);
    coordinator_wake(s, c);
}

static void links_break(struct sim *s, struct coordinator *c)
{
    while (!list_empty(&c->links))
        link_reset(s, list_item(c->links.next, struct link, in_head));
}

void coordinator_gives_place(struct sim *s, struct coordinator *c)
{
    sim_trace(s, "head gives its place", "", c->no, c->life, 0);
    head_free(c->head);
    links_break(s, c);
    c->life++;
    c->cfg.seed = rng_next(&s->rng); /* its machine is the same one, and so is the clock */
    coordinator_begin(s, c);
    coordinator_wake(s, c);
}

void coordinator_dies(struct sim *s, struct coordinator *c)
{
    sim_trace(s, "head dies", "", c->no, c->life, 0);
    head_free(c->head);
    c->head = NULL;
    links_break(s, c);
    while (!list_empty(&c->askings))
        client_loses_head(s, list_item(c->askings.next, struct asking, in_head));
}

void coordinator_fini(struct coordinator *c)
{
    head_free(c->head);
    effects_fini(&c->fx);
    free(c->call_of_job);
}

static uint32_t model_bit(struct str model)
{
    static const char *const names[] = {
        [MODEL_smollm2] = "smollm2", [MODEL_gpt2] = "gpt2", [MODEL_nomic] = "nomic", [MODEL_broken] = "broken"};
    for (uint32_t i = 0; i < MODEL_COUNT; i++)
        if (str_is(model, names[i]))
            return 1u << i;
    return 0;
}

void coordinator_hears(struct coordinator *c, const struct wire_actor *is)
{
    c->models |= model_bit(is->model);
    if (is->state == WIRE_ACTOR_READY)
        c->models_ready |= model_bit(is->model);
}

bool coordinator_knows(const struct coordinator *c, struct str model, bool ready)
{
    uint32_t known = ready ? c->models_ready : c->models;
    uint32_t wanted = model.n != 0 ? model_bit(model) : ~(1u << MODEL_nomic); /* any that makes text */
    return (known & wanted) != 0;
}

bool coordinator_settled(const struct sim *s, const struct coordinator *c)
{
    return coordinator_now(s, c) >= c->began_us + (uint64_t)c->cfg.settle_ms * SIM_MS;
}

/* ---- effects ---- */

static struct link *link_of(struct sim *s, const struct coordinator *c, const struct fx *fx)
{
    struct link *l = table_get(&s->arrivals, fx->link);
    SIM_MUST(s, l != NULL && l->far_up && l->far == c, "an effect for link %llu, which is not there", (unsigned long long)fx->link);
    SIM_MUST(s, !l->given_up, "an effect for link %llu, which the head has closed", (unsigned long long)fx->link);
    return l;
}

static void lost_probe(struct sim *s, const struct link *l)
{
    const struct worker *w = table_get(&s->workers, l->worker);
    if (w == NULL)
        return;
    bool one = worker_cut_until(w, l->far, TO_HEAD) > s->now_us, other = worker_cut_until(w, l->far, TO_DIALLER) > s->now_us;
    if (w->power_lost || w->frozen_until_us > s->now_us || one)
        PROBE(s, lost_by_silence);
    if (one != other)
        PROBE(s, lost_half_open);
}

static void refused_probe(struct sim *s, const struct link *l, const struct wire_refuse *r)
{
    if (r->error == -ERR_VERSION)
        PROBE(s, refused_version);
    else if (r->error == -ERR_AUTH)
        PROBE(s, refused_token);
    else if (r->error == -ERR_TIMEOUT && l->stranger != 0)
        PROBE(s, hello_never_came);
}

static void alias_probe(struct sim *s, const struct event_field *event)
{
    if (event_is(event, "model_aliased"))
        PROBE(s, told_apart);
    if (event_is(event, "model_renamed"))
        PROBE(s, name_passed_on);
}

static void back_probe(struct sim *s, const struct event_field *event)
{
    if (!event_is(event, "replaced"))
        return;
    if (event_get(event, "workers") >= event_get(event, "of"))
        PROBE(s, replaced_all_back);
    else
        PROBE(s, replaced_overdue);
}

/* O11: an answer that went to an idle actor stays there for a while. */
static void rebalanced_check(struct sim *s, struct coordinator *c, const struct event_field *event)
{
    uint64_t now_us = coordinator_now(s, c), job = event_get(event, "job");
    if (!event_is(event, "job_rebalanced"))
        return;
    for (uint32_t i = 0; i < SIM_REBALANCED && i < c->rebalanced_n; i++)
        SIM_MUST(s, c->last[i].job != job || now_us >= c->last[i].at_us + c->cfg.rebalance_again_ms * (uint64_t)SIM_MS,
                 "O11: job %llu goes from idle actor to idle actor", (unsigned long long)job);
    c->last[c->rebalanced_n++ % SIM_REBALANCED] = (struct rebalanced){job, now_us};
    PROBE(s, rebalanced);
}

static void carry_out(struct sim *s, struct coordinator *c, const struct fx *fx)
{
    struct link *l;
    switch (fx->kind) {
    case FX_SEND:
        l = link_of(s, c, fx);
        if (fx->msg.type == WIRE_run)
            oracle_run(s, c, l->worker, &fx->msg.run);
        else if (fx->msg.type == WIRE_adopt)
            oracle_adopt(s, c, l->worker, &fx->msg.adopt);
        else if (fx->msg.type == WIRE_refuse)
            refused_probe(s, l, &fx->msg.refuse);
        link_send(s, l, TO_DIALLER, &fx->msg);
        break;
    case FX_CLOSE_LINK:
        l = link_of(s, c, fx);
        sim_trace(s, "head closes", "", l->id, l->worker, l->stranger);
        lost_probe(s, l);
        l->given_up = true;
        if (!l->closing)
            link_close(s, l);
        break;
    case FX_LOG:
        alias_probe(s, fx->event);
        back_probe(s, fx->event);
        rebalanced_check(s, c, fx->event);
        sim_trace(s, "head logs", fx->tag != NULL ? fx->tag : "", fx->level, 0, 0);
        if (s->opt.trace)
            sim_say(fx->tag, fx->text);
        break;
    case FX_PROGRESS: /* nobody asks for it */
    case FX_CHOSEN:
    case FX_LEFT: break; /* told to people, no part of an answer */
    case FX_RESUMED:
    case FX_STARTED:
    case FX_TOKENS:
    case FX_BRANCH_DONE:
    case FX_CALL_END:
    case FX_CALL_FAILED:
        oracle_effect(s, c, fx);
        break;
    }
}

static void limits_check(struct sim *s, const struct coordinator *c)
{
    struct head_totals t;
    head_check(c->head, coordinator_now(s, c));
    head_totals(c->head, &t);
    SIM_MUST(s, t.queue_bytes <= c->cfg.queue_bytes_max, "%llu bytes of requests held", (unsigned long long)t.queue_bytes);
    uint64_t open = c->askings_n - c->seeks_n;
    SIM_MUST(s, t.calls == open, "head %u knows %u calls, %llu are open", c->no, t.calls, (unsigned long long)open);
}

static bool check_is_due(const struct sim *s, const struct coordinator *c)
{
    uint64_t every = s->opt.workers > GREAT ? 4ull * s->opt.workers : CHECK_EVERY_STEPS;
    if (s->ended && s->opt.workers <= GREAT)
        every = s->opt.workers <= SMALL ? 1 : CHECK_EVERY_STEPS / 8;
    return c->steps % every == 0;
}

void coordinator_feed(struct sim *s, struct coordinator *c, struct head_event ev)
{
    ev.now_us = coordinator_now(s, c);
    effects_reset(&c->fx);
    head_step(c->head, &ev, &c->fx);
    for (size_t i = 0; i < c->fx.n; i++)
        carry_out(s, c, &c->fx.fx[i]);
    c->steps++;
    if (check_is_due(s, c))
        limits_check(s, c);
    coordinator_wake(s, c);
}
