/* Answers of a given form: grammars, JSON schemas and regular expressions hold the model to it, within bounds. */
#include "llama_story.h"

#include <time.h>

#include "engine/batcher.h"

enum { IDS_MAX = 200 };

static const struct engine_ops *ops;
static struct engine *engine;

/* What a batcher told of one answer. */
struct told {
    int32_t ids[IDS_MAX];
    uint32_t n;
    char text[4096];
    uint8_t finish;
    struct fault fault;
};

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    engine = story_load(ops, (struct engine_load){.slots = 1, .context = 512});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ops->free(engine);
    return 0;
}

static void on_event(const struct batcher_event *ev, void *user_data)
{
    struct told *t = user_data;
    if (ev->kind == BATCHER_TOKENS) {
        for (uint32_t i = 0; i < ev->ids_n && t->n < IDS_MAX; i++)
            t->ids[t->n++] = ev->ids[i];
        size_t n = strlen(t->text);
        assert_true(n + ev->text.n < sizeof t->text);
        memcpy(t->text + n, ev->text.p, ev->text.n);
    } else if (ev->kind == BATCHER_DONE) {
        t->finish = ev->finish;
        t->fault = ev->fault;
    }
}

static uint64_t now(void *user_data)
{
    struct timespec t;
    (void)user_data;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static struct told answer(enum request_form form, const char *text, uint64_t seed, const struct told *resume, uint32_t resume_n)
{
    struct turn turn = {.role = str_of("user"), .content = str_of("Tell me something about a cat and its three friends.")};
    struct request r = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1, .sampling = sampling_default(), .form = (uint8_t)form,
                        .form_text = str_of(text)};
    struct told t = {0};
    r.sampling.seed = seed;
    r.sampling.temperature = seed == 0 ? 0 : 1;
    r.sampling.max_tokens = 160;
    ops->seq_trim(engine, 0, 0); /* a batcher begins with empty slots */
    struct batcher *b = batcher_new(&(struct batcher_config){.ops = ops, .engine = engine, .queue_max = 1, .now_us = now}, on_event, &t);
    batcher_submit(b, 1, &r, resume != NULL ? resume->ids : NULL, resume_n);
    while (batcher_step(b))
        ;
    batcher_free(b);
    return t;
}

static bool is_one_of(const char *text, const char *const *texts)
{
    while (*texts != NULL && strcmp(text, *texts) != 0)
        texts++;
    return *texts != NULL;
}

