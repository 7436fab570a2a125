/* Text and draws: templates, tokens, and that every sampling parameter does what it says. */
#include "llama_story.h"

#include <math.h>

static const struct engine_ops *ops;
static struct engine *engine;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    engine = story_load(ops, (struct engine_load){.slots = 2, .context = 512});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ops->free(engine);
    return 0;
}

static uint32_t tokens_of(const char *text, int32_t *out, int32_t cap)
{
    uint32_t n = story_tokenize(ops, engine, text, ENGINE_CONTROL, out, (uint32_t)cap);
    assert_true(n > 0);
    return n;
}

static void a_chat_is_rendered_by_the_models_template(void **state)
{
    (void)state;
    struct turn turns[] = {{.role = str_of("system"), .content = str_of("Be brief.")}, {.role = str_of("user"), .content = str_of("Hello \xe2\x98\x83")}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 2};
    struct buf out = buf_max(4096);
    struct fault f = {0};
    assert_int_equal(ops->render(engine, &r, NULL, &out, &(struct engine_guide *){NULL}, &f), 0);
    assert_string_equal(buf_cstr(&out), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello \xe2\x98\x83"
                                        "<|im_end|>\n<|im_start|>assistant\n");
    buf_fini(&out);
}

static void a_prompt_over_the_buffers_maximum_is_an_error(void **state)
{
    (void)state;
    struct turn turn = {.role = str_of("user"), .content = str_of("a text that does not fit")};
    struct request r = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1};
    struct buf out = buf_max(20);
    struct fault f = {0};
    assert_int_equal(ops->render(engine, &r, NULL, &out, &(struct engine_guide *){NULL}, &f), ERR_TOO_LARGE);
    buf_fini(&out);
}

static void tokens_give_back_the_text(void **state)
{
    (void)state;
    const char *text = "The quick brown fox: 12,345 caf\xc3\xa9s \xf0\x9f\xa6\x8a\n\tend";
    int32_t tokens[64];
    char back[256] = "";
    uint32_t n = tokens_of(text, tokens, 64);
    for (uint32_t i = 0, at = 0; i < n; i++)
        at += (uint32_t)ops->piece(engine, tokens[i], back + at, (int32_t)(sizeof back - at - 1));
    assert_string_equal(back, text);
}

static void control_tokens_are_parsed_only_when_asked(void **state)
{
    (void)state;
    int32_t tokens[64];
    char piece[16];
    assert_int_equal(story_tokenize(ops, engine, "<|im_end|>", ENGINE_CONTROL, tokens, 64), 1);
    assert_true(ops->is_end(engine, tokens[0]));
    assert_int_equal(ops->piece(engine, tokens[0], piece, sizeof piece), 0);
    assert_true(story_tokenize(ops, engine, "<|im_end|>", 0, tokens, 64) > 1);
}

/* The next token after `text` for these parameters, with u as the randomness. */
static int32_t drawn(const char *text, const struct request *r, double u, float *out_logprob)
{
    static const char *computed; /* the text whose logits the engine still has */
    int32_t tokens[128];
    uint32_t n = tokens_of(text, tokens, 128);
    if (text != computed) {
        ops->seq_trim(engine, 0, 0);
        story_prefill(ops, engine, 0, tokens, 0, n, 512);
        computed = text;
    }
    struct engine_sampler *s = ops->sampler_new(engine, r, NULL);
    for (uint32_t i = 0; i < n; i++)
        ops->sampler_accept(s, tokens[i]);
    int32_t token = ops->sampler_draw(engine, s, n - 1, u, out_logprob, NULL);
    ops->sampler_free(s);
    return token;
}

static struct request asking(float temperature)
{
    struct request r = {.sampling = sampling_default()};
    r.sampling.temperature = temperature;
    return r;
}

static const char *CAPITAL = "The capital of France is";

static void greedy_takes_the_likeliest(void **state)
{
    (void)state;
    struct request r = asking(0);
    char piece[16] = "";
    float logprob = 1;
    ops->piece(engine, drawn(CAPITAL, &r, 0.99, &logprob), piece, sizeof piece - 1);
    assert_string_equal(piece, " Paris");
    assert_true(logprob < 0 && logprob > -2);
}

/* Given temperature 1 and no filters, when u runs over [0, 1) evenly, then each token comes as often as its
 * log-probability says: the draw and the reported number agree. */
