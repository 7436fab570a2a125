/* A field of one dialect in the body of another: it changes what is asked, or it is refused by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/buf.h"

#define TURNS "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

/* Bodies without their last brace. */
static const struct { enum api_shape shape; const char *name, *body; } bases[] = {
    {API_CHAT, "chat", "{" TURNS},
    {API_COMPLETION, "completions", "{\"prompt\":\"Hi\""},
    {API_PROCESS_PROMPT, "process_prompt", "{\"prompt\":\"Hi\""},
    {API_MESSAGES, "messages", "{\"max_tokens\":9," TURNS},
    {API_COUNT, "count_tokens", "{" TURNS},
    {API_RESPONSES, "responses", "{\"input\":\"Hi\""},
    {API_LLAMA, "completion", "{\"prompt\":\"Hi\""},
    {API_OLLAMA_CHAT, "api/chat", "{" TURNS},
    {API_OLLAMA_GENERATE, "api/generate", "{\"prompt\":\"Hi\""},
};

/* Values that ask for something else than the default. */
static const char *const fields[] = {
    "\"temperature\":0.25", "\"top_p\":0.5", "\"top_k\":3", "\"min_p\":0.5", "\"typical_p\":0.5", "\"seed\":77",
    "\"repeat_penalty\":1.5", "\"presence_penalty\":1.25", "\"frequency_penalty\":-1", "\"xtc_probability\":0.5", "\"dry_multiplier\":0.75",
    "\"dynatemp_range\":0.5", "\"top_n_sigma\":2", "\"logit_bias\":{\"7\":-100}", "\"ignore_eos\":true", "\"min_tokens\":4",
    "\"n_predict\":3", "\"num_predict\":3", "\"max_tokens\":3", "\"max_completion_tokens\":3", "\"max_output_tokens\":3",
    "\"stop\":\"END\"", "\"stop_sequences\":[\"END\"]", "\"stop_token_ids\":[7]",
    "\"grammar\":\"root ::= \\\"a\\\"\"", "\"json_schema\":{\"type\":\"object\"}", "\"guided_choice\":[\"a\",\"b\"]",
    "\"response_format\":{\"type\":\"json_object\"}", "\"format\":\"json\"", "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}",
    "\"text\":{\"format\":{\"type\":\"json_object\"}}",
    "\"n\":2", "\"n_cmpl\":2", "\"best_of\":3", "\"actors\":2", "\"final\":\"vote\"", "\"timeout_s\":5",
    "\"logprobs\":true", "\"n_probs\":2", "\"echo\":true", "\"suffix\":\"end\"", "\"raw\":true", "\"raw\":\"yes\"",
    "\"system\":\"be brief\"", "\"instructions\":\"be brief\"", "\"think\":true", "\"reasoning_effort\":\"high\"", "\"enable_thinking\":true",
    "\"previous_response_id\":\"resp_00000000000012ab\"", "\"conversation\":\"conv_1\"", "\"options\":{\"seed\":5}",
    "\"chat_template\":\"{{ x }}\"", "\"template\":\"x\"", "\"images\":[\"aGk=\"]", "\"images\":\"aGk=\"", "\"documents\":[{\"text\":\"a\"}]",
    "\"functions\":[{\"name\":\"f\"}]", "\"include\":[\"message.output_text.logprobs\"]",
};

/* Fields that a dialect has as a hint, that belong to a part of a body which is not sent here, or that the body has. */
static bool is_exempt(enum api_shape shape, const char *field)
{
    if (shape == API_MESSAGES && strncmp(field, "\"max_tokens\"", 12) == 0)
        return true;
    bool text = strncmp(field, "\"text\"", 6) == 0, include = strncmp(field, "\"include\"", 9) == 0;
    return (text && shape != API_CHAT && shape != API_RESPONSES) || (include && shape != API_RESPONSES);
}

