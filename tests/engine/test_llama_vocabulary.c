/* Vocabularies as files have them: flags that end every text, tokens of no text, names given twice. */
#include "llama_patch.h"

enum { TOKENS_MAX = 64 };

static struct engine *load_patched(const char *at, size_t n, const char *with)
{
    char path[] = "/tmp/manta-test-XXXXXX";
    write_patched(path, at, with, n);
    struct engine *e = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 256});
    unlink(path);
    return e;
}

/* The flag of that name, set, in place of add_bos_token, which this model has and does not set. */
static struct engine *load_with_flag(const char *name)
{
    char key[64];
    char *at = find("tokenizer.ggml.add_bos_token", 28);
    memcpy(key, at, 33); /* key, type (bool), value */
    memcpy(key, name, 28);
    assert_int_equal(key[32], 0);
    key[32] = 1;
    return load_patched(at, 33, key);
}

/* Given a file that wants every text ended, then a prompt is open all the same, an answer is resumed behind it, and a text for
 * a vector is ended. */
static void a_prompt_is_not_ended(void **state)
{
    (void)state;
    static const char text[] = "One, two, three,";
    struct engine *plain = story_load(ops, (struct engine_load){.slots = 1, .context = 256}), *e = load_with_flag("tokenizer.ggml.add_eos_token");
    int32_t want[TOKENS_MAX], got[TOKENS_MAX];
    uint32_t n = story_tokenize(ops, plain, text, ENGINE_CONTROL, want, TOKENS_MAX);
    assert_int_equal(story_tokenize(ops, e, text, ENGINE_CONTROL, got, TOKENS_MAX), n);
    assert_memory_equal(got, want, n * sizeof *got);
    assert_int_equal(story_tokenize(ops, e, text, ENGINE_CONTROL | ENGINE_CLOSE, got, TOKENS_MAX), n + 1);
    assert_memory_equal(got, want, n * sizeof *got);
    assert_true(ops->is_end(e, got[n]));
    assert_int_equal(story_tokenize(ops, plain, text, ENGINE_CONTROL | ENGINE_CLOSE, got, TOKENS_MAX), n);
    ops->free(e);
    ops->free(plain);
}

/* Given a file that wants a token before every text, then a text has it once, also one that begins with it. */
static void a_text_begins_once(void **state)
{
    (void)state;
    struct engine *e = load_with_flag("tokenizer.ggml.add_bos_token");
    int32_t once[TOKENS_MAX], given[TOKENS_MAX], none[TOKENS_MAX];
    char first[64] = "<|im_start|>";
    uint32_t n = story_tokenize(ops, e, "Hello", ENGINE_CONTROL, once, TOKENS_MAX);
    strcat(first, "Hello");
    assert_int_equal(story_tokenize(ops, e, first, ENGINE_CONTROL, given, TOKENS_MAX), n);
    assert_memory_equal(once, given, n * sizeof *once);
    assert_int_equal(story_tokenize(ops, e, "", ENGINE_CONTROL, none, TOKENS_MAX), 1);
    assert_int_equal(none[0], once[0]);
    ops->free(e);
}

/* Given files whose vocabulary lacks the tokens that their flags ask for, then a text is taken without them. */
static void a_token_that_is_not_there_is_not_added(void **state)
{
    (void)state;
    struct engine *e = load_with_flag("tokenizer.ggml.add_sep_token");
    int32_t got[TOKENS_MAX];
    assert_true(story_tokenize(ops, e, "Hello", ENGINE_CONTROL | ENGINE_CLOSE, got, TOKENS_MAX) > 0);
    ops->free(e);
}

static bool never(void *user_data)
{
    (void)user_data;
    return false;
}

/* Given a vocabulary that is said to be of another kind, or whose end-of-text token is none of its own, then texts become tokens
 * or are refused with a reason: nothing crashes, nothing grows without an end. */
static void a_vocabulary_of_another_kind_is_survived(void **state)
{
    (void)state;
    static const char *const texts[] = {"Hello", "w\xc3\xb6rld \xe6\xb0\xb4", "\xff\xfe\xc3", "", " ", "<|im_end|>"};
    struct engine_bounds bounds = {.memory_bytes = 32 << 20, .cpu_ms = 5000, .stopped = never};
    for (int i = 0; i < 3; i++) {
        static const char *const kinds[] = {"bert", "rwkv"};
        char *at = i < 2 ? find("tokenizer.ggml.model", 20) + 20 + 4 + 8 : find("tokenizer.ggml.eos_token_id", 27) + 27 + 4;
        struct engine *e = load_patched(at, 4, i < 2 ? kinds[i] : "\x07\xc0\x01\x00"); /* more than there are */
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            struct engine_tokens tokens = {0};
            struct fault f = {0};
            int err = ops->tokenize(e, str_of(texts[k]), ENGINE_CONTROL | ENGINE_CLOSE, &bounds, &tokens, &f);
            assert_true(err == 0 || strlen(f.text) > 30);
            for (uint32_t t = 0; err == 0 && t < tokens.n; t++)
                assert_true(tokens.p[t] >= 0 && (uint32_t)tokens.p[t] < ops->info(e)->vocab);
            free(tokens.p);
        }
        ops->free(e);
    }
}

/* Given a vocabulary with two tokens of no text (the NUL byte ends theirs), then it loads, and they add nothing to an answer. */
static void tokens_of_no_text_add_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"<file_sep>", "<filename>", "<reponame>"};
    char path[] = "/tmp/manta-test-XXXXXX", *saved = malloc(HEAD_BYTES), piece[16];
    memcpy(saved, whole, HEAD_BYTES);
    for (size_t i = 0; i < 3; i++) {
        char word[64] = {(char)strlen(names[i])};
        strcpy(word + 8, names[i]);
        find(word, 8 + strlen(names[i]))[8] = '\0';
    }
    write_patched(path, whole, "G", 1);
    memcpy(whole, saved, HEAD_BYTES);
    free(saved);
    struct engine *plain = story_load(ops, (struct engine_load){.slots = 1, .context = 256});
    struct engine *e = story_load(ops, (struct engine_load){.path = path, .slots = 1, .context = 256});
    unlink(path);
    for (size_t i = 0; i < 3; i++) {
        int32_t token;
        assert_int_equal(story_tokenize(ops, plain, names[i], ENGINE_CONTROL, &token, 1), 1);
        assert_int_equal(ops->piece(e, token, piece, sizeof piece), 0);
    }
    int32_t a[TOKENS_MAX], b[TOKENS_MAX];
    uint32_t n = story_tokenize(ops, plain, "Name three colours.", ENGINE_CONTROL, a, TOKENS_MAX);
    assert_int_equal(story_tokenize(ops, e, "Name three colours.", ENGINE_CONTROL, b, TOKENS_MAX), n);
    assert_memory_equal(a, b, n * sizeof *a);
    ops->free(e);
    ops->free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_not_ended),
        cmocka_unit_test(a_text_begins_once),
        cmocka_unit_test(a_token_that_is_not_there_is_not_added),
        cmocka_unit_test(tokens_of_no_text_add_nothing),
        cmocka_unit_test(a_vocabulary_of_another_kind_is_survived),
    };
    return cmocka_run_group_tests(tests, patch_set_up, patch_tear_down);
}
