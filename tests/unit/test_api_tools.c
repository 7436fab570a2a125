/* Tools: what a request offers and what was called, and how an answer of several blocks is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/dialect.h"
#include "api/responses.h"
#include "api/tools.h"

enum { OUT_MAX = 1 << 20 };

static struct api_call parse(enum api_shape shape, const char *body)
{
    struct api_call c = {0};
    struct api_error e = {0};
    if (api_parse(shape, str_of(body), &c, &e) != 0)
        fail_msg("%s: %s", body, e.fault.text);
    return c;
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_is(s, expected))
        fail_msg("expected %s\n     got %.*s", expected, STR_ARG(s));
}

static void assert_refused(enum api_shape shape, const char *body, const char *why)
{
    struct api_call c = {0};
    struct api_error e = {0};
    if (api_parse(shape, str_of(body), &c, &e) == 0)
        fail_msg("%s: was taken", body);
    if (strncmp(e.fault.text, why, strlen(why)) != 0)
        fail_msg("%s: %s", body, e.fault.text);
    const char *colon = strchr(why, ':');
    assert_int_equal(strlen(e.param), (size_t)(colon - why));
    assert_memory_equal(e.param, why, strlen(e.param));
}

/* ---- chat ---- */

#define ASK "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define F(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define NO_ARGUMENTS "\"parameters\":{\"type\":\"object\",\"properties\":{}}"
#define CANON(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"," NO_ARGUMENTS "}}"

