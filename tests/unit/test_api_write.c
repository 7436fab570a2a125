/* What clients read: exact bytes of each event and body, and whatever we write parses as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "json/write.h"

enum { OUT_MAX = 1 << 20 };

static const struct api_head chat = {.shape = API_CHAT, .id = 0x12ab, .created = 1700000000, .model = {"m", 1}};
static const struct api_head text = {.shape = API_COMPLETION, .id = UINT64_MAX, .created = 1, .model = {"m", 1}};
static const struct api_usage usage = {.prompt_tokens = 11, .cached_tokens = 8, .completion_tokens = 3};

#define CHAT_HEAD "\"id\":\"chatcmpl-00000000000012ab\",\"object\":\"chat.completion"
#define CHAT_REST "\",\"created\":1700000000,\"model\":\"m\",\"system_fingerprint\":\"build\""
#define CHUNK "data: {" CHAT_HEAD ".chunk" CHAT_REST ",\"choices\":[{\"index\":0,\"delta\":"
#define TEXT_HEAD                                                                                                   \
    "\"id\":\"cmpl-ffffffffffffffff\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"system_"    \
    "fingerprint\":\"build\""
#define USAGE                                                                                                       \
    "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3,\"total_tokens\":14,\"prompt_tokens_details\":{"     \
    "\"cached_tokens\":8}}"

/* The buffer must hold exactly this; it is emptied. */
static void assert_out(struct buf *b, const char *expected)
{
    assert_string_equal(buf_cstr(b), expected);
    buf_reset(b);
}

/* The chunks of a short answer, as the openai client reads them. */
static void test_chat_chunks(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_choice c = {.text = str_of("Hi")};
    api_write_role_chunk(&b, &chat, 0);
    assert_out(&b, CHUNK "{\"role\":\"assistant\",\"content\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n");

    api_write_chunk(&b, &chat, &c);
    assert_out(&b, CHUNK "{\"content\":\"Hi\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");

    c.text = str_of(" \"you\"\n");
    api_write_chunk(&b, &chat, &c);
    assert_out(&b, CHUNK "{\"content\":\" \\\"you\\\"\\n\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");

    c = (struct api_choice){.finish = FINISH_STOP};
    struct api_head with_usage = chat;
    with_usage.include_usage = true;
    api_write_chunk(&b, &with_usage, &c);
    assert_out(&b, CHUNK "{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n");

    api_write_usage_chunk(&b, &with_usage, &usage);
    assert_out(&b, "data: {" CHAT_HEAD ".chunk" CHAT_REST ",\"choices\":[]," USAGE "}\n\n");

    api_write_sse_done(&b);
    assert_out(&b, "data: [DONE]\n\n");
    buf_fini(&b);
}

#define TIMINGS                                                                                                     \
    "\"timings\":{\"cache_n\":8,\"prompt_n\":3,\"prompt_ms\":1.500,\"prompt_per_token_ms\":0.500,\"prompt_per_second\":2000.000000,"  \
    "\"predicted_n\":4,\"predicted_ms\":8.000,\"predicted_per_token_ms\":2.667,\"predicted_per_second\":375.000000}"

/* llama-server's words: the first token comes with the prompt, and has no time of its own; what took no time has no pace, and no number that JSON lacks. */
static void test_timings(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_timings t = {.cached = 8, .prompt = 3, .predicted = 4, .steps = 3, .prompt_ms = 1.5, .predicted_ms = 8};
    struct api_usage timed = usage;
    timed.timings = &t;
    struct api_choice c = {.finish = FINISH_STOP, .timings = &t};
    api_write_chunk(&b, &chat, &c);
    assert_out(&b, CHUNK "{},\"logprobs\":null,\"finish_reason\":\"stop\"}]," TIMINGS "}\n\n");
    api_write_usage_chunk(&b, &chat, &timed);
    assert_out(&b, "data: {" CHAT_HEAD ".chunk" CHAT_REST ",\"choices\":[]," USAGE "," TIMINGS "}\n\n");
    api_write_answer(&b, &chat, &c, 0, &timed);
    assert_out(&b, "{" CHAT_HEAD CHAT_REST ",\"choices\":[]," USAGE "," TIMINGS "}");

    t = (struct api_timings){.predicted = 1};
    api_write_answer(&b, &text, &c, 0, &timed);
    assert_out(&b, "{" TEXT_HEAD ",\"choices\":[]," USAGE ",\"timings\":{\"cache_n\":0,\"prompt_n\":0,\"prompt_ms\":0.000,"
                   "\"prompt_per_token_ms\":0.000,\"prompt_per_second\":0.000000,\"predicted_n\":1,\"predicted_ms\":0.000,"
                   "\"predicted_per_token_ms\":0.000,\"predicted_per_second\":0.000000}}");
    buf_fini(&b);
}

