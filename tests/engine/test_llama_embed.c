/* Vectors from the llama module: mean, first-token and last-token pooling, many texts in a call, texts that are too long, two
 * models side by side. */
#include <math.h>

#include "llama_story.h"

enum { WIDTH_MAX = 512, TOKENS_MAX = 2100, TEXTS = 24 };

static const struct engine_ops *ops;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    return 0;
}

/* The path of a fixture by its name (tests/fixtures); static. */
static const char *fixture(const char *name)
{
    static char path[512];
    const char *folder = getenv("MANTA_TEST_FIXTURES");
    if (folder == NULL)
        fail_msg("set MANTA_TEST_FIXTURES to the folder that tests/fixtures/fixtures.py prints");
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    return path;
}

static struct engine *load_with(const char *name, uint8_t kv)
{
    return story_load(ops, (struct engine_load){.path = fixture(name), .slots = 2, .kv = kv});
}

static struct engine *load(const char *name)
{
    return load_with(name, ENGINE_KV_F16);
}

static uint32_t embed(struct engine *e, const char *text, float *out)
{
    int32_t tokens[TOKENS_MAX];
    uint32_t n = story_tokenize(ops, e, text, ENGINE_CONTROL | ENGINE_CLOSE, tokens, TOKENS_MAX);
    struct fault f = {0};
    assert_true(n > 0 && ops->info(e)->width <= WIDTH_MAX);
    if (ops->embed(e, &(struct engine_text){tokens, n}, 1, out, &f) != 0)
        fail_msg("%s", f.text);
    return ops->info(e)->width;
}

static int embed_tokens(struct engine *e, const int32_t *tokens, uint32_t n, float *out, struct fault *f)
{
    return ops->embed(e, &(struct engine_text){tokens, n}, 1, out, f);
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
    uint32_t most = ops->info(e)->context;
    assert_int_equal(most, 512);
    assert_int_equal(embed_tokens(e, tokens, most + 1, out, &f), ERR_CONTEXT);
    assert_non_null(strstr(f.text, "513 tokens"));
    assert_non_null(strstr(f.text, "512"));
    assert_int_equal(embed_tokens(e, tokens, 0, out, &f), ERR_CONTEXT);
    struct engine_text two[] = {{tokens, 300}, {tokens, 300}};
    assert_int_equal(ops->embed(e, two, 2, out, &f), ERR_CONTEXT);
    assert_non_null(strstr(f.text, "600 tokens"));
    assert_int_equal(embed_tokens(e, tokens, most, out, &f), 0);
    ops->free(e);
}

/* Given texts of many lengths, when all of them are computed in one call, twice, then each vector is the one it has alone but
 * for rounding. Sums are added up in another order, and GELU's table and flash attention round to f16: seen are 4e-5 with f32,
 * 1.5e-4 (MiniLM) and 9e-4 (the loud weights of the small GPT-2) with f16. */
static void company_changes_nothing(void **state)
{
    (void)state;
    static const struct { const char *file; uint8_t kv; float most; } cases[] = {
        {"all-minilm-l6-v2", ENGINE_KV_F32, 1e-4f}, {"all-minilm-l6-v2", ENGINE_KV_F16, 5e-4f}, {"bert-cls-tiny", ENGINE_KV_F32, 1e-4f},
        {"gpt2-last-tiny", ENGINE_KV_F32, 1e-4f}, {"gpt2-last-tiny", ENGINE_KV_F16, 2e-3f}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct engine *e = load_with(cases[c].file, cases[c].kv);
        static int32_t tokens[TEXTS][64];
        static float together[TEXTS * WIDTH_MAX], alone[WIDTH_MAX];
        struct engine_text texts[TEXTS];
        struct fault f = {0};
        uint32_t width = ops->info(e)->width;
        float worst = 0;
        for (uint32_t i = 0; i < TEXTS; i++) {
            texts[i] = (struct engine_text){tokens[i], 1 + (i * 7) % 40};
            for (uint32_t k = 0; k < texts[i].n; k++)
                tokens[i][k] = (int32_t)(rng_at(i, k) % 29000 + 1000);
        }
        for (int again = 0; again < 2; again++) {
            if (ops->embed(e, texts, TEXTS, together, &f) != 0)
                fail_msg("%s", f.text);
            for (uint32_t i = 0; i < TEXTS; i++) {
                assert_int_equal(embed_tokens(e, texts[i].tokens, texts[i].n, alone, &f), 0);
                for (uint32_t k = 0; k < width; k++)
                    worst = fmaxf(worst, fabsf(alone[k] - together[i * width + k]));
            }
        }
        print_message("%s, %s: largest difference %.1e\n", cases[c].file, cases[c].kv == ENGINE_KV_F32 ? "f32" : "f16", (double)worst);
        assert_true(worst <= cases[c].most);
        ops->free(e);
    }
}

