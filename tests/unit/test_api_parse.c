/* Good bodies: what clients send becomes what they meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"

/* Parses a body that must be good. */
static struct api_call parse(enum api_shape shape, const char *body)
{
    struct api_call c = {0};
    struct api_error e = {0};
    int err = api_parse(shape, str_of(body), &c, &e);
    if (err)
        fail_msg("refused: %s", e.fault.text);
    return c;
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.n, strlen(expected));
    if (s.n > 0)
        assert_memory_equal(s.p, expected, s.n);
}

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

/* Given the smallest chat request, everything else has its default. */
static void test_smallest_chat(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT, "{" HELLO "}");
    struct sampling usual = sampling_default();
    assert_int_equal(c.shape, API_CHAT);
    assert_int_equal(c.request.kind, REQUEST_CHAT);
    assert_int_equal(c.request.turns_n, 1);
    assert_str(c.request.turns[0].role, "user");
    assert_str(c.request.turns[0].content, "Hello");
    assert_str(c.request.model, "");
    assert_float_equal(c.request.sampling.temperature, usual.temperature, 0);
    assert_int_equal(c.request.sampling.max_tokens, 0);
    assert_int_equal(c.n, 1);
    assert_false(c.stream);
    assert_false(c.seed_given);
    assert_false(c.spread);
    api_call_fini(&c);
}

/* Given every field of a chat request, each lands in its place. */
static void test_every_chat_field(void **state)
{
    (void)state;
    struct api_call c = parse(
        API_CHAT,
        "{\"model\":\"smollm2\"," HELLO ",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"n\":3,"
        "\"max_tokens\":7,\"max_completion_tokens\":9,\"temperature\":0,\"top_p\":0.5,\"top_k\":17,\"min_p\":0.25,"
        "\"presence_penalty\":-1.5,\"frequency_penalty\":2,\"repeat_penalty\":1.25,\"repeat_last_n\":-1,"
        "\"seed\":-42,\"stop\":[\"\\n\\n\",\"END\"],\"logprobs\":true,\"top_logprobs\":20,\"ignore_eos\":true,"
        "\"logit_bias\":{\"50\":-100,\"7\":1.5},\"user\":\"ann\",\"cache_prompt\":true,\"response_format\":"
        "{\"type\":\"text\"},\"tools\":[],\"tool_choice\":\"none\",\"store\":false,\"something_new\":{\"a\":[1]}}");
    const struct sampling *s = &c.request.sampling;
    assert_str(c.request.model, "smollm2");
    assert_true(c.stream && c.include_usage);
    assert_int_equal(c.n, 3);
    assert_int_equal(s->max_tokens, 9);
    assert_float_equal(s->temperature, 0, 0);
    assert_float_equal(s->top_p, 0.5f, 0);
    assert_float_equal(s->min_p, 0.25f, 0);
    assert_int_equal(s->top_k, 17);
    assert_float_equal(s->presence_penalty, -1.5f, 0);
    assert_float_equal(s->frequency_penalty, 2, 0);
    assert_float_equal(s->repeat_penalty, 1.25f, 0);
    assert_int_equal(s->penalty_last_n, -1);
    assert_true(c.seed_given);
    assert_true(s->seed == (uint64_t)-42);
    assert_int_equal(c.request.stops_n, 2);
    assert_str(c.request.stops[0], "\n\n");
    assert_str(c.request.stops[1], "END");
    assert_int_equal(s->logprobs, 1);
    assert_int_equal(s->top_logprobs, 20);
    assert_int_equal(s->ignore_eos, 1);
    assert_int_equal(c.request.biases_n, 2);
    assert_int_equal(c.request.biases[0].token, 50);
    assert_float_equal(c.request.biases[0].bias, -100, 0);
    assert_int_equal(c.request.biases[1].token, 7);
    assert_float_equal(c.request.biases[1].bias, 1.5f, 0);
    assert_str(c.request.affinity, "ann");
    api_call_fini(&c);
}

