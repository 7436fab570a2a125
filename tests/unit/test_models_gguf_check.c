/* Headers whose numbers make no model: each is refused by its own sentence, before an engine sees it; odd ones that models have pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "gguf_folder.h"
#include "gguf_maker.h"
#include "models/models.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 };

/* One key of a header. A text is its characters; an array, its items. */
struct pair {
    const char *key;
    uint32_t type, item_type; /* of an array's items */
    uint64_t n;               /* items */
    double value;             /* or of each item */
    const char *text;
};

static const struct pair usual[] = {
    {"llama.block_count", U32, 0, 1, 2, ""},
    {"llama.context_length", U32, 0, 1, 512, ""},
    {"llama.embedding_length", U32, 0, 1, 64, ""},
    {"llama.feed_forward_length", U32, 0, 1, 128, ""},
    {"llama.attention.head_count", U32, 0, 1, 8, ""},
    {"llama.attention.head_count_kv", U32, 0, 1, 4, ""},
    {"llama.rope.dimension_count", U32, 0, 1, 8, ""},
    {"llama.attention.layer_norm_rms_epsilon", F32, 0, 1, 1e-5, ""},
    {"tokenizer.ggml.tokens", ARRAY, TEXT, 2, 0, "t"},
    {"tokenizer.ggml.token_type", ARRAY, I32, 2, 1, ""},
    {"tokenizer.ggml.scores", ARRAY, F32, 2, 0, ""},
};
enum { USUAL = sizeof usual / sizeof usual[0] };

static void put_value(struct buf *b, uint32_t type, double value, const char *text)
{
    float narrow = (float)value;
    int64_t whole = isfinite(value) ? (int64_t)value : 0;
    switch (type) {
    case U8: case I8: case BOOL: buf_add(b, &whole, 1); break;
    case U16: case I16: buf_add(b, &whole, 2); break;
    case U32: case I32: buf_add(b, &whole, 4); break;
    case U64: case I64: buf_add(b, &whole, 8); break;
    case F32: buf_add(b, &narrow, 4); break;
    case F64: buf_add(b, &value, 8); break;
    default: put_text(b, text); break;
    }
}

static void put_pair(struct buf *b, const struct pair *p)
{
    put_text(b, p->key);
    put_u32(b, p->type);
    if (p->type == ARRAY) {
        put_u32(b, p->item_type);
        put_u64(b, p->n);
    }
    for (uint64_t i = 0; i < p->n || (i == 0 && p->type != ARRAY); i++)
        put_value(b, p->type == ARRAY ? p->item_type : p->type, p->value, p->text);
}

static bool stands_in(const struct pair *more, const char *key)
{
    for (; more->key != NULL; more++)
        if (strcmp(more->key, key) == 0)
            return true;
    return false;
}

/* A whole file with the usual keys, of which those in `more` are other ones. */
static int read_with(const struct pair *more, struct fault *f)
{
    struct buf b = buf_max(1 << 20);
    struct gguf_facts facts;
    uint64_t keys = 1;
    for (const struct pair *p = more; p->key != NULL; p++)
        keys++;
    for (size_t i = 0; i < USUAL; i++)
        keys += !stands_in(more, usual[i].key);
    put_start(&b, 3, 2, keys);
    for (const struct pair *p = more; p->key != NULL; p++) /* before the architecture is known */
        put_pair(&b, p);
    put_text_key(&b, "general.architecture", "llama");
    for (size_t i = 0; i < USUAL; i++)
        if (!stands_in(more, usual[i].key))
            put_pair(&b, &usual[i]);
    put_tensor(&b, "token_embd.weight", 64, 2, 0, 0);
    put_tensor(&b, "output_norm.weight", 64, 1, 0, 512);
    put_padding(&b, 32);
    put_zeros(&b, 1024);
    write_file(file, b.p, b.n);
    buf_fini(&b);
    return gguf_read(file, &facts, f);
}

static void test_usual_numbers(void **state)
{
    (void)state;
    struct fault f = {0};
    if (read_with(&(struct pair){0}, &f) != 0)
        fail_msg("%s", f.text);
}

