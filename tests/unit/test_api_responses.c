/* OpenAI's /v1/responses: what a body becomes, the exact bytes of what is answered, and the numbers of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api_story.h"

#include "api/responses.h"

enum { OUT_MAX = 1 << 20 };

static const struct api_head head = {.shape = API_RESPONSES, .id = 0x12ab, .created = 17, .model = {"m", 1}, .echo = {"\"store\":true", 12}};
static const struct api_usage usage = {.prompt_tokens = 11, .cached_tokens = 8, .completion_tokens = 3};

static struct api_call parsed(const char *body)
{
    struct api_call c;
    struct api_error e = {0};
    if (api_parse(API_RESPONSES, str_of(body), &c, &e) != 0)
        fail_msg("%s", e.fault.text);
    return c;
}

/* ---- bodies ---- */

static void test_a_body(void **state)
{
    (void)state;
    struct api_call c = parsed(
        "{\"model\":\"m\",\"instructions\":\"be brief\",\"store\":false,\"max_output_tokens\":9,\"previous_response_id\":\"resp_00000000000012ab\","
        "\"input\":[{\"role\":\"developer\",\"content\":\"a\"},{\"type\":\"reasoning\",\"summary\":[]},{\"type\":\"web_search_call\",\"id\":\"w\"},"
        "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"b\"},{\"type\":\"input_text\",\"text\":\"c\"}]},"
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}],\"include\":[\"x\"],\"reasoning\":{\"effort\":\"low\"},"
        "\"tools\":[{\"type\":\"namespace\",\"name\":\"n\"},{\"type\":\"web_search\"}],\"tool_choice\":\"auto\",\"text\":{\"verbosity\":\"low\"}}");
    assert_int_equal(c.request.turns_n, 4);
    assert_str(c.request.turns[0].content, "be brief");
    assert_str(c.request.turns[1].role, "system");
    assert_str(c.request.turns[2].content, "b\nc");
    assert_str(c.request.turns[3].content, "no");
    assert_true(c.instructed && !c.store && c.previous == 0x12ab && c.request.sampling.max_tokens == 9);
    assert_true(api_echo_is_right(c.echo));

    const struct turn before[] = {{.role = str_of("user"), .content = str_of("x")}, {.role = str_of("assistant"), .content = str_of("y")}};
    assert_int_equal(api_call_continue(&c, before, 2), 0);
    assert_int_equal(c.request.turns_n, 6);
    assert_str(c.request.turns[0].content, "be brief");
    assert_str(c.request.turns[1].content, "x");
    assert_str(c.request.turns[2].content, "y");
    assert_str(c.request.turns[3].content, "a");
    struct turn many[REQUEST_TURNS_MAX] = {0};
    assert_int_equal(api_call_continue(&c, many, REQUEST_TURNS_MAX), ERR_TOO_LARGE);
    assert_int_equal(c.request.turns_n, 6);
    api_call_fini(&c);

    c = parsed("{\"input\":\"hi\"}");
    assert_true(c.store && !c.instructed && c.request.turns_n == 1);
    api_call_fini(&c);
}

