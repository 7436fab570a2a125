/* The schedule of faults: the same for one seed, within its bounds, spread over the streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lab/schedule.h"

enum { FAULTS = 600 };

static struct schedule schedule(unsigned kinds)
{
    return (struct schedule){.seed = 7, .kinds = kinds, .workers = 3, .heads = 2, .faults = FAULTS, .streams = 200};
}

static void the_same_seed_is_the_same_schedule(void **state)
{
    (void)state;
    struct schedule s = schedule(0x1f), other = schedule(0x1f);
    uint32_t same = 0;
    other.seed = 8;
    for (uint32_t i = 0; i < FAULTS; i++) {
        struct schedule_fault a = schedule_fault(&s, i), b = schedule_fault(&s, i), c = schedule_fault(&other, i);
        assert_memory_equal(&a, &b, sizeof a);
        same += memcmp(&a, &c, sizeof a) == 0;
    }
    assert_true(same < 5);
}

/* Kills come twice as often as each other kind; every victim has its turn; freezes last less and more than lost_after_ms. */
static void faults_are_of_all_kinds_to_everybody(void **state)
{
    (void)state;
    struct schedule s = schedule(0x1f);
    uint32_t kinds[SCHEDULE_KINDS] = {0}, victims[3] = {0}, heads[2] = {0}, long_freezes = 0, before = 0;
    for (uint32_t i = 0; i < FAULTS; i++) {
        struct schedule_fault f = schedule_fault(&s, i);
        kinds[f.kind]++;
        if (f.kind == SCHEDULE_HEAD)
            heads[f.victim]++;
        else
            victims[f.victim]++;
        long_freezes += f.kind == SCHEDULE_FREEZE && f.lasts_ms > 3000;
        assert_true(f.pause_ms <= 1000 && f.patience_ms >= 5000 && f.patience_ms <= 10000 && f.lasts_ms <= 6000);
        assert_true(f.ended >= before && f.ended < s.streams);
        before = f.ended;
    }
    assert_true(kinds[SCHEDULE_KILL] > FAULTS / 4 && kinds[SCHEDULE_KILL] < FAULTS * 4 / 10);
    for (int k = SCHEDULE_FREEZE; k < SCHEDULE_KINDS; k++)
        assert_true(kinds[k] > FAULTS / 10 && kinds[k] < FAULTS / 4);
    assert_true(victims[0] > 100 && victims[1] > 100 && victims[2] > 100 && heads[0] > 20 && heads[1] > 20);
    assert_true(long_freezes > 10 && long_freezes < kinds[SCHEDULE_FREEZE] - 10);
    assert_true(before >= 199);
}

static void only_what_was_asked_for_comes(void **state)
{
    (void)state;
    struct schedule s = schedule(1u << SCHEDULE_LEAVE | 1u << SCHEDULE_HEAD);
    for (uint32_t i = 0; i < FAULTS; i++) {
        enum schedule_kind kind = schedule_fault(&s, i).kind;
        assert_true(kind == SCHEDULE_LEAVE || kind == SCHEDULE_HEAD);
    }
}

static void kinds_are_words_with_commas(void **state)
{
    (void)state;
    unsigned kinds = 0;
    struct fault f = {0};
    assert_int_equal(schedule_parse_kinds("kill,freeze,leave", &kinds, &f), 0);
    assert_int_equal(kinds, 1u << SCHEDULE_KILL | 1u << SCHEDULE_FREEZE | 1u << SCHEDULE_LEAVE);
    assert_int_equal(schedule_parse_kinds("head", &kinds, &f), 0);
    assert_int_equal(kinds, 1u << SCHEDULE_HEAD);
    static const char *const wrong[] = {"", "kill,", ",kill", "kill,,head", "kill, head", "KILL", "kil", "a very long word that is none of them at all"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(schedule_parse_kinds(wrong[i], &kinds, &f), ERR_USAGE);
    assert_int_equal(schedule_parse_kinds("kill,frezee", &kinds, &f), ERR_USAGE);
    assert_string_equal(f.text, "--kinds: 'frezee' is not one of kill, freeze, leave, cut, head; did you mean 'freeze'?");
    assert_int_equal(kinds, 1u << SCHEDULE_HEAD); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_schedule),
        cmocka_unit_test(faults_are_of_all_kinds_to_everybody),
        cmocka_unit_test(only_what_was_asked_for_comes),
        cmocka_unit_test(kinds_are_words_with_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
