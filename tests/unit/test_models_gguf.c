/* Headers of model files: whole ones give their facts, every kind of damage its own sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "gguf_folder.h"
#include "gguf_maker.h"
#include "models/models.h"

/* Writes the bytes, frees them, and reads the facts. */
static int read_bytes(struct buf *b, struct gguf_facts *facts, struct fault *f)
{
    write_file(file, b->p != NULL ? b->p : "", b->n);
    buf_fini(b);
    return gguf_read(file, facts, f);
}

/* The file must be refused with "model file '<path>' <sentence>", and the facts not touched. */
static void assert_refused(struct buf *b, int err, const char *sentence)
{
    struct gguf_facts facts, before;
    struct fault f = {0};
    char expected[400];
    memset(&facts, 0x5a, sizeof facts);
    memcpy(&before, &facts, sizeof facts);
    snprintf(expected, sizeof expected, "model file '%s' %s", file, sentence);
    int got = read_bytes(b, &facts, &f);
    assert_string_equal(f.text, expected);
    assert_int_equal(got, err);
    assert_memory_equal(&facts, &before, sizeof facts);
}

static void test_whole(void **state)
{
    (void)state;
    struct buf b = whole_gguf();
    size_t bytes = b.n;
    struct gguf_facts facts;
    struct fault f = {0};
    assert_int_equal(read_bytes(&b, &facts, &f), 0);
    assert_string_equal(facts.architecture, "llama");
    assert_string_equal(facts.name, "Little One");
    assert_string_equal(facts.quantisation, "Q4_1");
    assert_int_equal(facts.context_length, 2048);
    assert_int_equal(facts.tensors, 2);
    assert_int_equal(facts.tensor_bytes, 160);
    assert_int_equal(facts.file_bytes, bytes);
    assert_int_equal(facts.has_template, 1);
}

/* Given values of every type, and arrays of them, the ones not looked for are stepped over. */
static void test_every_value_type(void **state)
{
    (void)state;
    static const uint32_t bytes_of[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    struct buf b = buf_max(1 << 20);
    uint64_t keys = 0;
    char name[32];
    put_start(&b, 2, 1, 26);
    for (uint32_t type = 0; type < 13; type++) {
        if (type == 8 || type == 9)
            continue;
        snprintf(name, sizeof name, "some.value%u", type);
        put_text(&b, name);
        put_u32(&b, type);
        put_zeros(&b, bytes_of[type]);
        snprintf(name, sizeof name, "some.array%u", type);
        put_text(&b, name);
        put_u32(&b, 9);
        put_u32(&b, type);
        put_u64(&b, 3);
        put_zeros(&b, 3 * bytes_of[type]);
        keys += 2;
    }
    put_text_key(&b, "some.text", "x");
    put_text(&b, "tokenizer.ggml.tokens");
    put_u32(&b, 9);
    put_u32(&b, 8);
    put_u64(&b, 2);
    put_text(&b, "hello");
    put_text(&b, "");
    put_text_key(&b, "general.architecture", "gpt2");
    put_text(&b, "gpt2.context_length"); /* as a 64-bit number */
    put_u32(&b, 10);
    put_u64(&b, 1024);
    assert_int_equal(keys + 4, 26);
    put_tensor(&b, "t", 32, 1, 2, 0);
    put_padding(&b, 32);
    put_zeros(&b, 18);
    struct gguf_facts facts;
    struct fault f = {0};
    if (read_bytes(&b, &facts, &f))
        fail_msg("%s", f.text);
    assert_string_equal(facts.architecture, "gpt2");
    assert_int_equal(facts.context_length, 1024);
    assert_int_equal(facts.has_template, 0);
    assert_string_equal(facts.quantisation, "");
    assert_int_equal(facts.tensor_bytes, 18);
}

/* Given a whole file cut off after every byte, each beginning is refused; only the whole is taken. */
static void test_every_cut(void **state)
{
    (void)state;
    struct buf whole = whole_gguf();
    for (size_t n = 0; n < whole.n; n++) {
        struct gguf_facts facts;
        struct fault f = {0};
        write_file(file, whole.p, n);
        assert_int_equal(gguf_read(file, &facts, &f), ERR_MODEL);
        assert_true(f.text[0] != '\0');
    }
    buf_fini(&whole);
}

/* Given a cut in the tensors' bytes, both numbers are told. */
static void test_truncated(void **state)
{
    (void)state;
    struct buf b = whole_gguf();
    assert_int_equal(b.n, 528);
    b.n = 527;
    assert_refused(&b, ERR_MODEL, "is truncated: tensors end at byte 528, the file has 527");

    b = buf_max(1 << 20);
    put_start(&b, 3, 1, 1);
    put_text_key(&b, "general.architecture", "llama");
    put_tensor(&b, "t", 1000 * 1000, 4, 0, 0);
    assert_refused(&b, ERR_MODEL, "is truncated: tensors end at byte 16,000,128, the file has 110");

    b = buf_max(1 << 20);
    put_start(&b, 3, 272, 30);
    put_zeros(&b, 100);
    assert_refused(&b, ERR_MODEL, "is truncated: its header takes at least 9,118 bytes, the file has 124");

    b = buf_max(1 << 20);
    put_start(&b, 3, 1, 1);
    put_text(&b, "k");
    put_u32(&b, 8);
    put_u64(&b, 5000); /* a text longer than the file */
    put_zeros(&b, 40);
    assert_refused(&b, ERR_MODEL, "is truncated: its header wants 5,000 bytes at byte 45, the file has 85");
}

static void test_not_gguf(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 20);
    assert_refused(&b, ERR_MODEL, "is empty");
    buf_puts(&b, "hi\n");
    assert_refused(&b, ERR_MODEL, "is not a GGUF file: it has 3 bytes");
    buf_puts(&b, "<!DOCTYPE html><html>");
    assert_refused(&b, ERR_MODEL, "is not a GGUF file: it begins with '<!DO': a web page was saved in the model's place");
    buf_puts(&b, "version https://git-lfs.github.com/spec/v1");
    assert_refused(&b, ERR_MODEL, "is not a GGUF file: it begins with 'vers': perhaps a Git LFS pointer; 'git lfs pull' "
                                  "brings the file itself");
    buf_puts(&b, "\x1b[2J\x7f\xff");
    assert_refused(&b, ERR_MODEL, "is not a GGUF file: it begins with '\\x1b[2J'");
}

