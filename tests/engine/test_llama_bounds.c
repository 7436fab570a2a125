/* What a file or a client may make a template or a tokenizer do: it ends, within its bounds, with a reason in plain words. */
#include "llama_patch.h"

#include <pthread.h>

#include "base/alloc.h"
#include "engine/prompt.h"

static bool never(void *user_data)
{
    (void)user_data;
    return false;
}

/* Renders one user's words by `source`. */
static int render_by(const char *source, const struct engine_bounds *bounds, const char *words, struct fault *f)
{
    struct engine *e = load_with_template(source);
    struct turn turn = {.role = str_of("user"), .content = str_of(words)};
    struct request r = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1};
    struct buf out = buf_max(1 << 20);
    int err = ops->render(e, &r, bounds, &out, &(struct engine_guide *){NULL}, f);
    buf_fini(&out);
    ops->free(e);
    return err;
}

struct endless {
    const char *source;
    uint64_t memory_bytes;
    const char *why;
};

/* Given templates that compute, grow or call themselves without an end, at once or only for some words, then rendering ends
 * with the model's template as the reason. */
static void a_template_without_an_end_is_stopped(void **state)
{
    (void)state;
    static const struct endless endless[] = {
        {"{% for a in range(9999) %}{% for b in range(9999) %}{% if b > 99999 %}{% endif %}{% endfor %}{% endfor %}", 4ull << 30, "for longer than"},
        {"{% for a in range(9999999999) %}{% endfor %}", 16 << 20, "more memory than"},
        {"{% set n = namespace(x='ab') %}{% for i in range(90) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}", 16 << 20, "more memory than"},
        {"{% macro a(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}", 1 << 30, "recursion does not end"},
        {"{{ range(4611686018427387904)|length }}", 16 << 20, "more memory than"},
        {"{{ ('x' * 4611686018427387904)|length }}", 16 << 20, "more memory than"},
        {"{{ 4611686018427387904 * '' }}", 16 << 20, "more memory than"},
        {"{{ ('x' * 0) * 4611686018427387904 }}", 16 << 20, "for longer than"}, /* this one and the next ask for no memory */
        {"{% for i in range(9) %}{{ 999999999999 * ('x' * 0) }}{% endfor %}", 16 << 20, "for longer than"},
    };
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct engine_bounds bounds = {.memory_bytes = endless[i].memory_bytes, .cpu_ms = 300, .stopped = never};
        for (int always = 0; always < 2; always++) {
            char source[400];
            struct fault f = {0};
            snprintf(source, sizeof source, "%s%s%s", always ? "" : "{% if messages[0]['content'] == 'now' %}", endless[i].source,
                     always ? "" : "{% endif %}");
            assert_int_equal(render_by(source, &bounds, "now", &f), ERR_INVALID);
            assert_non_null(strstr(f.text, "chat template cannot be used"));
            if (!always && strstr(f.text, endless[i].why) == NULL)
                fail_msg("%s: %s", source, f.text);
        }
    }
}

/* Given templates that search or shorten a long text without asking for memory, then that is stopped, too. The text is the user's, in one piece:
 * what is held when rendering is stopped so is lost, and there is a limit to that. */
static void work_on_a_long_text_is_stopped(void **state)
{
    (void)state;
    enum { LETTERS = 2000000 };
    static const char *const sources[] = {
        "{{ messages[0]['content']|replace('a', '') }}",
        "{{ (messages[0]['content'] ~ 'b') in (messages[0]['content'] ~ messages[0]['content']) }}",
    };
    char *words = xalloc(LETTERS + 1);
    memset(words, 'a', LETTERS);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const struct engine_bounds bounds = {.memory_bytes = 1 << 30, .cpu_ms = 300, .stopped = never};
        struct fault f = {0};
        assert_int_equal(render_by(sources[i], &bounds, words, &f), ERR_INVALID);
        if (strstr(f.text, "for longer than") == NULL)
            fail_msg("%s: %s", sources[i], f.text);
    }
    free(words);
}

/* Given templates whose arithmetic cannot be done, at once or only for some words, then rendering ends with a reason or with some text: never
 * the process. */