/* Given a file whose context is 2,048, then a text of so many tokens is taken whole, what it needs was in the plan, and with
 * less memory than that the context is shorter instead. */
static void a_long_context_is_had(void **state)
{
    (void)state;
    struct engine *e = load("bert-long-tiny");
    static int32_t tokens[TOKENS_MAX];
    float whole[WIDTH_MAX], part[WIDTH_MAX];
    struct fault f = {0};
    for (uint32_t i = 0; i < TOKENS_MAX; i++)
        tokens[i] = (int32_t)(rng_at(1, i) % 29000 + 1000);
    assert_int_equal(ops->info(e)->context, 2048);
    assert_int_equal(embed_tokens(e, tokens, 2048, whole, &f), 0);
    assert_int_equal(embed_tokens(e, tokens, 1024, part, &f), 0);
    assert_true(product(whole, part, 128) < 0.9999);
    assert_int_equal(embed_tokens(e, tokens, 2049, whole, &f), ERR_CONTEXT);
    ops->free(e);
    for (uint8_t kv = ENGINE_KV_F16; kv <= ENGINE_KV_F32; kv = (uint8_t)(kv + 2)) {
        struct engine_load load = {.path = fixture("bert-long-tiny"), .slots = 2, .threads = 1, .kv = kv};
        struct engine_needs roomy, tight;
        assert_int_equal(ops->probe(&load, &roomy, NULL), 0);
        struct engine *again = load_with("bert-long-tiny", kv);
        uint64_t measured = ops->info(again)->memory.compute_bytes;
        print_message("compute, %s: %.1f MiB planned, %.1f measured\n", kv == ENGINE_KV_F32 ? "f32" : "f16",
                      (double)roomy.compute_bytes / (1 << 20), (double)measured / (1 << 20));
        assert_true(measured <= roomy.compute_bytes && roomy.compute_bytes <= 2 * measured + (32u << 20));
        ops->free(again);
        load.memory_bytes = roomy.weights_bytes + roomy.compute_bytes - 1;
        assert_int_equal(ops->probe(&load, &tight, NULL), 0);
        assert_int_equal(tight.context, 1024);
    }
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
    assert_int_equal(embed_tokens(text, tokens, 8, first, &f), ERR_UNSUPPORTED);
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
        struct engine_sampler *s = ops->sampler_new(e, &r, NULL);
        float logprob = 0;
        assert_int_equal(ops->sampler_draw(e, s, 3, 0.5, &logprob, NULL), top[i].token);
        assert_true(fabsf(logprob - top[i].logprob) < 1e-5f);
        assert_true(i == 0 || top[i].logprob <= top[i - 1].logprob);
        ops->sampler_free(s);
    }
    ops->free(e);
}

/* Given models for vectors that are to be exact, when a text is embedded on one thread and on three, and others before it, then its vector
 * has the same bits; texts share no call, and the engine says that it is exact. */
static void an_exact_vector_has_the_same_bits(void **state)
{
    (void)state;
    static const char *const names[] = {"all-minilm-l6-v2", "distilbert-tiny", "gpt2-last-tiny"};
    const char *text = "Boats rise with the tide that comes in at night and leave with it in the morning.";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        float one[WIDTH_MAX], three[WIDTH_MAX];
        struct engine *e = story_load(ops, (struct engine_load){.path = fixture(names[i]), .slots = 4, .exact = true, .repack = true});
        assert_int_equal(ops->info(e)->slots, 1);
        assert_non_null(strstr(ops->info(e)->setup, "weights=file"));
        uint32_t width = embed(e, text, one);
        ops->set_threads(e, 3);
        embed(e, "something else", three);
        embed(e, text, three);
        assert_memory_equal(three, one, width * sizeof *one);
        ops->free(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_is_the_files),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(a_long_context_is_had),
        cmocka_unit_test(two_models_work_side_by_side),
        cmocka_unit_test(likely_tokens_are_those_of_the_row),
        cmocka_unit_test(an_exact_vector_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
