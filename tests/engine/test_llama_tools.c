/* Answers that call tools, or that are forced to: by the model's own way, and by ours where its template knows none. */
#include "llama_family.h"

#include <time.h>

#include "engine/batcher.h"

enum { IDS_MAX = 400, EVENTS_MAX = 400 };

static struct engine *plain, *family; /* the model as it is; with a template that knows tools */

/* What a batcher told of one answer. */
struct told {
    int32_t ids[IDS_MAX];
    uint32_t n;
    char text[8192];     /* of all events */
    char parts[16384];   /* "0:text|" for each, over all events; pieces of one part in a row are one */
    char events[32768];  /* the same, a line for each event */
    int last_kind, last_call;
    uint8_t finish;
    struct fault fault;
};

static int set_up(void **state)
{
    char path[] = "/tmp/manta-family-XXXXXX";
    patch_set_up(state);
    plain = story_load(ops, (struct engine_load){.slots = 1, .context = 1024});
    write_family(path, FAMILY);
    family = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 1024});
    unlink(path);
    return 0;
}

static int tear_down(void **state)
{
    ops->free(plain);
    ops->free(family);
    return patch_tear_down(state);
}

static void put_part(struct told *t, const struct part *p, const char *text)
{
    static const char *const kinds[] = {"text", "think", "name", "args"};
    bool more = t->last_kind == p->kind && t->last_call == (int)p->call && p->kind != PART_TOOL_NAME;
    size_t n = strlen(t->parts), m = strlen(t->events);
    if (!more)
        n += (size_t)snprintf(t->parts + n, sizeof t->parts - n, "%s%s%u:", n > 0 ? "|" : "", kinds[p->kind], p->call);
    snprintf(t->parts + n, sizeof t->parts - n, "%.*s", (int)p->bytes, text);
    snprintf(t->events + m, sizeof t->events - m, "%s%u:%.*s|", kinds[p->kind], p->call, (int)p->bytes, text);
    t->last_kind = p->kind;
    t->last_call = (int)p->call;
}

static void on_event(const struct batcher_event *ev, void *user_data)
{
    struct told *t = user_data;
    if (ev->kind == BATCHER_DONE) {
        t->finish = ev->finish;
        t->fault = ev->fault;
    }
    if (ev->kind != BATCHER_TOKENS)
        return;
    for (uint32_t i = 0; i < ev->ids_n && t->n < IDS_MAX; i++)
        t->ids[t->n++] = ev->ids[i];
    strncat(t->text, ev->text.p != NULL ? ev->text.p : "", ev->text.n);
    size_t at = 0;
    for (uint32_t i = 0; i < ev->parts_n; i++) {
        put_part(t, &ev->parts[i], ev->text.p + at);
        at += ev->parts[i].bytes;
    }
    assert_true(ev->parts_n == 0 || at == ev->text.n);
    strcat(t->events, "\n");
}

static uint64_t now(void *user_data)
{
    struct timespec t;
    (void)user_data;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static struct told ask(struct engine *e, const struct request *r, const int32_t *resume, uint32_t resume_n)
{
    struct told t = {.last_kind = -1};
    ops->seq_trim(e, 0, 0); /* a batcher begins with empty slots */
    struct batcher *b = batcher_new(&(struct batcher_config){.ops = ops, .engine = e, .queue_max = 1, .now_us = now}, on_event, &t);
    batcher_submit(b, 1, r, resume, resume_n);
    while (batcher_step(b))
        ;
    batcher_free(b);
    return t;
}

static const char WEATHER[] =
    "{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"The weather of a city\",\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":12},\"unit\":{\"enum\":[\"C\",\"F\"]}},\"required\":[\"city\",\"unit\"],"
    "\"additionalProperties\":false}}}";
static const char CLOCK[] =
    "{\"type\":\"function\",\"function\":{\"name\":\"clock\",\"parameters\":{\"type\":\"object\",\"properties\":"
    "{\"zone\":{\"enum\":[\"UTC\",\"CET\"]}},\"required\":[\"zone\"]}}}";

static char both[2048];
static struct turn turns[] = {{.role = {"user", 4}, .content = {"What is the weather in Paris?", 29}, .extra = {NULL, 0}}};

