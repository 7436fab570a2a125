/* The course: who has something to do next does it, and the clock goes there. An engine's step happens at once, on a clock of
 * its own; what it reports reaches the head when the others have come as far. */
#include <stdio.h>
#include <stdlib.h>

#include "balance.h"
#include "base/alloc.h"
#include "base/must.h"
#include "engine/batcher.h"
#include "engine/echo.h"

enum { BEAT_US = 1000000, MAIL_MAX = 4096, GAPS_MAX = 200000, TEXT_MAX = 8192 };

/* One thing an engine thread reported, and when. */
struct mail {
    struct wire_msg msg;
    int32_t id;
};

struct call {
    uint64_t asked_us, first_us, last_us;
    uint32_t stream, actor, tokens, wanted;
};

struct world;

struct actor {
    struct world *world;
    struct engine *engine;
    struct batcher *batcher;
    uint64_t now_us;          /* its own clock: ahead of the world's while a step runs */
    bool running;
    struct wire_run *inbox;   /* owned; runs that came while a step ran */
    struct request *requests; /* owned, same index */
    uint32_t inbox_n;
    struct mail *mail;        /* owned; what the running step reported */
    uint32_t mail_n;
};

struct world {
    const struct load *load;
    struct rng rng;
    struct head *head;
    struct effects fx;
    uint64_t now_us, beat_us;
    struct actor actors[BALANCE_ACTORS_MAX];
    struct call *calls; /* owned */
    uint32_t calls_n, ended;
    uint64_t due_us[BALANCE_STREAMS_MAX]; /* when the stream asks next; UINT64_MAX: it waits for its answer */
    float *gaps;                          /* owned; ms */
    uint32_t gaps_n;
    uint64_t prompt_tokens, cached_tokens;
    struct wire_arena arena;
};

static void feed(struct world *w, struct head_event ev);

/* ---- engine threads ---- */

static uint64_t actor_now(void *user_data)
{
    return ((struct actor *)user_data)->now_us;
}

static void actor_sleep(uint64_t us, void *user_data)
{
    ((struct actor *)user_data)->now_us += us;
}

/* Tickets are the head's job numbers: there is one attempt of each here. */
static void on_event(const struct batcher_event *ev, void *user_data)
{
    struct actor *a = user_data;
    MUST(a->mail_n < MAIL_MAX);
    struct mail *m = &a->mail[a->mail_n++];
    *m = (struct mail){.id = ev->ids_n > 0 ? ev->ids[0] : 0};
    if (ev->kind == BATCHER_PREFILLED) {
        m->msg.type = WIRE_prefilled;
        m->msg.prefilled = (struct wire_prefilled){.job = ev->ticket, .attempt = 1, .prompt_tokens = ev->prompt_tokens,
                                                   .cached_tokens = ev->cached_tokens, .queue_ms = ev->queue_ms,
                                                   .prefill_ms = ev->prefill_ms};
    } else if (ev->kind == BATCHER_TOKENS) {
        MUST(ev->ids_n == 1);
        m->msg.type = WIRE_tokens;
        m->msg.tokens = (struct wire_tokens){.job = ev->ticket, .attempt = 1, .first = ev->first};
    } else {
        MUST(ev->finish != FINISH_ERROR);
        m->msg.type = WIRE_done;
        m->msg.done = (struct wire_done){.job = ev->ticket, .attempt = 1, .finish = ev->finish,
                                         .prompt_tokens = ev->prompt_tokens, .cached_tokens = ev->cached_tokens,
                                         .completion_tokens = ev->completion_tokens, .prefill_ms = ev->prefill_ms,
                                         .decode_ms = ev->decode_ms};
    }
}

static void actor_begin(struct world *w, struct actor *a, uint32_t i)
{
    const struct load *l = w->load;
    uint32_t slow = l->slowness[i] > 0 ? l->slowness[i] : 1;
    char path[128];
    struct fault f = {0};
    /* about 1,000 prompt tokens a second, and 100 tokens a second for one stream */
    snprintf(path, sizeof path, "echo:tokens=4096,context=16384,prefill_us=%u,decode_us=%u,stream_us=%u,copy_us=%u",
             1000 * slow, 9000 * slow, 1000 * slow, 2000 * slow);
    MUST(engine_echo()->load(&(struct engine_load){.path = path, .slots = l->slots}, NULL, NULL, &a->engine, &f) == 0);
    echo_sleep_with(a->engine, actor_sleep, a);
    struct batcher_config cfg = {.ops = engine_echo(), .engine = a->engine, .queue_max = l->slots, .now_us = actor_now,
                                 .now_user_data = a};
    a->world = w;
    a->now_us = w->now_us;
    a->batcher = batcher_new(&cfg, on_event, a);
    a->mail = xalloc_array(MAIL_MAX, sizeof *a->mail);
    a->inbox = xalloc_array(l->slots, sizeof *a->inbox);
    a->requests = xalloc_array(l->slots, sizeof *a->requests);
}

static void actor_end(struct actor *a)
{
    batcher_free(a->batcher);
    engine_echo()->free(a->engine);
    free(a->mail);
    free(a->inbox);
    free(a->requests);
}

