/* People who ask: at random moments, alone and in crowds, for one answer or many, and sometimes they go away. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

static void client_arrives(struct sim *s, uint64_t a, uint64_t b, uint64_t c);

static void client_next(struct sim *s)
{
    double mean_us = (double)SIM_S / s->mood.calls_per_s;
    double u = (double)(rng_next(&s->rng) >> 11) * 0x1.0p-53;
    sim_in(s, (uint64_t)(-log(1 - u) * mean_us), client_arrives, 0, 0, 0);
}

static void client_arrives(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    if (s->now_us >= s->end_us)
        return;
    if (s->now_us >= s->lull_until_us)
        client_ask(s, sim_between(s, 0, s->heads_n - 1));
    client_next(s);
}

/* More at once than all queues of the head take. */
void client_crowd(struct sim *s, uint32_t head)
{
    uint64_t n = s->heads[head].cfg.queue_jobs_max / 2 + sim_between(s, 0, 800);
    s->crowding = true;
    for (uint64_t i = 0; i < n; i++)
        client_ask(s, head);
    s->crowding = false;
}

static void crowd_arrives(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    client_crowd(s, (uint32_t)sim_between(s, 0, s->heads_n - 1));
}

void client_start(struct sim *s)
{
    client_next(s);
    if (s->opt.scale)
        return;
    uint64_t run_us = s->end_us - s->now_us;
    sim_in(s, sim_between(s, run_us / 4, run_us - 1), crowd_arrives, 0, 0, 0);
}

/* ---- one call ---- */

static void client_goes(struct sim *s, uint64_t id, uint64_t b, uint64_t x)
{
    (void)b, (void)x;
    struct call *c = table_get(&s->calls, id);
    uint64_t until_us;
    if (c->state != CALL_OPEN)
        return;
    if (c->asking == NULL) {
        sim_trace(s, "client goes", "away", id, 0, 0);
        call_end(s, c, CALL_GONE); /* it does not come again */
        return;
    }
    if (coordinator_asleep(s, c->head, &until_us)) {
        sim_at(s, until_us, client_goes, id, 0, 0);
        return;
    }
    if (c->runs_n == 0)
        PROBE(s, cancelled_queued);
    else if (c->branches[0].tokens > 0)
        PROBE(s, cancelled_running);
    const struct asking *k = c->asking;
    call_end(s, c, CALL_GONE);
    sim_trace(s, "client goes", "", id, k->no, 0);
    coordinator_feed(s, k->head, (struct head_event){.kind = HEAD_CALL_GONE, .call = k->no});
}

struct asking *asking_add(struct sim *s, struct call *c, struct coordinator *head, bool seeks)
{
    struct asking *k = xalloc(sizeof *k);
    k->no = table_add(&s->askings, k);
    k->call = c;
    k->head = head;
    k->seeks = seeks;
    k->asked_us = s->now_us;
    list_push(&head->askings, &k->in_head);
    head->askings_n++;
    head->seeks_n += seeks;
    return k;
}

struct asking *asking_new(struct sim *s, struct call *c, struct coordinator *head, bool seeks)
{
    struct asking *k = asking_add(s, c, head, seeks);
    c->asking = k;
    c->head = head;
    c->asked_us = coordinator_now(s, head);
    return k;
}

void asking_found(struct asking *k)
{
    k->head->seeks_n -= k->seeks;
    k->seeks = false;
}

void asking_end(struct asking *k)
{
    asking_found(k);
    k->head->askings_n--;
    list_remove(&k->in_head);
    if (k->call->asking == k)
        k->call->asking = NULL;
}

static struct call *call_new(struct sim *s)
{
    struct call *c = xalloc(sizeof *c);
    c->id = table_add(&s->calls, c);
    c->state = CALL_OPEN;
    c->born_us = s->now_us;
    c->count = 1;
    return c;
}

static void call_room(struct call *c, uint32_t branches)
{
    c->branches_n = branches;
    c->runs = xalloc_array(branches, sizeof *c->runs);
    c->branches = xalloc_array(branches, sizeof *c->branches);
}

void call_end(struct sim *s, struct call *c, enum call_state how)
{
    c->state = how;
    c->ended_us = s->now_us;
    if (c->asking != NULL)
        asking_end(c->asking);
    else
        s->away--;
    free(c->runs);
    free(c->branches);
    c->runs = NULL;
    c->branches = NULL;
}