static void arithmetic_that_cannot_be_done_is_no_end(void **state)
{
    (void)state;
    static const struct {
        const char *source, *why; /* NULL: whatever it comes to */
    } cases[] = {
        {"{{ 4 is divisibleby(0) }}", "nothing is divisible by 0"},
        {"{{ 4 is divisibleby(messages|length - 1) }}", "nothing is divisible by 0"},
        {"{{ [1, 2]|select('divisibleby', 0)|list|length }}", NULL},
        {"{{ (0 - 9223372036854775807 - 1) is divisibleby(0 - 1) }}", NULL},
        {"{{ 4 % 0 }}{{ 4 / 0 }}{{ 0 / 0 }}{{ 4 // 0 }}", NULL},
        {"{{ (0 - 9223372036854775807 - 1) % (0 - 1) }}", NULL},
        {"{{ 9223372036854775807 + 9223372036854775807 }}{{ 9223372036854775807 * 9223372036854775807 }}", NULL},
        {"{{ (1e308 * 1e308)|int }}{{ (0 / 0)|int }}{{ '1e999'|float }}{{ '99999999999999999999'|int }}", NULL},
        {"{{ [1, 2][0 % 0] }}", NULL},
        {"{{ [1, 2][9223372036854775807] }}{{ [1, 2][0 - 9223372036854775807] }}", NULL},
        {"{{ 'abc'[::0] }}", NULL},
        {"{{ [1, 2, 3][9223372036854775807:0 - 9223372036854775807:0 - 9223372036854775807] }}", NULL},
        {"{{ range(0, 5, 0)|length }}", NULL},
        {"{{ range(9223372036854775806, 9223372036854775807)|length }}", NULL},
        {"{{ 'ab' * 9223372036854775807 }}", NULL},
        {"{{ 'ab' * (0 - 5) }}", NULL},
        {"{{ 'ab'|indent(0 - 1) }}", NULL},
        {"{{ 'ab'|indent(9223372036854775807) }}", NULL},
    };
    const struct engine_bounds bounds = {.memory_bytes = 16 << 20, .cpu_ms = 300, .stopped = never};
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        char source[400];
        struct fault f = {0};
        snprintf(source, sizeof source, "%s%s%s", i % 2 == 0 ? "" : "{% if messages[0]['content'] == 'now' %}", cases[i / 2].source,
                 i % 2 == 0 ? "" : "{% endif %}");
        int err = render_by(source, &bounds, "now", &f);
        assert_true(err == 0 || err == ERR_INVALID);
        assert_true(err == 0 || strlen(f.text) > 20);
        if (cases[i / 2].why != NULL && i % 2 != 0)
            assert_non_null(strstr(f.text, cases[i / 2].why));
    }
}

/* Given templates that complain or cannot be computed, then their words come whole, on one line, without inner names. */
static void a_complaint_comes_in_plain_words(void **state)
{
    (void)state;
    static const char *const complaints[][2] = {
        {"{{ raise_exception('Conversation roles must alternate user/assistant/user: see the card') }}",
         "refuses these messages: Conversation roles must alternate user/assistant/user: see the card"},
        {"{{ raise_exception('first line\\nsecond ' ~ messages[0]['content']) }}", "refuses these messages: first line second words"},
        {"{{ messages | nosuchfilter }}", "nosuchfilter"},
        {"{{ messages[0]['content'] + 1 }}", ""},
        {"{{ undefined_thing.deeper.still }}", ""},
        {"{{ nosuchfunction(1) }}", ""},
        {"{{ 'abc'[5] }}", ""},
        {"{{ 'x' | int(base=99) }}", ""},
        {"{{ strftime_now('') }}", ""},
    };
    for (size_t i = 0; i < sizeof complaints / sizeof complaints[0]; i++) {
        struct fault f = {0};
        if (render_by(complaints[i][0], NULL, "words", &f) == 0)
            continue; /* this interpreter knows how */
        if (strstr(f.text, complaints[i][1]) == NULL || strstr(f.text, "::") != NULL || strstr(f.text, "xecuting") != NULL)
            fail_msg("%s: %s", complaints[i][0], f.text);
        print_message("%s\n", f.text);
    }
}