static void test_versions(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 20);
    put_start(&b, 1, 1, 1);
    assert_refused(&b, ERR_MODEL, "has GGUF version 1; versions 2 to 3 are read");
    put_start(&b, 4, 1, 1);
    assert_refused(&b, ERR_MODEL, "has GGUF version 4; versions 2 to 3 are read");
    put_start(&b, 3u << 24, 1, 1);
    assert_refused(&b, ERR_MODEL, "is a big-endian GGUF; only little-endian ones are read");
}

/* Given counts that no file could hold, they are not believed: no time and no memory goes into them. */
static void test_absurd_counts(void **state)
{
    (void)state;
    struct buf b = buf_max(1 << 20);
    put_start(&b, 3, UINT64_MAX, 1);
    assert_refused(&b, ERR_MODEL, "is damaged: it announces 1 keys and 18,446,744,073,709,551,615 tensors");
    put_start(&b, 3, 1, UINT64_MAX);
    assert_refused(&b, ERR_MODEL, "is damaged: it announces 18,446,744,073,709,551,615 keys and 1 tensors");

    put_start(&b, 3, 1, 1);
    put_text(&b, "k");
    put_u32(&b, 9);
    put_u32(&b, 6);
    put_u64(&b, UINT64_MAX / 2);
    put_zeros(&b, 64);
    assert_refused(&b, ERR_MODEL, "is truncated or damaged: 'k' has 9,223,372,036,854,775,807 values at byte 49, the file "
                                  "has 113 bytes");
    put_start(&b, 3, 1, 1);
    put_u64(&b, UINT64_MAX); /* a key that long */
    put_zeros(&b, 64);
    assert_refused(&b, ERR_MODEL, "is truncated: its header wants 18,446,744,073,709,551,615 bytes at byte 32, the file "
                                  "has 96");
}

/* A header with one key of our making before the architecture, and one tensor that fits. */
static struct buf begin_with_key(void)
{
    struct buf b = buf_max(1 << 20);
    put_start(&b, 3, 1, 2);
    return b;
}

static void end_after_key(struct buf *b)
{
    put_text_key(b, "general.architecture", "llama");
    put_tensor(b, "t", 1, 1, 0, 0);
    put_zeros(b, 64);
}

static void test_bad_keys(void **state)
{
    (void)state;
    struct buf b = begin_with_key();
    put_text(&b, "odd");
    put_u32(&b, 13);
    end_after_key(&b);
    assert_refused(&b, ERR_MODEL, "is damaged: 'odd' has a value of type 13");

    b = begin_with_key();
    put_text(&b, "nested");
    put_u32(&b, 9);
    put_u32(&b, 9);
    put_u64(&b, 1);
    end_after_key(&b);
    assert_refused(&b, ERR_MODEL, "is damaged: 'nested' is an array of type 9");

    b = begin_with_key();
    put_u32_key(&b, "general.alignment", 48);
    end_after_key(&b);
    assert_refused(&b, ERR_MODEL, "is damaged: general.alignment is 48, not a power of two");

    b = begin_with_key();
    put_u32_key(&b, "general.alignment", 0);
    end_after_key(&b);
    assert_refused(&b, ERR_MODEL, "is damaged: general.alignment is 0, not a power of two");

    b = begin_with_key();
    put_u32_key(&b, "split.count", 3);
    end_after_key(&b);
    assert_refused(&b, ERR_UNSUPPORTED, "is one of 3 parts; join them with llama-gguf-split --merge");

    b = buf_max(1 << 20);
    put_start(&b, 3, 1, 0);
    put_tensor(&b, "t", 1, 1, 0, 0);
    put_zeros(&b, 64);
    assert_refused(&b, ERR_MODEL, "does not say its architecture (key general.architecture)");

    b = buf_max(1 << 20);
    put_start(&b, 3, 0, 1);
    put_text_key(&b, "general.architecture", "llama");
    assert_refused(&b, ERR_MODEL, "holds no tensors, so there is no model in it");
}

