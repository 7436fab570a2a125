/* The same model with a few bytes of its header changed: other templates, none, and a broken vocabulary. */
#include "llama_story.h"

#include <unistd.h>

enum { HEAD_BYTES = 4 << 20 };

static const struct engine_ops *ops;
static char *whole; /* the model file */
static size_t whole_n;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    FILE *in = fopen(story_model(), "r");
    fseek(in, 0, SEEK_END);
    whole_n = (size_t)ftell(in);
    rewind(in);
    whole = malloc(whole_n);
    assert_int_equal(fread(whole, 1, whole_n, in), whole_n);
    fclose(in);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(whole);
    return 0;
}

/* The model with `with_n` bytes at `at` replaced, in a file of its own. */
static void write_patched(char *path, const char *at, const char *with, size_t with_n)
{
    size_t before = (size_t)(at - whole);
    FILE *out = fdopen(mkstemp(path), "w");
    assert_int_equal(fwrite(whole, 1, before, out), before);
    assert_int_equal(fwrite(with, 1, with_n, out), with_n);
    assert_int_equal(fwrite(at + with_n, 1, whole_n - before - with_n, out), whole_n - before - with_n);
    fclose(out);
}

static char *find(const char *what, size_t n)
{
    char *at = memmem(whole, HEAD_BYTES, what, n);
    assert_non_null(at);
    return at;
}

/* The model with another chat template, filled up with spaces to the length of its own. */
static struct engine *load_with_template(const char *source)
{
    static const char key[] = "tokenizer.chat_template";
    char path[] = "/tmp/manta-test-XXXXXX";
    char *at = find(key, sizeof key - 1) + sizeof key - 1 + sizeof(uint32_t); /* key, type, length, bytes */
    uint64_t n;
    memcpy(&n, at, sizeof n);
    assert_true(strlen(source) <= n);
    char *text = malloc(n);
    memset(text, ' ', n);
    memcpy(text, source, strlen(source));
    write_patched(path, at + sizeof n, text, n);
    free(text);
    struct engine *e = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 256});
    unlink(path);
    return e;
}

static int render(struct engine *e, struct buf *out, struct fault *f)
{
    struct turn turns[] = {{str_of("user"), str_of("one")}, {str_of("assistant"), str_of("two")}, {str_of("user"), str_of("three")}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 3};
    return ops->render(e, &r, out, f);
}

static void a_templates_refusal_is_told(void **state)
{
    (void)state;
    struct engine *e = load_with_template("{% if messages|length > 2 %}{{ raise_exception('two turns at most') }}{% endif %}"
                                          "{{ messages[0]['content'] }}");
    struct buf out = buf_max(4096);
    struct fault f = {0};
    assert_int_equal(render(e, &out, &f), ERR_INVALID);
    /* a build without common/ (template_builtin.c) refuses a template it does not know as a whole */
    assert_true(strstr(f.text, "two turns at most") != NULL || strstr(f.text, "needs Jinja") != NULL);
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
    assert_int_equal(ops->render(e, &text, &out, &f), 0);
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
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