static struct request with_tools(enum tool_choice choice, uint64_t seed)
{
    snprintf(both, sizeof both, "[%s,%s]", WEATHER, CLOCK);
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 1, .sampling = sampling_default(), .tools = str_of(both),
                        .tool_choice = (uint8_t)choice, .split_reasoning = 1};
    r.sampling.seed = seed;
    r.sampling.temperature = seed == 0 ? 0 : 1;
    r.sampling.max_tokens = 200;
    return r;
}

/* Are they the arguments that the tool wants, as compact JSON? */
static bool are_arguments(const char *parts)
{
    char city[64], unit[8], zone[8];
    int n = 0;
    if (sscanf(parts, "name0:weather|args0:{\"city\":\"%63[^\"]\",\"unit\":\"%1[CF]\"}%n", city, unit, &n) == 2 && n > 0)
        return parts[n] == '\0';
    if (sscanf(parts, "name0:weather|args0:{\"city\":\"\",\"unit\":\"%1[CF]\"}%n", unit, &n) == 1 && n > 0)
        return parts[n] == '\0';
    return sscanf(parts, "name0:clock|args0:{\"zone\":\"%3[A-Z]\"}%n", zone, &n) == 1 && n > 0 && parts[n] == '\0';
}

static void a_forced_call_is_a_call_whatever_the_model(void **state)
{
    (void)state;
    struct engine *const engines[] = {plain, family};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct request r = with_tools(TOOLS_REQUIRED, seed);
            r.tool_calls = TOOL_CALLS_ONE;
            struct told t = ask(engines[i], &r, NULL, 0);
            if (t.fault.err != 0 || t.finish != FINISH_TOOLS || !are_arguments(t.parts))
                fail_msg("engine %zu seed %llu: %u %s: %s", i, (unsigned long long)seed, t.finish, t.fault.text, t.parts);
        }
}

/* Given an answer which calls tools; when it is resumed after any of its tokens; then the same parts come, cut at the same bytes. */
static void a_resumed_call_goes_on_at_the_byte_it_had_come_to(void **state)
{
    (void)state;
    struct engine *const engines[] = {plain, family};
    for (size_t i = 0; i < 2; i++) {
        struct request r = with_tools(TOOLS_REQUIRED, 3);
        r.tool_calls = TOOL_CALLS_MANY;
        r.sampling.max_tokens = 60;
        struct told all = ask(engines[i], &r, NULL, 0);
        assert_int_equal(all.fault.err, 0);
        const char *rest_of = all.events;
        for (uint32_t n = 0; n < all.n; n++) {
            if (n % 7 != 0) {
                rest_of = strchr(rest_of, '\n') + 1;
                continue;
            }
            struct told rest = ask(engines[i], &r, all.ids, n);
            assert_int_equal(rest.fault.err, 0);
            assert_int_equal(rest.finish, all.finish);
            assert_string_equal(rest.events, rest_of);
            rest_of = strchr(rest_of, '\n') + 1;
        }
    }
}

/* Given a model that may call tools; when it says the first word of a call, then it is held to one; what it says before is its own. */
static void a_model_that_begins_a_call_is_held_to_it(void **state)
{
    (void)state;
    struct engine *const engines[] = {plain, family};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t seed = 1; seed < 4; seed++) {
            int32_t begun[64];
            struct request r = with_tools(TOOLS_AUTO, seed);
            r.tool_calls = TOOL_CALLS_ONE;
            uint32_t n = story_tokenize(ops, engines[i], "Let me see. <tool_call>", ENGINE_CONTROL, begun, 64);
            struct told t = ask(engines[i], &r, begun, n);
            if (t.fault.err != 0 || t.finish != FINISH_TOOLS || !are_arguments(t.parts))
                fail_msg("engine %zu seed %llu: %u %s: %s", i, (unsigned long long)seed, t.finish, t.fault.text, t.parts);
        }
}

/* Given tools; when the model calls none, then its answer is text, to the byte what it is without being cut. */
static void an_answer_without_calls_is_text(void **state)
{
    (void)state;
    struct request r = with_tools(TOOLS_AUTO, 5), none = r;
    none.tool_choice = TOOLS_NONE;
    struct told t = ask(family, &r, NULL, 0), same = ask(family, &none, NULL, 0);
    assert_int_equal(t.fault.err, 0);
    assert_int_equal(strncmp(t.parts, "text0:", 6), 0);
    assert_string_equal(t.parts + 6, t.text);
    assert_true(strlen(t.text) > 40);
    assert_string_equal(same.text, t.text);
}