/* Given null for every optional field, as some SDKs send them, it is as if they were not there. */
static void test_null_is_not_given(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT, "{" HELLO ",\"model\":null,\"temperature\":null,\"stop\":null,\"seed\":null,"
                                        "\"stream\":null,\"stream_options\":null,\"logit_bias\":null,\"n\":null,"
                                        "\"max_tokens\":null,\"tools\":null,\"response_format\":null,\"user\":null}");
    assert_false(c.seed_given);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.request.stops_n, 0);
    api_call_fini(&c);
}

/* Given the other spellings that clients use for the same thing, they mean the same. */
static void test_other_spellings(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT, "{" HELLO ",\"stop\":\"x\",\"logit_bias\":[[5,2],[6,false],[\" cat\",-1.5]],\"top_k\":-1,"
                                        "\"max_tokens\":-1,\"repetition_penalty\":1.5,\"n\":2.0,\"top_p\":0,"
                                        "\"user\":\"u\",\"prompt_cache_key\":\"k\",\"tool_choice\":\"none\","
                                        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}");
    assert_int_equal(c.request.stops_n, 1);
    assert_int_equal(c.request.biases_n, 3);
    assert_true(c.request.biases[1].bias == -INFINITY);
    assert_true(str_is(c.request.biases[2].text, " cat") && c.request.biases[2].bias == -1.5f);
    assert_int_equal(c.request.sampling.top_k, 0);
    assert_int_equal(c.request.sampling.max_tokens, 0);
    assert_float_equal(c.request.sampling.repeat_penalty, 1.5f, 0);
    assert_int_equal(c.n, 2);
    assert_true(c.request.sampling.top_p > 0 && c.request.sampling.top_p < 0.001f);
    assert_str(c.request.affinity, "k");
    api_call_fini(&c);
}

/* Given the forms a message's content may have, each becomes one text. */
static void test_contents(void **state)
{
    (void)state;
    struct api_call c = parse(
        API_CHAT, "{\"messages\":[{\"role\":\"developer\",\"content\":\"Be brief.\"},"
                  "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":\"text\",\"text\":"
                  "\"two \\ud83d\\ude00\"}]},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
                  "{\"role\":\"assistant\"},{\"role\":\"user\",\"content\":[]},{\"role\":\"user\",\"content\":\"\"}]}");
    assert_int_equal(c.request.turns_n, 6);
    assert_str(c.request.turns[0].role, "system");
    assert_str(c.request.turns[1].content, "one\ntwo \xf0\x9f\x98\x80");
    for (int i = 2; i < 6; i++)
        assert_str(c.request.turns[i].content, "");
    api_call_fini(&c);
}

static void test_completion(void **state)
{
    (void)state;
    struct api_call c = parse(API_COMPLETION, "{\"prompt\":\"Once\"}");
    assert_int_equal(c.request.kind, REQUEST_TEXT);
    assert_str(c.request.text, "Once");
    assert_int_equal(c.request.sampling.max_tokens, API_COMPLETION_TOKENS);
    assert_int_equal(c.request.sampling.logprobs, 0);
    api_call_fini(&c);

    c = parse(API_COMPLETION, "{\"prompt\":[\"Once\"],\"n_predict\":5,\"logprobs\":0,\"echo\":false,\"suffix\":\"\","
                              "\"best_of\":1,\"seed\":9223372036854775807}");
    assert_str(c.request.text, "Once");
    assert_int_equal(c.request.sampling.max_tokens, 5);
    assert_int_equal(c.request.sampling.logprobs, 1);
    assert_true(c.request.sampling.seed == INT64_MAX);
    api_call_fini(&c);
}

