/* The program around struct head: feeds it, carries its effects out, checks it. */
#include "sim.h"

enum { CHECK_EVERY_STEPS = 64 }; /* head_check() walks everything it has: too long for every step */

static void coordinator_tick(struct sim *s, uint64_t life, uint64_t at_us, uint64_t x);

static void coordinator_wake(struct sim *s)
{
    struct coordinator *c = &s->head;
    uint64_t due_us = head_deadline(c->head);
    if (due_us == SIM_NEVER || due_us >= c->tick_at_us)
        return;
    c->tick_at_us = due_us;
    sim_at(s, due_us, coordinator_tick, c->life, due_us, 0);
}

static void coordinator_tick(struct sim *s, uint64_t life, uint64_t at_us, uint64_t x)
{
    (void)x;
    struct coordinator *c = &s->head;
    uint64_t until_us;
    if (c->head == NULL || c->life != life || c->tick_at_us != at_us)
        return;
    if (coordinator_asleep(s, &until_us)) {
        c->tick_at_us = until_us;
        sim_at(s, until_us, coordinator_tick, life, until_us, 0);
        return;
    }
    c->tick_at_us = SIM_NEVER;
    coordinator_feed(s, (struct head_event){.kind = HEAD_TICK});
}

bool coordinator_asleep(struct sim *s, uint64_t *until_us)
{
    *until_us = s->head.stalled_until_us;
    return *until_us > s->now_us;
}

void coordinator_start(struct sim *s)
{
    struct coordinator *c = &s->head;
    static const uint32_t queues[] = {32, 200, 1024}, attempts[] = {2, 3, 4};
    if (c->life++ == 0) {
        c->cfg = head_config_default();
        c->cfg.balance = (enum balance)sim_between(s, 0, BALANCE_COUNT - 1);
        c->cfg.queue_jobs_max = queues[sim_between(s, 0, 2)];
        c->cfg.attempts_max = attempts[sim_between(s, 0, 2)];
        c->cfg.token_stall_ms = 6000;
        c->cfg.token_floor_ms = 3000;
        c->cfg.queue_deadline_ms = s->mood.deadline_ms;
        c->cfg.version = str_of("sim");
        c->cfg.join_token = str_of(s->mood.token ? "let me in" : "");
    }
    c->cfg.seed = rng_next(&s->rng);
    c->head = head_new(&c->cfg, s->now_us);
    c->tick_at_us = SIM_NEVER;
    c->models = c->models_ready = 0;
    c->began_us = s->now_us;
    sim_trace(s, "head starts", "", c->life, 0, 0);
    coordinator_wake(s);
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

void coordinator_hears(struct sim *s, const struct wire_actor *is)
{
    s->head.models |= model_bit(is->model);
    if (is->state == WIRE_ACTOR_READY)
        s->head.models_ready |= model_bit(is->model);
}

bool coordinator_knows(const struct sim *s, struct str model, bool ready)
{
    uint32_t known = ready ? s->head.models_ready : s->head.models;
    uint32_t wanted = model.n != 0 ? model_bit(model) : ~(1u << MODEL_nomic); /* any that makes text */
    return (known & wanted) != 0;
}

bool coordinator_settled(const struct sim *s)
{
    return s->now_us >= s->head.began_us + (uint64_t)s->head.cfg.settle_ms * SIM_MS;
}

void coordinator_stop(struct sim *s)
{
    head_free(s->head.head);
    s->head.head = NULL;
}

/* ---- effects ---- */

static struct link *link_of(struct sim *s, const struct fx *fx)
{
    struct link *l = table_get(&s->arrivals, fx->link);
    SIM_MUST(s, l != NULL && l->far_up, "an effect for link %llu, which is not there", (unsigned long long)fx->link);
    SIM_MUST(s, !l->given_up, "an effect for link %llu, which the head has closed", (unsigned long long)fx->link);
    return l;
}

static void lost_probe(struct sim *s, const struct link *l)
{
    const struct worker *w = table_get(&s->workers, l->worker);
    if (w == NULL)
        return;
    if (w->power_lost || w->frozen_until_us > s->now_us || w->cut_until_us > s->now_us)
        PROBE(s, lost_by_silence);
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

static void namesake_probe(struct sim *s, struct str line)
{
    if (memmem(line.p, line.n, "is another file here", 20) != NULL)
        PROBE(s, told_apart);
    if (memmem(line.p, line.n, "is from now on what was", 23) != NULL)
        PROBE(s, name_passed_on);
}

static void carry_out(struct sim *s, const struct fx *fx)
{
    struct link *l;
    switch (fx->kind) {
    case FX_SEND:
        l = link_of(s, fx);
        if (fx->msg.type == WIRE_run)
            oracle_run(s, l->worker, &fx->msg.run);
        else if (fx->msg.type == WIRE_refuse)
            refused_probe(s, l, &fx->msg.refuse);
        link_send(s, l, TO_DIALLER, &fx->msg);
        break;
    case FX_CLOSE_LINK:
        l = link_of(s, fx);
        sim_trace(s, "head closes", "", l->id, l->worker, l->stranger);
        lost_probe(s, l);
        l->given_up = true;
        if (!l->closing)
            link_close(s, l);
        break;
    case FX_LOG:
        namesake_probe(s, fx->text);
        sim_trace(s, "head logs", fx->tag != NULL ? fx->tag : "", fx->level, fx->text.n, 0);
        if (s->opt.trace)
            sim_say(fx->tag, fx->text);
        break;
    case FX_STARTED:
    case FX_TOKENS:
    case FX_BRANCH_DONE:
    case FX_CALL_END:
    case FX_CALL_FAILED:
        oracle_effect(s, fx);
        break;
    }
}

static void limits_check(struct sim *s)
{
    struct head_totals t;
    const struct head_config *cfg = &s->head.cfg;
    head_check(s->head.head, s->now_us);
    head_totals(s->head.head, &t);
    SIM_MUST(s, t.queue_bytes <= cfg->queue_bytes_max, "%llu bytes of requests held",
             (unsigned long long)t.queue_bytes);
    SIM_MUST(s, t.calls == s->calls_open, "the head knows %u calls, %llu are open", t.calls,
             (unsigned long long)s->calls_open);
}

void coordinator_feed(struct sim *s, struct head_event ev)
{
    struct coordinator *c = &s->head;
    ev.now_us = s->now_us;
    effects_reset(&c->fx);
    head_step(c->head, &ev, &c->fx);
    for (size_t i = 0; i < c->fx.n; i++)
        carry_out(s, &c->fx.fx[i]);
    if (++c->steps % CHECK_EVERY_STEPS == 0 || s->ended)
        limits_check(s);
    coordinator_wake(s);
}
