/* Ollama's dialects: what a body becomes, and the exact lines of what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api_story.h"

#include "api/dialect.h"

enum { OUT_MAX = 1 << 20 };

#define AT "\"model\":\"m\",\"created_at\":\"2023-11-14T22:13:20Z\","

static const struct api_head chat = {.shape = API_OLLAMA_CHAT, .id = 0x12ab, .created = 1700000000, .model = {"m", 1}};
static const struct api_head text = {.shape = API_OLLAMA_GENERATE, .id = 0x12ab, .created = 1700000000, .model = {"m", 1}};
static const struct api_usage usage = {.prompt_tokens = 11, .cached_tokens = 8, .completion_tokens = 3};
static const struct api_timings took = {.prompt_ms = 2, .predicted_ms = 5, .total_ms = 8.5};
#define TOOK "\"total_duration\":8500000,\"load_duration\":1500000,\"prompt_eval_count\":11,\"prompt_eval_duration\":2000000,\"eval_count\":3,"\
    "\"eval_duration\":5000000"

static struct api_call parsed(enum api_shape shape, const char *body)
{
    struct api_call c = {0};
    struct api_error e = {0};
    if (api_parse(shape, str_of(body), &c, &e) != 0)
        fail_msg("%s", e.fault.text);
    return c;
}

/* ---- bodies ---- */

