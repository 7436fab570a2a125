/* Exact mode: the bits of a row's logits do not depend on company, chunking or threads (ARCHITECTURE.md, "Exactness"), for the default
 * model and for a mixture of experts in each kind of weight format. An update of llama.cpp that breaks this must not pass unseen.
 *
 * The files of other formats are made here, by the program that MANTA_QUANTIZE names, from the fixture moe-tiny. */
#include <unistd.h>

#include "llama_formats.h"
#include "llama_story.h"

enum { PROMPT = 150, LONG = 600 };
static const struct engine_ops *ops;
static const char *subject;                /* the model's file; NULL: the default model */
static char measured[ENGINE_SETUP_BYTES]; /* how it computes exactly */
static int32_t prompt[PROMPT];
static float alone[STORY_PROBES];

/* Tokens that the model has. */
static void some_tokens(int32_t *out, uint32_t n, uint64_t seed)
{
    story_tokens(out, n, seed);
    for (uint32_t i = 0; i < n; i++)
        out[i] %= subject == NULL ? 40000 : FORMATS_VOCABULARY;
}

/* Measured once per file. */
static struct engine *exact(struct engine_load load)
{
    load.path = subject;
    load.exact = load.repack = true;
    load.setup = measured[0] != '\0' ? measured : NULL;
    struct engine *e = story_load(ops, load);
    memcpy(measured, ops->info(e)->setup, sizeof measured);
    return e;
}

/* Given: exact mode, one thread, and the prompt alone in one chunk: these bits are the measure for all others. */
static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    measured[0] = '\0';
    some_tokens(prompt, PROMPT, 1);
    struct engine *e = exact((struct engine_load){.slots = 4, .context = 512});
    story_prefill(ops, e, 0, prompt, 0, PROMPT, PROMPT);
    story_probe(ops, e, PROMPT - 1, alone);
    ops->free(e);
    return 0;
}

static void expect_same(struct engine *e, uint32_t row)
{
    float now[STORY_PROBES];
    story_probe(ops, e, row, now);
    assert_memory_equal(now, alone, sizeof alone);
}

static void chunks_change_no_bit(void **state)
{
    (void)state;
    const uint32_t sizes[] = {1, 2, 7, 63, 64, 65, 128};
    struct engine *e = exact((struct engine_load){.slots = 4, .context = 512});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ops->seq_trim(e, 2, 0);
        story_prefill(ops, e, 2, prompt, 0, PROMPT, sizes[i]);
        expect_same(e, (PROMPT - 1) % sizes[i]);
    }
    ops->free(e);
}

/* Given three other streams, one of them in the middle of a long chunk, when the last row of ours runs among theirs,
 * then it has the bits it has alone. */
static void company_changes_no_bit(void **state)
{
    (void)state;
    struct engine *e = exact((struct engine_load){.slots = 4, .context = 512});
    int32_t others[3][256];
    for (uint32_t s = 0; s < 3; s++) {
        some_tokens(others[s], 256, 10 + s);
        story_prefill(ops, e, s, others[s], 0, 100 + s, 64);
    }
    story_prefill(ops, e, 3, prompt, 0, PROMPT - 1, 50);
    struct engine_row rows[512];
    uint32_t n = story_rows(rows, 0, 0, others[0], 100, 101, true);
    n = story_rows(rows, n, 1, others[1], 101, 101 + 80, true);
    uint32_t mine = n;
    n = story_rows(rows, n, 3, prompt, PROMPT - 1, PROMPT, true);
    n = story_rows(rows, n, 2, others[2], 102, 103, true);
    story_decode(ops, e, rows, n);
    expect_same(e, mine);
    ops->free(e);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    struct engine *e = exact((struct engine_load){.slots = 2, .context = 512, .threads = 2});
    story_prefill(ops, e, 1, prompt, 0, PROMPT, 40);
    expect_same(e, (PROMPT - 1) % 40);
    ops->free(e);
}

/* Given a prefix that another slot holds, when it is copied and only the rest is computed, then nothing changes. */
static void a_copied_prefix_changes_no_bit(void **state)
{
    (void)state;
    int32_t other[256];
    struct engine *e = exact((struct engine_load){.slots = 4, .context = 512});
    memcpy(other, prompt, sizeof prompt);
    some_tokens(other + 90, 166, 3);
    story_prefill(ops, e, 1, other, 0, 256, 100);
    ops->seq_copy(e, 1, 3, 90);
    story_prefill(ops, e, 3, prompt, 90, PROMPT, 30);
    expect_same(e, (PROMPT - 90 - 1) % 30);
    ops->free(e);
}

/* Given two streams with an idle slot between them, when they run many tokens together, so that the module bridges the
 * gap with rows of the idle slot, then neither they nor the idle slot's text change a bit. */