static void test_completion_chunk(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_choice c = {.index = 2, .text = str_of("Hi"), .finish = FINISH_LENGTH};
    api_write_chunk(&b, &text, &c);
    assert_out(&b, "data: {" TEXT_HEAD ",\"choices\":[{\"index\":2,\"text\":\"Hi\",\"logprobs\":null,"
                   "\"finish_reason\":\"length\"}]}\n\n");
    buf_fini(&b);
}

static void test_whole_answers(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_choice both[2] = {{.text = str_of("a"), .finish = FINISH_STOP},
                                 {.index = 1, .text = str_of("b"), .finish = FINISH_LENGTH}};
    api_write_answer(&b, &chat, both, 2, &usage);
    assert_out(&b, "{" CHAT_HEAD CHAT_REST
                   ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":null},"
                   "\"logprobs\":null,\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{\"role\":\"assistant\","
                   "\"content\":\"b\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}]," USAGE "}");
    api_write_answer(&b, &text, both, 1, &usage);
    assert_out(&b, "{" TEXT_HEAD ",\"choices\":[{\"index\":0,\"text\":\"a\",\"logprobs\":null,\"finish_reason\":"
                   "\"stop\"}]," USAGE "}");
    buf_fini(&b);
}

static void test_errors(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_error e = {.param = "model", .code = "model_not_found"};
    fault_set(&e.fault, ERR_NOT_FOUND, "no model 'x'");
    api_write_error(&b, &e);
    assert_out(&b, "{\"error\":{\"message\":\"no model 'x'\",\"type\":\"not_found_error\",\"param\":\"model\","
                   "\"code\":\"model_not_found\"}}");
    struct fault f = {.err = ERR_WORKER_LOST};
    api_write_sse_error(&b, &f);
    assert_out(&b, "data: {\"error\":{\"message\":\"the worker was lost\",\"type\":\"unavailable_error\",\"param\":null,"
                   "\"code\":null}}\n\n");
    api_write_sse_comment(&b, str_of("queued\nat 3"));
    assert_out(&b, ": queued at 3\n");
    buf_fini(&b);
}

/* Every byte value, alone: what JSON must escape is escaped, what is not UTF-8 is replaced. */
static void test_every_byte(void **state)
{
    (void)state;
    static const char *const named[256] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
                                           ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"};
    struct buf b = buf_max(OUT_MAX);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, expected[16];
        if (named[c] != NULL)
            snprintf(expected, sizeof expected, "\"%s\"", named[c]);
        else if (c < 0x20)
            snprintf(expected, sizeof expected, "\"\\u%04x\"", (unsigned)c);
        else if (c >= 0x80)
            snprintf(expected, sizeof expected, "\"\xef\xbf\xbd\"");
        else
            snprintf(expected, sizeof expected, "\"%c\"", c);
        jout_string(&b, str_n(&byte, 1));
        assert_out(&b, expected);
    }
    buf_fini(&b);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",
         "\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                          /* overlong */
        {"\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},          /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},          /* surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
        {"a\xe2\x82z", "a\xef\xbf\xbd\xef\xbf\xbdz"},                      /* cut off in the middle */
    };
    struct buf b = buf_max(OUT_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "\"%s\"", cases[i].out);
        jout_string(&b, str_of(cases[i].in));
        assert_out(&b, expected);
    }
    buf_fini(&b);
}

