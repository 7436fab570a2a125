/* The hub's side: which file a quantisation means, who gets the token, where files lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/hub.h"
#include "models/store.h"

static void assert_pick(const char *quant, const char *expected, const char *const *names)
{
    size_t n = 0;
    while (names[n] != NULL)
        n++;
    int found = hub_pick(names, n, quant);
    if (expected == NULL)
        assert_int_equal(found, -1);
    else
        assert_string_equal(found >= 0 ? names[found] : "(none)", expected);
}

static void test_pick(void **state)
{
    (void)state;
    const char *const many[] = {"README.md", "mmproj-pet-Q4_K_M.gguf", "pet-Q8_0.gguf", "pet-Q4_K_S.gguf", "pet-Q4_K_M.gguf", "pet-imatrix.gguf",
                                "f32/pet.F32.gguf", NULL};
    assert_pick("", "pet-Q4_K_M.gguf", many);
    assert_pick("q8_0", "pet-Q8_0.gguf", many);
    assert_pick("F32", "f32/pet.F32.gguf", many);
    assert_pick("Q4_K", NULL, many); /* not a part of Q4_K_M's name */
    assert_pick("Q4", NULL, many);
    const char *const few[] = {"petQ4_K_M.gguf", "pet.q8_0.gguf", NULL};
    assert_pick("", "pet.q8_0.gguf", few);
    const char *const one[] = {"config.json", "some-pet.gguf", NULL};
    assert_pick("", "some-pet.gguf", one);
    assert_pick("Q4_0", NULL, one);
    const char *const none[] = {"model.safetensors", ".gguf", NULL};
    assert_pick("", NULL, none);
    const char *const parts[] = {"pet-Q4_K_M-00001-of-00002.gguf", "pet-Q4_K_M-00002-of-00002.gguf"};
    assert_int_equal(hub_pick(parts, 2, "Q4_K_M"), -2);
    assert_int_equal(hub_pick(parts, 2, ""), -2);
    assert_int_equal(hub_pick(parts, 0, ""), -1);
}

static const char *token_for(const char *url)
{
    static char token[HUB_TOKEN_BYTES];
    hub_token(url, token);
    return token;
}

/* The token goes to the hub, encrypted or not beyond this machine, and nowhere else. */
static void test_token(void **state)
{
    (void)state;
    setenv("HF_TOKEN", "hf_secret", 1);
    unsetenv("HF_ENDPOINT");
    assert_string_equal(token_for("https://huggingface.co/ann/pet/resolve/main/pet.gguf"), "hf_secret");
    assert_string_equal(token_for("https://HuggingFace.co/ann"), "hf_secret");
    assert_string_equal(token_for("https://huggingface.co.example.org/ann"), "");
    assert_string_equal(token_for("https://huggingface.co:444/ann"), "");
    assert_string_equal(token_for("http://huggingface.co/ann"), "");
    assert_string_equal(token_for("https://example.org/huggingface.co"), "");
    setenv("HF_ENDPOINT", "http://127.0.0.1:8000/", 1);
    assert_string_equal(token_for("http://127.0.0.1:8000/ann"), "hf_secret");
    assert_string_equal(token_for("http://127.0.0.1:80/ann"), "");
    setenv("HF_ENDPOINT", "http://127.0.0.1.example.org", 1);
    assert_string_equal(token_for("http://127.0.0.1.example.org/ann"), "");
    setenv("HF_ENDPOINT", "http://mirror.example.org", 1);
    assert_string_equal(token_for("http://mirror.example.org/ann"), "");
    unsetenv("HF_ENDPOINT");
    setenv("HF_TOKEN", "hf_secret\r\nX-Evil: 1", 1);
    assert_string_equal(token_for("https://huggingface.co/ann"), "hf_secret");
    setenv("HF_TOKEN", "", 1);
    assert_string_equal(token_for("https://huggingface.co/ann"), "");
}

