/* Anthropic's /v1/messages: what a body becomes, and the exact bytes of what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api_story.h"

#include "api/dialect.h"

enum { OUT_MAX = 1 << 20 };

static const struct api_head head = {.shape = API_MESSAGES, .id = 0x12ab, .created = 1700000000, .model = {"m", 1}};
static const struct api_usage usage = {.prompt_tokens = 11, .cached_tokens = 8, .completion_tokens = 3};

static const struct api_dialect *dialect(void)
{
    return api_dialect(API_MESSAGES);
}

/* ---- bodies ---- */

static void test_a_body(void **state)
{
    (void)state;
    struct api_call c;
    struct api_error e;
    const char *body =
        "{\"model\":\"m\",\"max_tokens\":9,\"stream\":true,\"stop_sequences\":[\"END\"],\"metadata\":{\"user_id\":\"u\"},"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\",\"cache_control\":{\"type\":\"ephemeral\"}},"
        "{\"type\":\"text\",\"text\":\"two\"}]},{\"role\":\"user\",\"content\":\"three\"},{\"role\":\"assistant\",\"content\":"
        "[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"yes\"}]},{\"role\":\"user\",\"content\":\"go\"}],"
        "\"system\":[{\"type\":\"text\",\"text\":\"be\"},{\"type\":\"text\",\"text\":\"brief\"}],\"service_tier\":\"auto\","
        "\"thinking\":{\"type\":\"adaptive\"},\"tools\":[],\"context_management\":{\"edits\":[]},\"output_config\":{\"effort\":\"low\"}}";
    assert_int_equal(api_parse(API_MESSAGES, str_of(body), &c, &e), 0);
    assert_int_equal(c.request.turns_n, 4);
    assert_str(c.request.turns[0].role, "system");
    assert_str(c.request.turns[0].content, "be\nbrief");
    assert_str(c.request.turns[1].content, "one\ntwo\nthree");
    assert_str(c.request.turns[2].role, "assistant");
    assert_str(c.request.turns[2].content, "yes");
    assert_str(c.request.turns[3].content, "go");
    assert_int_equal(c.request.sampling.max_tokens, 9);
    assert_str(c.request.stops[0], "END");
    assert_str(c.request.affinity, "u");
    assert_true(c.stream);
    api_call_fini(&c);
}

