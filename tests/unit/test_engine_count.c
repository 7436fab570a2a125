/* A prompt that shall only be counted: its tokens are told, nothing is computed, and it waits for no slot. */
#include "engine_world.h"

static void it_is_counted_beside_a_full_engine(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=50", 1, 1024);
    struct request busy = completion("one two three", 50), counted = completion("one two three", 50);
    uint64_t runs = world_submit(w, &busy);
    world_until(w, runs, 3);
    counted.sampling.prompt_only = 1;
    uint64_t t = world_submit(w, &counted);
    batcher_step(w->batcher);
    const struct answer *a = &w->answers[t];
    assert_true(a->prefilled == 1 && a->done == 1 && w->answers[runs].done == 0);
    assert_int_equal(a->finish, FINISH_STOP);
    assert_int_equal(a->completion_tokens, 0);
    assert_int_equal(a->ids_n, 0);
    world_finish(w);
    assert_int_equal(a->prompt_tokens, w->answers[runs].prompt_tokens);
    assert_int_equal(w->answers[runs].completion_tokens, 50);
    world_free(w);
}

static void one_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[8192];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct world *w = world_new("echo:tokens=5", 1, 64);
    struct request counted = completion(text, 5);
    counted.sampling.prompt_only = 1;
    uint64_t t = world_submit(w, &counted);
    world_finish(w);
    assert_int_equal(w->answers[t].fault.err, ERR_CONTEXT);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_counted_beside_a_full_engine),
        cmocka_unit_test(one_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