/* What follows a call belongs to its turn, and results of an earlier response's calls get their names. */
static void test_calls_of_a_turn(void **state)
{
    (void)state;
#define CALL(id) "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"f" id "\",\"arguments\":\"{}\"}"
#define RESULT(id) "{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"x\"}"
#define THOUGHT(text) "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"" text "\"}]}"
    struct api_call c = parsed("{\"input\":[{\"role\":\"user\",\"content\":\"q\"}," THOUGHT("a") "," THOUGHT("b")
                               ",{\"role\":\"assistant\",\"content\":\"c\"}," CALL("1") "," THOUGHT("d") "," CALL("2")
                               ",{\"role\":\"assistant\",\"content\":\"e\"}," RESULT("2") "," RESULT("1") "]}");
    assert_int_equal(c.request.turns_n, 4);
    assert_str(c.request.turns[1].content, "ce");
    assert_non_null(strstr(c.request.turns[1].extra.p, "\"reasoning_content\":\"abd\""));
    assert_non_null(strstr(c.request.turns[3].extra.p, "\"name\":\"f1\""));
    api_call_fini(&c);

    c = parsed("{\"previous_response_id\":\"resp_00000000000012ab\",\"input\":[" RESULT("7") "," RESULT("8") "]}");
    assert_null(strstr(c.request.turns[0].extra.p, "name"));
    const struct turn before[] = {{.role = str_of("user"), .content = str_of("q")},
        {.role = str_of("assistant"), .content = str_of(""),
         .extra = str_of("{\"tool_calls\":[{\"id\":\"7\",\"function\":{\"name\":\"f7\",\"arguments\":\"{}\"}}]}")}};
    assert_int_equal(api_call_continue(&c, before, 2), 0);
    assert_non_null(strstr(c.request.turns[2].extra.p, "\"name\":\"f7\""));
    assert_null(strstr(c.request.turns[3].extra.p, "name"));
    api_call_fini(&c);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *body, *says; } cases[] = {
        {"{\"instructions\":\"x\"}", "input: is missing"},
        {"{\"input\":[]}", "input: is missing"},
        {"{\"input\":[{\"type\":\"reasoning\"}]}", "input: is missing"},
        {"{\"input\":7}", "input: expected a string"},
        {"{\"input\":\"x\",\"instructions\":7}", "instructions: expected a string"},
        {"{\"input\":[{\"type\":\"function_call_output\",\"output\":\"x\"}]}", "input[0].call_id: is missing"},
        {"{\"input\":[{\"role\":\"user\"}]}", "input[0].content: expected a string or an array of parts, got nothing"},
        {"{\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]}", "input[0]: expected the id of an item"},
        {"{\"input\":[{\"type\":\"input_text\",\"text\":\"x\"}]}", "input[0].type: 'input_text' is a part of a message"},
        {"{\"input\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "input[0]: needs \"role\""},
        {"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}", "input[0].content[0]: parts of type 'input_image'"},
        {"{\"input\":\"x\",\"tools\":[{\"type\":\"function\"}]}", "tools[0].name: is missing"},
        {"{\"input\":\"x\",\"tool_choice\":\"required\"}", "tool_choice: there are no tools to call"},
        {"{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\"}}}", "text.format: needs \"schema\""},
        {"{\"input\":\"x\",\"background\":true}", "background: is not supported"},
        {"{\"input\":\"x\",\"reasoning\":{\"summary\":\"long\"}}", "reasoning.summary: 'long' is none"},
        {"{\"input\":\"x\",\"moderation\":{\"model\":\"m\"}}", "moderation: is not supported"},
        {"{\"input\":\"x\",\"prompt_cache_options\":{\"prewarm\":true}}", "prompt_cache_options.prewarm: is not supported"},
        {"{\"input\":\"x\",\"max_tokens\":5}", "max_tokens: is not supported"},
        {"{\"input\":\"x\",\"previous_response_id\":\"resp_1\"}", "previous_response_id: expected the id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_call c;
        struct api_error e = {0};
        assert_true(api_parse(API_RESPONSES, str_of(cases[i].body), &c, &e) != 0);
        assert_memory_equal(e.fault.text, cases[i].says, strlen(cases[i].says));
    }
}

/* What a peer gives back is checked before it becomes a part of an answer. */
static void test_echoes(void **state)
{
    (void)state;
    assert_true(api_echo_is_right(str_of("")) && api_echo_is_right(str_of("\"a\":1,\"b\":{}")));
    assert_false(api_echo_is_right(str_of("\"a\":1},{\"b\":2")) || api_echo_is_right(str_of("a")) || api_echo_is_right(str_of("\"a\":\"")));
}

/* ---- numbers ---- */

