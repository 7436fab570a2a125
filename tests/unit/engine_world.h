/* A batcher over the echo engine in told time, a record of what it reported, and what it should have. */
#ifndef TESTS_UNIT_ENGINE_WORLD_H
#define TESTS_UNIT_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "engine/batcher.h"
#include "engine/echo.h"

enum { WORLD_ANSWERS_MAX = 3000, WORLD_IDS_MAX = 512, WORLD_TEXT_MAX = 12288 };

/* Everything that was reported about one ticket. */
struct answer {
    char text[WORLD_TEXT_MAX]; /* terminated */
    size_t text_n;
    int32_t ids[WORLD_IDS_MAX];
    uint32_t ids_n;      /* index of the next id: resumed ones count */
    uint32_t prefilled, done; /* events */
    enum finish finish;
    char stop[64];       /* the stop string that ended it */
    struct fault fault;
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    double logprob_sum;
    uint64_t submitted_us, first_us, last_us, longest_gap_us, done_us;
    uint32_t logprobs_n;
    float embedding[64];
    uint32_t embedding_n;
};

struct world {
    const struct engine_ops *ops;
    struct engine *engine;
    struct batcher *batcher;
    uint64_t now_us;
    uint64_t tickets;
    struct answer *answers; /* by ticket */
};

static inline uint64_t world_now(void *user_data)
{
    return ((struct world *)user_data)->now_us;
}

static inline void world_sleep(uint64_t us, void *user_data)
{
    ((struct world *)user_data)->now_us += us;
}

static inline void world_hear(const struct batcher_event *ev, void *user_data)
{
    struct world *w = user_data;
    struct answer *a = &w->answers[ev->ticket];
    assert_int_equal(a->done, 0); /* nothing after DONE */
    if (ev->kind == BATCHER_PREFILLED) {
        assert_int_equal(a->prefilled++, 0);
    } else if (ev->kind == BATCHER_TOKENS) {
        assert_int_equal(a->prefilled, 1);
        assert_int_equal(ev->first, a->ids_n);
        assert_true(ev->ids_n > 0);
        assert_true(a->ids_n + ev->ids_n <= WORLD_IDS_MAX && a->text_n + ev->text.n < WORLD_TEXT_MAX);
        memcpy(a->ids + a->ids_n, ev->ids, ev->ids_n * sizeof *ev->ids);
        a->ids_n += ev->ids_n;
        if (ev->text.n > 0)
            memcpy(a->text + a->text_n, ev->text.p, ev->text.n);
        a->text_n += ev->text.n;
        a->logprobs_n += ev->logprobs != NULL ? ev->ids_n : 0;
        if (a->first_us == 0)
            a->first_us = w->now_us;
        else if (w->now_us - a->last_us > a->longest_gap_us)
            a->longest_gap_us = w->now_us - a->last_us;
        a->last_us = w->now_us;
    } else {
        a->done++;
        a->done_us = w->now_us;
        a->finish = (enum finish)ev->finish;
        snprintf(a->stop, sizeof a->stop, "%.*s", STR_ARG(ev->stop));
        a->fault = ev->fault;
        a->prompt_tokens = ev->prompt_tokens;
        a->cached_tokens = ev->cached_tokens;
        a->completion_tokens = ev->completion_tokens;
        a->logprob_sum = ev->logprob_sum;
        a->embedding_n = ev->embedding_n;
        if (ev->embedding_n > 0)
            memcpy(a->embedding, ev->embedding, ev->embedding_n * sizeof(float));
    }
}

/* For an engine beside the batcher's, which is only asked for its words: it takes no time. */
static inline void world_no_sleep(uint64_t us, void *user_data)
{
    (void)us;
    (void)user_data;
}

static inline struct engine *world_engine(const char *path, uint32_t slots, uint32_t context)
{
    struct engine_load load = {.path = path, .slots = slots, .context = context};
    struct engine *e = NULL;
    struct fault f = {0};
    if (engine_echo()->load(&load, NULL, NULL, &e, &f) != 0)
        fail_msg("%s", f.text);
    echo_sleep_with(e, world_no_sleep, NULL);
    return e;
}

/* A batcher that keeps so much of what slots held (batcher_config). */
static inline struct world *world_keeping(const char *path, uint32_t slots, uint32_t context, uint64_t prefix_bytes)
{
    struct world *w = xalloc(sizeof *w);
    *w = (struct world){.ops = engine_echo(), .engine = world_engine(path, slots, context), .now_us = 1000000};
    w->answers = xalloc_array(WORLD_ANSWERS_MAX, sizeof *w->answers);
    echo_sleep_with(w->engine, world_sleep, w);
    struct batcher_config cfg = {.ops = w->ops, .engine = w->engine, .step_ms = 100, .queue_max = 64,
                                 .prefix_bytes = prefix_bytes, .now_us = world_now, .now_user_data = w};
    w->batcher = batcher_new(&cfg, world_hear, w);
    return w;
}

static inline struct world *world_new(const char *path, uint32_t slots, uint32_t context)
{
    return world_keeping(path, slots, context, 0);
}

static inline void world_free(struct world *w)
{
    batcher_free(w->batcher);
    w->ops->free(w->engine);
    free(w->answers);
    free(w);
}

/* A greedy completion of `text`. */
static inline struct request completion(const char *text, uint32_t max_tokens)
{
    struct request r = {.kind = REQUEST_TEXT, .text = str_of(text), .sampling = sampling_default()};
    r.sampling.temperature = 0;
    r.sampling.max_tokens = max_tokens;
    return r;
}

