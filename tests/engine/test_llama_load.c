/* Loading: what cannot be loaded is refused with a sentence, and never ends the process. */
#include "llama_story.h"

#include <unistd.h>

static const struct engine_ops *ops;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    return 0;
}

/* The first `n` bytes of the model (0: none), then `tail`, in a file of its own. */
static void write_file(char *path, size_t n, const char *tail)
{
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w"), *in = fopen(story_model(), "r");
    char *bytes = malloc(n + 1);
    assert_int_equal(fread(bytes, 1, n, in), n);
    fwrite(bytes, 1, n, out);
    fputs(tail, out);
    free(bytes);
    fclose(in);
    fclose(out);
}

static void expect_refusal(const char *path, int err, const char *words)
{
    struct engine_load load = {.path = path, .slots = 2, .threads = 1};
    struct engine_needs needs;
    struct engine *e = NULL;
    struct fault f = {0};
    assert_int_equal(ops->probe(&load, &needs, &f), err);
    if (strstr(f.text, words) == NULL)
        fail_msg("'%s' does not say '%s'", f.text, words);
    assert_int_equal(ops->load(&load, NULL, NULL, &e, &f), err);
    assert_null(e);
}

static void a_missing_file_is_refused(void **state)
{
    (void)state;
    expect_refusal("/nowhere/model.gguf", ERR_MODEL, "No such file");
    expect_refusal("/", ERR_MODEL, "not a file");
}

static void a_file_of_another_kind_is_refused(void **state)
{
    (void)state;
    char text[] = "/tmp/manta-test-XXXXXX", empty[] = "/tmp/manta-test-XXXXXX", magic[] = "/tmp/manta-test-XXXXXX";
    write_file(text, 0, "this is not a model\n");
    write_file(empty, 0, "");
    write_file(magic, 0, "GGUF");
    expect_refusal(text, ERR_MODEL, "not a usable GGUF file");
    expect_refusal(empty, ERR_MODEL, "not a usable GGUF file");
    expect_refusal(magic, ERR_MODEL, "not a usable GGUF file");
    unlink(text);
    unlink(empty);
    unlink(magic);
}

static void a_truncated_file_is_refused(void **state)
{
    (void)state;
    const size_t sizes[] = {100, 1000000, 50000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char path[] = "/tmp/manta-test-XXXXXX";
        write_file(path, sizes[i], "");
        expect_refusal(path, ERR_MODEL, i < 2 ? "not a usable GGUF file" : "cut off");
        unlink(path);
    }
}

/* Given the model's header with another architecture's name of the same length, the load says libllama's reason. */
static void an_unknown_architecture_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/manta-test-XXXXXX";
    char head[4096];
    FILE *in = fopen(story_model(), "r");
    fseek(in, 0, SEEK_END);
    size_t size = (size_t)ftell(in);
    fclose(in);
    write_file(path, size, "");
    FILE *file = fopen(path, "r+");
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    char *name = memmem(head, sizeof head, "llama", 5);
    assert_non_null(name);
    fseek(file, name - head, SEEK_SET);
    fputs("lemma", file);
    fclose(file);
    struct engine_load load = {.path = path, .slots = 1, .threads = 1};
    struct engine *e = NULL;
    struct fault f = {0};
    assert_int_equal(ops->load(&load, NULL, NULL, &e, &f), ERR_MODEL);
    assert_non_null(strstr(f.text, "lemma"));
    unlink(path);
}

static void a_model_over_the_limit_is_refused_with_the_numbers(void **state)
{
    (void)state;
    struct engine_load load = {.path = story_model(), .slots = 16, .context = 8192, .threads = 1, .memory_bytes = 1000u << 20};
    struct engine_needs needs = {0};
    struct fault f = {0};
    assert_int_equal(ops->probe(&load, &needs, &f), ERR_MEMORY);
    assert_non_null(strstr(f.text, "16 slots x 8192 tokens"));
    assert_non_null(strstr(f.text, "1000 MiB"));
    assert_non_null(strstr(f.text, "would fit"));
    assert_true(needs.kv_bytes > load.memory_bytes);
    load.memory_bytes = 10u << 20;
    assert_int_equal(ops->probe(&load, &needs, &f), ERR_MEMORY);
    assert_non_null(strstr(f.text, "what would fit: --memory "));
}

static void without_a_wish_the_context_fits_the_limit(void **state)
{
    (void)state;
    struct engine_load load = {.path = story_model(), .slots = 8, .threads = 1};
    struct engine_needs roomy, tight;
    assert_int_equal(ops->probe(&load, &roomy, NULL), 0);
    load.memory_bytes = 350u << 20;
    assert_int_equal(ops->probe(&load, &tight, NULL), 0);
    assert_true(tight.context < roomy.context);
    assert_true(tight.weights_bytes + tight.repack_bytes + tight.kv_bytes + tight.compute_bytes <= load.memory_bytes);
    struct engine *e = story_load(ops, load);
    assert_int_equal(ops->info(e)->context, tight.context);
    ops->free(e);
}

static void a_context_beyond_the_models_is_refused(void **state)
{
    (void)state;
    struct engine_load load = {.path = story_model(), .slots = 1, .context = 1u << 20, .threads = 1};
    struct engine_needs needs;
    struct fault f = {0};
    assert_int_equal(ops->probe(&load, &needs, &f), ERR_INVALID);
    assert_non_null(strstr(f.text, "1048576"));
}

static bool no(float progress, void *user_data)
{
    (void)progress;
    (void)user_data;
    return false;
}

static bool note(float progress, void *user_data)
{
    float *last = user_data;
    assert_true(progress >= *last);
    *last = progress;
    return true;
}

static void a_load_reports_progress_and_can_be_stopped(void **state)
{
    (void)state;
    struct engine_load load = {.path = story_model(), .slots = 1, .context = 256, .threads = 1};
    struct engine *e = NULL;
    struct fault f = {0};
    float last = 0;
    assert_int_equal(ops->load(&load, no, NULL, &e, &f), ERR_CANCELLED);
    assert_null(e);
    assert_int_equal(ops->load(&load, note, &last, &e, &f), 0);
    assert_true(last > 0.9f);
    assert_int_equal(ops->info(e)->slots, 1);
    assert_int_equal(ops->info(e)->context, 256);
    ops->free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_refused),
        cmocka_unit_test(a_file_of_another_kind_is_refused),
        cmocka_unit_test(a_truncated_file_is_refused),
        cmocka_unit_test(an_unknown_architecture_is_refused),
        cmocka_unit_test(a_model_over_the_limit_is_refused_with_the_numbers),
        cmocka_unit_test(without_a_wish_the_context_fits_the_limit),
        cmocka_unit_test(a_context_beyond_the_models_is_refused),
        cmocka_unit_test(a_load_reports_progress_and_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