/* What reads the value back as JSON must find the same value. */
static json_t *parsed(struct buf *b)
{
    json_error_t e;
    json_t *v = json_loadb(b->p, b->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (v == NULL)
        fail_msg("%s in %s", e.text, buf_cstr(b));
    buf_reset(b);
    return v;
}

/* Random bytes as text: always JSON; and valid UTF-8 comes back unchanged. */
static void test_random_text(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct rng r = {.seed = 7};
    for (int round = 0; round < 2000; round++) {
        char in[64];
        size_t n = rng_below(&r, sizeof in), good = 0;
        for (size_t i = 0; i < n; i++)
            in[i] = (char)(rng_below(&r, 4) == 0 ? rng_below(&r, 256) : rng_below(&r, 128));
        for (size_t len = 1; good < n && len > 0; good += len)
            len = utf8_len(in + good, n - good);
        jout_string(&b, str_n(in, n));
        json_t *v = parsed(&b);
        if (good == n) {
            assert_int_equal(json_string_length(v), n);
            assert_memory_equal(json_string_value(v), in, n);
        }
        json_decref(v);
    }
    buf_fini(&b);
}

static void test_numbers(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct jout j = jout_to(&b);
    jout_array(&j);
    jout_int(&j, INT64_MIN);
    jout_int(&j, -1);
    jout_int(&j, 0);
    jout_uint(&j, UINT64_MAX);
    jout_float(&j, 0.1f);
    jout_float(&j, -0.0f);
    jout_float(&j, NAN);
    jout_float(&j, -INFINITY);
    jout_fixed(&j, 1.25, 3);
    jout_fixed(&j, -0.0004, 2);
    jout_fixed(&j, INFINITY, 2);
    jout_bool(&j, true);
    jout_bool(&j, false);
    jout_null(&j);
    jout_array_end(&j);
    assert_out(&b, "[-9223372036854775808,-1,0,18446744073709551615,0.1,-0,null,null,1.250,-0.00,null,true,false,null]");

    struct rng r = {.seed = 11};
    for (int i = 0; i < 5000; i++) {
        union {
            uint32_t bits;
            float f;
        } u = {.bits = (uint32_t)rng_next(&r)};
        if (!isfinite(u.f))
            continue;
        j = jout_to(&b);
        jout_float(&j, u.f);
        assert_true(strtof(buf_cstr(&b), NULL) == u.f);
        json_decref(parsed(&b));
    }
    j = jout_to(&b);
    jout_fixed(&j, DBL_MAX, 9);
    json_decref(parsed(&b));
    buf_fini(&b);
}

/* Commas: none first, one between, at every level. */
static void test_nesting(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct jout j = jout_to(&b);
    jout_object(&j);
    jout_key(&j, "a");
    jout_array(&j);
    jout_array(&j);
    jout_array_end(&j);
    jout_object(&j);
    jout_object_end(&j);
    jout_uint(&j, 1);
    jout_array_end(&j);
    jout_put_str(&j, "s", str_of("x"));
    jout_put_cstr(&j, "c", "y");
    jout_put_int(&j, "i", -1);
    jout_put_uint(&j, "u", 2);
    jout_put_fixed(&j, "f", 0.5, 1);
    jout_put_bool(&j, "b", true);
    jout_put_null(&j, "n");
    jout_object_end(&j);
    assert_out(&b, "{\"a\":[[],{},1],\"s\":\"x\",\"c\":\"y\",\"i\":-1,\"u\":2,\"f\":0.5,\"b\":true,\"n\":null}");
    buf_fini(&b);
}

/* Given a buffer that is too small, the writer continues harmlessly and the buffer remembers. */
static void test_overflow(void **state)
{
    (void)state;
    struct buf b = buf_max(64);
    struct api_choice c = {.text = str_of("Hi")};
    api_write_answer(&b, &chat, &c, 1, &usage);
    assert_true(b.overflowed);
    assert_true(b.n <= 64);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_chunks), cmocka_unit_test(test_timings), cmocka_unit_test(test_completion_chunk),
        cmocka_unit_test(test_whole_answers), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_utf8), cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_nesting), cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