/* Given templates that cannot be read, then what is wrong with them is told, not that something was thrown. */
static void why_a_template_cannot_be_read_is_told(void **state)
{
    (void)state;
    static const char *const broken[] = {"{% for message in %}{{", "{{ 'open", "{% if %}", "{{ (1 }}", "{% nosuchtag %}", "{% endfor %}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct fault f = {0};
        if (render_by(broken[i], NULL, "words", &f) == 0)
            continue;
        if (strstr(f.text, "std") != NULL || strstr(f.text, "::") != NULL || strlen(f.text) < 60)
            fail_msg("%s: %s", broken[i], f.text);
        print_message("%s\n", f.text);
    }
}

/* ---- tokens ---- */

static bool at_once(void *user_data)
{
    (void)user_data;
    return true;
}

static char *filled(const char *piece, size_t bytes)
{
    size_t n = strlen(piece);
    char *text = malloc(bytes + n + 1);
    for (size_t at = 0; at < bytes; at += n)
        memcpy(text + at, piece, n + 1);
    return text;
}

/* Given a text that takes more memory or time than it may, or is not wanted any more, then tokenizing ends with the reason,
 * and afterwards the same text has the same tokens as before. */
static void tokenizing_keeps_its_bounds(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 1, .context = 256});
    struct engine_tokens before = {0}, after = {0};
    char *spaces = filled(" ", 200000), *controls = filled("<|im_start|>", 2000000);
    struct fault f = {0};
    struct engine_bounds little = {.memory_bytes = 4 << 20}, quick = {.cpu_ms = 50}, stopped = {.stopped = at_once};
    assert_int_equal(ops->tokenize(e, str_of(spaces), ENGINE_CONTROL, NULL, &before, &f), 0);
    assert_int_equal(ops->tokenize(e, str_of(spaces), ENGINE_CONTROL, &little, &after, &f), ERR_TOO_LARGE);
    assert_non_null(strstr(f.text, "200000 bytes takes more than 4 MiB to tokenize; shorten it"));
    assert_int_equal(ops->tokenize(e, str_of(controls), ENGINE_CONTROL, &quick, &after, &f), ERR_TOO_LARGE);
    assert_non_null(strstr(f.text, "to tokenize; shorten it"));
    assert_int_equal(ops->tokenize(e, str_of(spaces), ENGINE_CONTROL, &stopped, &after, &f), ERR_CANCELLED);
    assert_int_equal(ops->tokenize(e, str_of(spaces), ENGINE_CONTROL, &(struct engine_bounds){.memory_bytes = 1 << 30, .cpu_ms = 600000}, &after, &f), 0);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n * sizeof *before.p);
    free(before.p);
    free(after.p);
    free(spaces);
    free(controls);
    ops->free(e);
}

/* The model with another way to cut texts up before they are tokenized. */
static struct engine *load_with_cutter(const char name[6])
{
    char path[] = "/tmp/manta-test-XXXXXX";
    write_patched(path, find("tokenizer.ggml.pre", 18) + 18 + 4 + 8, name, 6);
    struct engine *e = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 256});
    unlink(path);
    return e;
}

static void *tokenize_as_long_as_can_be(void *arg)
{
    struct engine *e = arg;
    static const char *const pieces[] = {"!", " ", "a", "1", "\xe6\xb0\xb4", "Aa", "$+", "\n", "!\n", " a", "\xd9\x85"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        for (size_t bytes = 1000; bytes < 2000000; bytes += bytes / 2) {
            struct engine_tokens tokens = {0};
            struct fault f = {0};
            char *text = filled(pieces[i], bytes);
            int err = ops->tokenize(e, str_of(text), ENGINE_CONTROL, NULL, &tokens, &f);
            if (err != 0 && (err != ERR_TOO_LARGE || strstr(f.text, "break it up") == NULL))
                fail_msg("%zu bytes of '%s': %s", bytes, pieces[i], f.text);
            if (bytes < 8000)
                assert_int_equal(err, 0);
            free(text);
            free(tokens.p);
        }
    }
    return NULL;
}

/* Given vocabularies that cut texts up by a recursion over their characters, then a stretch that is too long for the thread's
 * stack is refused, whatever it is made of; what has room is tokenized. */
