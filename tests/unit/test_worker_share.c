/* How a worker's memory is shared out among its models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/share.h"

/* Given room for all that three models want, each gets it, and not more. */
static void enough_for_all(void **state)
{
    (void)state;
    struct share s[] = {{.least = 10, .want = 30}, {.least = 5, .want = 5}, {.least = 1, .want = 20}};
    share_out(s, 3, 1000);
    assert_int_equal(s[0].given, 30);
    assert_int_equal(s[1].given, 5);
    assert_int_equal(s[2].given, 20);
}

/* Given less than they want, each keeps its least, and the rest is shared as they want it; the limit is not passed. */
static void little_is_shared_in_proportion(void **state)
{
    (void)state;
    struct share s[] = {{.least = 100, .want = 400}, {.least = 100, .want = 200}};
    share_out(s, 2, 400);
    assert_int_equal(s[0].given, 250); /* 200 are left over, 400 are wanted: half of what each wants */
    assert_int_equal(s[1].given, 150);
}

/* Given one that does not fit behind the first, it gets nothing, and a smaller one behind it still has its place. */
static void the_one_that_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct share s[] = {{.least = 60, .want = 60}, {.least = 50, .want = 90}, {.least = 20, .want = 100}};
    share_out(s, 3, 100);
    assert_int_equal(s[0].given, 60);
    assert_int_equal(s[1].given, 0);
    assert_int_equal(s[2].given, 40);
}

/* Given models that are out already (no least), they take nothing. */
static void those_that_are_out_take_nothing(void **state)
{
    (void)state;
    struct share s[] = {{.least = 0, .want = 0}, {.least = 10, .want = 10}};
    share_out(s, 2, 10);
    assert_int_equal(s[0].given, 0);
    assert_int_equal(s[1].given, 10);
}

/* Given random needs and limits, the sum stays within the limit, and each has nothing or its least ... want. */
static void never_more_than_there_is(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        struct share s[8];
        uint64_t sum = 0, budget = (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 30;
        for (int i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            s[i].least = 1 + (seed >> 34);
            s[i].want = s[i].least + (seed << 32 >> 33);
        }
        share_out(s, 8, budget);
        for (int i = 0; i < 8; i++) {
            assert_true(s[i].given == 0 || (s[i].given >= s[i].least && s[i].given <= s[i].want));
            sum += s[i].given;
        }
        assert_true(sum <= budget);
    }
}

/* Given little memory, what is beside the models has a sixteenth each; given much, or no limit, what it may have at most. */
static void what_is_beside_the_models(void **state)
{
    (void)state;
    const struct beside most = {.kept_bytes = 32, .moving_bytes = 256, .prompt_bytes = 64};
    assert_int_equal(share_beside(160, most).kept_bytes, 10);
    assert_int_equal(share_beside(160, most).moving_bytes, 10);
    assert_int_equal(share_beside(2048, most).kept_bytes, 32);
    assert_int_equal(share_beside(2048, most).moving_bytes, 128);
    assert_int_equal(share_beside(0, most).kept_bytes, 32);
    assert_int_equal(share_beside(0, most).moving_bytes, 256);
    assert_int_equal(share_beside(160, most).prompt_bytes, 10);
    assert_int_equal(share_beside(2048, most).prompt_bytes, 64);
    assert_int_equal(share_beside(0, most).prompt_bytes, 64);
}

/* Given any need, the memory that is advised leaves as much for the models, and a byte less does not. */
static void the_memory_advised_is_enough_and_no_more(void **state)
{
    (void)state;
    const struct beside most = {.kept_bytes = 32, .moving_bytes = 256, .prompt_bytes = 64};
    for (uint64_t need = 1; need < 9000; need++) {
        uint64_t whole = share_whole(need, most);
        for (uint64_t less = 0; less <= 1; less++) {
            struct beside b = share_beside(whole - less, most);
            uint64_t left = whole - less - b.kept_bytes - b.moving_bytes - b.prompt_bytes;
            assert_true(less == 1 ? left < need || whole == 1 : left >= need);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_for_all),
        cmocka_unit_test(little_is_shared_in_proportion),
        cmocka_unit_test(the_one_that_does_not_fit_is_left_out),
        cmocka_unit_test(those_that_are_out_take_nothing),
        cmocka_unit_test(never_more_than_there_is),
        cmocka_unit_test(what_is_beside_the_models),
        cmocka_unit_test(the_memory_advised_is_enough_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
