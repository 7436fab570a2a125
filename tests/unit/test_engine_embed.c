/* Vectors: jobs of models that make embeddings, beside each other and beside what cannot be. */
#include "engine_world.h"

static void token_ids_are_taken_as_they_are(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8", 2, 128);
    struct request text = completion("some text", 0), ids = text, beyond = text, longer = text;
    int32_t tokens[129] = {0}, n = echo_tokenize(text.text, true, tokens, 128);
    int32_t wrong = (int32_t)w->ops->info(w->engine)->vocab;
    text.kind = ids.kind = beyond.kind = longer.kind = REQUEST_EMBED;
    ids.tokens = longer.tokens = tokens;
    ids.tokens_n = (uint32_t)n;
    longer.tokens_n = 129;
    beyond.tokens = &wrong;
    beyond.tokens_n = 1;
    uint64_t a = world_submit(w, &text), b = world_submit(w, &ids), c = world_submit(w, &beyond), d = world_submit(w, &longer);
    world_finish(w);
    assert_int_equal(w->answers[b].embedding_n, 8);
    assert_memory_equal(w->answers[a].embedding, w->answers[b].embedding, 8 * sizeof(float));
    assert_int_equal(w->answers[b].prompt_tokens, n);
    assert_int_equal(w->answers[c].fault.err, ERR_INVALID);
    assert_int_equal(w->answers[d].fault.err, ERR_CONTEXT);
    assert_non_null(strstr(w->answers[d].fault.text, "129 tokens"));
    ids.kind = REQUEST_TEXT;
    a = world_submit(w, &ids);
    assert_int_equal(w->answers[a].fault.err, ERR_UNSUPPORTED);
    world_free(w);
}

static void a_text_becomes_a_vector_of_length_1(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8", 2, 128);
    struct request r = completion("some text", 0), chat = completion("hello", 0);
    r.kind = REQUEST_EMBED;
    uint64_t t = world_submit(w, &r), odd = world_submit(w, &chat);
    world_finish(w);
    assert_int_equal(w->answers[t].finish, FINISH_STOP);
    assert_int_equal(w->answers[t].embedding_n, 8);
    float square = 0;
    for (int i = 0; i < 8; i++)
        square += w->answers[t].embedding[i] * w->answers[t].embedding[i];
    assert_float_equal(square, 1, 1e-5);
    assert_int_equal(w->answers[odd].fault.err, ERR_UNSUPPORTED);
    world_free(w);
    w = world_new("echo", 2, 128);
    t = world_submit(w, &r);
    world_finish(w);
    assert_int_equal(w->answers[t].fault.err, ERR_UNSUPPORTED);
    world_free(w);
}

/* Submits n texts of about `bytes` bytes each; returns the first ticket. */
static uint64_t submit_texts(struct world *w, uint32_t n, int bytes)
{
    uint64_t first = 0;
    for (uint32_t i = 0; i < n; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%u %0*d", i, bytes, 0);
        struct request r = completion(text, 0);
        r.kind = REQUEST_EMBED;
        uint64_t ticket = world_submit(w, &r);
        first = i == 0 ? ticket : first;
    }
    return first;
}

/* Given an engine that takes 50 ms for a call, when 64 short texts come together, then they are done in the time of nine
 * calls, in their order, and each has the vector it has alone. */
static void texts_share_a_call(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8,decode_us=50000", 64, 128);
    uint64_t first = submit_texts(w, 64, 12), start_us = w->now_us;
    world_finish(w);
    assert_true(w->now_us - start_us <= 9 * 50000);
    for (uint32_t i = 0; i < 64; i++)
        assert_true(w->answers[first + i].done == 1 && w->answers[first + i].done_us >= w->answers[first].done_us);
    uint64_t alone = submit_texts(w, 1, 12);
    world_finish(w);
    assert_memory_equal(w->answers[alone].embedding, w->answers[first].embedding, 8 * sizeof(float));
    world_free(w);
}

/* Given room for 128 tokens in a shared call and 4 texts at a time, when texts come, then no call has more: of 300 tokens
 * each has its own, of 10 four share one, of 40 two, and one of 900 goes alone and whole. */
static void a_call_has_its_limits(void **state)
{
    (void)state;
    static const struct { uint32_t texts; int bytes; uint64_t calls; } cases[] = {{6, 300, 6}, {8, 10, 2}, {1, 900, 1}, {9, 40, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_new("echo:embed=8,decode_us=1000", 4, 1500);
        submit_texts(w, cases[i].texts, cases[i].bytes);
        world_finish(w);
        assert_int_equal(w->now_us - 1000000, cases[i].calls * 1000);
        world_free(w);
    }
}

/* Given 6 texts in two calls, when the first call fails, then its 4 texts are told so and the others have their vectors. */
static void a_call_that_fails_ends_its_own_texts(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8,fail_decode_at=1", 4, 128);
    uint64_t first = submit_texts(w, 6, 10);
    world_finish(w);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(w->answers[first + i].done, 1);
        assert_int_equal(w->answers[first + i].fault.err, i < 4 ? ERR_FAILED : 0);
        assert_int_equal(w->answers[first + i].embedding_n, i < 4 ? 0 : 8);
    }
    world_free(w);
}

/* Given an embedder that has worked, then its measured speed is known, for the router; one that was cancelled while it
 * waited was not computed. */
static void texts_are_measured_and_cancelled(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8,prefill_us=1000", 4, 128);
    uint64_t first = submit_texts(w, 2, 10);
    batcher_cancel(w->batcher, first + 1);
    world_finish(w);
    struct batcher_load load;
    batcher_load(w->batcher, &load);
    assert_int_equal(w->answers[first + 1].finish, FINISH_CANCELLED);
    assert_int_equal(load.prompt_tokens, w->answers[first].prompt_tokens);
    assert_float_equal(load.prefill_tps, 1000, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_a_vector_of_length_1),
        cmocka_unit_test(texts_share_a_call),
        cmocka_unit_test(a_call_has_its_limits),
        cmocka_unit_test(a_call_that_fails_ends_its_own_texts),
        cmocka_unit_test(texts_are_measured_and_cancelled),
        cmocka_unit_test(token_ids_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