/* Given a system prompt that begins with words for a bill; then these are left out, wherever they end, and nothing that only looks like them. */
static void test_the_line_for_the_bill(void **state)
{
    (void)state;
    static const struct {
        const char *system, *left;
    } cases[] = {
        {"x-anthropic-billing-header: cc_version=2.1.101.e51; cc_entrypoint=cli; cch=a5145;You are Claude Code.", "You are Claude Code."},
        {"x-anthropic-billing-header: cc_version=2.1.37.fbe; cc_entrypoint=cli; cch=00000;\\nYou = me; so.", "You = me; so."},
        {"x-anthropic-billing-header: cch=1", " cch=1"},
        {"x-anthropic-billing-header:", ""},
        {"x-anthropic-billing-headers: cch=1;", "x-anthropic-billing-headers: cch=1;"},
        {"Say x-anthropic-billing-header: cch=1;", "Say x-anthropic-billing-header: cch=1;"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[400];
        struct api_call c;
        struct api_error e;
        snprintf(body, sizeof body, "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                 cases[i].system, cases[0].system);
        assert_int_equal(api_parse(API_MESSAGES, str_of(body), &c, &e), 0);
        api_drop_billing(&c);
        assert_str(c.request.turns[0].content, cases[i].left);
        assert_str(c.request.turns[1].content, cases[0].system); /* what a user says stays */
        api_call_fini(&c);
    }
}

/* Documents of text are texts of the message, also in results of tools; what Anthropic's own tools did is dropped. */
static void test_documents(void **state)
{
    (void)state;
#define FOUND "{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"f\"}]," \
              "\"citations\":{\"enabled\":false}}"
    struct api_call c;
    struct api_error e;
    static const char body[] =
        "{\"max_tokens\":9,\"output_config\":{\"effort\":\"low\"},\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"document\",\"title\":\"T\",\"context\":\"C\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"D\"}},"
        "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":\"E\"}]}},"
        FOUND ",{\"type\":\"text\",\"text\":\"q\"}]},{\"role\":\"assistant\",\"content\":["
        "{\"type\":\"server_tool_use\",\"id\":\"w\",\"name\":\"web_search\",\"input\":{}},"
        "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"w\",\"content\":[]},{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{}}]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"1\",\"content\":["
        FOUND ",{\"type\":\"tool_reference\",\"tool_name\":\"g\"}]}]}]}";
    if (api_parse(API_MESSAGES, str_of(body), &c, &e) != 0)
        fail_msg("%s", e.fault.text);
    assert_int_equal(c.request.turns_n, 3);
    assert_str(c.request.turns[0].content, "T\nC\nD\nE\nt\ns\nf\nq");
    assert_str(c.request.turns[1].content, "");
    assert_str(c.request.turns[2].content, "t\ns\nf\ng");
    assert_str(c.request.template_args, "{\"reasoning_effort\":\"low\"}");
    api_call_fini(&c);
}

/* Typed tools that a client runs are offered with a schema; others are dropped. */
static void test_typed_tools(void **state)
{
    (void)state;
    struct api_call c;
    struct api_error e;
    static const char body[] = "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
                               "\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"},"
                               "{\"type\":\"text_editor_20250728\",\"name\":\"edit\",\"max_characters\":9},{\"type\":\"memory_20250818\",\"name\":\"memory\"},"
                               "{\"type\":\"computer_20250124\",\"name\":\"computer\"},{\"type\":\"code_execution_20250825\",\"name\":\"code_execution\"}]}";
    if (api_parse(API_MESSAGES, str_of(body), &c, &e) != 0)
        fail_msg("%s", e.fault.text);
    json_t *tools = json_loadb(c.request.tools.p, c.request.tools.n, 0, NULL);
    static const struct { const char *name, *needs; } offered[] = {{"bash", "command"}, {"edit", "insert_line"}, {"memory", "new_path"}};
    assert_int_equal(json_array_size(tools), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        assert_string_equal(json_string_value(json_object_get(function, "name")), offered[i].name);
        assert_non_null(json_string_value(json_object_get(function, "description")));
        assert_non_null(json_object_get(json_object_get(json_object_get(function, "parameters"), "properties"), offered[i].needs));
    }
    json_decref(tools);
    api_call_fini(&c);
}

/* A conversation that the server should have kept is lost, and the client's SDK reads that from the error; to begin one asks for nothing. */
static void test_threads(void **state)
{
    (void)state;
    struct api_call c;
    struct api_error e = {0};
    struct buf b = buf_max(OUT_MAX);
    static const char continued[] = "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"1\"}]}],"
                                    "\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"}}";
    assert_int_equal(api_parse(API_MESSAGES, str_of(continued), &c, &e), ERR_NOT_FOUND);
    api_dialect(API_MESSAGES)->error(&b, &e, str_of("req_1"));
    assert_out(&b, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\","
                   "\"message\":\"thread: that conversation is not kept here: send all of its messages\","
                   "\"details\":{\"error_code\":\"thread_not_found\"}},\"request_id\":\"req_1\"}");
    buf_fini(&b);
    static const char begun[] = "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"thread\":{\"type\":\"create\"}}";
    assert_int_equal(api_parse(API_MESSAGES, str_of(begun), &c, &e), 0);
    api_call_fini(&c);
}

