/* What people write for a model: each habit is understood, each mistake has its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "models/reference.h"

#define SHA "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

static struct reference parse(const char *text)
{
    struct reference r;
    struct fault f = {0};
    if (reference_parse(text, &r, &f) != 0)
        fail_msg("%s: %s", text, f.text);
    return r;
}

static void assert_hub(const char *text, const char *owner, const char *repo, const char *revision, const char *file, const char *quant)
{
    struct reference r = parse(text);
    assert_int_equal(r.kind, REFERENCE_HUB);
    assert_string_equal(r.owner, owner);
    assert_string_equal(r.repo, repo);
    assert_string_equal(r.revision, revision);
    assert_string_equal(r.file, file);
    assert_string_equal(r.quant, quant);
}

/* One file of a repository, in all the ways it is written on web pages and in other programs' flags. */
static void test_hub_file(void **state)
{
    (void)state;
    static const char *const ways[] = {
        "hf:ann/pet-GGUF/pet.Q8_0.gguf",
        "hf://ann/pet-GGUF/pet.Q8_0.gguf",
        "HF:ann/pet-GGUF/pet.Q8_0.gguf",
        "huggingface:ann/pet-GGUF/pet.Q8_0.gguf",
        "huggingface://ann/pet-GGUF/pet.Q8_0.gguf",
        "hf.co/ann/pet-GGUF/pet.Q8_0.gguf",
        "huggingface.co/ann/pet-GGUF/resolve/main/pet.Q8_0.gguf",
        "https://huggingface.co/ann/pet-GGUF/resolve/main/pet.Q8_0.gguf?download=true",
        "https://huggingface.co/ann/pet-GGUF/blob/main/pet.Q8_0.gguf",
        "https://hf.co/ann/pet-GGUF/raw/main/pet.Q8_0.gguf",
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        assert_hub(ways[i], "ann", "pet-GGUF", "main", "pet.Q8_0.gguf", "");
    assert_hub("hf:ann/pet@v1.2/deep/er/pet.gguf", "ann", "pet", "v1.2", "deep/er/pet.gguf", "");
    assert_hub("https://huggingface.co/ann/pet/resolve/0123abc/deep/pet.gguf", "ann", "pet", "0123abc", "deep/pet.gguf", "");
}

/* A repository and perhaps a quantisation: which file that is, the hub knows. */
static void test_hub_repository(void **state)
{
    (void)state;
    assert_hub("ann/pet-GGUF", "ann", "pet-GGUF", "main", "", "");
    assert_hub("ann/pet-GGUF:Q4_K_M", "ann", "pet-GGUF", "main", "", "Q4_K_M");
    assert_hub("ann/pet-GGUF:latest", "ann", "pet-GGUF", "main", "", "");
    assert_hub("hf.co/ann/pet-GGUF:Q4_K_M", "ann", "pet-GGUF", "main", "", "Q4_K_M");
    assert_hub("hf:ann/pet@v2:q8_0", "ann", "pet", "v2", "", "q8_0");
    assert_hub("https://huggingface.co/ann/pet-GGUF", "ann", "pet-GGUF", "main", "", "");
    assert_hub("https://huggingface.co/ann/pet-GGUF/?library=x", "ann", "pet-GGUF", "main", "", "");
}

static void test_digest(void **state)
{
    (void)state;
    struct reference r = parse("hf:ann/pet/pet.gguf#sha256=B179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
    assert_string_equal(r.sha256, SHA);
    assert_string_equal(r.file, "pet.gguf");
    assert_string_equal(parse("ann/pet:Q4_0#sha256=" SHA).sha256, SHA);
    assert_string_equal(parse("smollm2").sha256, SHA);
    assert_string_equal(parse("hf:ann/pet/pet.gguf").sha256, "");
}

static void test_url(void **state)
{
    (void)state;
    struct reference r = parse("https://models.example.org:8443/a%20b/pet.gguf?token=1#sha256=" SHA);
    assert_int_equal(r.kind, REFERENCE_URL);
    assert_string_equal(r.url, "https://models.example.org:8443/a%20b/pet.gguf?token=1");
    assert_string_equal(r.file, "pet.gguf");
    assert_string_equal(r.sha256, SHA);
    /* unencrypted: on this machine, or where the bytes are known */
    assert_int_equal(parse("http://127.0.0.1:8000/pet.gguf").kind, REFERENCE_URL);
    assert_int_equal(parse("http://[::1]:8000/pet.gguf").kind, REFERENCE_URL);
    assert_int_equal(parse("http://mirror.example.org/pet.gguf#sha256=" SHA).kind, REFERENCE_URL);
}

static void test_path_and_name(void **state)
{
    (void)state;
    static const char *const paths[] = {"pet.gguf", "./pet", "/m/pet.gguf", "../m/pet", "a/b/c", "~/pet.gguf", "ann/pet.gguf", "ann/pet/pet.gguf"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(parse(paths[i]).kind, REFERENCE_PATH);
        assert_string_equal(parse(paths[i]).url, paths[i]);
    }
    struct reference r = parse("gpt2");
    assert_int_equal(r.kind, REFERENCE_ENTRY);
    assert_string_equal(r.entry->name, "gpt2");
    assert_string_equal(r.owner, "QuantFactory");
    assert_string_equal(r.repo, "gpt2-GGUF");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *says;
    } wrong[] = {
        {"", ERR_INVALID, "1 to 2000 bytes"},
        {"gpt-2", ERR_NOT_FOUND, "did you mean 'gpt2'?"},
        {"no such model", ERR_NOT_FOUND, "manta models catalogue"},
        {"llama3", ERR_NOT_FOUND, "did you mean 'llama3.2-1b'?"},
        {"qwen3", ERR_NOT_FOUND, "did you mean 'qwen3-0.6b', 'qwen3-1.7b' or 'qwen3-4b'?"},
        {"q", ERR_NOT_FOUND, "manta models catalogue"},
        {"hf:", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet/readme.md", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/../pet.gguf", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet/../../pet.gguf", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet/.hidden.gguf", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet//pet.gguf", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet@/pet.gguf", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet:Q4 K", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:ann/pet:", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"hf:a\x1b[31m/pet/pet.gguf", ERR_INVALID, "a\\x1b[31m/pet"},
        {"hf:ann/pet/pet.gguf#sha256=12", ERR_INVALID, "64 hex digits"},
        {"hf:ann/pet/pet.gguf#main", ERR_INVALID, "64 hex digits"},
        {"hf:ann/pet/pet.gguf#sha256=z179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", ERR_INVALID, "64 hex digits"},
        {"https://huggingface.co/ann/pet/tree/main", ERR_INVALID, "hf:owner/repo/file.gguf"},
        {"https://example.org/", ERR_INVALID, ".gguf"},
        {"https:///pet.gguf", ERR_INVALID, "needs a host"},
        {"https://ann:secret@example.org/pet.gguf", ERR_INVALID, "HF_TOKEN"},
        {"https://example.org/a b.gguf", ERR_INVALID, "%XX"},
        {"https://example.org/..gguf", ERR_INVALID, ".gguf"},
        {"http://example.org/pet.gguf", ERR_INVALID, "not encrypted"},
        {"http://localhost.example.org/pet.gguf", ERR_INVALID, "not encrypted"},
        {"ollama://library/pet", ERR_UNSUPPORTED, "hf:, https:// or a path"},
        {"s3://bucket/pet.gguf", ERR_UNSUPPORTED, "hf:, https:// or a path"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct reference r, before;
        struct fault f = {0};
        memset(&r, 0x5a, sizeof r);
        memcpy(&before, &r, sizeof r);
        int err = reference_parse(wrong[i].text, &r, &f);
        if (err != wrong[i].err || strstr(f.text, wrong[i].says) == NULL)
            fail_msg("%s: %d, %s", wrong[i].text, err, f.text);
        assert_memory_equal(&r, &before, sizeof r);
        assert_null(strstr(f.text, "secret"));
    }
    char text[REFERENCE_BYTES_MAX + 2];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(reference_parse(text, NULL, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hub_file),      cmocka_unit_test(test_hub_repository), cmocka_unit_test(test_digest), cmocka_unit_test(test_url),
        cmocka_unit_test(test_path_and_name), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