/* Numbers rise along a stream, and each names its place again. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct api_place places[] = {{.steps = 1}, {.steps = 4}, {.tokens = 1}, {.tokens = 1, .steps = 2}, {.tokens = 2}, {.tokens = 900},
                                              {.tokens = 900, .done = true, .steps = 1}, {.tokens = 900, .done = true, .steps = 4}};
    struct buf b = buf_max(OUT_MAX);
    json_int_t before = -1;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char number[32];
        struct api_stream_id id = {.stream = 1};
        api_dialect(API_RESPONSES)->piece(&b, &(struct api_event){.head = &head, .place = places[i]});
        json_t *data = json_loads(strstr(buf_cstr(&b), "data: ") + 6, JSON_DISABLE_EOF_CHECK, NULL);
        json_int_t n = json_integer_value(json_object_get(data, "sequence_number"));
        json_decref(data);
        buf_reset(&b);
        assert_true(n > before);
        before = n;
        snprintf(number, sizeof number, "%lld", (long long)n);
        assert_int_equal(api_parse_starting_after(str_of(number), &id, NULL), 0);
        assert_true(id.whole && id.n == 1);
        assert_memory_equal(&id.at[0], &places[i], sizeof places[i]);
    }
    struct api_stream_id id = {.stream = 1};
    assert_int_equal(api_parse_starting_after(str_of(""), &id, NULL), 0);
    assert_int_equal(id.at[0].steps, 0);
    static const char *const wrong[] = {"-1", "x", "1x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(api_parse_starting_after(str_of(wrong[i]), &id, NULL), ERR_INVALID);
    buf_fini(&b);
}

/* ---- answers ---- */

#define RESPONSE(status, details, output, used)                                                                                              \
    "{\"id\":\"resp_00000000000012ab\",\"object\":\"response\",\"created_at\":17,\"status\":\"" status "\",\"error\":null,\"incomplete_details\":" details \
    ",\"model\":\"m\",\"output\":[" output "],\"store\":true,\"usage\":" used "}"
#define PART(text) "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define ITEM(status, content)                                                                                                               \
    "{\"id\":\"msg_00000000000012ab\",\"type\":\"message\",\"status\":\"" status "\",\"role\":\"assistant\",\"content\":[" content "]}"
#define EVENT(type) "event: response." type "\ndata: {\"type\":\"response." type "\",\"sequence_number\":0"
#define USAGE                                                                                                                               \
    "{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":8,\"cache_write_tokens\":0},\"output_tokens\":3," \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":14}"
#define WHERE "\"item_id\":\"msg_00000000000012ab\",\"output_index\":0,\"content_index\":0"

static void test_events(void **state)
{
    (void)state;
    const struct api_dialect *d = api_dialect(API_RESPONSES);
    struct buf b = buf_max(OUT_MAX);
    struct api_event ev = {.head = &head, .place = {.steps = 1}, .usage = usage, .choice.text = str_of("Hi"), .block.text = str_of("Hi")};
    assert_true(d->opening(&b, &ev));
    assert_out(&b, EVENT("created") ",\"response\":" RESPONSE("in_progress", "null", "", "null") "}\n\n");
    ev.step = 1;
    assert_true(d->begin(&b, &ev));
    assert_out(&b, EVENT("content_part.added") "," WHERE ",\"part\":" PART("") "}\n\n");
    d->piece(&b, &ev);
    assert_out(&b, EVENT("output_text.delta") "," WHERE ",\"delta\":\"Hi\",\"logprobs\":[]}\n\n");
    ev.step = 2;
    ev.choice.finish = FINISH_STOP;
    assert_true(!d->opening(&b, &ev) && !d->begin(&b, &ev) && d->end(&b, &ev));
    assert_out(&b, EVENT("output_item.done") ",\"output_index\":0,\"item\":" ITEM("completed", PART("Hi")) "}\n\n");
    ev.step = 3;
    assert_false(d->end(&b, &ev));
    struct api_block block = {.kind = PART_TEXT, .text = str_of("Hi")};
    struct api_choice c = {.text = str_of("Hi"), .finish = FINISH_LENGTH, .blocks = &block, .blocks_n = 1};
    struct api_whole w = {.head = &head, .choices = &c, .n = 1, .usage = usage, .place = {.tokens = 1, .done = true, .steps = 4}};
    assert_true(d->ending(&b, &w));
    assert_out(&b, "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"sequence_number\":6147,\"response\":"
                   RESPONSE("incomplete", "{\"reason\":\"max_output_tokens\"}", ITEM("incomplete", PART("Hi")), USAGE) "}\n\n");
    c.finish = FINISH_STOP;
    d->answer(&b, &w);
    assert_out(&b, RESPONSE("completed", "null", ITEM("completed", PART("Hi")), USAGE));
    buf_fini(&b);
}

