/* The schedule of faults: the same for one seed, within its bounds, spread over the streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "main/storm.h"

enum { FAULTS = 600 };

static struct storm storm(unsigned kinds)
{
    return (struct storm){.seed = 7, .kinds = kinds, .workers = 3, .heads = 2, .faults = FAULTS, .streams = 200};
}

static void the_same_seed_is_the_same_storm(void **state)
{
    (void)state;
    struct storm s = storm(0x1f), other = storm(0x1f);
    uint32_t same = 0;
    other.seed = 8;
    for (uint32_t i = 0; i < FAULTS; i++) {
        struct storm_fault a = storm_fault(&s, i), b = storm_fault(&s, i), c = storm_fault(&other, i);
        assert_memory_equal(&a, &b, sizeof a);
        same += memcmp(&a, &c, sizeof a) == 0;
    }
    assert_true(same < 5);
}

/* Kills come twice as often as each other kind; every victim has its turn; freezes last less and more than lost_after_ms. */
static void faults_are_of_all_kinds_to_everybody(void **state)
{
    (void)state;
    struct storm s = storm(0x1f);
    uint32_t kinds[STORM_KINDS] = {0}, victims[3] = {0}, heads[2] = {0}, long_freezes = 0, before = 0;
    for (uint32_t i = 0; i < FAULTS; i++) {
        struct storm_fault f = storm_fault(&s, i);
        kinds[f.kind]++;
        if (f.kind == STORM_HEAD)
            heads[f.victim]++;
        else
            victims[f.victim]++;
        long_freezes += f.kind == STORM_FREEZE && f.lasts_ms > 3000;
        assert_true(f.pause_ms <= 1000 && f.patience_ms >= 5000 && f.patience_ms <= 10000 && f.lasts_ms <= 6000);
        assert_true(f.ended >= before && f.ended < s.streams);
        before = f.ended;
    }
    assert_true(kinds[STORM_KILL] > FAULTS / 4 && kinds[STORM_KILL] < FAULTS * 4 / 10);
    for (int k = STORM_FREEZE; k < STORM_KINDS; k++)
        assert_true(kinds[k] > FAULTS / 10 && kinds[k] < FAULTS / 4);
    assert_true(victims[0] > 100 && victims[1] > 100 && victims[2] > 100 && heads[0] > 20 && heads[1] > 20);
    assert_true(long_freezes > 10 && long_freezes < kinds[STORM_FREEZE] - 10);
    assert_true(before >= 199);
}

static void only_what_was_asked_for_comes(void **state)
{
    (void)state;
    struct storm s = storm(1u << STORM_LEAVE | 1u << STORM_HEAD);
    for (uint32_t i = 0; i < FAULTS; i++) {
        enum storm_kind kind = storm_fault(&s, i).kind;
        assert_true(kind == STORM_LEAVE || kind == STORM_HEAD);
    }
}

static void kinds_are_words_with_commas(void **state)
{
    (void)state;
    unsigned kinds = 0;
    struct fault f = {0};
    assert_int_equal(storm_parse_kinds("kill,freeze,leave", &kinds, &f), 0);
    assert_int_equal(kinds, 1u << STORM_KILL | 1u << STORM_FREEZE | 1u << STORM_LEAVE);
    assert_int_equal(storm_parse_kinds("head", &kinds, &f), 0);
    assert_int_equal(kinds, 1u << STORM_HEAD);
    static const char *const wrong[] = {"", "kill,", ",kill", "kill,,head", "kill, head", "KILL", "kil", "a very long word that is none of them at all"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(storm_parse_kinds(wrong[i], &kinds, &f), ERR_USAGE);
    assert_int_equal(storm_parse_kinds("kill,frezee", &kinds, &f), ERR_USAGE);
    assert_string_equal(f.text, "--kinds: 'frezee' is not one of kill, freeze, leave, cut, head; did you mean 'freeze'?");
    assert_int_equal(kinds, 1u << STORM_HEAD); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_storm),
        cmocka_unit_test(faults_are_of_all_kinds_to_everybody),
        cmocka_unit_test(only_what_was_asked_for_comes),
        cmocka_unit_test(kinds_are_words_with_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
