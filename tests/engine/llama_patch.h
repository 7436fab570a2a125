/* The real model with a few bytes of its header changed: another template, another flag, another word. */
#ifndef MANTA_TESTS_ENGINE_LLAMA_PATCH_H
#define MANTA_TESTS_ENGINE_LLAMA_PATCH_H

#include "llama_story.h"

#include <unistd.h>

enum { HEAD_BYTES = 4 << 20 };

static const struct engine_ops *ops;
static char *whole; /* the model file */
static size_t whole_n;

static inline int patch_set_up(void **state)
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

static inline int patch_tear_down(void **state)
{
    (void)state;
    free(whole);
    return 0;
}

/* The model with `with_n` bytes at `at` replaced, in a file of its own. */
static inline void write_patched(char *path, const char *at, const char *with, size_t with_n)
{
    size_t before = (size_t)(at - whole);
    FILE *out = fdopen(mkstemp(path), "w");
    assert_int_equal(fwrite(whole, 1, before, out), before);
    assert_int_equal(fwrite(with, 1, with_n, out), with_n);
    assert_int_equal(fwrite(at + with_n, 1, whole_n - before - with_n, out), whole_n - before - with_n);
    fclose(out);
}

static inline char *find(const char *what, size_t n)
{
    char *at = memmem(whole, HEAD_BYTES, what, n);
    assert_non_null(at);
    return at;
}

/* The model with another chat template, filled up with spaces to the length of its own. */
static inline struct engine *load_with_template(const char *source)
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

#endif