static void an_answer_has_the_form_that_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        enum request_form form;
        const char *text;
        const char *answers[9];
    } cases[] = {
        {FORM_GRAMMAR, "root ::= \"yes\" | \"no\" # one of them", {"yes", "no"}},
        {FORM_GRAMMAR, "root ::= a a\na ::= [xy]", {"xx", "xy", "yx", "yy"}},
        {FORM_GRAMMAR, "root ::= \"\xe2\x98\x83\xf0\x9f\xa6\x8a\"", {"\xe2\x98\x83\xf0\x9f\xa6\x8a"}}, /* characters of several tokens */
        {FORM_REGEX, "^[ab]\\d?z$", {0}},
        {FORM_REGEX, "red|dark blue", {"red", "dark blue"}},
        {FORM_REGEX, "\"\\.\\\\\"", {"\".\\\""}},
        {FORM_SCHEMA, "{\"enum\":[1,\"b\"]}", {"1", "\"b\""}},
        {FORM_SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{\"const\":true}},\"required\":[\"a\"]}", {0}},
        {FORM_SCHEMA, "{\"type\":\"string\",\"pattern\":\"^[A-C]\\\\d$\"}", {0}},
        {FORM_JSON, "", {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct told t = answer(cases[i].form, cases[i].text, seed, NULL, 0);
            if (t.fault.err != 0)
                fail_msg("%s: %s", cases[i].text, t.fault.text);
            if (cases[i].form == FORM_JSON)
                assert_true(t.text[0] == '{' && (t.finish == FINISH_LENGTH || t.text[strlen(t.text) - 1] == '}'));
            else
                assert_int_equal(t.finish, FINISH_STOP);
            if (cases[i].answers[0] != NULL && !is_one_of(t.text, cases[i].answers))
                fail_msg("%s: %s", cases[i].text, t.text);
        }
}

static void a_form_that_cannot_be_kept_to_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        enum request_form form;
        const char *text, *why;
    } cases[] = {
        {FORM_GRAMMAR, "root := \"a\"", "the grammar cannot be used: expecting ::= at ':= \"a\"'"},
        {FORM_GRAMMAR, "root ::= \"a", "the grammar cannot be used: unexpected end of input"},
        {FORM_GRAMMAR, "answer ::= \"a\"", "the grammar cannot be used: it has no rule 'root'"},
        {FORM_GRAMMAR, "root ::= thing", "the grammar cannot be used: the rule 'thing' is used but not defined"},
        {FORM_GRAMMAR, "root ::= root \"a\"", "the grammar cannot be used: a rule begins with itself (left recursion)"},
        {FORM_GRAMMAR, "root ::= \"\xff\n\x1b[1m", NULL},
        {FORM_REGEX, "a(?=b)", NULL},
        {FORM_REGEX, "(ab", NULL},
        {FORM_REGEX, "[ab", "the regular expression cannot be used: the pattern has a '[' without its ']'"},
        {FORM_REGEX, "a\\bc", "the regular expression cannot be used: the pattern has \\b, which grammars cannot express"},
        {FORM_SCHEMA, "{\"type\":", NULL},
        {FORM_SCHEMA, "{\"type\":\"thing\"}", NULL},
        {FORM_SCHEMA, "{\"$ref\":\"#/nowhere\"}", NULL},
        {FORM_SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"number\",\"multipleOf\":2}}",
         "the JSON schema cannot be used: 'multipleOf' cannot be enforced, in #/items"},
        {FORM_SCHEMA, "{\"type\":\"object\",\"properties\":{\"not\":{\"minimum\":2}}}",
         "the JSON schema cannot be used: 'minimum' can be enforced only with \"type\": \"integer\", in #/properties/not"},
        {FORM_SCHEMA, "{\"type\":\"object\",\"required\":[\"a\"]}",
         "the JSON schema cannot be used: 'required' has a name that 'properties' lacks, in #"},
        {FORM_SCHEMA, "{\"type\":\"string\",\"pattern\":\"a\"}",
         "the JSON schema cannot be used: a pattern can be enforced only as a whole: begin it with '^' and end it with '$', in #/pattern"},
        {FORM_SCHEMA, "{\"type\":\"string\",\"pattern\":\"^(?=a)$\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told t = answer(cases[i].form, cases[i].text, 1, NULL, 0);
        if (t.fault.err != ERR_FORM || (cases[i].why != NULL && strcmp(t.fault.text, cases[i].why) != 0))
            fail_msg("%s: %d, %s", cases[i].text, t.fault.err, t.fault.text);
        assert_null(strpbrk(t.fault.text, "\n\x1b"));
    }
}

/* Given grammars that grow beyond all bounds, or are nested beyond the stack; then each is refused within seconds. */
static void what_explodes_is_bounded(void **state)
{
    (void)state;
    static char deep[200001], chain[200000];
    memset(deep, '(', sizeof deep - 1);
    memcpy(deep, "root ::= ", 9);
    for (unsigned i = 0, at = 0; at + 40 < sizeof chain; i++)
        at += (unsigned)snprintf(chain + at, sizeof chain - at, i == 0 ? "root ::= r%u\n" : "r%u ::= r%u\n", i, i + 1);
    const struct {
        enum request_form form;
        const char *text;
    } cases[] = {
        {FORM_GRAMMAR, "root ::= (((\"a\"{0,9}){0,9}){0,9}){0,9}"},
        {FORM_GRAMMAR, "root ::= [a]{9,3}"},
        {FORM_GRAMMAR, deep},
        {FORM_GRAMMAR, chain},
        {FORM_SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":1999},\"minItems\":1999999}"},
        {FORM_SCHEMA, "{\"type\":\"string\",\"minLength\":100000000}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t start_us = now(NULL);
        struct told t = answer(cases[i].form, cases[i].text, 1, NULL, 0);
        if (t.fault.err != ERR_FORM)
            fail_msg("case %zu: %d, %s", i, t.fault.err, t.fault.text);
        assert_true(now(NULL) - start_us < 30 * 1000000ull);
    }
}

static const char PERSON[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},\"age\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":99},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"enum\":[\"x\",\"y\"]},\"minItems\":1,\"maxItems\":3}},\"required\":[\"name\",\"age\",\"tags\"]}";

/* Given an answer of a form; when it is resumed after each of its tokens; then it continues as it went. */
static void a_resumed_answer_goes_on_in_its_form(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 3; seed++) {
        struct told whole = answer(FORM_SCHEMA, PERSON, seed, NULL, 0);
        assert_int_equal(whole.finish, FINISH_STOP);
        for (uint32_t n = 0; n < whole.n; n++) {
            struct told rest = answer(FORM_SCHEMA, PERSON, seed, &whole, n);
            assert_int_equal(rest.fault.err, 0);
            assert_int_equal(rest.n, whole.n - n);
            assert_memory_equal(rest.ids, whole.ids + n, rest.n * sizeof *rest.ids);
        }
    }
}

static void tokens_that_do_not_fit_are_not_gone_on_with(void **state)
{
    (void)state;
    struct told whole = answer(FORM_SCHEMA, PERSON, 1, NULL, 0);
    struct told other = answer(FORM_GRAMMAR, "root ::= \"no\"", 1, &whole, 2);
    assert_int_equal(other.fault.err, ERR_FORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_the_form_that_was_asked_for),
        cmocka_unit_test(a_form_that_cannot_be_kept_to_is_refused_with_the_reason),
        cmocka_unit_test(what_explodes_is_bounded),
        cmocka_unit_test(a_resumed_answer_goes_on_in_its_form),
        cmocka_unit_test(tokens_that_do_not_fit_are_not_gone_on_with),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