/* Given one key (or two) that no model has so, the sentence names it. */
static void test_each_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct pair pairs[3];
        const char *says;
    } cases[] = {
        {{{"llama.block_count", U32, 0, 1, 0, ""}}, "'llama.block_count' is 0; it can be 1 to 512"},
        {{{"llama.block_count", U32, 0, 1, 4e9, ""}}, "'llama.block_count' is 4000000000"},
        {{{"llama.block_count", I64, 0, 1, -2, ""}}, "'llama.block_count' is -2"},
        {{{"llama.block_count", TEXT, 0, 1, 0, "two"}}, "'llama.block_count' is not a whole number"},
        {{{"llama.block_count", F32, 0, 1, 2, ""}}, "'llama.block_count' is not a whole number"},
        {{{"llama.block_count", ARRAY, U32, 2, 2, ""}}, "'llama.block_count' is not a whole number"},
        {{{"llama.block_count", U16, 0, 1, 3, ""}}, "announces 3 layers, and has 2 tensors in all"},
        {{{"llama.nextn_predict_layers", U32, 0, 1, 5, ""}}, "predict further tokens"},
        {{{"llama.context_length", U32, 0, 1, 0, ""}}, "'llama.context_length' is 0"},
        {{{"llama.context_length", U64, 0, 1, 1e18, ""}}, "'llama.context_length' is 1000000000000000000"},
        {{{"llama.embedding_length", U32, 0, 1, 0, ""}}, "'llama.embedding_length' is 0"},
        {{{"llama.embedding_length", U32, 0, 1, 72, ""}}, "token table is 2 x 64, for 2 tokens of 72 numbers"},
        {{{"llama.feed_forward_length", I32, 0, 1, -1, ""}}, "'llama.feed_forward_length' is -1"},
        {{{"llama.feed_forward_length", ARRAY, U32, 1, 8, ""}}, "has 1 values for 2 layers"},
        {{{"llama.attention.head_count", U32, 0, 1, 0, ""}}, "'llama.attention.head_count' is 0"},
        {{{"llama.attention.head_count", U32, 0, 1, 7, ""}}, "width of 64 is no multiple of its 7 heads"},
        {{{"llama.attention.head_count", ARRAY, U32, 0, 0, ""}}, "'llama.attention.head_count' is an empty list"},
        {{{"llama.attention.head_count", ARRAY, U32, 2, 0, ""}}, "'llama.attention.head_count' is 0"},
        {{{"llama.attention.head_count", ARRAY, TEXT, 2, 0, "8"}}, "not a whole number, nor one per layer"},
        {{{"llama.attention.head_count", ARRAY, U8, 5000, 8, ""}}, "one per layer would be at most 4096"},
        {{{"llama.attention.head_count_kv", U32, 0, 1, 0, ""}}, "'llama.attention.head_count_kv' is 0"},
        {{{"llama.attention.head_count_kv", U32, 0, 1, 16, ""}}, "8 heads cannot share 16"},
        {{{"llama.attention.head_count_kv", U32, 0, 1, 3, ""}}, "8 heads cannot share 3"},
        {{{"llama.attention.key_length", U32, 0, 1, 0, ""}}, "'llama.attention.key_length' is 0"},
        {{{"llama.rope.dimension_count", U32, 0, 1, 64, ""}}, "64 numbers of a head are turned by its position, a head has 8"},
        {{{"llama.rope.dimension_count", U32, 0, 1, 5, ""}}, "5 numbers of a head"},
        {{{"llama.expert_count", U32, 0, 1, 8, ""}}, "uses 0 of its 8 experts"},
        {{{"llama.expert_used_count", U32, 0, 1, 2, ""}}, "uses 2 of its 0 experts"},
        {{{"llama.expert_count", U32, 0, 1, 9000, ""}}, "'llama.expert_count' is 9000"},
        {{{"llama.expert_count", U32, 0, 1, 8, ""}, {"llama.expert_used_count", U32, 0, 1, 9, ""}}, "uses 9 of its 8 experts"},
        {{{"llama.expert_group_count", U32, 0, 1, 2, ""}}, "groups of its 0 experts"},
        {{{"llama.pooling_type", U32, 0, 1, 77, ""}}, "'llama.pooling_type' is 77"},
        {{{"llama.attention.layer_norm_rms_epsilon", F32, 0, 1, NAN, ""}}, "rms_epsilon' is not a number"},
        {{{"llama.attention.layer_norm_rms_epsilon", F32, 0, 1, -1, ""}}, "rms_epsilon' is negative"},
        {{{"llama.attention.layer_norm_rms_epsilon", U32, 0, 1, 1, ""}}, "rms_epsilon' is no float"},
        {{{"llama.attention.layer_norm_epsilon", F64, 0, 1, INFINITY, ""}}, "norm_epsilon' is not a number"},
        {{{"llama.rope.freq_base", F32, 0, 1, 0, ""}}, "'llama.rope.freq_base' is 0"},
        {{{"llama.rope.scaling.factor", F32, 0, 1, NAN, ""}}, "'llama.rope.scaling.factor' is not a number"},
        {{{"tokenizer.ggml.tokens", ARRAY, U32, 2, 0, ""}}, "'tokenizer.ggml.tokens' is not a list of texts"},
        {{{"tokenizer.ggml.tokens", TEXT, 0, 1, 0, "a b"}}, "'tokenizer.ggml.tokens' is not a list of texts"},
        {{{"tokenizer.ggml.tokens", ARRAY, TEXT, 0, 0, ""}}, "its vocabulary has 0 tokens"},
        {{{"tokenizer.ggml.tokens", ARRAY, TEXT, 3, 0, "t"}}, "'tokenizer.ggml.token_type' has 2 values for 3 tokens"},
        {{{"tokenizer.ggml.scores", ARRAY, F32, 1, 0, ""}}, "'tokenizer.ggml.scores' has 1 values for 2 tokens"},
        {{{"tokenizer.ggml.scores", ARRAY, TEXT, 2, 0, ""}}, "'tokenizer.ggml.scores' is not a list of floats"},
        {{{"tokenizer.ggml.token_type", ARRAY, F32, 2, 0, ""}}, "'tokenizer.ggml.token_type' is not a list of 32-bit numbers"},
        {{{"tokenizer.ggml.merges", ARRAY, I32, 2, 0, ""}}, "'tokenizer.ggml.merges' is not a list of texts"},
        {{{"general.alignment", U64, 0, 1, 32, ""}}, "general.alignment is 0, not a power of two"},
        {{{"a.key", U32, 0, 1, 1, ""}, {"a.key", U32, 0, 1, 2, ""}}, "two of its keys have the same name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        int err = read_with(cases[i].pairs, &f);
        if (err != ERR_MODEL || strstr(f.text, cases[i].says) == NULL)
            fail_msg("case %zu, '%s': %d \"%s\"", i, cases[i].says, err, f.text);
        assert_null(strchr(f.text, '\n'));
    }
}