static void test_refusals(void **state)
{
    (void)state;
#define ASKS(rest) "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," rest "}"
    static const struct { const char *body, *says; } cases[] = {
        {"{\"max_tokens\":1}", "messages: is missing"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "max_tokens: is missing"},
        {"{\"max_tokens\":0,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "max_tokens: 0 is out of range"},
        {ASKS("\"tools\":[{\"name\":\"t\"}]"), "tools[0]: a tool needs"},
        {ASKS("\"tool_choice\":{\"type\":\"any\"}"), "tool_choice: there are no tools to call"},
        {ASKS("\"thinking\":{\"type\":\"some\"}"), "thinking: needs"},
        {ASKS("\"output_config\":{\"format\":{\"type\":\"json_schema\"}}"), "output_config.format: needs \"schema\""},
        {ASKS("\"mcp_servers\":[{\"url\":\"u\"}]"), "mcp_servers: is not supported"},
        {ASKS("\"compaction\":{\"instructions\":\"short\"}"), "compaction: is not supported"},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "messages[0]: needs \"role\""},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}", "messages[0].content[0]: images are not supported"},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}", "messages[0].content[0]: expected a block"},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content: expected a string"},
        {ASKS("\"output_config\":{\"effort\":\"some\"}"), "output_config.effort: 'some' is none"},
        {ASKS("\"output_format\":{\"type\":\"json_schema\"}"), "output_format: needs \"schema\""},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}]}",
         "messages[0].content[0].source: only documents"},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"citations\":{\"enabled\":true},\"source\":"
         "{\"type\":\"text\",\"data\":\"d\"}}]}]}", "messages[0].content[0].citations: are not supported"},
        {ASKS("\"system\":7"), "system: expected a string"},
        {"{\"max_tokens\":1,\"messages\":[{\"role\":\"user\"}]}", "messages[0].content: expected a string or an array of blocks, got nothing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_call c;
        struct api_error e = {0};
        assert_true(api_parse(API_MESSAGES, str_of(cases[i].body), &c, &e) != 0);
        assert_memory_equal(e.fault.text, cases[i].says, strlen(cases[i].says));
    }
}

/* ---- answers ---- */

#define MESSAGE "{\"id\":\"msg_00000000000012ab\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":["