/* The step is over: its mail goes out, what came meanwhile goes in, and the next step begins at once. */
static void actor_turn(struct world *w, struct actor *a)
{
    struct mail *mail = a->mail;
    uint32_t n = a->mail_n;
    a->mail = xalloc_array(MAIL_MAX, sizeof *a->mail); /* the head's answer may begin calls, not events */
    a->mail_n = 0;
    a->running = false;
    for (uint32_t i = 0; i < n; i++) {
        if (mail[i].msg.type == WIRE_tokens)
            mail[i].msg.tokens.ids = (struct wire_i32s){.p = &mail[i].id, .n = 1};
        feed(w, (struct head_event){.kind = HEAD_LINK_MSG, .link = (uint64_t)(a - w->actors) + 1, .msg = &mail[i].msg});
    }
    free(mail);
    a->now_us = w->now_us;
    for (uint32_t i = 0; i < a->inbox_n; i++) {
        batcher_submit(a->batcher, a->inbox[i].job, &a->requests[i], NULL, 0);
        free((void *)(uintptr_t)a->requests[i].text.p);
    }
    a->inbox_n = 0;
    a->running = batcher_step(a->batcher);
}

static void actor_run(struct world *w, struct actor *a, const struct wire_run *run)
{
    MUST(a->inbox_n < w->load->slots);
    struct request *r = &a->requests[a->inbox_n];
    wire_run_to_request(run, r, &w->arena);
    r->text = str_of(xstr_dup(r->text)); /* echo needs nothing else of it */
    a->inbox[a->inbox_n++] = *run;
}

/* ---- the head ---- */

static void carry_out(struct world *w, const struct fx *fx)
{
    struct call *c = &w->calls[fx->call];
    if (fx->kind == FX_SEND && fx->msg.type == WIRE_run) {
        actor_run(w, &w->actors[fx->link - 1], &fx->msg.run);
    } else if (fx->kind == FX_TOKENS) {
        if (c->tokens++ == 0)
            c->first_us = w->now_us;
        else if (w->gaps_n < GAPS_MAX && fx->call >= w->load->warm)
            w->gaps[w->gaps_n++] = (float)(w->now_us - c->last_us) / 1000;
        c->last_us = w->now_us;
    } else if (fx->kind == FX_BRANCH_DONE) {
        MUST(c->tokens == c->wanted);
        c->actor = fx->actor;
        w->prompt_tokens += fx->call >= w->load->warm ? fx->usage.prompt_tokens : 0;
        w->cached_tokens += fx->call >= w->load->warm ? fx->usage.cached_tokens : 0;
    } else if (fx->kind == FX_CALL_END) {
        w->ended++;
        w->due_us[c->stream] = w->now_us;
    }
    MUST(fx->kind != FX_CALL_FAILED && fx->kind != FX_CLOSE_LINK);
}

static void feed(struct world *w, struct head_event ev)
{
    ev.now_us = w->now_us;
    effects_reset(&w->fx);
    head_step(w->head, &ev, &w->fx);
    for (size_t i = 0; i < w->fx.n; i++)
        carry_out(w, &w->fx.fx[i]);
}

static void tell(struct world *w, uint32_t actor, struct wire_msg msg)
{
    feed(w, (struct head_event){.kind = HEAD_LINK_MSG, .link = actor + 1, .msg = &msg});
}

static void join(struct world *w, uint32_t i)
{
    char node[16];
    snprintf(node, sizeof node, "w%u", i);
    actor_begin(w, &w->actors[i], i);
    feed(w, (struct head_event){.kind = HEAD_LINK_OPEN, .link = i + 1, .peer = str_of("10.0.0.1:1")});
    tell(w, i, (struct wire_msg){.type = WIRE_hello, .hello = {.proto = WIRE_VERSION, .role = WIRE_ROLE_WORKER,
                                                               .node = str_of(node), .epoch = i, .cpus = 1}});
    tell(w, i, (struct wire_msg){.type = WIRE_actor, .actor = {.state = WIRE_ACTOR_READY, .kind = REQUEST_CHAT,
                                                               .model = str_of("echo"), .digest = str_of("d"),
                                                               .slots = w->load->slots, .context = 16384}});
}

static void beat(struct world *w)
{
    for (uint32_t i = 0; i < w->load->actors; i++) {
        struct batcher_load l;
        batcher_load(w->actors[i].batcher, &l);
        struct wire_load load = {.busy = l.busy, .waiting = l.waiting, .prefill_tps = l.prefill_tps,
                                 .decode_tps = l.decode_tps};
        load.waiting += w->actors[i].inbox_n;
        tell(w, i, (struct wire_msg){.type = WIRE_beat, .beat = {.sent_us = w->now_us, .loads = &load, .loads_n = 1}});
    }
    w->beat_us += BEAT_US;
}

/* ---- clients ---- */

static uint32_t between(struct rng *rng, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(rng, most - least + 1);
}

/* Text that only prompts with the same `seed` share; four bytes to a token, as in English. */
static size_t babble(char *out, uint64_t seed, size_t bytes)
{
    static const char *const words[] = {" the", " sea"};
    for (size_t i = 0; i < bytes; i++)
        out[i] = words[rng_at(seed, i / 4) % 2][i % 4];
    return bytes;
}