static void test_several_prompts(void **state)
{
    (void)state;
    struct api_call c = parse(API_COMPLETION, "{\"prompt\":[\"a\",[3,4]],\"n\":2,\"best_of\":3}");
    assert_int_equal(c.request.inputs_n, 6);
    assert_int_equal(c.n, 6);
    assert_int_equal(c.each, 3);
    assert_int_equal(c.shown, 2);
    assert_true(c.many && c.hides_logprobs);
    assert_true(str_is(c.request.inputs[2].text, "a"));
    assert_int_equal(c.request.inputs[3].tokens_n, 2);
    assert_int_equal(c.request.inputs[5].tokens[1], 4);
    api_call_fini(&c);
    c = parse(API_COMPLETION, "{\"prompt\":[7,8,9],\"echo\":true,\"logprobs\":0,\"max_tokens\":0}");
    assert_int_equal(c.request.inputs_n, 0);
    assert_int_equal(c.request.tokens_n, 3);
    assert_true(c.with_prompt && !c.many && !c.hides_logprobs);
    assert_int_equal(c.request.sampling.prompt_only, PROMPT_SCORED);
    assert_true(c.request.sampling.prompt_scores && c.request.sampling.prompt_text);
    api_call_fini(&c);
}

static void test_samplers(void **state)
{
    (void)state;
    struct api_call c = parse(API_COMPLETION, "{\"prompt\":\"a\",\"samplers\":[\"typ_p\",\"xtc\"],\"dry_multiplier\":0.5,\"min_keep\":2}");
    assert_int_equal(c.request.sampling.order, SAMPLER_TYPICAL_P | SAMPLER_XTC << 4);
    assert_int_equal(c.request.sampling.min_keep, 2);
    assert_int_equal(c.request.breakers_n, 4);
    api_call_fini(&c);
    c = parse(API_COMPLETION, "{\"prompt\":\"a\",\"samplers\":\"edskypmxt\"}");
    assert_int_equal(c.request.sampling.order, 0); /* the usual one */
    api_call_fini(&c);
    c = parse(API_COMPLETION, "{\"prompt\":\"a\",\"samplers\":[],\"dry_multiplier\":1,\"dry_sequence_breakers\":[\"x\"]}");
    assert_int_equal(c.request.sampling.order, SAMPLERS);
    assert_int_equal(c.request.breakers_n, 1);
    api_call_fini(&c);
}

static void test_process_prompt(void **state)
{
    (void)state;
    struct api_call c = parse(API_PROCESS_PROMPT, "{\"prompt\":\"Why?\"}");
    assert_int_equal(c.request.kind, REQUEST_CHAT);
    assert_int_equal(c.request.turns_n, 1);
    assert_str(c.request.turns[0].role, "user");
    assert_str(c.request.turns[0].content, "Why?");
    assert_int_equal(c.n, 1);
    assert_true(c.spread);
    assert_int_equal(c.final, API_FINAL_FIRST);
    assert_int_equal(c.request.sampling.logprobs, 0);
    assert_int_equal(c.request.sampling.max_tokens, API_PROCESS_PROMPT_TOKENS);
    api_call_fini(&c);

    c = parse(API_PROCESS_PROMPT, "{" HELLO ",\"actors\":\"all\",\"final\":\"vote\",\"timeout_s\":1.5,\"stream\":true}");
    assert_int_equal(c.n, 0);
    assert_int_equal(c.final, API_FINAL_VOTE);
    assert_int_equal(c.request.sampling.logprobs, 1);
    assert_int_equal(c.timeout_ms, 1500);
    assert_true(c.stream);
    api_call_fini(&c);

    c = parse(API_PROCESS_PROMPT, "{\"prompt\":\"Why?\",\"actors\":3,\"final\":\"best\",\"model\":\"gpt2\"}");
    assert_int_equal(c.n, 3);
    assert_int_equal(c.final, API_FINAL_BEST);
    api_call_fini(&c);
}

/* Given a string of ten million characters, all of them arrive. */
static void test_ten_megabytes(void **state)
{
    (void)state;
    const size_t n = 10 * 1000 * 1000;
    static const char before[] = "{\"prompt\":\"", after[] = "\"}";
    char *body = malloc(n + sizeof before + sizeof after);
    memcpy(body, before, sizeof before - 1);
    memset(body + sizeof before - 1, 'x', n);
    memcpy(body + sizeof before - 1 + n, after, sizeof after);
    struct api_call c = parse(API_COMPLETION, body);
    assert_int_equal(c.request.text.n, n);
    assert_int_equal(c.request.text.p[n - 1], 'x');
    api_call_fini(&c);
    free(body);
}