static void test_a_chat(void **state)
{
    (void)state;
    struct api_call c = parsed(API_OLLAMA_CHAT,
        "{\"model\":\"m:latest\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"go\"},"
        "{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":{\"x\":1}}},"
        "{\"function\":{\"name\":\"b\",\"arguments\":{}}},{\"id\":\"mine\",\"function\":{\"name\":\"a\",\"arguments\":{}}}]},"
        "{\"role\":\"tool\",\"tool_name\":\"b\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_call_id\":\"mine\",\"content\":\"2\"},"
        "{\"role\":\"tool\",\"content\":\"3\"}],\"keep_alive\":-1,\"think\":false,"
        "\"options\":{\"num_predict\":-1,\"num_ctx\":99,\"seed\":7,\"stop\":[\"END\"],\"temperature\":0,\"repeat_last_n\":5,\"num_gpu\":1}}");
    const struct request *q = &c.request;
    assert_str(q->model, "m");
    assert_int_equal(q->turns_n, 6);
    assert_str(q->turns[1].content, "go");
    assert_str(q->turns[2].extra, "{\"tool_calls\":[{\"id\":\"call00000\",\"type\":\"function\",\"function\":{\"name\":\"a\",\"arguments\":\"{\\\"x\\\":1}\"}},"
                                  "{\"id\":\"call00001\",\"type\":\"function\",\"function\":{\"name\":\"b\",\"arguments\":\"{}\"}},"
                                  "{\"id\":\"mine\",\"type\":\"function\",\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}}],\"reasoning_content\":\"hm\"}");
    assert_str(q->turns[3].extra, "{\"tool_call_id\":\"call00001\",\"name\":\"b\"}");
    assert_str(q->turns[4].extra, "{\"tool_call_id\":\"mine\",\"name\":\"a\"}");
    assert_str(q->turns[5].extra, "{\"tool_call_id\":\"call00000\",\"name\":\"a\"}");
    assert_str(q->template_args, "{\"enable_thinking\":false}");
    assert_true(c.stream && c.seed_given && !q->continues);
    assert_int_equal(q->sampling.max_tokens, 0);
    assert_int_equal(q->sampling.penalty_last_n, 5);
    assert_int_equal(q->sampling.seed, 7);
    assert_str(q->stops[0], "END");
    api_call_fini(&c);
}

static void test_prompts(void **state)
{
    (void)state;
    struct api_call c = parsed(API_OLLAMA_GENERATE, "{\"prompt\":\"go\",\"system\":\"be brief\",\"stream\":false,\"format\":\"json\"}");
    assert_int_equal(c.request.turns_n, 2);
    assert_str(c.request.turns[1].content, "go");
    assert_int_equal(c.request.form, FORM_JSON);
    assert_true(!c.stream && c.request.kind == REQUEST_CHAT);
    api_call_fini(&c);
    c = parsed(API_OLLAMA_GENERATE, "{\"prompt\":\"go\",\"raw\":true,\"format\":{\"type\":\"object\"}}");
    assert_true(c.request.kind == REQUEST_TEXT && c.request.form == FORM_SCHEMA);
    assert_str(c.request.text, "go");
    api_call_fini(&c);
    c = parsed(API_OLLAMA_GENERATE, "{\"prompt\":\"go\",\"suffix\":\"end\"}");
    assert_true(request_fills(&c.request) && c.request.turns_n == 2);
    assert_str(c.request.turns[0].content, "end");
    assert_str(c.request.turns[1].content, "go");
    api_call_fini(&c);
    c = parsed(API_OLLAMA_CHAT, "{\"messages\":[]}");
    assert_true(c.request.sampling.prompt_only == PROMPT_COUNTED && !c.stream);
    api_call_fini(&c);
    c = parsed(API_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\"}]}");
    assert_true(c.request.continues);
    api_call_fini(&c);
    c = parsed(API_OLLAMA_EMBEDDINGS, "{\"prompt\":\"x\"}");
    assert_true(c.request.kind == REQUEST_EMBED && c.request.inputs_n == 1);
    api_call_fini(&c);
}

static void test_refusals(void **state)
{
    (void)state;
#define SAYS(message) "{\"messages\":[" message "]}"
    static const struct { enum api_shape shape; const char *body, *says; } cases[] = {
        {API_OLLAMA_CHAT, "{\"messages\":7}", "messages: expected an array of messages, got a number"},
        {API_OLLAMA_CHAT, SAYS("7"), "messages[0]: expected an object"},
        {API_OLLAMA_CHAT, SAYS("{\"role\":\"user\",\"content\":[]}"), "messages[0].content: expected a string"},
        {API_OLLAMA_CHAT, SAYS("{\"role\":\"user\",\"images\":[\"x\"]}"), "messages[0].images: are not supported"},
        {API_OLLAMA_CHAT, SAYS("{\"role\":\"tool\",\"content\":\"x\"}"), "messages[0]: is the result of no call"},
        {API_OLLAMA_CHAT, SAYS("{\"role\":\"assistant\",\"tool_calls\":[7]}"), "messages[0].tool_calls[0]: a call needs"},
        {API_OLLAMA_CHAT, SAYS("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"a\"}}]}"), "messages: the last one calls tools"},
        {API_OLLAMA_CHAT, "{\"options\":7}", "options: expected an object"},
        {API_OLLAMA_GENERATE, "{\"prompt\":\"x\",\"images\":[\"x\"]}", "images: are not supported"},
        {API_OLLAMA_GENERATE, "{\"prompt\":\"x\",\"raw\":true,\"system\":\"y\"}", "system: a prompt that is raw, or before a gap"},
        {API_OLLAMA_GENERATE, "{\"prompt\":\"x\",\"think\":7}", "think: expected true or false"},
        {API_OLLAMA_GENERATE, "{\"prompt\":\"x\",\"options\":{\"num_predict\":1.5}}", "num_predict: expected an integer"},
        {API_OLLAMA_EMBED, "{}", "input: is missing"},
        {API_OLLAMA_EMBEDDINGS, "{\"prompt\":[\"x\"]}", "prompt: expected a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_call c;
        struct api_error e = {0};
        assert_true(api_parse(cases[i].shape, str_of(cases[i].body), &c, &e) != 0);
        assert_memory_equal(e.fault.text, cases[i].says, strlen(cases[i].says));
    }
}

/* ---- lines ---- */

static void test_lines(void **state)
{
    (void)state;
    const struct api_dialect *d = api_dialect(API_OLLAMA_CHAT);
    struct buf b = buf_max(OUT_MAX);
    struct api_event ev = {.head = &chat, .usage = usage, .choice.text = str_of("Hi \"you\"")};
    assert_true(d->lines && !d->begin(&b, &ev));
    d->piece(&b, &ev);
    assert_out(&b, "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"Hi \\\"you\\\"\"},\"done\":false}\n");
    ev.block.kind = PART_REASONING;
    d->piece(&b, &ev);
    assert_out(&b, "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Hi \\\"you\\\"\"},\"done\":false}\n");
    assert_false(d->end(&b, &ev));
    ev.block = (struct api_block){.kind = PART_TOOL_ARGUMENTS, .name = str_of("a"), .text = str_of("{\"x\":1}")};
    d->piece(&b, &ev);
    assert_out(&b, "");
    assert_true(d->end(&b, &ev));
    assert_memory_equal(buf_cstr(&b), "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"", 100);
    assert_non_null(strstr(buf_cstr(&b), "\",\"function\":{\"index\":0,\"name\":\"a\",\"arguments\":{\"x\":1}}}]},\"done\":false}\n"));
    buf_reset(&b);
    ev.block.text = str_of("{\"x\":");
    assert_false(d->end(&b, &ev));
    ev.choice = (struct api_choice){.finish = FINISH_TOOLS, .timings = &took};
    assert_true(d->closing(&b, &ev));
    assert_out(&b, "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_reason\":\"stop\"," TOOK ",\"done\":true}\n");
    d->idle(&b, &ev, str_of("manta queue=1"));
    assert_out(&b, "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n");
    struct fault f = {.err = ERR_FAILED, .text = "no"};
    d->fault(&b, &ev, &f);
    assert_out(&b, "{\"error\":\"no\"}\n");
    ev = (struct api_event){.head = &text, .choice.text = str_of("Hi")};
    api_dialect(API_OLLAMA_GENERATE)->piece(&b, &ev);
    assert_out(&b, "{" AT "\"response\":\"Hi\",\"done\":false}\n");
    buf_fini(&b);
}

static void test_a_whole_answer(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_block blocks[] = {{.kind = PART_REASONING, .text = str_of("hm")}, {.kind = PART_TEXT, .text = str_of("Hi")}};
    struct api_choice c = {.text = str_of("Hi"), .finish = FINISH_LENGTH, .blocks = blocks, .blocks_n = 2};
    struct api_call call = {0};
    struct api_whole w = {.head = &chat, .call = &call, .choices = &c, .n = 1, .usage = usage};
    w.usage.timings = &took;
    api_dialect(API_OLLAMA_CHAT)->answer(&b, &w);
    assert_out(&b, "{" AT "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"thinking\":\"hm\"},\"done_reason\":\"length\"," TOOK ",\"done\":true}");
    w.head = &text;
    call.request.sampling.prompt_only = PROMPT_COUNTED;
    api_dialect(API_OLLAMA_GENERATE)->answer(&b, &w);
    assert_out(&b, "{" AT "\"response\":\"\",\"done_reason\":\"load\",\"total_duration\":8500000,\"load_duration\":1500000,"
               "\"prompt_eval_count\":0,\"prompt_eval_duration\":2000000,\"eval_count\":0,\"eval_duration\":5000000,\"done\":true}");
    buf_fini(&b);
}

static void test_names(void **state)
{
    (void)state;
    static const struct { const char *body, *name; } cases[] = {
        {"{\"model\":\"m\"}", "m"}, {"{\"name\":\"m:latest\"}", "m"}, {"{\"model\":\"m:4b\"}", "m:4b"}, {"{\"model\":\":latest\"}", ":latest"}, {"{}", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = buf_max(OUT_MAX);
        struct api_error e = {0};
        assert_int_equal(api_parse_show(str_of(cases[i].body), &b, &e), cases[i].name != NULL ? 0 : ERR_INVALID);
        assert_string_equal(buf_cstr(&b), cases[i].name != NULL ? cases[i].name : "");
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chat),   cmocka_unit_test(test_prompts),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_a_whole_answer), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