/* Given numbers that are odd and that models have, the header is taken. */
static void test_odd_ones_pass(void **state)
{
    (void)state;
    static const struct pair cases[][3] = {
        {{"llama.attention.head_count", ARRAY, I32, 2, 8, ""}},
        {{"llama.attention.head_count", U32, 0, 1, 5, ""}, {"llama.attention.key_length", U32, 0, 1, 16, ""}},
        {{"llama.expert_count", U32, 0, 1, 8, ""}, {"llama.expert_used_count", U32, 0, 1, 2, ""}},
        {{"llama.rope.freq_base", F32, 0, 1, 1e6, ""}, {"llama.rope.scaling.factor", F32, 0, 1, 0, ""}},
        {{"llama.feed_forward_length", ARRAY, U32, 2, 0, ""}},
        {{"llama.attention.layer_norm_epsilon", F32, 0, 1, 0, ""}},
        {{"qwen.block_count", U32, 0, 1, 0, ""}}, /* of another architecture */
        {{"tokenizer.ggml.scores", ARRAY, F32, 9, 0, ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        struct pair kv = {"llama.attention.head_count_kv", U32, 0, 1, 5, ""}, with[4] = {cases[i][0], cases[i][1]};
        if (i == 1)
            with[2] = kv;
        if (read_with(with, &f) != 0)
            fail_msg("case %zu: %s", i, f.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_numbers),
        cmocka_unit_test(test_each_is_refused),
        cmocka_unit_test(test_odd_ones_pass),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