static void a_bridged_gap_changes_no_bit(void **state)
{
    (void)state;
    struct engine *e = exact((struct engine_load){.slots = 4, .context = 512});
    int32_t other[256];
    some_tokens(other, 256, 20);
    story_prefill(ops, e, 0, prompt, 0, 100, 64);
    story_prefill(ops, e, 1, prompt, 0, 90, 64);
    story_prefill(ops, e, 2, other, 0, 120, 64);
    for (uint32_t i = 100; i < PROMPT; i++) {
        struct engine_row rows[2];
        uint32_t n = story_rows(rows, 0, 2, other, i + 20, i + 21, true);
        story_decode(ops, e, rows, story_rows(rows, n, 0, prompt, i, i + 1, true));
    }
    expect_same(e, 1);
    story_prefill(ops, e, 1, prompt, 90, PROMPT, 7);
    expect_same(e, (PROMPT - 90 - 1) % 7);
    ops->free(e);
}

/* Given a slot that held a longer text, when it is cut back and continues ours, then nothing of it is left. */
static void a_cut_slot_changes_no_bit(void **state)
{
    (void)state;
    int32_t other[300];
    struct engine *e = exact((struct engine_load){.slots = 2, .context = 512});
    some_tokens(other, 300, 4);
    memcpy(other, prompt, 20 * sizeof *prompt);
    story_prefill(ops, e, 0, other, 0, 300, 300);
    ops->seq_trim(e, 0, 20);
    story_prefill(ops, e, 0, prompt, 20, PROMPT, 130);
    expect_same(e, PROMPT - 20 - 1);
    ops->free(e);
}

/* Given a long text computed in the largest calls, when it is computed in chunks of other sizes and on other threads, then all its cells are the
 * same bytes: not only the last row's bits are, but all rows' in all layers. */
static void every_row_is_the_same(void **state)
{
    (void)state;
    const uint32_t sizes[] = {3, 8, 64, 300};
    int32_t text[LONG];
    struct fault f = {0};
    struct engine *e = exact((struct engine_load){.slots = 1, .context = 1024, .threads = 2});
    struct buf whole = buf_max(64 << 20), other = buf_max(64 << 20);
    some_tokens(text, LONG, 5);
    story_prefill(ops, e, 0, text, 0, LONG, 512);
    assert_int_equal(ops->seq_save(e, 0, &whole, &f), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ops->seq_trim(e, 0, 0);
        ops->set_threads(e, i % 2 == 0 ? 1 : 3);
        story_prefill(ops, e, 0, text, 0, LONG, sizes[i]);
        other.n = 0;
        assert_int_equal(ops->seq_save(e, 0, &other, &f), 0);
        assert_int_equal(other.n, whole.n);
        assert_memory_equal(other.p, whole.p, whole.n);
    }
    buf_fini(&whole);
    buf_fini(&other);
    ops->free(e);
}

/* ---- what an exact load measures, and what it says of it ---- */

static int load_words(struct engine_load load, char setup[ENGINE_SETUP_BYTES], uint32_t *out_ms, struct fault *f)
{
    struct engine *e = NULL;
    load.path = subject != NULL ? subject : story_model();
    load.slots = load.threads = 1;
    load.exact = load.repack = true;
    int err = ops->load(&load, NULL, NULL, &e, f);
    if (err != 0)
        return err;
    memcpy(setup, ops->info(e)->setup, ENGINE_SETUP_BYTES);
    *out_ms = ops->info(e)->setup_ms;
    ops->free(e);
    return 0;
}

/* Given a file, when it is loaded exactly, then the engine says how it computes, and takes that word for it at the next load; words of
 * another version of the self-test are none. */
static void what_was_measured_is_not_measured_again(void **state)
{
    (void)state;
    char first[ENGINE_SETUP_BYTES], again[ENGINE_SETUP_BYTES];
    uint32_t ms = 0;
    struct fault f = {0};
    assert_int_equal(load_words((struct engine_load){0}, first, &ms, &f), 0);
    assert_non_null(strstr(first, "cache=q8_0"));
    assert_true(ms > 0);
    assert_int_equal(load_words((struct engine_load){.setup = first}, again, &ms, &f), 0);
    assert_string_equal(again, first);
    assert_int_equal(ms, 0);
    assert_int_equal(load_words((struct engine_load){.setup = "cache=q8_0 weights=repacked kernels=steady-0"}, again, &ms, &f), 0);
    assert_string_equal(again, first);
    assert_true(ms > 0);
}

/* Given kernels that round otherwise in company, planted behind the engine's back, when a file is loaded exactly, whatever was measured
 * before, then the self-test finds them, and the load is refused with what differed and what would help. */
static void planted_kernels_are_found(void **state)
{
    (void)state;
    char setup[ENGINE_SETUP_BYTES];
    uint32_t ms;
    struct fault f = {0};
    setenv("MANTA_DEBUG_KERNELS", "fast", 1);
    int err = load_words((struct engine_load){.setup = "cache=q8_0 weights=file kernels=steady-1"}, setup, &ms, &f);
    unsetenv("MANTA_DEBUG_KERNELS");
    assert_int_equal(err, ERR_UNSUPPORTED);
    assert_non_null(strstr(f.text, "cannot be served with --exact here: token "));
    assert_non_null(strstr(f.text, "differs ("));
    assert_non_null(strstr(f.text, "Without --exact it can"));
}