/* The n-th question is the same under each strategy, whoever of the clients comes to ask it. */
static void ask(struct world *w, uint32_t stream)
{
    const struct load *l = w->load;
    uint32_t n = w->calls_n++;
    struct rng rng = {.seed = rng_at(w->rng.seed, n)};
    struct call *c = &w->calls[n];
    char text[TEXT_MAX];
    size_t bytes = 0;
    *c = (struct call){.asked_us = w->now_us, .stream = stream, .wanted = between(&rng, l->answer_least, l->answer_most)};
    if (l->prefixes > 0)
        bytes = babble(text, w->rng.seed + between(&rng, 0, l->prefixes - 1), l->prefix_bytes);
    uint32_t own = between(&rng, l->prompt_least, l->prompt_most);
    MUST(bytes + own <= sizeof text);
    bytes += babble(text + bytes, rng_next(&rng), own);
    struct request r = {.kind = REQUEST_TEXT, .text = str_n(text, bytes), .sampling = sampling_default()};
    r.sampling.max_tokens = c->wanted;
    w->due_us[stream] = UINT64_MAX;
    feed(w, (struct head_event){.kind = HEAD_PROMPT, .call = n, .request = &r, .count = 1});
}

/* ---- the course of a run ---- */

static void do_next(struct world *w)
{
    uint64_t at = w->beat_us < head_deadline(w->head) ? w->beat_us : head_deadline(w->head);
    struct actor *actor = NULL;
    uint32_t stream = UINT32_MAX;
    for (uint32_t i = 0; i < w->load->streams && w->calls_n < w->load->calls; i++) {
        if (w->due_us[i] < at) {
            at = w->due_us[i];
            stream = i;
        }
    }
    for (uint32_t i = 0; i < w->load->actors; i++) {
        struct actor *a = &w->actors[i];
        uint64_t due_us = a->running ? a->now_us : a->inbox_n > 0 ? w->now_us : UINT64_MAX;
        if (due_us < at) {
            at = due_us;
            actor = a;
        }
    }
    w->now_us = at > w->now_us ? at : w->now_us;
    if (actor != NULL)
        actor_turn(w, actor);
    else if (stream != UINT32_MAX)
        ask(w, stream);
    else if (w->beat_us <= w->now_us)
        beat(w);
    else
        feed(w, (struct head_event){.kind = HEAD_TICK});
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double part_of(float *sorted, uint32_t n, double part)
{
    return n > 0 ? (double)sorted[(uint32_t)((double)(n - 1) * part)] : 0;
}

static struct outcome outcome_of(struct world *w)
{
    struct outcome o = {0};
    float *ttft = xalloc_array(w->calls_n, sizeof *ttft);
    uint32_t n = 0;
    uint64_t tokens = 0, from_us = w->calls[w->load->warm].asked_us;
    for (uint32_t i = w->load->warm; i < w->calls_n; i++) {
        const struct call *c = &w->calls[i];
        ttft[n++] = (float)(c->first_us - c->asked_us) / 1000;
        tokens += c->tokens;
        o.share[c->actor] += 1.0 / (w->calls_n - w->load->warm);
    }
    qsort(ttft, n, sizeof *ttft, by_size);
    qsort(w->gaps, w->gaps_n, sizeof *w->gaps, by_size);
    o.tokens_per_s = (double)tokens * 1e6 / (double)(w->now_us - from_us);
    o.ttft_p50_ms = part_of(ttft, n, 0.5);
    o.ttft_p95_ms = part_of(ttft, n, 0.95);
    o.gap_p95_ms = part_of(w->gaps, w->gaps_n, 0.95);
    o.cached = w->prompt_tokens > 0 ? (double)w->cached_tokens / (double)w->prompt_tokens : 0;
    free(ttft);
    return o;
}

struct outcome balance_run(const struct load *load, enum balance balance, uint64_t seed)
{
    struct world w = {.load = load, .rng = {.seed = rng_mix(seed)}, .now_us = 1000000, .beat_us = 1000000 + BEAT_US};
    struct head_config cfg = head_config_default();
    cfg.balance = balance;
    cfg.seed = seed;
    MUST(load->calls <= BALANCE_CALLS_MAX && load->streams <= BALANCE_STREAMS_MAX && load->actors <= BALANCE_ACTORS_MAX);
    w.head = head_new(&cfg, w.now_us);
    w.calls = xalloc_array(load->calls, sizeof *w.calls);
    w.gaps = xalloc_array(GAPS_MAX, sizeof *w.gaps);
    for (uint32_t i = 0; i < load->actors; i++)
        join(&w, i);
    while (w.ended < load->calls)
        do_next(&w);
    struct outcome o = outcome_of(&w);
    for (uint32_t i = 0; i < load->actors; i++)
        actor_end(&w.actors[i]);
    head_free(w.head);
    effects_fini(&w.fx);
    wire_arena_fini(&w.arena);
    free(w.calls);
    free(w.gaps);
    return o;
}
