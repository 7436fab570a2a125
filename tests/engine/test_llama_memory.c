/* Memory that libllama asks for and does not get, each piece in turn: an error of that call, and the engine is as it was before. */
#include "llama_story.h"

enum { PROMPT = 40, PIECES_MAX = 2000 };

static void starve(const char *call, unsigned at)
{
    char words[64];
    snprintf(words, sizeof words, "%s %u", call, at);
    setenv("MANTA_DEBUG_MEMORY", words, 1);
}

static void feed(void)
{
    unsetenv("MANTA_DEBUG_MEMORY");
}

/* The pieces that are tried: the first ones, then fewer and fewer of them. */
static unsigned next_piece(unsigned at)
{
    return at < 16 ? at + 1 : at + at / 4;
}

static const struct engine_load small = {.slots = 4, .context = 256};

/* Given an engine with a sequence, when a piece of memory is not there in a decode, of one row and of a prompt, then the call is
 * refused for its memory; when it is made again, its logits have the bits that they have in an engine which always had enough. */
static void decoding_without_memory_is_an_error(void **state)
{
    (void)state;
    const struct engine_ops *ops = story_ops();
    struct engine *e = story_load(ops, small), *fed = story_load(ops, small);
    int32_t tokens[2 * PROMPT];
    struct engine_row rows[2 * PROMPT];
    float got[STORY_PROBES], want[STORY_PROBES];
    story_tokens(tokens, 2 * PROMPT, 1);
    for (uint32_t n = 1; n <= PROMPT; n += PROMPT - 1) {
        unsigned failed = 0;
        story_prefill(ops, e, 0, tokens, 0, PROMPT, PROMPT);
        story_prefill(ops, fed, 0, tokens, 0, PROMPT, PROMPT);
        uint32_t rows_n = story_rows(rows, 0, 0, tokens, PROMPT, PROMPT + n, true);
        story_decode(ops, fed, rows, rows_n);
        story_probe(ops, fed, rows_n - 1, want);
        for (unsigned at = 1; at < PIECES_MAX; at = next_piece(at)) {
            struct fault f = {0};
            starve("decode", at);
            int err = ops->decode(e, rows, rows_n, &f);
            feed();
            if (err != 0) {
                failed++;
                assert_int_equal(f.err, ERR_MEMORY);
                assert_non_null(strstr(f.text, "no memory left"));
                story_decode(ops, e, rows, rows_n);
            }
            story_probe(ops, e, rows_n - 1, got);
            assert_memory_equal(got, want, sizeof got);
            ops->seq_trim(e, 0, PROMPT);
        }
        assert_true(failed > 0);
        ops->seq_trim(e, 0, 0);
        ops->seq_trim(fed, 0, 0);
    }
    ops->free(e);
    ops->free(fed);
}

/* Given a prompt whose beginning is copied from another sequence, when no memory is left for that, then the next decode says so; when
 * both are done again, the logits are those of a copy that went well. When it breaks off half way, each decode is an error from then on. */
static void a_copy_without_memory_is_an_error(void **state)
{
    (void)state;
    const struct engine_ops *ops = story_ops();
    struct engine *e = story_load(ops, small);
    int32_t tokens[PROMPT + 1];
    struct engine_row row = {.position = PROMPT, .seq = 1, .want = true};
    float got[STORY_PROBES], want[STORY_PROBES];
    struct fault f = {0};
    story_tokens(tokens, PROMPT + 1, 2);
    row.token = tokens[PROMPT];
    story_prefill(ops, e, 0, tokens, 0, PROMPT, PROMPT);
    ops->seq_copy(e, 0, 1, PROMPT);
    story_decode(ops, e, &row, 1);
    story_probe(ops, e, 0, want);
    ops->seq_trim(e, 1, 0);

    starve("copy", 1);
    ops->seq_copy(e, 0, 1, PROMPT);
    feed();
    assert_int_equal(ops->decode(e, &row, 1, &f), ERR_MEMORY);
    ops->seq_trim(e, 1, 0);
    ops->seq_copy(e, 0, 1, PROMPT);
    story_decode(ops, e, &row, 1);
    story_probe(ops, e, 0, got);
    assert_memory_equal(got, want, sizeof got);
    ops->free(e);

    for (unsigned at = 2; at < 200; at += 1 + at / 4) {
        e = story_load(ops, small);
        story_prefill(ops, e, 0, tokens, 0, PROMPT, PROMPT);
        starve("copy", at);
        ops->seq_copy(e, 0, 1, PROMPT);
        feed();
        int err = ops->decode(e, &row, 1, &f);
        if (err != 0)
            assert_int_equal(ops->decode(e, &row, 1, &f), ERR_MEMORY);
        assert_true(at > 2 || err != 0);
        ops->free(e);
    }
}

/* Given a model, when memory is not there while its header is read, its weights are loaded or its context is made, then it is not
 * loaded, for a reason in plain words; afterwards it can be. */
static void loading_without_memory_is_an_error(void **state)
{
    static const struct {
        const char *call;
        unsigned step; /* a load asks for a million pieces */
    } cases[] = {{"header", 4}, {"model", 6}, {"context", 3}};
    const struct engine_ops *ops = story_ops();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned failed = 0;
        for (unsigned at = 1; at < 400000; at = at * cases[i].step + 1) {
            struct engine_load load = small;
            struct engine *e = NULL;
            struct fault f = {0};
            load.path = story_model();
            load.threads = 1;
            starve(cases[i].call, at);
            int err = ops->load(&load, NULL, NULL, &e, &f);
            feed();
            if (err == 0) {
                ops->free(e);
                continue;
            }
            failed++;
            assert_true(f.text[0] != '\0' && strstr(f.text, "std::") == NULL);
        }
        assert_true(failed > 0);
    }
    ops->free(story_load(ops, small));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_without_memory_is_an_error),
        cmocka_unit_test(a_copy_without_memory_is_an_error),
        cmocka_unit_test(loading_without_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