static void draws_follow_the_reported_probabilities(void **state)
{
    (void)state;
    struct request greedy = asking(0), r = asking(1);
    r.sampling.top_k = 0;
    r.sampling.top_p = 1;
    r.sampling.min_p = 0;
    float logprob;
    int32_t paris = drawn(CAPITAL, &greedy, 0, &logprob);
    int hits = 0;
    for (int i = 0; i < 400; i++)
        hits += drawn(CAPITAL, &r, (i + 0.5) / 400, NULL) == paris;
    assert_true(fabs(hits / 400.0 - exp((double)logprob)) < 0.01);
}

static void the_same_u_draws_the_same_token(void **state)
{
    (void)state;
    struct request r = asking(1.2f);
    for (int i = 0; i < 8; i++)
        assert_int_equal(drawn(CAPITAL, &r, i / 8.0, NULL), drawn(CAPITAL, &r, i / 8.0, NULL));
}

static int different(const struct request *r)
{
    int32_t seen[64];
    int n = 0;
    for (int i = 0; i < 64; i++) {
        int32_t token = drawn(CAPITAL, r, (i + 0.5) / 64, NULL);
        int at = 0;
        while (at < n && seen[at] != token)
            at++;
        if (at == n)
            seen[n++] = token;
    }
    return n;
}

static void filters_narrow_the_choice(void **state)
{
    (void)state;
    struct request wide = asking(3), r = wide;
    wide.sampling.top_k = 0;
    wide.sampling.top_p = 1;
    wide.sampling.min_p = 0;
    assert_true(different(&wide) > 40);
    r = wide;
    r.sampling.top_k = 3;
    assert_int_equal(different(&r), 3);
    r = wide;
    r.sampling.top_p = 0.01f;
    assert_int_equal(different(&r), 1);
    r = wide;
    r.sampling.min_p = 0.999f;
    assert_int_equal(different(&r), 1);
    r.sampling.top_k = 40;
    assert_int_equal(different(&r), 1);
}

static void a_bias_forbids_or_forces_a_token(void **state)
{
    (void)state;
    struct request r = asking(0);
    int32_t paris = drawn(CAPITAL, &r, 0, NULL);
    struct logit_bias bias = {.token = paris, .bias = -100};
    r.biases = &bias;
    r.biases_n = 1;
    int32_t other = drawn(CAPITAL, &r, 0, NULL);
    assert_int_not_equal(other, paris);
    bias = (struct logit_bias){.token = 1234, .bias = 100};
    assert_int_equal(drawn(CAPITAL, &r, 0, NULL), 1234);
    r.biases_n = 0;
    assert_int_equal(drawn(CAPITAL, &r, 0, NULL), paris);
}

static void penalties_turn_repetition_away(void **state)
{
    (void)state;
    const char *loop = "one two three one two three one two three one two";
    struct request r = asking(0);
    int32_t three = drawn(loop, &r, 0, NULL);
    for (int which = 0; which < 3; which++) {
        struct request p = asking(0);
        p.sampling.repeat_penalty = which == 0 ? 2.0f : 1.0f;
        p.sampling.presence_penalty = which == 1 ? 20.0f : 0;
        p.sampling.frequency_penalty = which == 2 ? 10.0f : 0;
        assert_int_not_equal(drawn(loop, &p, 0, NULL), three);
        p.sampling.penalty_last_n = 1; /* looks back on " two" only */
        assert_int_equal(drawn(loop, &p, 0, NULL), three);
    }
}

static void ignore_eos_never_draws_an_end(void **state)
{
    (void)state;
    const char *over = "<|im_start|>user\nSay ok.<|im_end|>\n<|im_start|>assistant\nok.";
    struct request r = asking(0);
    assert_true(ops->is_end(engine, drawn(over, &r, 0, NULL)));
    r.sampling.ignore_eos = 1;
    assert_false(ops->is_end(engine, drawn(over, &r, 0, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_rendered_by_the_models_template),
        cmocka_unit_test(a_prompt_over_the_buffers_maximum_is_an_error),
        cmocka_unit_test(tokens_give_back_the_text),
        cmocka_unit_test(control_tokens_are_parsed_only_when_asked),
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(draws_follow_the_reported_probabilities),
        cmocka_unit_test(the_same_u_draws_the_same_token),
        cmocka_unit_test(filters_narrow_the_choice),
        cmocka_unit_test(a_bias_forbids_or_forces_a_token),
        cmocka_unit_test(penalties_turn_repetition_away),
        cmocka_unit_test(ignore_eos_never_draws_an_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
