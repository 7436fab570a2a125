/* The fake itself: options, memory, failures on demand, and the same answer every time. */
#include <sys/wait.h>
#include <unistd.h>

#include "engine_world.h"

static int parse(const char *path, struct echo_options *o, struct fault *f)
{
    return echo_options_parse(path, o, f);
}

static void options(void **state)
{
    (void)state;
    struct echo_options o;
    struct fault f = {0};
    assert_int_equal(parse("echo", &o, &f), 0);
    assert_int_equal(o.tokens, 32);
    assert_int_equal(parse("echo:tokens=7,weights=100m,kv=2k,seed=18446744073709551615,script=a, b=c", &o, &f), 0);
    assert_true(o.tokens == 7 && o.weights == 100u << 20 && o.kv == 2048 && o.seed == UINT64_MAX);
    assert_true(str_is(o.script, "a, b=c") && str_is(o.name, "echo"));
    assert_int_equal(parse("echo:name=foo-2,tokens=9", &o, &f), 0);
    assert_true(str_is(o.name, "foo-2") && o.tokens == 9);
    assert_int_equal(parse("echo:name=,tokens=9", &o, &f), ERR_MODEL);
    assert_int_equal(parse("model.gguf", &o, &f), ERR_MODEL);
    assert_int_equal(parse("echo:tokns=5", &o, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "did you mean 'tokens'?"));
    assert_int_equal(parse("echo:tokens=many", &o, &f), ERR_MODEL);
    assert_int_equal(parse("echo:tokens=5000000000", &o, &f), ERR_MODEL);
    assert_int_equal(parse("echo:weights=99999999999g", &o, &f), ERR_MODEL);
    assert_int_equal(parse("echo:tokens", &o, &f), ERR_MODEL);
}

static void what_does_not_fit_is_refused_with_the_numbers(void **state)
{
    (void)state;
    struct engine_load load = {.path = "echo:weights=100m,kv=1k,compute=0,context=4096", .slots = 4,
                               .memory_bytes = 108u << 20};
    struct engine_needs needs;
    struct fault f = {0};
    assert_int_equal(engine_echo()->probe(&load, &needs, &f), 0);
    assert_int_equal(needs.context, 2048); /* the largest that fits: 100 + 4 x 2048 x 1k */
    load.context = 4096;
    assert_int_equal(engine_echo()->probe(&load, &needs, &f), ERR_MEMORY);
    assert_non_null(strstr(f.text, "needs 116.0 MiB: weights 100.0 + KV 16.0 (4 slots x 4096 tokens) + compute 0.0; the limit is 108.0 MiB"));
    load.context = 0;
    load.memory_bytes = 50u << 20;
    struct engine *e = NULL;
    assert_int_equal(engine_echo()->load(&load, NULL, NULL, &e, &f), ERR_MEMORY);
    assert_null(e);
}

static bool stop_half_way(float progress, void *user_data)
{
    *(float *)user_data = progress;
    return progress < 0.5f;
}

static void loading_can_fail_and_be_stopped(void **state)
{
    (void)state;
    struct engine_load load = {.path = "echo:load_ms=10,fail_load=1", .slots = 1};
    struct engine *e = NULL;
    struct fault f = {0};
    float progress = 0;
    assert_int_equal(engine_echo()->load(&load, NULL, NULL, &e, &f), ERR_MODEL);
    load.path = "echo:load_ms=10";
    assert_int_equal(engine_echo()->load(&load, stop_half_way, &progress, &e, &f), ERR_CANCELLED);
    assert_true(progress >= 0.5f && progress < 0.6f);
    assert_null(e);
}

static void tokens_and_pieces_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "hello", "the manta rays glide over a warm reef.\n", "café 🙂 水",
                                        "<|end|>", "\xff\xfe"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int32_t tokens[128];
        char text[256];
        int32_t n = echo_tokenize(str_of(texts[i]), false, tokens, 128), at = 0;
        assert_int_equal(tokens[0], ECHO_BEGIN);
        assert_int_equal(echo_tokenize(str_of(texts[i]), false, NULL, 0), n);
        for (int32_t k = 0; k < n; k++)
            at += echo_piece(tokens[k], text + at, 16);
        text[at] = '\0';
        assert_string_equal(text, texts[i]);
    }
    int32_t tokens[8];
    assert_int_equal(echo_tokenize(str_of("<|begin|>a<|end|>"), true, tokens, 8), 3);
    assert_true(tokens[0] == ECHO_BEGIN && tokens[2] == ECHO_END);
}