/* The fields before the first pointer have no padding that differs between two parses of one body. */
static bool same(const struct api_call *a, const struct api_call *b)
{
    const struct request *q = &a->request, *w = &b->request;
    return memcmp(&q->sampling, &w->sampling, sizeof q->sampling) == 0 && q->stops_n == w->stops_n && q->biases_n == w->biases_n &&
           q->turns_n == w->turns_n && q->kind == w->kind && q->form == w->form && q->tools.n == w->tools.n &&
           q->template_args.n == w->template_args.n && a->n == b->n && a->best_of == b->best_of && a->final == b->final &&
           a->timeout_ms == b->timeout_ms && a->previous == b->previous && a->with_prompt == b->with_prompt && q->text.n == w->text.n &&
           q->inputs_n == w->inputs_n;
}

static void try(size_t base, const char *field)
{
    struct buf body = buf_max(4096);
    struct api_call plain = {0}, asked = {0};
    struct api_error e = {0};
    buf_printf(&body, "%s}", bases[base].body);
    assert_int_equal(api_parse(bases[base].shape, buf_str(&body), &plain, &e), 0);
    buf_reset(&body);
    buf_printf(&body, "%s,%s}", bases[base].body, field);
    int err = api_parse(bases[base].shape, buf_str(&body), &asked, &e);
    size_t n = strcspn(field + 1, "\"");
    if (err == 0 ? same(&plain, &asked) : e.fault.text[0] == '\0' || strncmp(e.param, field + 1, n) != 0)
        fail_msg("%s in a body of %s: err %d, param '%s', '%s'", field, bases[base].name, err, e.param, e.fault.text);
    if (err == 0)
        api_call_fini(&asked);
    api_call_fini(&plain);
    buf_fini(&body);
}

/* Given every dialect; when a body has a field of another one with a value that matters; then the request differs by it, or is refused
 * by the field's name. */
static void test_no_silent_no(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++)
            if (!is_exempt(bases[i].shape, fields[k]))
                try(i, fields[k]);
}

/* Given the same dialects; when the fields come with values that ask for nothing; then the body is taken. */
static void test_nothing_asked(void **state)
{
    static const char harmless[] = ",\"stop\":[],\"logit_bias\":{},\"n\":1,\"presence_penalty\":null,\"xtc_probability\":0,\"n_predict\":-1,"
                                   "\"ignore_eos\":false,\"documents\":[],\"final\":\"first\",\"images\":[],\"functions\":null}";
    (void)state;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        struct buf body = buf_max(4096);
        struct api_call c = {0};
        struct api_error e = {0};
        buf_printf(&body, "%s%s", bases[i].body, harmless);
        if (api_parse(bases[i].shape, buf_str(&body), &c, &e) != 0)
            fail_msg("%s: %s", bases[i].name, e.fault.text);
        api_call_fini(&c);
        buf_fini(&body);
    }
}

/* Given fields of the wrong type; then each is refused with its place. */
static void test_types(void **state)
{
    static const struct { enum api_shape shape; const char *body, *param; } wrong[] = {
        {API_MESSAGES, "{\"max_tokens\":9," TURNS ",\"output_config\":\"json\"}", "output_config"},
        {API_MESSAGES, "{\"max_tokens\":9," TURNS ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":1}}",
         "tool_choice.disable_parallel_tool_use"},
        {API_RESPONSES, "{\"input\":[{\"type\":5,\"role\":\"user\",\"content\":\"x\"}]}", "input[0].type"},
        {API_RESPONSES, "{\"input\":\"x\",\"include\":\"all\"}", "include"},
        {API_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":\"aGk=\"}]}", "messages[0].images"},
        {API_OLLAMA_GENERATE, "{\"prompt\":\"x\",\"raw\":1}", "raw"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct api_call c = {0};
        struct api_error e = {0};
        assert_int_not_equal(api_parse(wrong[i].shape, str_of(wrong[i].body), &c, &e), 0);
        assert_string_equal(e.param, wrong[i].param);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_silent_no), cmocka_unit_test(test_nothing_asked), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