/* Given a model that thinks first; then what it thinks is a part, and what it says behind that another one. */
static void reasoning_is_a_part_of_its_own(void **state)
{
    (void)state;
    int32_t thought[64];
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 1, .sampling = sampling_default(), .split_reasoning = 1,
                        .template_args = str_of("{\"think_first\":true}")};
    uint32_t n = story_tokenize(ops, family, "Paris, so France.\n</think>\n\nIt", ENGINE_CONTROL, thought, 64);
    r.sampling.max_tokens = 12;
    struct told t = ask(family, &r, NULL, 0);
    assert_int_equal(strncmp(t.parts, "think0:", 7), 0);
    r.sampling.max_tokens = n + 12;
    t = ask(family, &r, thought, n);
    assert_int_equal(strncmp(t.parts, "text0:", 6), 0);
    assert_null(strstr(t.parts, "France"));
    r.split_reasoning = 0;
    t = ask(family, &r, thought, n);
    assert_string_equal(t.parts, ""); /* it is text, and not cut */
    assert_true(strlen(t.text) > 0);
}

/* Given a model that thinks first and must call; then it may think as long as it likes, and calls behind that. */
static void a_model_that_must_call_may_think_before(void **state)
{
    (void)state;
    int32_t thought[64];
    struct request r = with_tools(TOOLS_REQUIRED, 2);
    r.template_args = str_of("{\"think_first\":true}");
    r.tool_calls = TOOL_CALLS_ONE;
    uint32_t n = story_tokenize(ops, family, "Paris, so France.\n</think>", ENGINE_CONTROL, thought, 64);
    struct told t = ask(family, &r, thought, n);
    assert_int_equal(t.finish, FINISH_TOOLS);
    assert_true(are_arguments(t.parts));
}

/* Given a model whose template knows no tools; then results come in one turn with what the user says behind them, as a user's. */
static void results_are_said_by_the_user(void **state)
{
    (void)state;
    static const char expected[] = "\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call><|im_end|>\n"
                                   "<|im_start|>user\n<tool_response>\nrain\n</tool_response>\n"
                                   "<tool_response>\nwind\n</tool_response>\nAnd now?<|im_end|>\n<|im_start|>assistant\n";
    struct turn said[] = {turns[0],
                          {str_of("assistant"), str_of("So"),
                           str_of("{\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{}\"}}]}")},
                          {str_of("tool"), str_of("rain"), str_of("{\"tool_call_id\":\"a\",\"name\":\"weather\"}")},
                          {str_of("tool"), str_of("wind"), str_of("{\"tool_call_id\":\"b\"}")},
                          {str_of("user"), str_of("And now?"), str_n(NULL, 0)}};
    struct request r = {.kind = REQUEST_CHAT, .turns = said, .turns_n = 5, .sampling = sampling_default()};
    struct buf prompt = buf_max(65536);
    struct engine_guide *guide = NULL;
    assert_int_equal(ops->render(plain, &r, NULL, &prompt, &guide, NULL), 0);
    const char *end = buf_cstr(&prompt) + prompt.n - (sizeof expected - 1);
    assert_true(prompt.n > sizeof expected);
    assert_string_equal(end, expected);
    buf_fini(&prompt);
    assert_int_equal(ops->render(family, &r, NULL, &prompt, &guide, NULL), 0);
    assert_non_null(strstr(buf_cstr(&prompt), "<tool_response>\nwind\n</tool_response><|im_end|>")); /* a turn of its own, as its template has it */
    buf_fini(&prompt);
    ops->guide_free(guide);
}

static bool is_of_form(const char *parts)
{
    int a = 0, n = 0;
    return sscanf(parts, "text0:{\"a\":%d}%n", &a, &n) == 1 && a >= 10 && a <= 99 && parts[n] == '\0';
}

