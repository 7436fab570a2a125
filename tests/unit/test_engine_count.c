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

struct count {
    struct fault fault;
    uint32_t tokens;
};

static struct count counted_of(size_t bytes)
{
    struct world *w = world_new("echo:tokens=5", 1, 64);
    char *text = xalloc(bytes + 1);
    memset(text, 'x', bytes);
    struct request counted = completion(text, 5);
    counted.sampling.prompt_only = PROMPT_COUNTED;
    uint64_t t = world_submit(w, &counted);
    world_finish(w);
    struct count c = {w->answers[t].fault, w->answers[t].prompt_tokens};
    free(text);
    world_free(w);
    return c;
}

/* So that a client learns how much too long a chat is. */
static void it_need_not_fit_the_context(void **state)
{
    (void)state;
    struct count fits = counted_of(40), longer = counted_of(4000), most = counted_of(64u << 20);
    assert_int_equal(fits.fault.err, 0);
    assert_int_equal(longer.fault.err, 0);
    assert_true(longer.tokens > 64 && longer.tokens > 50 * fits.tokens);
    assert_int_equal(most.fault.err, ERR_TOO_LARGE);
    assert_non_null(strstr(most.fault.text, "131,072"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_counted_beside_a_full_engine),
        cmocka_unit_test(it_need_not_fit_the_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
