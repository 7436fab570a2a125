/* Vectors from the llama module: mean and first-token pooling, texts that are too long, two models side by side. */
#include <math.h>

#include "llama_story.h"

enum { WIDTH_MAX = 512, TOKENS_MAX = 600 };

static const struct engine_ops *ops;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    return 0;
}

/* A fixture by its name (tests/fixtures). */
static struct engine *load(const char *name)
{
    const char *folder = getenv("MANTA_TEST_FIXTURES");
    char path[512];
    if (folder == NULL)
        fail_msg("set MANTA_TEST_FIXTURES to the folder that tests/fixtures/fixtures.py prints");
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    return story_load(ops, (struct engine_load){.path = path, .slots = 2});
}

static uint32_t embed(struct engine *e, const char *text, float *out)
{
    int32_t tokens[TOKENS_MAX];
    int32_t n = ops->tokenize(e, str_of(text), true, tokens, TOKENS_MAX);
    uint32_t width = WIDTH_MAX;
    struct fault f = {0};
    assert_true(n > 0);
    if (ops->embed(e, tokens, (uint32_t)n, out, &width, &f) != 0)
        fail_msg("%s", f.text);
    return width;
}

static double product(const float *a, const float *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Given the same weights, when one file pools by the mean and the other by the first token, then the vectors are both of
 * length 1 and not the same; each is the same again when asked again. */
static void pooling_is_the_files(void **state)
{
    (void)state;
    struct engine *mean = load("distilbert-tiny"), *cls = load("bert-cls-tiny");
    float a[WIDTH_MAX], b[WIDTH_MAX], again[WIDTH_MAX];
    assert_int_equal(ops->info(mean)->kind, REQUEST_EMBED);
    assert_int_equal(embed(mean, "The cat sits on the mat.", a), 128);
    assert_int_equal(embed(cls, "The cat sits on the mat.", b), 128);
    assert_true(fabs(product(a, a, 128) - 1) < 1e-5);
    assert_true(fabs(product(b, b, 128) - 1) < 1e-5);
    assert_true(product(a, b, 128) < 0.99);
    embed(mean, "another text in between", again);
    embed(mean, "The cat sits on the mat.", again);
    assert_memory_equal(a, again, 128 * sizeof(float));
    ops->free(mean);
    ops->free(cls);
}

/* Given a text of more tokens than one call may have, which would end the process in libllama, then it is refused with
 * both numbers, and the engine works on. */
static void a_text_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct engine *e = load("distilbert-tiny");
    int32_t tokens[TOKENS_MAX];
    float out[WIDTH_MAX];
    for (uint32_t i = 0; i < TOKENS_MAX; i++)
        tokens[i] = 1000;
    struct fault f = {0};
    uint32_t width = WIDTH_MAX, most = ops->info(e)->context;
    assert_int_equal(most, 512);
    assert_int_equal(ops->embed(e, tokens, most + 1, out, &width, &f), ERR_CONTEXT);
    assert_non_null(strstr(f.text, "513 tokens"));
    assert_non_null(strstr(f.text, "512"));
    assert_int_equal(ops->embed(e, tokens, 0, out, &width, &f), ERR_CONTEXT);
    assert_int_equal(ops->embed(e, tokens, most, out, &width, &f), 0);
    width = 127;
    assert_int_equal(ops->embed(e, tokens, 5, out, &width, &f), ERR_TOO_LARGE);
    ops->free(e);
}

/* Given an embedding and a text model in one process, when they work in turns, then each has the results it has alone;
 * the text model makes no embeddings. */
static void two_models_work_side_by_side(void **state)
{
    (void)state;
    struct engine *text = load("gpt2-tiny");
    int32_t tokens[32];
    float alone[STORY_PROBES], beside[STORY_PROBES], first[WIDTH_MAX], second[WIDTH_MAX];
    for (int32_t i = 0; i < 32; i++)
        tokens[i] = 500 + 37 * i;
    story_prefill(ops, text, 0, tokens, 0, 32, 32);
    story_probe(ops, text, 31, alone);
    struct engine *vectors = load("all-minilm-l6-v2");
    assert_int_equal(embed(vectors, "kitten", first), 384);
    ops->seq_trim(text, 0, 16);
    embed(vectors, "another text", second);
    story_prefill(ops, text, 0, tokens, 16, 32, 16);
    story_probe(ops, text, 15, beside);
    embed(vectors, "kitten", second);
    assert_memory_equal(first, second, 384 * sizeof(float));
    for (int i = 0; i < STORY_PROBES; i++)
        assert_true(fabsf(alone[i] - beside[i]) < 1e-2f); /* another chunk size: the same but for rounding */
    struct fault f = {0};
    uint32_t width = WIDTH_MAX;
    assert_int_equal(ops->embed(text, tokens, 8, first, &width, &f), ERR_UNSUPPORTED);
    ops->free(vectors);
    ops->free(text);
}

/* Given a row, its likely tokens come in falling order, and each has the log-probability that a forced draw tells. */
static void likely_tokens_are_those_of_the_row(void **state)
{
    (void)state;
    struct engine *e = load("gpt2-tiny");
    int32_t tokens[] = {7454, 2402, 257, 640};
    struct engine_likely top[REQUEST_TOP_LOGPROBS_MAX];
    story_prefill(ops, e, 0, tokens, 0, 4, 4);
    assert_int_equal(ops->likely(e, 3, REQUEST_TOP_LOGPROBS_MAX, top), REQUEST_TOP_LOGPROBS_MAX);
    for (uint32_t i = 0; i < REQUEST_TOP_LOGPROBS_MAX; i++) {
        struct logit_bias force = {.token = top[i].token, .bias = 1e6f};
        struct request r = {.sampling = sampling_default(), .biases = &force, .biases_n = 1};
        struct engine_sampler *s = ops->sampler_new(e, &r);
        float logprob = 0;
        assert_int_equal(ops->sampler_draw(e, s, 3, 0.5, &logprob), top[i].token);
        assert_true(fabsf(logprob - top[i].logprob) < 1e-5f);
        assert_true(i == 0 || top[i].logprob <= top[i - 1].logprob);
        ops->sampler_free(s);
    }
    ops->free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_is_the_files),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
        cmocka_unit_test(two_models_work_side_by_side),
        cmocka_unit_test(likely_tokens_are_those_of_the_row),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