static void assert_tensor_refused(uint64_t columns, uint64_t rows, uint32_t type, uint64_t offset, const char *sentence)
{
    struct buf b = buf_max(1 << 20);
    put_start(&b, 3, 1, 1);
    put_text_key(&b, "general.architecture", "llama");
    put_tensor(&b, "t", columns, rows, type, offset);
    put_zeros(&b, 64);
    assert_refused(&b, ERR_MODEL, sentence);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    const char *impossible = "is damaged: tensor 't' has impossible sizes";
    assert_tensor_refused(1, 1, 5, 0, "has tensor 't' of type 5, which this manta does not know");
    assert_tensor_refused(1, 1, UINT32_MAX, 0, "has tensor 't' of type 4294967295, which this manta does not know");
    assert_tensor_refused(33, 1, 2, 0, impossible);                   /* not whole blocks */
    assert_tensor_refused(1, 1, 0, 8, impossible);                    /* not aligned */
    assert_tensor_refused(1ull << 62, 4, 0, 0, impossible);           /* bytes overflow */
    assert_tensor_refused(1ull << 40, 1ull << 40, 0, 0, impossible);
    assert_tensor_refused(1ull << 61, 1, 0, 1ull << 63, impossible);
    assert_tensor_refused(1ull << 61, 1, 0, 1ull << 62,
                          "is truncated: tensors end at byte 13,835,058,055,282,163,840, the file has 174");
}

static void test_bad_dimensions(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 5; n += 5) {
        struct buf b = buf_max(1 << 20);
        char sentence[64];
        put_start(&b, 3, 1, 1);
        put_text_key(&b, "general.architecture", "llama");
        put_text(&b, "t");
        put_u32(&b, n);
        put_zeros(&b, 64);
        snprintf(sentence, sizeof sentence, "is damaged: tensor 't' has %u dimensions", n);
        assert_refused(&b, ERR_MODEL, sentence);
    }
}

/* Given names that would steer a terminal, or are longer than their place, they come out harmless and cut. */
static void test_odd_names(void **state)
{
    (void)state;
    char longest[400];
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct buf b = buf_max(1 << 20);
    put_start(&b, 3, 1, 3);
    put_text_key(&b, "general.architecture", "ll\x1b[2Jama\n");
    put_text_key(&b, "general.name", longest);
    put_text_key(&b, longest, "a key longer than any we know");
    put_tensor(&b, longest, 1, 1, 0, 0);
    put_padding(&b, 32);
    put_zeros(&b, 4);
    struct gguf_facts facts;
    struct fault f = {0};
    if (read_bytes(&b, &facts, &f))
        fail_msg("%s", f.text);
    assert_string_equal(facts.architecture, "ll?[2Jama?");
    assert_int_equal(strlen(facts.name), sizeof facts.name - 1);
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct gguf_facts facts;
    struct fault f = {0};
    assert_int_equal(gguf_read("/nowhere/m.gguf", &facts, &f), ERR_NOT_FOUND);
    assert_string_equal(f.text, "model file '/nowhere/m.gguf' does not exist");
    assert_int_equal(gguf_read("/", &facts, &f), ERR_MODEL);
    assert_string_equal(f.text, "model file '/' is a folder");
    assert_int_equal(gguf_read("/dev/null", &facts, &f), ERR_MODEL);
    assert_string_equal(f.text, "model file '/dev/null' is not a regular file");
    unlink(file);
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_int_equal(gguf_read(file, &facts, NULL), ERR_MODEL); /* and does not wait for a writer */
    unlink(file);
}

/* Given random damage anywhere in the header, reading ends, with facts or a sentence (ASan and UBSan watch). */
static void test_random_damage(void **state)
{
    (void)state;
    struct rng r = {.seed = 3};
    struct buf whole = whole_gguf();
    int refused = 0;
    for (int i = 0; i < 2000; i++) {
        struct buf b = buf_max(1 << 20);
        buf_add(&b, whole.p, whole.n);
        for (uint64_t n = 1 + rng_below(&r, 4); n > 0; n--)
            b.p[rng_below(&r, 350)] = (char)rng_next(&r);
        struct gguf_facts facts;
        struct fault f = {0};
        int err = read_bytes(&b, &facts, &f);
        assert_true(err == f.err);
        refused += err != 0;
    }
    assert_true(refused > 500);
    buf_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_every_value_type),
        cmocka_unit_test(test_every_cut),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_not_gguf),      cmocka_unit_test(test_versions),
        cmocka_unit_test(test_absurd_counts), cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_bad_tensors),   cmocka_unit_test(test_bad_dimensions),
        cmocka_unit_test(test_odd_names),     cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
