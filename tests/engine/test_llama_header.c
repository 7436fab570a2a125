/* The same model with a few bytes of its header changed: other templates, none, and a broken vocabulary. */
#include "llama_patch.h"

static int render(struct engine *e, struct buf *out, struct fault *f)
{
    struct turn turns[] = {{.role = str_of("user"), .content = str_of("one")},
                           {.role = str_of("assistant"), .content = str_of("two")},
                           {.role = str_of("user"), .content = str_of("three")}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 3};
    return ops->render(e, &r, NULL, out, &(struct engine_guide *){NULL}, f);
}

static void a_templates_refusal_is_told(void **state)
{
    (void)state;
    struct engine *e = load_with_template("{% if messages|length > 2 %}{{ raise_exception('two turns at most') }}{% endif %}"
                                          "{{ messages[0]['content'] }}");
    struct buf out = buf_max(4096);
    struct fault f = {0};
    assert_int_equal(render(e, &out, &f), ERR_INVALID);
    assert_non_null(strstr(f.text, "two turns at most"));
    buf_fini(&out);
    ops->free(e);
}

/* Given a template that is no Jinja, then the model loads all the same: it still completes text. */
static void a_template_that_cannot_be_parsed_refuses_chats_only(void **state)
{
    (void)state;
    struct engine *e = load_with_template("{% for message in %}{{");
    struct request text = {.kind = REQUEST_TEXT, .text = str_of("Once upon")};
    struct buf out = buf_max(4096);
    struct fault f = {0};
    assert_true(ops->info(e)->has_template);
    assert_int_equal(render(e, &out, &f), ERR_INVALID);
    assert_non_null(strstr(f.text, "chat template"));
    buf_reset(&out);
    assert_int_equal(ops->render(e, &text, NULL, &out, &(struct engine_guide *){NULL}, &f), 0);
    assert_string_equal(buf_cstr(&out), "Once upon");
    buf_fini(&out);
    ops->free(e);
}

static void without_a_template_turns_are_joined(void **state)
{
    (void)state;
    char path[] = "/tmp/manta-test-XXXXXX";
    struct buf out = buf_max(4096);
    write_patched(path, find("tokenizer.chat_template", 23), "tokenizer.chat_templatX", 23);
    struct engine *e = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 256});
    assert_false(ops->info(e)->has_template);
    assert_int_equal(render(e, &out, NULL), 0);
    assert_string_equal(buf_cstr(&out), "one\ntwo\nthree");
    buf_fini(&out);
    ops->free(e);
    unlink(path);
}

/* Given a vocabulary that has a word twice, on which libllama would abort, then the load is refused. */
static void a_doubled_token_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/manta-test-XXXXXX";
    struct engine_load load = {.path = path, .slots = 1, .threads = 1};
    struct engine *e = NULL;
    struct fault f = {0};
    assert_non_null(find("\2\0\0\0\0\0\0\0in", 10));
    write_patched(path, find("\2\0\0\0\0\0\0\0he", 10), "\2\0\0\0\0\0\0\0in", 10);
    assert_int_equal(ops->load(&load, NULL, NULL, &e, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "'in' twice"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_templates_refusal_is_told),
        cmocka_unit_test(a_template_that_cannot_be_parsed_refuses_chats_only),
        cmocka_unit_test(without_a_template_turns_are_joined),
        cmocka_unit_test(a_doubled_token_is_refused),
    };
    return cmocka_run_group_tests(tests, patch_set_up, patch_tear_down);
}