/* Submits r as the continuation of what ticket `resumed` had so far; 0: a new one. */
static inline uint64_t world_resume(struct world *w, const struct request *r, uint64_t resumed)
{
    uint64_t ticket = ++w->tickets;
    assert_true(ticket < WORLD_ANSWERS_MAX);
    struct answer *a = &w->answers[ticket], *old = &w->answers[resumed];
    a->submitted_us = w->now_us;
    if (resumed != 0) {
        a->ids_n = old->ids_n;
        memcpy(a->ids, old->ids, old->ids_n * sizeof *old->ids);
        a->text_n = old->text_n;
        memcpy(a->text, old->text, old->text_n);
    }
    batcher_submit(w->batcher, ticket, r, a->ids, a->ids_n);
    return ticket;
}

static inline uint64_t world_submit(struct world *w, const struct request *r)
{
    return world_resume(w, r, 0);
}

/* Steps until nothing is left to do. */
static inline void world_finish(struct world *w)
{
    for (uint32_t i = 0; batcher_step(w->batcher); i++)
        assert_true(i < 1000000);
}

/* Steps until that ticket has n ids (or is done). */
static inline void world_until(struct world *w, uint64_t ticket, uint32_t n)
{
    while (w->answers[ticket].ids_n < n && w->answers[ticket].done == 0)
        assert_true(batcher_step(w->batcher));
}

/* ---- what an answer should be: one sequence, one row at a time, text searched as a whole ---- */

static inline void expect_text(struct answer *a)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t n = a->text_n, back = 0;
    while (back < 3 && back < n && ((uint8_t)a->text[n - 1 - back] & 0xc0) == 0x80)
        back++;
    uint8_t lead = n > back ? (uint8_t)a->text[n - 1 - back] : 0;
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (lead >= 0xc0 && back + 1 < whole) {
        a->text_n = n - back - 1 + 3;
        memcpy(a->text + n - back - 1, replacement, 3);
    }
    a->text[a->text_n] = '\0';
}

/* Cuts a->text at the stop string that ends first (of those that end together, the longest). */
static inline bool expect_stop(struct answer *a, const struct request *r)
{
    a->text[a->text_n] = '\0';
    for (size_t end = 1; end <= a->text_n; end++) {
        size_t met = 0;
        for (uint32_t i = 0; i < r->stops_n; i++) {
            size_t n = r->stops[i].n;
            if (n <= end && memcmp(a->text + end - n, r->stops[i].p, n) == 0 && n > met)
                met = n;
        }
        if (met > 0) {
            a->text_n = end - met;
            a->text[a->text_n] = '\0';
            return true;
        }
    }
    return false;
}

/* The answer to r by the engine at `path`, alone and undisturbed. */
static inline void expect_answer(const char *path, uint32_t context, const struct request *r, struct answer *a)
{
    const struct engine_ops *ops = engine_echo();
    struct engine *e = world_engine(path, 1, context);
    struct buf text = buf_max(1 << 20);
    struct engine_tokens prompt = {0};
    int32_t tokens[4096];
    *a = (struct answer){.finish = FINISH_NONE};
    if (r->kind == REQUEST_CHAT)
        assert_int_equal(ops->render(e, r, NULL, &text, &(struct engine_guide *){NULL}, NULL), 0);
    else
        buf_add_str(&text, r->text);
    assert_int_equal(ops->tokenize(e, buf_str(&text), ENGINE_CONTROL, NULL, &prompt, NULL), 0);
    assert_true(prompt.n <= 4096);
    memcpy(tokens, prompt.p, prompt.n * sizeof *tokens);
    a->prompt_tokens = prompt.n;
    free(prompt.p);
    struct engine_sampler *s = ops->sampler_new(e, r, NULL);
    for (uint32_t at = 0; a->finish == FINISH_NONE; at++) {
        bool want = at + 1 >= a->prompt_tokens;
        struct engine_row row = {.token = tokens[at], .position = (int32_t)at, .seq = 0, .want = want};
        assert_int_equal(ops->decode(e, &row, 1, NULL), 0);
        if (!want)
            continue;
        float logprob;
        int32_t id = ops->sampler_draw(e, s, 0, rng_unit(r->sampling.seed, a->ids_n), &logprob, NULL);
        if (ops->is_end(e, id)) {
            a->finish = FINISH_STOP;
            break;
        }
        a->logprob_sum += logprob;
        a->ids[a->ids_n++] = tokens[at + 1] = id;
        a->text_n += (size_t)ops->piece(e, id, a->text + a->text_n, 64);
        if (expect_stop(a, r))
            a->finish = FINISH_STOP;
        else if (a->ids_n == r->sampling.max_tokens || at + 1 == context)
            a->finish = FINISH_LENGTH;
    }
    a->completion_tokens = a->ids_n;
    expect_text(a);
    ops->sampler_free(s);
    buf_fini(&text);
    ops->free(e);
}

/* The whole of what was reported is the whole of what was expected. */
static inline void assert_answer(const struct answer *got, const struct answer *want)
{
    assert_int_equal(got->done, 1);
    assert_string_equal(got->fault.text, "");
    assert_int_equal(got->finish, want->finish);
    assert_string_equal(got->text, want->text);
    assert_int_equal(got->completion_tokens, want->completion_tokens);
    assert_true(got->ids_n >= want->ids_n && got->ids_n <= want->ids_n + 1); /* the end token may come with text */
    assert_memory_equal(got->ids, want->ids, want->ids_n * sizeof(int32_t));
}

#endif