/* Answers are text: halves of characters meet, and an answer of full length is whole. */
static void answers_are_valid_text(void **state)
{
    (void)state;
    uint32_t long_characters = 0;
    for (uint32_t seed = 0; seed < 30; seed++) {
        struct request r = completion("x", 0);
        struct answer a;
        r.sampling.temperature = 1;
        r.sampling.seed = seed;
        expect_answer("echo:tokens=60", 512, &r, &a);
        assert_int_equal(a.ids_n, 60);
        assert_null(strstr(a.text, "\xef\xbf\xbd"));
        long_characters += strstr(a.text, "é") != NULL;
    }
    assert_true(long_characters > 10);
}

static void the_wrong_prefix_shows_in_the_answer(void **state)
{
    (void)state;
    struct request r = completion("one", 0), s = completion("two", 0);
    struct answer a, b;
    expect_answer("echo:tokens=20", 128, &r, &a);
    expect_answer("echo:tokens=20", 128, &s, &b);
    assert_string_not_equal(a.text, b.text);
    expect_answer("echo:tokens=20,seed=2", 128, &r, &b);
    assert_string_not_equal(a.text, b.text);
}

/* Wrong use aborts: tried in a child. */
static bool aborts(void (*story)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        story();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void skip_a_position(void)
{
    struct engine *e = world_engine("echo", 1, 16);
    struct engine_row row = {.token = 5, .position = 1};
    engine_echo()->decode(e, &row, 1, NULL);
}

static void copy_what_is_not_there(void)
{
    struct engine *e = world_engine("echo", 2, 16);
    engine_echo()->seq_copy(e, 0, 1, 3);
}

static void draw_without_logits(void)
{
    struct engine *e = world_engine("echo", 1, 16);
    struct request r = completion("", 0);
    struct engine_row row = {.token = ECHO_BEGIN};
    float logprob;
    engine_echo()->decode(e, &row, 1, NULL);
    engine_echo()->sampler_draw(e, engine_echo()->sampler_new(e, &r, NULL), 0, 0.5, &logprob, NULL);
}

static void crash_at_the_third_token(void)
{
    struct answer a;
    struct request r = completion("x", 0);
    expect_answer("echo:crash_at=3", 64, &r, &a);
}

static void two_tokens_do_not_crash(void)
{
    struct answer a;
    struct request r = completion("x", 2);
    expect_answer("echo:crash_at=3", 64, &r, &a);
}

static void wrong_use_aborts(void **state)
{
    (void)state;
    assert_true(aborts(skip_a_position));
    assert_true(aborts(copy_what_is_not_there));
    assert_true(aborts(draw_without_logits));
    assert_true(aborts(crash_at_the_third_token));
    assert_false(aborts(two_tokens_do_not_crash));
}

static void time_passes_as_told(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=10,prefill_us=1000,decode_us=500,stream_us=50,freeze_at=4,freeze_ms=9000", 1,
                                128);
    struct request r = completion("abcd", 0); /* 5 tokens */
    uint64_t start_us = w->now_us, t = world_submit(w, &r);
    world_until(w, t, 3);
    assert_int_equal(w->now_us - start_us, 5000 + 2 * 550);
    world_until(w, t, 4);
    assert_int_equal(w->now_us - start_us, 5000 + 3 * 550 + 9000000);
    world_free(w);
}

/* Given sizes whose product or sum is no number of bytes any more, then they do not fit: nothing wraps around. */
static void sizes_beyond_all_numbers_do_not_fit(void **state)
{
    (void)state;
    static const char *const paths[] = {"echo:kv=18446744073709551615", "echo:kv=4g,context=4294967295", "echo:weights=18446744073709551615",
                                        "echo:weights=18446744073709551615,compute=18446744073709551615,kv=18446744073709551615"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct engine_load load = {.path = paths[i], .slots = ENGINE_SLOTS_MAX, .memory_bytes = 1ull << 40};
        struct engine_needs needs;
        struct fault f = {0};
        assert_int_equal(engine_echo()->probe(&load, &needs, &f), ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),
        cmocka_unit_test(what_does_not_fit_is_refused_with_the_numbers),
        cmocka_unit_test(loading_can_fail_and_be_stopped),
        cmocka_unit_test(tokens_and_pieces_round_trip),
        cmocka_unit_test(answers_are_valid_text),
        cmocka_unit_test(the_wrong_prefix_shows_in_the_answer),
        cmocka_unit_test(wrong_use_aborts),
        cmocka_unit_test(time_passes_as_told),
        cmocka_unit_test(sizes_beyond_all_numbers_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