/* Given tools that need not be called, and a form; then an answer is a call or of that form, also where it is resumed. */
static void an_answer_calls_or_has_its_form(void **state)
{
    (void)state;
    struct engine *const engines[] = {plain, family};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            int32_t call[16];
            struct request r = with_tools(TOOLS_AUTO, seed);
            r.tool_calls = TOOL_CALLS_ONE;
            r.form = FORM_GRAMMAR;
            r.form_text = str_of("root ::= \"{\\\"a\\\":\" [1-9] [0-9] \"}\"");
            struct told t = ask(engines[i], &r, NULL, 0);
            if (t.fault.err != 0 || !(t.finish == FINISH_TOOLS ? are_arguments(t.parts) : is_of_form(t.parts)))
                fail_msg("engine %zu seed %llu: %u %s: %s", i, (unsigned long long)seed, t.finish, t.fault.text, t.parts);
            uint32_t n = story_tokenize(ops, engines[i], "<tool_call>", ENGINE_CONTROL, call, 16);
            t = ask(engines[i], &r, call, n);
            assert_true(t.finish == FINISH_TOOLS && are_arguments(t.parts));
            n = story_tokenize(ops, engines[i], "{\"a", ENGINE_CONTROL, call, 16);
            t = ask(engines[i], &r, call, n);
            assert_int_equal(t.finish, FINISH_STOP);
        }
}

/* Given a model that thinks first, and a form; then it thinks freely, and what it says has the form. */
static void a_form_begins_behind_the_thoughts(void **state)
{
    (void)state;
    int32_t thought[64];
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 1, .sampling = sampling_default(), .split_reasoning = 1,
                        .template_args = str_of("{\"think_first\":true}"), .form = FORM_GRAMMAR, .form_text = str_of("root ::= \"{\\\"a\\\":12}\"")};
    uint32_t n = story_tokenize(ops, family, "Paris, so France.\n</think>", ENGINE_CONTROL, thought, 64);
    struct told t = ask(family, &r, thought, n);
    assert_int_equal(t.finish, FINISH_STOP);
    assert_true(is_of_form(t.parts));
    r.template_args = str_n(NULL, 0);
    t = ask(family, &r, NULL, 0);
    assert_true(is_of_form(t.parts));
    r.form_text = str_of("root ::= (");
    t = ask(family, &r, NULL, 0);
    assert_int_equal(t.fault.err, ERR_FORM);
}

static struct turn continued[] = {{.role = {"user", 4}, .content = {"What is the weather in Paris?", 29}, .extra = {NULL, 0}},
                                  {.role = {"assistant", 9}, .content = {"The weather in Paris is", 23}, .extra = {NULL, 0}}};

static void a_chat_that_ends_with_the_assistant_is_continued(void **state)
{
    (void)state;
    struct engine *const engines[] = {plain, family};
    for (size_t i = 0; i < 4; i++) {
        struct request r = {.kind = REQUEST_CHAT, .turns = continued, .turns_n = 2, .sampling = sampling_default(), .continues = 1,
                            .split_reasoning = (uint8_t)(i / 2)};
        struct buf prompt = buf_max(65536);
        struct engine_guide *guide = NULL;
        struct fault f = {0};
        assert_int_equal(ops->render(engines[i % 2], &r, NULL, &prompt, &guide, &f), 0);
        static const char end[] = "\nThe weather in Paris is"; /* of a model that thinks the end of its thoughts comes before it */
        if (prompt.n < sizeof end || memcmp(prompt.p + prompt.n - (sizeof end - 1), end, sizeof end - 1) != 0)
            fail_msg("case %zu: %.*s", i, (int)prompt.n, prompt.p);
        ops->guide_free(guide);
        buf_fini(&prompt);
        r.sampling.max_tokens = 12;
        r.sampling.temperature = 0;
        struct told t = ask(engines[i % 2], &r, NULL, 0);
        assert_int_equal(t.fault.err, 0);
        assert_true(strlen(t.text) > 10 && strstr(t.text, "The weather in Paris is") != t.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forced_call_is_a_call_whatever_the_model),
        cmocka_unit_test(a_resumed_call_goes_on_at_the_byte_it_had_come_to),
        cmocka_unit_test(a_model_that_begins_a_call_is_held_to_it),
        cmocka_unit_test(an_answer_without_calls_is_text),
        cmocka_unit_test(reasoning_is_a_part_of_its_own),
        cmocka_unit_test(a_model_that_must_call_may_think_before),
        cmocka_unit_test(results_are_said_by_the_user),
        cmocka_unit_test(an_answer_calls_or_has_its_form),
        cmocka_unit_test(a_form_begins_behind_the_thoughts),
        cmocka_unit_test(a_chat_that_ends_with_the_assistant_is_continued),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