#define SUMMED(status, parts) "{\"id\":\"rs_00000000000012ab\",\"type\":\"reasoning\",\"status\":\"" status "\",\"summary\":[" parts "]}"
#define SUMMED_AT "\"item_id\":\"rs_00000000000012ab\",\"output_index\":0,\"summary_index\":0"

/* A thought whose request asked for summaries: each event to the byte. */
static void test_a_summary(void **state)
{
    (void)state;
    const struct api_dialect *d = api_dialect(API_RESPONSES);
    struct api_head asked = head;
    struct buf b = buf_max(OUT_MAX);
    struct api_call c = parsed("{\"input\":\"x\",\"reasoning\":{\"summary\":\"auto\"}}");
    asked.summary = c.summary;
    assert_true(c.summary && strstr(c.echo.p, "\"reasoning\":{\"effort\":null,\"summary\":\"auto\"}") != NULL);
    api_call_fini(&c);
    struct api_event ev = {.head = &asked, .place = {.steps = 1}, .choice.text = str_of("Hm"), .block = {.kind = PART_REASONING, .text = str_of("Hm")}};
    assert_true(d->begin(&b, &ev));
    assert_out(&b, EVENT("output_item.added") ",\"output_index\":0,\"item\":" SUMMED("in_progress", "") "}\n\n");
    ev.step = 1;
    assert_true(d->begin(&b, &ev));
    assert_out(&b, EVENT("reasoning_summary_part.added") "," SUMMED_AT ",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n");
    d->piece(&b, &ev);
    assert_out(&b, EVENT("reasoning_summary_text.delta") "," SUMMED_AT ",\"delta\":\"Hm\"}\n\n");
    ev.step = 0;
    assert_true(d->end(&b, &ev));
    assert_out(&b, EVENT("reasoning_summary_text.done") "," SUMMED_AT ",\"text\":\"Hm\"}\n\n");
    ev.step = 1;
    assert_true(d->end(&b, &ev));
    assert_out(&b, EVENT("reasoning_summary_part.done") "," SUMMED_AT ",\"part\":{\"type\":\"summary_text\",\"text\":\"Hm\"}}\n\n");
    ev.step = 2;
    assert_true(d->end(&b, &ev));
    assert_out(&b, EVENT("output_item.done") ",\"output_index\":0,\"item\":" SUMMED("completed", "{\"type\":\"summary_text\",\"text\":\"Hm\"}") "}\n\n");
    buf_fini(&b);
}

static void test_failures(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct fault f;
    fault_set(&f, ERR_BUSY, "full");
    api_dialect(API_RESPONSES)->fault(&b, &(struct api_event){.head = &head, .place.steps = 1}, &f);
    assert_non_null(strstr(buf_cstr(&b), "event: response.failed\n"));
    assert_non_null(strstr(buf_cstr(&b), "\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"full\"}"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body), cmocka_unit_test(test_calls_of_a_turn), cmocka_unit_test(test_refusals), cmocka_unit_test(test_echoes),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_events), cmocka_unit_test(test_a_summary), cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