static void test_same_host(void **state)
{
    (void)state;
    assert_true(transfer_same_host("https://a.org/x", "https://A.org/y?z"));
    assert_true(transfer_same_host("https://a.org", "https://a.org"));
    assert_false(transfer_same_host("https://a.org/x", "https://a.org:443/x"));
    assert_false(transfer_same_host("https://a.org/x", "http://a.org/x"));
    assert_false(transfer_same_host("https://a.org", "https://a.org.example.org"));
    assert_false(transfer_same_host("a.org", "a.org"));
    assert_string_equal(transfer_show("https://a.org/x.gguf?Signature=secret#y").text, "https://a.org/x.gguf");
}

static void assert_url(const char *reference, const char *url)
{
    struct reference r;
    char out[TRANSFER_URL_BYTES];
    assert_int_equal(reference_parse(reference, &r, NULL), 0);
    assert_int_equal(hub_url(&r, out, NULL), 0);
    assert_string_equal(out, url);
}

static void test_url(void **state)
{
    (void)state;
    struct reference r;
    struct fault f = {0};
    char out[TRANSFER_URL_BYTES];
    unsetenv("HF_ENDPOINT");
    assert_url("hf:ann/pet@v1/deep/pet.gguf", "https://huggingface.co/ann/pet/resolve/v1/deep/pet.gguf");
    assert_url("https://example.org/pet.gguf?x=1", "https://example.org/pet.gguf?x=1");
    setenv("HF_ENDPOINT", "https://mirror.example.org//", 1);
    assert_url("gpt2", "https://mirror.example.org/QuantFactory/gpt2-GGUF/resolve/7eae6f079f0164bff66b86eea5159f7a368f9381/gpt2.Q4_0.gguf");
    setenv("HF_ENDPOINT", "mirror.example.org", 1);
    assert_int_equal(reference_parse("gpt2", &r, NULL), 0);
    assert_int_equal(hub_url(&r, out, &f), ERR_INVALID);
    assert_non_null(strstr(f.text, "HF_ENDPOINT"));
    unsetenv("HF_ENDPOINT");
}

static void assert_place(const char *reference, const char *path)
{
    struct reference r;
    char out[STORE_PATH_BYTES];
    assert_int_equal(reference_parse(reference, &r, NULL), 0);
    assert_int_equal(store_path(&r, out, NULL), 0);
    assert_string_equal(out, path);
}

static void test_place(void **state)
{
    (void)state;
    setenv("MANTA_MODELS_DIR", "/m", 1);
    assert_place("smollm2", "/m/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_place("hf:ann/pet/deep/pet.gguf", "/m/ann/pet/deep/pet.gguf");
    assert_place("hf:ann/pet@v1/pet.gguf", "/m/ann/pet@v1/pet.gguf");
    /* one file per address; what changes behind the ? is a signature */
    assert_place("https://a.org/pet.gguf?sig=1", "/m/web/7065e7253377/pet.gguf");
    assert_place("https://a.org/pet.gguf?sig=2", "/m/web/7065e7253377/pet.gguf");
}

static void test_progress(void **state)
{
    (void)state;
    char text[200];
    struct models_progress p = {.kind = MODELS_LOADING, .name = "pet", .done = 45000000, .total = 98400000, .bytes_per_s = 11200000};
    assert_string_equal(models_progress_text(&p, text, sizeof text), "pet: 45.0 of 98.4 MB (45 %), 11.2 MB/s, 5 s left");
    p.total = 0;
    assert_string_equal(models_progress_text(&p, text, sizeof text), "pet: 45.0 MB");
    p = (struct models_progress){.kind = MODELS_PAUSED, .name = "pet", .why = "cut", .pause_ms = 1500};
    assert_string_equal(models_progress_text(&p, text, sizeof text), "pet: cut: trying again in 1.5 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick), cmocka_unit_test(test_token), cmocka_unit_test(test_same_host),
        cmocka_unit_test(test_url),  cmocka_unit_test(test_place), cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