static void what_a_chat_offers(void **state)
{
    (void)state;
    static const struct {
        const char *body, *tools;
        enum tool_choice choice;
        enum tool_calls calls;
    } cases[] = {
        {"{" ASK ",\"tools\":[]}", "", TOOLS_AUTO, TOOL_CALLS_OWN},
        {"{" ASK ",\"tools\":[" F("f") "]}", "[" CANON("f") "]", TOOLS_AUTO, TOOL_CALLS_OWN},
        {"{" ASK ",\"tools\":[" F("f") "],\"tool_choice\":\"none\"}", "[" CANON("f") "]", TOOLS_NONE, TOOL_CALLS_OWN},
        {"{" ASK ",\"tools\":[" F("f") "," F("g") "],\"tool_choice\":\"required\",\"parallel_tool_calls\":true}",
         "[" CANON("f") "," CANON("g") "]", TOOLS_REQUIRED, TOOL_CALLS_MANY},
        {"{" ASK ",\"tools\":[" F("f") "," F("g") "],\"tool_choice\":" F("g") "}", "[" CANON("g") "]", TOOLS_REQUIRED, TOOL_CALLS_ONE},
        {"{" ASK ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" F("h") "," F("f")
         "]}},\"tools\":[" F("f") "," F("g") "," F("h") "],\"parallel_tool_calls\":false}", "[" CANON("f") "," CANON("h") "]", TOOLS_AUTO, TOOL_CALLS_ONE},
        {"{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"description\":\"d\","
         "\"parameters\":{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]},\"b\":true}}}}]}",
         "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"properties\":"
         "{\"a\":{\"type\":[\"string\",\"null\"]},\"b\":true},\"type\":\"object\"},\"strict\":true}}]", TOOLS_AUTO, TOOL_CALLS_OWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_call c = parse(API_CHAT, cases[i].body);
        assert_str(c.request.tools, cases[i].tools);
        assert_int_equal(c.request.tool_choice, cases[i].choice);
        assert_int_equal(c.request.tool_calls, cases[i].calls);
        assert_int_equal(c.request.split_reasoning, 1);
        api_call_fini(&c);
    }
}

#define SCHEMA(schema) "{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":" schema "}}]}"

static void what_is_no_tool_is_refused_by_its_place(void **state)
{
    (void)state;
    static const struct { const char *body, *why; } cases[] = {
        {"{" ASK ",\"tools\":[1]}", "tools[0]: expected an object, got a number"},
        {"{" ASK ",\"tools\":[{\"type\":\"web_search\"}]}", "tools[0].type: 'web_search' is not supported"},
        {"{" ASK ",\"tools\":[{\"type\":\"function\"}]}", "tools[0].function: expected an object"},
        {"{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}", "tools[0].function.name: is missing"},
        {"{" ASK ",\"tools\":[" F("") "]}", "tools[0].function.name: '' is no name"},
        {"{" ASK ",\"tools\":[" F("a b") "]}", "tools[0].function.name: 'a b' is no name"},
        {"{" ASK ",\"tools\":[" F("f") "," F("f") "]}", "tools[1].function.name: 'f' is there twice"},
        {SCHEMA("[]"), "tools[0].function.parameters: expected a JSON schema: an object, got an array"},
        {SCHEMA("{\"type\":\"string\"}"), "tools[0].function.parameters: arguments are an object"},
        {SCHEMA("{\"type\":\"objekt\"}"), "tools[0].function.parameters.type: is no type of JSON schemas"},
        {SCHEMA("{\"properties\":[]}"), "tools[0].function.parameters.properties: expected an object, got an array"},
        {SCHEMA("{\"properties\":{\"a\":{\"type\":7}}}"), "tools[0].function.parameters.properties.a.type: is no type"},
        {SCHEMA("{\"properties\":{\"a\":{\"items\":\"x\"}}}"), "tools[0].function.parameters.properties.a.items: expected a JSON schema"},
        {SCHEMA("{\"required\":\"a\"}"), "tools[0].function.parameters.required: expected an array, got a string"},
        {SCHEMA("{\"anyOf\":[{\"type\":\"object\"},3]}"), "tools[0].function.parameters.anyOf[1]: expected a JSON schema"},
        {"{" ASK ",\"tool_choice\":\"required\"}", "tool_choice: there are no tools to call"},
        {"{" ASK ",\"tool_choice\":\"sometimes\"}", "tool_choice: expected \"none\""},
        {"{" ASK ",\"tools\":[" F("f") "],\"tool_choice\":" F("g") "}", "tool_choice: 'g' is none of the tools"},
        {"{" ASK ",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"function\"}}", "tool_choice: expected {\"type\""},
        {"{" ASK ",\"tools\":[" F("f") "],\"tool_choice\":{\"type\":\"custom\"}}", "tool_choice: only functions"},
        {"{" ASK ",\"parallel_tool_calls\":1}", "parallel_tool_calls: expected true or false"},
        {"{" ASK ",\"functions\":[{\"name\":\"f\"}]}", "functions: are not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(API_CHAT, cases[i].body, cases[i].why);
}

static void lists_of_tools_are_bounded(void **state)
{
    (void)state;
    struct buf body = buf_max(8 << 20);
    buf_puts(&body, "{" ASK ",\"tools\":[");
    for (int i = 0; i < API_TOOLS_MAX + 1; i++)
        buf_printf(&body, "%s{\"type\":\"function\",\"function\":{\"name\":\"f%d\"}}", i > 0 ? "," : "", i);
    buf_puts(&body, "]}");
    assert_refused(API_CHAT, buf_cstr(&body), "tools[512].function: at most 512 tools are taken");
    buf_reset(&body);
    buf_puts(&body, "{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"");
    for (int i = 0; i < REQUEST_TOOLS_BYTES_MAX; i++)
        buf_putc(&body, 'x');
    buf_puts(&body, "\"}}]}");
    assert_refused(API_CHAT, buf_cstr(&body), "tools: have 1048");
    buf_fini(&body);
}

#define CALL(id, name, arguments) "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":" arguments "}}"
#define CALLED(calls) "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" calls "]}"
#define RESULT(id) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":[{\"type\":\"text\",\"text\":\"4\"}]}"
#define USER "{\"role\":\"user\",\"content\":\"Hi\"}"

static void what_was_called_and_what_came_of_it(void **state)
{
    (void)state;
    struct api_call c = parse(API_CHAT, "{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"{ \\\"x\\\": 1 }\"") "," CALL("b", "g", "{\"y\":[2]}")) ","
                                        RESULT("b") "," RESULT("a") ",{\"role\":\"assistant\",\"content\":\"So\",\"reasoning_content\":\"hm\"}]}");
    const struct turn *t = c.request.turns;
    assert_int_equal(c.request.turns_n, 5);
    assert_str(t[1].extra, "{\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
                           "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"y\\\":[2]}\"}}]}");
    assert_str(t[1].content, "");
    assert_str(t[2].role, "tool");
    assert_str(t[2].content, "4");
    assert_str(t[2].extra, "{\"tool_call_id\":\"b\",\"name\":\"g\"}");
    assert_str(t[3].extra, "{\"tool_call_id\":\"a\",\"name\":\"f\"}");
    assert_str(t[4].extra, "{\"reasoning_content\":\"hm\"}");
    assert_int_equal(c.request.continues, 1);
    api_call_fini(&c);
    /* a model may write a key twice, which its client cannot help: the last one counts, and the template sees no other */
    c = parse(API_CHAT, "{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"{\\\"x\\\":1,\\\"x\\\":2}\"")) "," RESULT("a") "]}");
    assert_non_null(strstr(c.request.turns[1].extra.p, "\"arguments\":\"{\\\"x\\\":2}\""));
    api_call_fini(&c);
    c = parse(API_CHAT, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"}," USER
                        ",{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"I\"},{\"type\":\"refusal\",\"refusal\":\"won't\"}]}," USER "]}");
    assert_str(c.request.turns[1].content, "no"); /* what an assistant refused is what it said */
    assert_str(c.request.turns[3].content, "I\nwon't");
    api_call_fini(&c);
    static const struct { const char *body, *why; } wrong[] = {
        {"{\"messages\":[" USER "," RESULT("a") "]}", "messages[1].tool_call_id: 'a' is the id of no call"},
        {"{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"{}\"")) "," USER "," RESULT("a") "]}", "messages[3].tool_call_id: 'a' is the id of no call"},
        {"{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"{}\"")) "]}", "messages: the last one calls tools"},
        {"{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"{\\\"x\\\":\"")) "," RESULT("a") "]}",
         "messages[1].tool_calls[0].function.arguments: expected the text"},
        {"{\"messages\":[" USER "," CALLED(CALL("a", "f", "\"[1]\"")) "," RESULT("a") "]}", "messages[1].tool_calls[0].function.arguments: expected the text"},
        {"{\"messages\":[" USER "," CALLED(CALL("", "f", "\"{}\"")) "]}", "messages[1].tool_calls[0].function: a call needs an id"},
        {"{\"messages\":[" USER ",{\"role\":\"assistant\",\"tool_calls\":{}}]}", "messages[1].tool_calls: expected an array, got an object"},
        {"{\"messages\":[" USER ",{\"role\":\"function\",\"name\":\"f\",\"content\":\"1\"}]}", "messages[1].role: results of functions are not supported"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused(API_CHAT, wrong[i].body, wrong[i].why);
}