static void a_stretch_that_would_break_the_stack_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"falcon", "tekken", "viking", "smollm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct engine *e = load_with_cutter(names[i]);
        pthread_attr_t attr;
        pthread_t thread;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 8 << 20);
        pthread_create(&thread, &attr, tokenize_as_long_as_can_be, e);
        pthread_join(thread, NULL);
        ops->free(e);
    }
}

/* Given a text of megabytes, then it is refused by its size: nothing is tokenized, so that even no memory at all is enough. */
static void what_surely_does_not_fit_is_not_tokenized(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 1, .context = 512});
    char *spaces = filled(" ", 4000000), *letters = filled("a", 4000000);
    struct turn turn = {.role = str_of("user"), .content = str_of(letters)};
    struct request text = {.kind = REQUEST_TEXT, .text = str_of(spaces)}, chat = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1};
    struct engine_bounds none = {.memory_bytes = 1, .cpu_ms = 1};
    for (int i = 0; i < 2; i++) {
        struct prompt p = prompt_make(ops, e, i == 0 ? &text : &chat, &none);
        assert_int_equal(p.fault.err, ERR_CONTEXT);
        assert_non_null(strstr(p.fault.text, "at least 49,"));
        assert_non_null(strstr(p.fault.text, "maximum context length is 512 tokens: shorten the prompt"));
    }
    free(spaces);
    free(letters);
    ops->free(e);
}

struct reader {
    struct engine *engine;
    const char *text;
    struct prompt want;
    uint32_t wrong;
};

static void *read_again(void *arg)
{
    struct reader *r = arg;
    struct turn turn = {.role = str_of("user"), .content = str_of(r->text)};
    struct request chat = {.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1};
    for (int i = 0; i < 40; i++) {
        struct prompt p = prompt_make(ops, r->engine, &chat, &(struct engine_bounds){.memory_bytes = 64 << 20, .cpu_ms = 60000, .stopped = never});
        r->wrong += p.fault.err != 0 || p.tokens.n != r->want.tokens.n ||
                    memcmp(p.tokens.p, r->want.tokens.p, p.tokens.n * sizeof *p.tokens.p) != 0;
        prompt_free(&p);
    }
    return NULL;
}

/* Given two threads that make prompts while a third one decodes, then all have what they have alone. */
static void prompts_are_made_beside_the_engines_thread(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 1, .context = 512});
    struct reader readers[2] = {{.engine = e, .text = "One, two, three: \xe6\xb0\xb4!"}, {.engine = e, .text = "for (int i = 0; i < 10; i++)"}};
    pthread_t threads[2];
    int32_t tokens[200];
    float alone[STORY_PROBES], beside[STORY_PROBES];
    story_tokens(tokens, 200, 1);
    story_prefill(ops, e, 0, tokens, 0, 200, 100);
    story_probe(ops, e, 99, alone);
    for (int i = 0; i < 2; i++) {
        struct turn turn = {.role = str_of("user"), .content = str_of(readers[i].text)};
        readers[i].want = prompt_make(ops, e, &(struct request){.kind = REQUEST_CHAT, .turns = &turn, .turns_n = 1}, NULL);
        assert_int_equal(readers[i].want.fault.err, 0);
        pthread_create(&threads[i], NULL, read_again, &readers[i]);
    }
    for (int round = 0; round < 3; round++) {
        ops->seq_trim(e, 0, 0);
        story_prefill(ops, e, 0, tokens, 0, 200, 100);
        story_probe(ops, e, 99, beside);
        assert_memory_equal(alone, beside, sizeof alone);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].wrong, 0);
        prompt_free(&readers[i].want);
    }
    ops->free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_without_an_end_is_stopped),
        cmocka_unit_test(work_on_a_long_text_is_stopped),
        cmocka_unit_test(arithmetic_that_cannot_be_done_is_no_end),
        cmocka_unit_test(a_complaint_comes_in_plain_words),
        cmocka_unit_test(why_a_template_cannot_be_read_is_told),
        cmocka_unit_test(tokenizing_keeps_its_bounds),
        cmocka_unit_test(a_stretch_that_would_break_the_stack_is_refused),
        cmocka_unit_test(what_surely_does_not_fit_is_not_tokenized),
        cmocka_unit_test(prompts_are_made_beside_the_engines_thread),
    };
    return cmocka_run_group_tests(tests, patch_set_up, patch_tear_down);
}
