/* Embeddings: every form of input, what is refused, and the exact bytes of the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "api/api.h"

static struct api_call parse(const char *body)
{
    struct api_call c = {0};
    struct api_error e = {0};
    if (api_parse(API_EMBEDDINGS, str_of(body), &c, &e) != 0)
        fail_msg("refused: %s", e.fault.text);
    return c;
}

/* Given the four forms of input, each becomes texts or token ids in their order, and a clone keeps them. */
static void test_every_form_of_input(void **state)
{
    (void)state;
    struct api_call c = parse("{\"input\":\"cat\",\"model\":\"minilm\"}");
    assert_int_equal(c.request.kind, REQUEST_EMBED);
    assert_int_equal(c.request.inputs_n, 1);
    assert_true(str_is(c.request.inputs[0].text, "cat"));
    assert_false(c.base64);
    api_call_fini(&c);

    c = parse("{\"input\":[\"cat\",\"dog\"],\"encoding_format\":\"base64\",\"dimensions\":5,\"stream\":null}");
    assert_int_equal(c.request.inputs_n, 2);
    assert_true(str_is(c.request.inputs[1].text, "dog"));
    assert_true(c.base64 && c.dimensions == 5);
    api_call_fini(&c);

    c = parse("{\"input\":[101,7,102]}");
    assert_int_equal(c.request.inputs_n, 1);
    assert_int_equal(c.request.inputs[0].tokens_n, 3);
    assert_int_equal(c.request.inputs[0].tokens[2], 102);
    api_call_fini(&c);

    c = parse("{\"input\":[\"a cat\",7,\"\",\"!\"]}");
    assert_int_equal(c.request.inputs_n, 1);
    assert_true(str_is(c.request.inputs[0].text, "a cat!") && c.request.inputs[0].tokens_n == 4);
    assert_memory_equal(c.request.inputs[0].tokens, ((int32_t[]){input_mark(5), 7, input_mark(0), input_mark(1)}), 4 * sizeof(int32_t));
    api_call_fini(&c);

    c = parse("{\"input\":[[1],\"cat\",[2,3]]}");
    struct request *copy = request_clone(&c.request);
    size_t bytes = request_prompt_bytes(&c.request);
    api_call_fini(&c);
    assert_int_equal(bytes, 3 + 3 * sizeof(int32_t));
    assert_int_equal(copy->inputs_n, 3);
    assert_int_equal(copy->inputs[0].tokens[0], 1);
    assert_true(str_is(copy->inputs[1].text, "cat"));
    assert_int_equal(copy->inputs[2].tokens_n, 2);
    assert_int_equal(copy->inputs[2].tokens[1], 3);
    free(copy);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *text;
    } cases[] = {
        {"{}", "input", "input: is missing: a text, or an array of texts"},
        {"{\"input\":null}", "input", "input: is missing: a text, or an array of texts"},
        {"{\"input\":\"\"}", "input", "input: is empty: expected a text to make a vector of"},
        {"{\"input\":[]}", "input", "input: is empty: expected at least one text"},
        {"{\"input\":[\"a\",\"\"]}", "input[1]", "input[1]: is empty: expected a text to make a vector of"},
        {"{\"input\":[[1],[]]}", "input[1]", "input[1]: is empty: expected at least one token id"},
        {"{\"input\":true}", "input", "input: expected a string, an array of strings, or token ids, got true"},
        {"{\"input\":[{}]}", "input[0]", "input[0]: expected a string, or an array of token ids and texts, got an object"},
        {"{\"input\":[1,{}]}", "input[1]", "input[1]: expected a token id or a text, got an object"},
        {"{\"input\":[[2147483648]]}", "input[0][0]", "input[0][0]: 2147483648 is out of range, 0 … 2147483647"},
        {"{\"input\":\"a\",\"encoding_format\":1}", "encoding_format",
         "encoding_format: expected \"float\" or \"base64\", got a number"},
        {"{\"input\":\"a\",\"encoding_format\":\"hex\"}", "encoding_format",
         "encoding_format: 'hex' is not one of \"float\", \"base64\""},
        {"{\"input\":\"a\",\"dimensions\":0}", "dimensions", "dimensions: 0 is out of range, 1 … 65536"},
        {"{\"input\":\"a\",\"model\":5}", "model", "model: expected a string, got a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_call c;
        struct api_error e = {0};
        assert_int_equal(api_parse(API_EMBEDDINGS, str_of(cases[i].body), &c, &e), ERR_INVALID);
        assert_string_equal(e.param, cases[i].param);
        assert_string_equal(e.fault.text, cases[i].text);
    }
}

/* Given one text more than a request may have, it is refused with both numbers. */
static void test_too_many_inputs(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 16);
    buf_puts(&b, "{\"input\":[\"a\"");
    for (int i = 0; i < REQUEST_INPUTS_MAX; i++)
        buf_puts(&b, ",\"a\"");
    buf_puts(&b, "]}");
    struct api_call c;
    struct api_error e = {0};
    assert_int_equal(api_parse(API_EMBEDDINGS, buf_str(&b), &c, &e), ERR_INVALID);
    assert_string_equal(e.fault.text,
                        "input: has 2049 texts, at most 2048 are taken in one request: send the rest in others");
    buf_fini(&b);
}

static const struct api_head head = {.shape = API_EMBEDDINGS, .model = {"m", 1}};
static const struct api_usage usage = {.prompt_tokens = 7};
static const float first[] = {0.6f, 0.0f, 0.8f}, second[] = {-1.0f, 0.0f, 0.0f};
static const struct api_vector vectors[] = {{.p = first, .n = 3}, {.p = second, .n = 3}};

#define TAIL "],\"model\":\"m\",\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}"

static void test_vectors_as_numbers(void **state)
{
    (void)state;
    struct buf b = buf_max(4096);
    api_write_embeddings(&b, &head, vectors, 2, 0, false, &usage);
    assert_string_equal(buf_cstr(&b), "{\"object\":\"list\",\"data\":["
                                      "{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.6,0,0.8]},"
                                      "{\"object\":\"embedding\",\"index\":1,\"embedding\":[-1,0,0]}" TAIL);
    buf_fini(&b);
}

/* Given fewer dimensions than the vectors have, the rest is scaled to length 1 again. */
static void test_cut_vectors(void **state)
{
    (void)state;
    struct buf b = buf_max(4096);
    api_write_embeddings(&b, &head, vectors, 1, 2, false, &usage);
    assert_string_equal(buf_cstr(&b), "{\"object\":\"list\",\"data\":["
                                      "{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,0]}" TAIL);
    buf_fini(&b);
}

/* Given vectors of one, two and three floats, base64 ends with each of its three endings. */
static void test_vectors_as_base64(void **state)
{
    (void)state;
    static const float one[] = {1, 1, 1};
    static const char *const coded[] = {"AACAPw==", "AACAPwAAgD8=", "AACAPwAAgD8AAIA/"};
    for (uint32_t n = 1; n <= 3; n++) {
        struct buf b = buf_max(4096), expected = buf_max(4096);
        api_write_embeddings(&b, &head, &(struct api_vector){.p = one, .n = n}, 1, 0, true, &usage);
        buf_printf(&expected, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":\"%s\"}" TAIL,
                   coded[n - 1]);
        assert_string_equal(buf_cstr(&b), buf_cstr(&expected));
        buf_fini(&b);
        buf_fini(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_input), cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_too_many_inputs),     cmocka_unit_test(test_vectors_as_numbers),
        cmocka_unit_test(test_cut_vectors),         cmocka_unit_test(test_vectors_as_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