static void what_the_template_is_told(void **state)
{
    (void)state;
    static const struct { const char *fields, *args; int split, continues; } cases[] = {
        {"", "", 1, 0},
        {",\"reasoning_format\":\"none\"", "", 0, 0},
        {",\"reasoning_effort\":\"none\"", "{\"enable_thinking\":false}", 1, 0},
        {",\"reasoning_effort\":\"low\",\"enable_thinking\":true", "{\"enable_thinking\":true,\"reasoning_effort\":\"low\"}", 1, 0},
        {",\"chat_template_kwargs\":{\"a\":[1],\"enable_thinking\":false}", "{\"a\":[1],\"enable_thinking\":false}", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{" ASK "%s}", cases[i].fields);
        struct api_call c = parse(API_CHAT, body);
        assert_str(c.request.template_args, cases[i].args);
        assert_int_equal(c.request.split_reasoning, cases[i].split);
        assert_int_equal(c.request.continues, cases[i].continues);
        api_call_fini(&c);
    }
    struct api_call c = parse(API_CHAT, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"So\"}],\"continue_final_message\":false}");
    assert_int_equal(c.request.continues, 0);
    api_call_fini(&c);
    c = parse(API_CHAT, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"So\"}],"
                        "\"add_generation_prompt\":false,\"continue_final_message\":true}");
    assert_true(c.request.continues && !c.request.closed);
    api_call_fini(&c);
    c = parse(API_CHAT, "{" ASK ",\"add_generation_prompt\":false}");
    assert_true(!c.request.continues && c.request.closed);
    api_call_fini(&c);
    assert_refused(API_CHAT, "{" ASK ",\"continue_final_message\":true}", "continue_final_message: the last message is not the assistant's");
    assert_refused(API_CHAT, "{" ASK ",\"chat_template_kwargs\":{\"enable_thinking\":\"no\"}}", "chat_template_kwargs.enable_thinking: expected true or false");
    assert_refused(API_CHAT, "{" ASK ",\"reasoning_effort\":\"much\"}", "reasoning_effort: 'much' is none");
    assert_refused(API_CHAT, "{" ASK ",\"reasoning_format\":\"deepseek-legacy\"}", "reasoning_format: 'deepseek-legacy' is not supported");
}

/* ---- Anthropic's messages ---- */

#define M(rest) "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}" rest "}"
#define USES(id) ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"So\"}," \
                 "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":{\"x\": 1}}]}"
#define BACK(id) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\",\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":\"text\",\"text\":\"5\"}]}"

static void messages_of_calls_and_results(void **state)
{
    (void)state;
    struct api_call c = parse(API_MESSAGES, M(USES("a") ",{\"role\":\"user\",\"content\":[" BACK("a") ",{\"type\":\"text\",\"text\":\"go on\"}]}],"
                                              "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},\"cache_control\":{}},"
                                              "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],"
                                              "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true},"
                                              "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9}"));
    const struct turn *t = c.request.turns;
    assert_int_equal(c.request.turns_n, 4);
    assert_str(t[1].role, "assistant");
    assert_str(t[1].content, "So");
    assert_str(t[1].extra, "{\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}],"
                           "\"reasoning_content\":\"hm\"}");
    assert_str(t[2].role, "tool");
    assert_str(t[2].content, "4\n5");
    assert_str(t[2].extra, "{\"tool_call_id\":\"a\",\"name\":\"f\"}");
    assert_str(t[3].content, "go on");
    assert_str(c.request.tools, "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}]");
    assert_true(c.request.tool_choice == TOOLS_REQUIRED && c.request.tool_calls == TOOL_CALLS_ONE && c.request.continues == 0);
    assert_str(c.request.template_args, "{\"enable_thinking\":true}");
    api_call_fini(&c);
    c = parse(API_MESSAGES, M(",{\"role\":\"assistant\",\"content\":\"It is\"}],"
                              "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"));
    assert_true(c.request.continues == 1 && c.request.form == FORM_SCHEMA);
    assert_string_equal(c.form_field, "output_config.format");
    api_call_fini(&c);
    static const struct { const char *body, *why; } wrong[] = {
        {M(USES("a") "]"), "messages: the last one calls tools"},
        {M(USES("a") ",{\"role\":\"user\",\"content\":[" BACK("b") "]}]"), "messages[2].content[0].tool_use_id: 'b' is the id of no call"},
        {M(",{\"role\":\"user\",\"content\":[" BACK("b") "]}]"), "messages[1].content[0].tool_use_id: 'b' is the id of no call"},
        {M(",{\"role\":\"assistant\",\"content\":[" BACK("b") "]}]"), "messages[1].content[0]: only messages of the user"},
        {M("],\"tool_choice\":{\"type\":\"tool\"}"), "tool_choice: needs the name"},
        {M("],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"g\"}"), "tool_choice: 'g' is none"},
        {M("],\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"elephant\"}}]"), "tools[0].input_schema.type: is no type"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused(API_MESSAGES, wrong[i].body, wrong[i].why);
}

/* ---- OpenAI's responses ---- */

#define I(rest) "{\"input\":[{\"role\":\"user\",\"content\":\"Hi\"}" rest "}"
#define FCALL(id) ",{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"" id "\",\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}"
#define FOUT(id) ",{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"4\"}"

static void items_of_calls_and_outputs(void **state)
{
    (void)state;
    struct api_call c = parse(API_RESPONSES, I(",{\"type\":\"reasoning\",\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}]},"
                                               "{\"role\":\"assistant\",\"content\":\"So\"}" FCALL("a") FCALL("b") FOUT("b") FOUT("a") "],"
                                               "\"tools\":[{\"type\":\"web_search\"},{\"type\":\"function\",\"name\":\"f\",\"parameters\":null}],"
                                               "\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},"
                                               "\"reasoning\":{\"effort\":\"low\"},\"parallel_tool_calls\":true"));
    const struct turn *t = c.request.turns;
    assert_int_equal(c.request.turns_n, 4);
    assert_str(t[1].content, "So");
    assert_non_null(strstr(t[1].extra.p, "\"id\":\"b\""));
    assert_non_null(strstr(t[1].extra.p, "\"reasoning_content\":\"hm\""));
    assert_str(t[2].role, "tool");
    assert_str(t[2].extra, "{\"tool_call_id\":\"b\",\"name\":\"f\"}");
    assert_str(c.request.tools, "[" CANON("f") "]");
    assert_true(c.request.tool_choice == TOOLS_REQUIRED && c.request.tool_calls == TOOL_CALLS_ONE);
    assert_str(c.request.template_args, "{\"reasoning_effort\":\"low\"}");
    assert_non_null(strstr(c.echo.p, "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":null}]"));
    api_call_fini(&c);
    c = parse(API_RESPONSES, "{\"previous_response_id\":\"resp_00000000000012ab\","
                             "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"q\",\"output\":\"4\"}],"
                             "\"text\":{\"format\":{\"type\":\"json_object\"}}}");
    assert_str(c.request.turns[0].extra, "{\"tool_call_id\":\"q\"}");
    assert_int_equal(c.request.form, FORM_JSON);
    assert_string_equal(c.form_field, "text.format");
    api_call_fini(&c);
    c = parse(API_RESPONSES, I("],\"tools\":[{\"type\":\"custom\",\"name\":\"p\"},{\"type\":\"function\",\"name\":\"f\"}],"
                               "\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"web_search\"}]}"));
    assert_str(c.request.tools, "[" CANON("f") "]");
    assert_int_equal(c.request.tool_choice, TOOLS_NONE);
    api_call_fini(&c);
    c = parse(API_RESPONSES, I(",{\"type\":\"item_reference\",\"id\":\"msg_00000000000012ab\"},{\"type\":\"item_reference\",\"id\":\"fc_00000000000012ab_1\"}"
                               FOUT("q") ",{\"type\":\"item_reference\",\"id\":\"msg_00000000000012ac\"},{\"role\":\"user\",\"content\":\"x\"}]"));
    assert_true(c.request.turns_n == 5 && c.refs_n == 2 && c.refs[0].turn == 1 && c.refs[1].turn == 3);
    assert_true(c.refs[0].response == 0x12ab && c.refs[1].response == 0x12ac);
    api_call_refer(&c, &c.refs[0], str_of("So"), str_of("{}"));
    assert_str(c.request.turns[1].content, "So");
    assert_str(c.request.turns[1].extra, "{}");
    api_call_fini(&c);
    static const struct { const char *body, *why; } wrong[] = {
        {I(FCALL("a") "]"), "input: the last item is a call"},
        {I(FOUT("a") "]"), "input[1].call_id: 'a' is the id of no call"},
        {I(FCALL("a") ",{\"role\":\"user\",\"content\":\"x\"}" FOUT("a") "]"), "input[3].call_id: 'a' is the id of no call"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused(API_RESPONSES, wrong[i].body, wrong[i].why);
}

/* ---- answers ---- */

static const struct api_head head = {.shape = API_CHAT, .id = 0x12ab, .created = 17, .model = {"m", 1}};

static struct api_block blocks[] = {
    {.kind = PART_REASONING, .index = 0, .text = {"hm", 2}},
    {.kind = PART_TEXT, .index = 1, .text = {"So ", 3}},
    {.kind = PART_TOOL_ARGUMENTS, .call = 0, .index = 2, .name = {"f", 1}, .text = {"{\"x\":1}", 7}},
    {.kind = PART_TOOL_ARGUMENTS, .call = 1, .index = 3, .name = {"g", 1}, .text = {"{}", 2}},
};

/* A name of a call says nothing, is short, and is the same at every head. */
static void calls_have_names(void **state)
{
    (void)state;
    char a[API_CALL_NAME_BYTES], b[API_CALL_NAME_BYTES];
    assert_int_equal(api_call_name(0x12ab, 0, 0, a).n, 9);
    assert_string_equal(a, api_call_name(0x12ab, 0, 0, b).p);
    assert_string_not_equal(a, api_call_name(0x12ab, 0, 1, b).p);
    assert_string_not_equal(a, api_call_name(0x12ab, 1, 0, b).p);
    assert_string_not_equal(a, api_call_name(0x12ac, 0, 0, b).p);
}

static void assert_has(struct buf *b, const char *format, ...)
{
    char expected[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    if (strstr(buf_cstr(b), expected) == NULL)
        fail_msg("expected %s\n      in %s", expected, buf_cstr(b));
}

static void a_chat_tells_of_reasoning_text_and_calls(void **state)
{
    (void)state;
    char first[API_CALL_NAME_BYTES], second[API_CALL_NAME_BYTES];
    const struct api_dialect *d = api_dialect(API_CHAT);
    struct buf b = buf_max(OUT_MAX);
    struct api_choice c = {.text = str_of("So "), .finish = FINISH_TOOLS, .blocks = blocks, .blocks_n = 4};
    d->answer(&b, &(struct api_whole){.head = &head, .choices = &c, .n = 1});
    assert_has(&b, "\"message\":{\"role\":\"assistant\",\"content\":\"So \",\"reasoning_content\":\"hm\",\"refusal\":null,\"tool_calls\":["
                   "{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
                   "{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}",
               api_call_name(head.id, 0, 0, first).p, api_call_name(head.id, 0, 1, second).p);
    assert_has(&b, "\"finish_reason\":\"tool_calls\"");
    c = (struct api_choice){.finish = FINISH_TOOLS, .blocks = blocks + 3, .blocks_n = 1};
    buf_reset(&b);
    d->answer(&b, &(struct api_whole){.head = &head, .choices = &c, .n = 1});
    assert_has(&b, "\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,");
    static const struct { struct api_choice piece; const char *delta; } pieces[] = {
        {{.text = {"hm", 2}, .kind = PART_REASONING}, "{\"reasoning_content\":\"hm\"}"},
        {{.text = {"So", 2}, .kind = PART_TEXT}, "{\"content\":\"So\"}"},
        {{.text = {"g", 1}, .kind = PART_TOOL_NAME, .call = 1},
         "{\"tool_calls\":[{\"index\":1,\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}"},
        {{.text = {"{\"x", 3}, .kind = PART_TOOL_ARGUMENTS, .call = 1}, "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"x\"}}]}"},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        char delta[256];
        buf_reset(&b);
        d->piece(&b, &(struct api_event){.head = &head, .choice = pieces[i].piece});
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(delta, sizeof delta, pieces[i].delta, second);
#pragma GCC diagnostic pop
        assert_has(&b, "\"delta\":%s,\"logprobs\":null,\"finish_reason\":null", delta);
    }
    buf_fini(&b);
}

static void the_other_dialects_tell_of_them_as_blocks(void **state)
{
    (void)state;
    char first[API_CALL_NAME_BYTES];
    const struct api_dialect *anthropic = api_dialect(API_MESSAGES), *responses = api_dialect(API_RESPONSES);
    const char *name = api_call_name(head.id, 0, 0, first).p;
    struct buf b = buf_max(OUT_MAX);
    struct api_choice c = {.text = str_of("So "), .finish = FINISH_TOOLS, .blocks = blocks, .blocks_n = 3};
    struct api_whole w = {.head = &head, .choices = &c, .n = 1};
    struct api_event ev = {.head = &head, .block = blocks[2], .place.steps = 1};
    anthropic->answer(&b, &w);
    assert_has(&b, "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"text\",\"text\":\"So \"},"
                   "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"f\",\"input\":{\"x\":1}}],\"stop_reason\":\"tool_use\"", name);
    buf_reset(&b);
    ev.block.text = str_n(NULL, 0);
    anthropic->begin(&b, &ev);
    assert_has(&b, "\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"f\",\"input\":{}}", name);
    ev.choice.text = str_of("{\"x");
    anthropic->piece(&b, &ev);
    assert_has(&b, "\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\"}");

    buf_reset(&b);
    responses->answer(&b, &w);
    assert_has(&b, "\"output\":[{\"id\":\"rs_00000000000012ab\",\"type\":\"reasoning\",\"status\":\"completed\",\"summary\":[],\"content\":["
                   "{\"type\":\"reasoning_text\",\"text\":\"hm\"}]},{\"id\":\"msg_00000000000012ab_1\",\"type\":\"message\"");
    assert_has(&b, "{\"id\":\"fc_00000000000012ab_2\",\"type\":\"function_call\",\"status\":\"completed\",\"arguments\":\"{\\\"x\\\":1}\","
                   "\"call_id\":\"%s\",\"name\":\"f\"}]", name);
    buf_reset(&b);
    assert_true(responses->begin(&b, &ev));
    assert_has(&b, "event: response.output_item.added\n");
    responses->piece(&b, &ev);
    assert_has(&b, "response.function_call_arguments.delta\",\"sequence_number\":0,\"item_id\":\"fc_00000000000012ab_2\",\"output_index\":2,"
                   "\"delta\":\"{\\\"x\"}");
    ev.block = blocks[2];
    assert_true(responses->end(&b, &ev));
    assert_has(&b, "response.function_call_arguments.done\",\"sequence_number\":0,\"item_id\":\"fc_00000000000012ab_2\",\"output_index\":2,"
                   "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}");
    ev.step = 1;
    assert_true(responses->end(&b, &ev));
    assert_has(&b, "response.output_item.done\",\"sequence_number\":0,\"output_index\":2,\"item\":{\"id\":\"fc_00000000000012ab_2\"");
    ev.step = 2;
    assert_false(responses->end(&b, &ev));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_chat_offers),
        cmocka_unit_test(what_is_no_tool_is_refused_by_its_place),
        cmocka_unit_test(lists_of_tools_are_bounded),
        cmocka_unit_test(what_was_called_and_what_came_of_it),
        cmocka_unit_test(what_the_template_is_told),
        cmocka_unit_test(messages_of_calls_and_results),
        cmocka_unit_test(items_of_calls_and_outputs),
        cmocka_unit_test(calls_have_names),
        cmocka_unit_test(a_chat_tells_of_reasoning_text_and_calls),
        cmocka_unit_test(the_other_dialects_tell_of_them_as_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
