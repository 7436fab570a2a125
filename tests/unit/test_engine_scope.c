/* Whose cached prompts a job may use: stories over the echo engine, in told time. */
#include "engine_world.h"

static const char prompt[] = "a secret that both have, long enough that a copy of its cells would be worth its while: "
                             "the the the the the the the the the the the the the the the the the the the the the the the the the the "
                             "the the the the the the the the the the the the the the the the the the the the the the the the the the";

/* Given two tenants with the same prompt; when each asks twice, one after the other and beside a running stream; then each finds what
 * it asked before and nothing of the other's, and all answers are the same. */
static void a_tenants_cache_is_its_own(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=40,prefill_us=1000,decode_us=1000", 3, 1024);
    struct request anna = completion(prompt, 0), ben = anna;
    anna.scope = 7;
    ben.scope = 8;
    uint64_t first = world_submit(w, &anna);
    for (int i = 0; i < 60; i++)
        batcher_step(w->batcher); /* anna's stream runs, and its slot could be copied */
    uint64_t stranger = world_submit(w, &ben), at_once = world_submit(w, &ben);
    world_finish(w);
    uint64_t again = world_submit(w, &anna), after = world_submit(w, &ben);
    world_finish(w);
    uint32_t tokens = w->answers[first].prompt_tokens;
    assert_int_equal(w->answers[stranger].cached_tokens, 0);
    assert_true(w->answers[at_once].cached_tokens >= tokens - 1); /* ben's own, that arrived with it */
    assert_int_equal(w->answers[again].cached_tokens, tokens - 1);
    assert_int_equal(w->answers[after].cached_tokens, tokens - 1);
    for (uint64_t t = first; t <= after; t++)
        assert_string_equal(w->answers[t].text, w->answers[first].text);
    world_free(w);
}

/* Given one slot; when tenants take turns in it; then nobody finds anything, and who comes twice in a row does. */
static void a_slot_that_changes_hands_starts_anew(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=8", 1, 1024);
    struct request r = completion(prompt, 0);
    static const uint64_t scopes[] = {1, 2, 1, 1, 0, 2, 0, 0};
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        r.scope = scopes[i];
        uint64_t t = world_submit(w, &r);
        world_finish(w);
        uint32_t expected = scopes[i] == last ? w->answers[t].prompt_tokens - 1 : 0;
        assert_int_equal(w->answers[t].cached_tokens, expected);
        last = (uint32_t)scopes[i];
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenants_cache_is_its_own),
        cmocka_unit_test(a_slot_that_changes_hands_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