void call_free(struct call *c)
{
    free(c->runs);
    free(c->branches);
    free(c);
}

const char *client_tenant(uint32_t tenant)
{
    static const char *const names[SIM_TENANTS] = {"quiet", "crowd", "", "ann", "ben", "eve"};
    return names[tenant];
}

/* Who it is, from the seed: the quiet one's calls are as small as calls can be. */
static void call_signs(struct call *c, bool crowd)
{
    static const char *const models[SIM_ASKED_MODELS] = {"smollm2", "gpt2", "nomic", "", "no-such-model", "broken"};
    while (strcmp(models[c->asked], c->model) != 0)
        c->asked++;
    c->tenant = crowd ? 1 : (uint32_t)(c->seed >> 8) % SIM_TENANTS;
    if (c->tenant > 1 && (c->seed >> 16) % 5 == 0)
        c->priority = (int32_t)((c->seed >> 20) % 201) - REQUEST_PRIORITY_MAX;
    if (c->tenant != 0)
        return;
    c->spread = false;
    c->count = c->max_tokens = 1;
}

static void call_dream_up(struct sim *s, struct call *c)
{
    uint64_t dice = sim_between(s, 0, 99);
    c->kind = dice < 70 ? REQUEST_CHAT : dice < 92 ? REQUEST_TEXT : REQUEST_EMBED;
    c->model = c->kind == REQUEST_EMBED ? "nomic" : sim_chance(s, 70) ? "smollm2" : sim_chance(s, 70) ? "gpt2" : "";
    if (sim_chance(s, 1))
        c->model = sim_chance(s, 50) ? "no-such-model" : "broken";
    if (c->kind != REQUEST_EMBED && sim_chance(s, 6)) {
        c->spread = sim_chance(s, 50);
        c->count = (uint32_t)sim_between(s, c->spread ? 0 : 2, 5);
        if (c->count == 0 && s->opt.workers > 20)
            c->count = 8; /* "all" of hundreds is asked of small clusters only */
    }
    call_room(c, c->spread ? SIM_BRANCHES_MAX : c->count);
    c->seed = rng_next(&s->rng);
    c->max_tokens = sim_chance(s, 80) ? 256 : (uint32_t)sim_between(s, 1, 20);
    c->logprobs = sim_chance(s, 10);
    c->too_long = c->kind != REQUEST_EMBED && sim_chance(s, 1);
    c->deadline_ms = sim_chance(s, 90) ? 0 : (uint32_t)sim_between(s, 200, 5000);
    c->stream = c->kind != REQUEST_EMBED && sim_chance(s, 80) ? answer_stream(c->id) : 0; /* others wait for a whole answer */
    c->keeps_request = (s->opt.faults & (1u << FAULT_both)) != 0 && (c->seed >> 32) % 2 != 0;
    c->poison = s->poisons;
    c->poison_at = sim_chance(s, 50) ? 0 : (uint32_t)sim_between(s, 1, 40);
    c->early = true;
    for (size_t i = 0; i < s->workers.n && c->early; i++)
        c->early = !((struct worker *)s->workers.p[i])->was_joined;
}

/* Its prompt begins with the number of the call, so that everybody can tell whose it is. */
void client_request(struct sim *s, const struct call *c, struct client_request *out)
{
    char *prompt = out->prompt;
    int n = snprintf(prompt, sizeof out->prompt, "call=%llu ", (unsigned long long)c->id);
    size_t bytes = (size_t)n + sim_between(s, 0, sizeof out->prompt - 40);
    if (c->tenant == 0)
        bytes = (size_t)n;
    for (size_t i = (size_t)n; i < bytes; i++)
        prompt[i] = (char)('a' + i % 26);
    out->note = str_n(prompt, (size_t)n);
    out->turns[0] = (struct turn){.role = str_of("system"), .content = str_of("You are a simulation.")};
    out->turns[1] = (struct turn){.role = str_of("user"), .content = str_n(prompt, bytes)};
    struct request r = {.kind = c->kind, .model = str_of(c->model), .sampling = sampling_default()};
    if (c->kind == REQUEST_CHAT) {
        r.turns = out->turns;
        r.turns_n = 2;
    } else {
        r.text = str_n(prompt, bytes);
    }
    r.sampling.seed = c->seed;
    r.sampling.max_tokens = c->max_tokens;
    r.sampling.logprobs = c->logprobs;
    r.tenant = str_of(client_tenant(c->tenant));
    r.priority = c->priority;
    out->r = r;
}