/* Given the names that OpenAI, llama-server and vLLM have for the form of an answer; then each becomes the form, and its text. */
static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        enum request_form form;
        const char *text, *name;
    } cases[] = {
        {"\"grammar\":\"root ::= [a]\"", FORM_GRAMMAR, "root ::= [a]", "grammar"},
        {"\"guided_grammar\":\"root ::= [a]\"", FORM_GRAMMAR, "root ::= [a]", "guided_grammar"},
        {"\"json_schema\":{\"type\":\"null\"}", FORM_SCHEMA, "{\"type\":\"null\"}", "json_schema"},
        {"\"json_schema\":{}", FORM_SCHEMA, "{}", "json_schema"},
        {"\"guided_json\":\"{\\\"b\\\":1,\\\"a\\\":2}\"", FORM_SCHEMA, "{\"b\":1,\"a\":2}", "guided_json"},
        {"\"guided_regex\":\"a+\"", FORM_REGEX, "a+", "guided_regex"},
        {"\"regex\":\"a+\"", FORM_REGEX, "a+", "regex"},
        {"\"guided_choice\":[\"a\\\"b\",\"c\\\\d\\n\"]", FORM_GRAMMAR, "root ::= \"a\\\"b\" | \"c\\\\d\\n\"", "guided_choice"},
        {"\"structured_outputs\":{\"json\":{\"z\":1,\"a\":2}}", FORM_SCHEMA, "{\"z\":1,\"a\":2}", "structured_outputs"},
        {"\"structured_outputs\":{\"json_object\":true,\"regex\":null}", FORM_JSON, "", "structured_outputs"},
        {"\"response_format\":{\"type\":\"json_object\"}", FORM_JSON, "", "response_format"},
        {"\"response_format\":{\"type\":\"json_object\",\"schema\":{\"a\":1}}", FORM_SCHEMA, "{\"a\":1}", "response_format"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}}", FORM_SCHEMA, "{\"a\":1}",
         "response_format"},
        {"\"response_format\":{\"type\":\"text\"},\"grammar\":\"\",\"guided_choice\":[],\"json_schema\":null", FORM_FREE, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{" HELLO ",%s}", cases[i].field);
        struct api_call c = parse(API_CHAT, body);
        assert_int_equal(c.request.form, cases[i].form);
        assert_str(c.request.form_text, cases[i].text);
        assert_string_equal(c.form_field, cases[i].name);
        api_call_fini(&c);
    }
}

/* Given the same parsed request, its clone outlives it: nothing points into freed memory (ASan watches). */
static void test_clone_outlives_call(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT, "{" HELLO ",\"model\":\"m\",\"stop\":[\"a\",\"b\"],\"logit_bias\":{\"1\":1,\" cat\":2}}");
    struct request *copy = request_clone(&c.request);
    api_call_fini(&c);
    assert_str(copy->turns[0].content, "Hello");
    assert_str(copy->turns[0].role, "user");
    assert_str(copy->stops[1], "b");
    assert_str(copy->model, "m");
    assert_int_equal(copy->biases[0].token, 1);
    assert_str(copy->biases[1].text, " cat");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_chat),      cmocka_unit_test(test_every_chat_field),
        cmocka_unit_test(test_null_is_not_given),  cmocka_unit_test(test_other_spellings),
        cmocka_unit_test(test_contents),           cmocka_unit_test(test_completion),
        cmocka_unit_test(test_several_prompts), cmocka_unit_test(test_samplers),
        cmocka_unit_test(test_process_prompt),     cmocka_unit_test(test_ten_megabytes),
        cmocka_unit_test(test_forms),              cmocka_unit_test(test_clone_outlives_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
