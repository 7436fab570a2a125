/* What the tests of the llama module share: the module, the model, and short ways to run rows.
 *
 * They need the built module and a real model: MANTA_ENGINE_DIR says where manta-engine-llama.so is,
 * MANTA_TEST_MODEL names the GGUF file. */
#ifndef MANTA_TESTS_ENGINE_LLAMA_STORY_H
#define MANTA_TESTS_ENGINE_LLAMA_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "engine/engine.h"

static inline const char *story_model(void)
{
    const char *path = getenv("MANTA_TEST_MODEL");
    if (path == NULL)
        fail_msg("set MANTA_TEST_MODEL to a GGUF file");
    return path;
}

static inline const struct engine_ops *story_ops(void)
{
    const struct engine_ops *ops = NULL;
    struct fault f = {0};
    if (engine_open("llama", &ops, &f) != 0)
        fail_msg("%s", f.text);
    return ops;
}

static inline struct engine *story_load(const struct engine_ops *ops, struct engine_load load)
{
    struct engine *e = NULL;
    struct fault f = {0};
    load.path = load.path != NULL ? load.path : story_model();
    load.threads = load.threads != 0 ? load.threads : 1;
    if (ops->load(&load, NULL, NULL, &e, &f) != 0)
        fail_msg("%s", f.text);
    return e;
}

/* The tokens of a text, which there must be room for; returns how many. */
static inline uint32_t story_tokenize(const struct engine_ops *ops, struct engine *e, const char *text, unsigned how, int32_t *out,
                                      uint32_t cap)
{
    struct engine_tokens tokens = {0};
    struct fault f = {0};
    if (ops->tokenize(e, str_of(text), how, NULL, &tokens, &f) != 0)
        fail_msg("%s", f.text);
    assert_true(tokens.n <= cap);
    memcpy(out, tokens.p, tokens.n * sizeof *out);
    free(tokens.p);
    return tokens.n;
}

/* n made-up tokens of a text, the same ones each time. */
static inline void story_tokens(int32_t *out, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (int32_t)(rng_at(seed, i) % 40000 + 100);
}

/* Appends rows of tokens[from..to) to rows; the last one is wanted when `want`. */
static inline uint32_t story_rows(struct engine_row *rows, uint32_t n, uint32_t seq, const int32_t *tokens,
                                  uint32_t from, uint32_t to, bool want)
{
    for (uint32_t i = from; i < to; i++)
        rows[n++] = (struct engine_row){.token = tokens[i], .position = (int32_t)i, .seq = seq, .want = want && i + 1 == to};
    return n;
}

static inline void story_decode(const struct engine_ops *ops, struct engine *e, const struct engine_row *rows, uint32_t n)
{
    struct fault f = {0};
    if (ops->decode(e, rows, n, &f) != 0)
        fail_msg("%s", f.text);
}

/* Runs tokens of one sequence in chunks; the last row's logits are wanted. */
static inline void story_prefill(const struct engine_ops *ops, struct engine *e, uint32_t seq, const int32_t *tokens,
                                 uint32_t from, uint32_t to, uint32_t chunk)
{
    struct engine_row rows[512];
    while (from < to) {
        uint32_t end = to - from < chunk ? to : from + chunk;
        story_decode(ops, e, rows, story_rows(rows, 0, seq, tokens, from, end, end == to));
        from = end;
    }
}

/* A fingerprint of a row's logits: the log-probability of many single tokens, each forced by a bias. The bits of all of
 * them agree only when the bits of the row do. */
enum { STORY_PROBES = 48 };
static inline void story_probe(const struct engine_ops *ops, struct engine *e, uint32_t row, float out[STORY_PROBES])
{
    for (uint32_t i = 0; i < STORY_PROBES; i++) {
        struct logit_bias force = {.token = (int32_t)(rng_at(7, i) % ops->info(e)->vocab), .bias = 1e6f};
        struct request r = {.sampling = sampling_default(), .biases = &force, .biases_n = 1};
        r.sampling.temperature = 0;
        struct engine_sampler *s = ops->sampler_new(e, &r, NULL);
        assert_int_equal(ops->sampler_draw(e, s, row, 0, &out[i], NULL), force.token);
        ops->sampler_free(s);
    }
}

/* The real time, for a batcher. */
static inline uint64_t story_now(void *user_data)
{
    (void)user_data;
    return clock_us();
}

#endif
