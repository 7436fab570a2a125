/* Vectors: jobs of models that make embeddings, beside each other and beside what cannot be. */
#include "engine_world.h"

static void token_ids_are_taken_as_they_are(void **state)
{
    (void)state;
    struct world *w = world_new("echo:embed=8", 2, 128);
    struct request text = completion("some text", 0), ids = text, beyond = text, longer = text;
    int32_t tokens[129] = {0}, n = w->ops->tokenize(w->engine, text.text, true, tokens, 128);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_a_vector_of_length_1),
        cmocka_unit_test(token_ids_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