static void test_events(void **state)
{
    (void)state;
    const struct api_dialect *d = dialect();
    struct buf b = buf_max(OUT_MAX);
    struct api_event ev = {.head = &head, .usage = usage, .choice.text = str_of("Hi \"you\"")};
    assert_true(d->opening(&b, &ev));
    assert_out(&b, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":" MESSAGE "],\"stop_reason\":null,\"stop_sequence\":null,"
                   "\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":8,\"output_tokens\":0}}}\n\n");
    assert_true(d->begin(&b, &ev));
    assert_out(&b, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    d->piece(&b, &ev);
    assert_out(&b, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
                   "\"text\":\"Hi \\\"you\\\"\"}}\n\n");
    assert_true(d->end(&b, &ev));
    assert_out(&b, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
    ev.choice = (struct api_choice){.finish = FINISH_STOP, .stop = str_of("END")};
    assert_true(d->closing(&b, &ev));
    assert_out(&b, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"},"
                   "\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":8,\"output_tokens\":3}}\n\n");
    assert_true(d->ending(&b, &(struct api_whole){.head = &head}));
    assert_out(&b, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    ev.step = 1;
    assert_true(!d->opening(&b, &ev) && !d->begin(&b, &ev) && !d->end(&b, &ev) && !d->closing(&b, &ev));
    d->idle(&b, &ev, str_of("manta queue=1"));
    assert_out(&b, ": manta queue=1\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
    buf_fini(&b);
}

static void test_a_whole_answer(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_block block = {.kind = PART_TEXT, .text = str_of("Hi")};
    struct api_choice c = {.text = str_of("Hi"), .finish = FINISH_LENGTH, .blocks = &block, .blocks_n = 1};
    struct api_whole w = {.head = &head, .choices = &c, .n = 1, .usage = usage};
    dialect()->answer(&b, &w);
    assert_out(&b, MESSAGE "{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,"
                           "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":8,\"output_tokens\":3}}");
    buf_fini(&b);
}

static void test_errors(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_error e = {0};
    fault_set(&e.fault, ERR_BUSY, "the queue is full");
    dialect()->error(&b, &e, str_of("req_1"));
    assert_out(&b, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"the queue is full\"},\"request_id\":\"req_1\"}");
    struct fault f = {.err = ERR_CONTEXT, .count = 300, .limit = 256};
    dialect()->fault(&b, &(struct api_event){.head = &head}, &f);
    assert_out(&b, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 300 tokens > "
                   "256 maximum\"},\"request_id\":\"msg_00000000000012ab\"}\n\n");
    buf_fini(&b);
}

static void test_models(void **state)
{
    (void)state;
    struct buf b = buf_max(OUT_MAX);
    struct api_model m = {.id = str_of("smol"), .created = 1700000000};
#define MODEL "{\"type\":\"model\",\"id\":\"smol\",\"display_name\":\"smol\",\"created_at\":\"2023-11-14T22:13:20Z\",\"lifecycle\":\"active\"}"
    dialect()->model(&b, &m);
    assert_out(&b, MODEL);
    dialect()->models(&b, &m, 1);
    assert_out(&b, "{\"data\":[" MODEL "],\"has_more\":false,\"first_id\":\"smol\",\"last_id\":\"smol\"}");
    dialect()->models(&b, NULL, 0);
    assert_out(&b, "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
    buf_fini(&b);
}

/* ---- places: a client may have some of the events that stand between two tokens ---- */

static void test_places(void **state)
{
    (void)state;
    static const struct { struct api_place at; const char *text; } cases[] = {
        {{.tokens = 0}, "0"},
        {{.tokens = 0, .steps = 1}, "0r"},
        {{.tokens = 0, .steps = 2}, "0r2"},
        {{.tokens = 7, .steps = 1, .done = true}, "7d"},
        {{.tokens = 7, .chars = 9, .steps = 3, .done = true}, "7.9d3"},
        {{.tokens = 7, .block = {2, PART_TEXT, 0}}, "7b2t"},
        {{.tokens = 7, .block = {1, PART_REASONING, 0}, .steps = 2}, "7b1hr2"},
        {{.tokens = 70, .block = {4, PART_TOOL_ARGUMENTS, 2}, .steps = 1, .done = true}, "70b4c2d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_stream_id id = {.stream = 0x12ab, .n = 1, .at = {cases[i].at}}, again;
        struct buf b = buf_max(OUT_MAX), expected = buf_max(OUT_MAX);
        api_write_stream_id(&b, &id);
        buf_printf(&expected, "00000000000012ab-%s", cases[i].text);
        assert_string_equal(buf_cstr(&b), buf_cstr(&expected));
        assert_int_equal(api_parse_stream_id(buf_str(&b), &again, NULL), 0);
        assert_memory_equal(&again.at[0], &cases[i].at, sizeof again.at[0]);
        buf_fini(&b);
        buf_fini(&expected);
    }
    static const char *const wrong[] = {"00000000000012ab-0r0", "00000000000012ab-0r1", "00000000000012ab-0d2048", "00000000000012ab-0r2d",
                                       "00000000000012ab-7b0t", "00000000000012ab-7b2", "00000000000012ab-7b2c", "00000000000012ab-7b2x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct api_stream_id id;
        assert_int_equal(api_parse_stream_id(str_of(wrong[i]), &id, NULL), ERR_INVALID);
    }
    struct api_stream_id id;
    assert_int_equal(api_parse_stream_id(str_of("msg_00000000000012ab"), &id, NULL), 0);
    assert_int_equal(id.stream, 0x12ab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body),
        cmocka_unit_test(test_the_line_for_the_bill),
        cmocka_unit_test(test_documents), cmocka_unit_test(test_threads), cmocka_unit_test(test_typed_tools), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_a_whole_answer),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