/* Given an exact engine and one of the fast mode in one process, when both compute, then neither changes the other's bits. */
static void fast_and_exact_engines_live_side_by_side(void **state)
{
    (void)state;
    struct engine_load fast = {.path = subject, .slots = 1, .context = 512};
    float before[STORY_PROBES], beside[STORY_PROBES];
    struct engine *e = story_load(ops, fast);
    story_prefill(ops, e, 0, prompt, 0, PROMPT, PROMPT);
    story_probe(ops, e, PROMPT - 1, before);
    struct engine *x = exact((struct engine_load){.slots = 1, .context = 512});
    ops->seq_trim(e, 0, 0);
    story_prefill(ops, e, 0, prompt, 0, PROMPT, PROMPT);
    story_probe(ops, e, PROMPT - 1, beside);
    assert_memory_equal(beside, before, sizeof before);
    story_prefill(ops, x, 0, prompt, 0, PROMPT, 1);
    expect_same(x, 0);
    ops->free(x);
    ops->free(e);
}

/* ---- the files ---- */

/* ---- a cache that is not possible ---- */

/* Sets a number of the header, which lies behind its name and type. */
static void set_number(char *bytes, size_t n, const char *name, uint32_t value)
{
    size_t name_n = strlen(name);
    for (size_t i = 0; i + name_n + 8 < n; i++) {
        if (memcmp(bytes + i, name, name_n) == 0 && memcmp(bytes + i + name_n, "\4\0\0\0", 4) == 0)
            memcpy(bytes + i + name_n + 4, &value, sizeof value);
    }
}

/* Given a model with heads of 16 numbers, which are no whole blocks of a q8_0 cache, when it is to be exact, then it is refused before it
 * is loaded, with what would help; without --exact it loads. */
static void heads_that_are_no_blocks_are_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/manta-test-XXXXXX";
    FILE *in = fopen(subject, "r"), *out = fdopen(mkstemp(path), "w");
    fseek(in, 0, SEEK_END);
    size_t n = (size_t)ftell(in);
    char *bytes = malloc(n);
    rewind(in);
    assert_int_equal(fread(bytes, 1, n, in), n);
    set_number(bytes, n, "llama.attention.head_count", 32);
    set_number(bytes, n, "llama.attention.head_count_kv", 16);
    set_number(bytes, n, "llama.rope.dimension_count", 16);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    free(bytes);
    fclose(in);
    fclose(out);
    struct engine_load load = {.path = path, .slots = 1, .threads = 1, .context = 256, .exact = true};
    struct engine_needs needs;
    struct engine *e = NULL;
    struct fault f = {0};
    assert_int_equal(ops->probe(&load, &needs, &f), ERR_UNSUPPORTED);
    assert_non_null(strstr(f.text, "cannot be served with --exact: that needs a KV cache of q8_0, whose blocks of 32 do not fit its heads of 16 numbers"));
    assert_int_equal(ops->load(&load, NULL, NULL, &e, &f), ERR_UNSUPPORTED);
    load.exact = false;
    assert_int_equal(ops->load(&load, NULL, NULL, &e, &f), 0);
    ops->free(e);
    unlink(path);
}

#define THE_CLAIM \
    cmocka_unit_test(chunks_change_no_bit), cmocka_unit_test(company_changes_no_bit), cmocka_unit_test(threads_change_no_bit), \
        cmocka_unit_test(a_copied_prefix_changes_no_bit), cmocka_unit_test(a_bridged_gap_changes_no_bit), \
        cmocka_unit_test(a_cut_slot_changes_no_bit)

static int run_default(void)
{
    const struct CMUnitTest tests[] = {THE_CLAIM};
    return cmocka_run_group_tests_name("the default model", tests, set_up, NULL);
}

static int run(const char *format)
{
    const struct CMUnitTest tests[] = {
        THE_CLAIM,
        cmocka_unit_test(every_row_is_the_same),
        cmocka_unit_test(what_was_measured_is_not_measured_again),
        cmocka_unit_test(planted_kernels_are_found),
        cmocka_unit_test(fast_and_exact_engines_live_side_by_side),
        cmocka_unit_test(heads_that_are_no_blocks_are_refused),
    };
    char path[FORMATS_PATH_BYTES];
    formats_make(format, path);
    subject = path;
    int failed = cmocka_run_group_tests_name(format, tests, set_up, NULL);
    unlink(path);
    return failed;
}

/* Given names of formats (fixtures/quantize.c has them), only those. */
int main(int argc, char **argv)
{
    static const char *const formats[] = {"F16", "Q2_K", "Q4_K_M", "Q6_K", "IQ4_XS"}; /* a kind of kernel each */
    int failed = argc > 1 ? 0 : run_default();
    for (int i = 1; i < argc; i++)
        failed += run(argv[i]);
    for (size_t i = 0; i < sizeof formats / sizeof *formats && argc == 1; i++)
        failed += run(formats[i]);
    return failed;
}