void client_prompts(struct sim *s, struct call *c, struct coordinator *head)
{
    const struct asking *k = asking_new(s, c, head, false);
    struct client_request asks;
    struct head_totals t;
    client_request(s, c, &asks);
    head_totals(head->head, &t);
    c->ahead = t.queued;
    scaler_call_comes(s, c, head);
    memcpy(c->sent_before, head->sent[c->asked], sizeof c->sent_before);
    coordinator_feed(s, head, (struct head_event){.kind = HEAD_PROMPT,
                                                  .call = k->no,
                                                  .request = &asks.r,
                                                  .count = c->count,
                                                  .spread = c->spread,
                                                  .stream = c->stream,
                                                  .client = asks.note,
                                                  .deadline_ms = c->deadline_ms});
}

static void client_asks_again(struct sim *s, uint64_t head, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    client_ask(s, head);
}

void client_ask_poison(struct sim *s)
{
    s->poisons = true;
    client_ask(s, sim_between(s, 0, s->heads_n - 1));
    s->poisons = false;
}

struct coordinator *client_head(struct sim *s, uint64_t head)
{
    for (uint64_t i = 0; i < s->heads_n; i++) {
        struct coordinator *c = &s->heads[(head + i) % s->heads_n];
        if (c->head == NULL)
            continue;
        if (i > 0)
            PROBE(s, asked_another_head);
        return c;
    }
    return NULL;
}

void client_ask(struct sim *s, uint64_t no)
{
    struct coordinator *head = client_head(s, no);
    uint64_t until_us;
    if (head == NULL)
        return;
    if (coordinator_asleep(s, head, &until_us)) {
        sim_at(s, until_us, client_asks_again, head->no, 0, 0);
        return;
    }
    struct call *c = call_new(s);
    call_dream_up(s, c);
    call_signs(c, s->crowding);
    sim_trace(s, "client asks", c->model, c->id, c->count, head->no);
    if (sim_chance(s, s->mood.cancel_percent))
        sim_in(s, sim_between(s, 0, 3 * SIM_S), client_goes, c->id, 0, 0);
    client_prompts(s, c, head);
}

/* The name the head knows it by: that of its node, or with a number behind it. Its pid is our number. */
static struct str name_of(struct sim *s, const struct coordinator *at, const struct worker *w)
{
    struct head_worker_view v;
    for (uint64_t from = 0; head_worker_at(at->head, from, coordinator_now(s, at), &v); from = v.id + 1)
        if (v.pid == w->id)
            return v.node;
    return str_of("nobody");
}

bool client_availability(struct sim *s, const struct worker *w, uint8_t availability, uint32_t grace_ms)
{
    struct coordinator *at = coordinator_any(s);
    if (at == NULL)
        return false;
    struct call *c = call_new(s);
    char name[2 * SIM_NODE_BYTES];
    snprintf(name, sizeof name, "%.*s", STR_ARG(name_of(s, at, w)));
    c->availability = true;
    sim_trace(s, "availability", "", c->id, w->id, availability);
    const struct asking *k = asking_new(s, c, at, false);
    coordinator_feed(s, at, (struct head_event){.kind = HEAD_AVAILABILITY, .call = k->no, .text = str_of(name), .availability = availability,
                                                 .grace_ms = grace_ms, .move = availability == WIRE_DRAINING && sim_chance(s, 60)});
    SIM_MUST(s, c->state != CALL_OPEN, "nobody answered a question of availability");
    return c->state == CALL_ENDED;
}

static void client_asks_scale(struct sim *s, struct coordinator *at, const struct head_scale_ask *ask, uint32_t workers)
{
    struct call *c = call_new(s);
    const struct asking *k = asking_new(s, c, at, false);
    c->scale = true;
    sim_trace(s, "scale", "", c->id, workers, 0);
    coordinator_feed(s, at, (struct head_event){.kind = HEAD_SCALE, .call = k->no, .count = workers, .scale = ask});
    SIM_MUST(s, c->state != CALL_OPEN, "nobody answered `scale`");
}

void client_scale(struct sim *s, struct coordinator *at, uint32_t workers)
{
    client_asks_scale(s, at, NULL, workers);
}

void client_scale_ask(struct sim *s, struct coordinator *at, const struct head_scale_ask *ask)
{
    client_asks_scale(s, at, ask, ask->mode == SCALE_AUTO ? ask->max : ask->workers);
}
