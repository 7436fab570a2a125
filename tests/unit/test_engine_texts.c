/* Texts among token ids, and texts in place of token ids: the engine's tokens of them, within their limits, and the same after a move. */
#include <math.h>

#include "engine_world.h"
#include "engine/prompt.h"

enum { SEA = ECHO_WORDS + 6, RAYS = ECHO_WORDS + 17, REEF = ECHO_WORDS + 22 }; /* of the echo engine's words */
static const char path[] = "echo:tokens=20,decode_us=500";

static struct prompt prompt_of(struct request *r)
{
    struct engine *e = world_engine(path, 1, 64);
    struct prompt p = prompt_make(engine_echo(), e, r, &(struct engine_bounds){.cpu_ms = 1000});
    engine_echo()->free(e);
    return p;
}

/* Given " sea", two ids, "", " reef" and an id as one prompt, when it is made, the first text alone has the token that begins a text, the ids are used
 * unchanged, and as a text it is what was sent. */
static void texts_and_ids_are_one_prompt(void **state)
{
    (void)state;
    const int32_t tokens[] = {input_mark(4), RAYS, 9, input_mark(0), input_mark(5), SEA};
    const int32_t want[] = {ECHO_BEGIN, SEA, RAYS, 9, REEF, SEA};
    struct request r = {.kind = REQUEST_TEXT, .text = str_of(" sea reef"), .tokens = tokens, .tokens_n = 6, .sampling = sampling_default()};
    r.sampling.prompt_text = 1;
    struct prompt p = prompt_of(&r);
    assert_int_equal(p.fault.err, 0);
    assert_int_equal(p.tokens.n, 6);
    assert_memory_equal(p.tokens.p, want, sizeof want);
    char nine[8] = {0};
    echo_piece(9, nine, sizeof nine);
    char told[64];
    snprintf(told, sizeof told, " sea rays%s reef sea", nine);
    assert_true(str_is(buf_str(&p.text), told));
    prompt_free(&p);
}

/* Given marks that say more text than there is, an id that the model lacks, or more tokens than the context has, then it is refused with the reason. */
static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static char long_text[500];
    memset(long_text, 'x', sizeof long_text);
    const struct {
        int32_t tokens[3];
        size_t text_n;
        int err;
        const char *says;
    } cases[] = {
        {{input_mark(5), 9, input_mark(5)}, 9, ERR_INVALID, "5 bytes of text among the prompt's tokens, where 4 are left"},
        {{INT32_MIN, 9, 9}, 9, ERR_INVALID, "2147483647 bytes of text among the prompt's tokens, where 9 are left"},
        {{input_mark(9), 99999, 9}, 9, ERR_INVALID, "token 99999 is not one of this model's"},
        {{input_mark(400), 9, input_mark(100)}, 500, ERR_CONTEXT, "the prompt has at least"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request r = {.kind = REQUEST_TEXT, .text = str_n(long_text, cases[i].text_n), .tokens = cases[i].tokens, .tokens_n = 3,
                            .sampling = sampling_default()};
        struct prompt p = prompt_of(&r);
        assert_int_equal(p.fault.err, cases[i].err);
        if (strstr(p.fault.text, cases[i].says) == NULL)
            fail_msg("%s", p.fault.text);
        prompt_free(&p);
    }
}

/* Given biases of a text and of an id, when the prompt is made, each token of the text has the text's bias, and the id has its own; beyond the limit it
 * is refused by its name. */
static void a_text_s_bias_is_that_of_its_tokens(void **state)
{
    (void)state;
    struct logit_bias few[] = {{.text = str_of(" sea rays"), .bias = -3}, {.token = 9, .bias = 2}};
    struct request r = {.kind = REQUEST_TEXT, .text = str_of("a"), .biases = few, .biases_n = 2, .sampling = sampling_default()};
    struct prompt p = prompt_of(&r);
    assert_int_equal(p.fault.err, 0);
    assert_int_equal(p.biases_n, 3);
    assert_true(p.biases[0].token == SEA && p.biases[1].token == RAYS && p.biases[2].token == 9);
    assert_true(p.biases[0].bias == -3 && p.biases[1].bias == -3 && p.biases[2].bias == 2);
    prompt_free(&p);

    static char bytes[REQUEST_BIAS_BYTES_MAX + 1];
    static struct logit_bias many[REQUEST_BIAS_TOKENS_MAX / REQUEST_BIAS_BYTES_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    r.biases = many;
    for (r.biases_n = 0; r.biases_n < sizeof many / sizeof many[0]; r.biases_n++)
        many[r.biases_n] = (struct logit_bias){.text = str_n(bytes, REQUEST_BIAS_BYTES_MAX), .bias = 1};
    p = prompt_of(&r);
    assert_int_equal(p.fault.err, ERR_INVALID);
    assert_string_equal(p.fault.text, "logit_bias: the texts have more than 4096 tokens together");
    prompt_free(&p);
    many[0].text.n++;
    p = prompt_of(&r);
    assert_string_equal(p.fault.text, "logit_bias: a text of 257 bytes; at most 256 are allowed");
    prompt_free(&p);
}

/* Given an answer to texts and ids, without a word that it would have, when it continues elsewhere after 7 tokens, then it is the same. */
static void an_answer_of_both_continues_elsewhere(void **state)
{
    (void)state;
    const int32_t tokens[] = {input_mark(4), RAYS, input_mark(5)};
    struct request r = {.kind = REQUEST_TEXT, .text = str_of(" sea reef"), .tokens = tokens, .tokens_n = 3, .sampling = sampling_default()};
    struct world *w = world_new(path, 2, 256), *other = world_new(path, 2, 256);
    const struct answer *plain = &w->answers[world_submit(w, &r)], *want = plain + 1, *rest = &other->answers[1];
    world_finish(w);
    char word[64];
    int32_t avoided = plain->ids[2];
    struct logit_bias never = {.text = str_n(word, (size_t)echo_piece(avoided, word, sizeof word)), .bias = -INFINITY};
    r.biases = &never;
    r.biases_n = 1;
    world_submit(w, &r);
    world_finish(w);
    assert_int_equal(want->ids_n, 20);
    for (uint32_t i = 0; i < want->ids_n; i++)
        assert_int_not_equal(want->ids[i], avoided);
    batcher_submit(other->batcher, ++other->tickets, &r, want->ids, 7);
    other->answers[1].ids_n = 7;
    world_finish(other);
    assert_int_equal(rest->ids_n, want->ids_n);
    assert_memory_equal(rest->ids + 7, want->ids + 7, (want->ids_n - 7) * sizeof *want->ids);
    world_free(w);
    world_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_ids_are_one_prompt),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_text_s_bias_is_that_of_its_tokens),
        cmocka_unit_test(an_answer_of_both_continues_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
