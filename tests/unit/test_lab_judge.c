/* Streams against their undisturbed twins: what is missing, what came twice, what is other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lab/judge.h"

#define STORY "The boats came home late that night, and nobody in the harbour slept before the last of them was tied up."

struct sample {
    const char *twin, *got;
    uint64_t lost, duplicated, changed;
    size_t at;
};

static const struct sample samples[] = {
    {STORY, STORY, 0, 0, 0, sizeof STORY - 1},
    {"", "", 0, 0, 0, 0},
    /* it ends early */
    {STORY, "The boats came home", sizeof STORY - 1 - 19, 0, 0, 19},
    {STORY, "", sizeof STORY - 1, 0, 0, 0},
    /* a piece is missing in the middle */
    {STORY, "The boats that night, and nobody in the harbour slept before the last of them was tied up.", 15, 0, 0, 10},
    /* a piece came twice: at once, a little later, at the end, and such that the common part is longer than what was right */
    {STORY, "The boats came home late late that night, and nobody in the harbour slept before the last of them was tied up.", 0, 5, 0, 25},
    {STORY, "The boats came home late boats came that night, and nobody in the harbour slept before the last of them was tied up.", 0, 11, 0, 25},
    {STORY, STORY " tied up.", 0, 9, 0, sizeof STORY - 1},
    {"aabaabaab, and so on until the end of it", "aabaabaabaab, and so on until the end of it", 0, 3, 0, 9},
    /* both, in one stream */
    {STORY, "The boats came home late that that night, and nobody in the harbour slept before of them was tied up.", 9, 5, 0, 30},
    /* other words in one place, words that stand nowhere else, and all others from one place on */
    {STORY, "The boats came home soon that night, and nobody in the harbour slept before the last of them was tied up.", 0, 0, 4, 20},
    {STORY, "The boats came home very late that night, and nobody in the harbour slept before the last of them was tied up.", 0, 0, 5, 20},
    {STORY, "The boats came home with fish for everybody.", 0, 0, sizeof STORY - 1 - 20, 20},
    {"yes", "yes, of course it is so", 0, 0, 20, 3},
};

static void texts_are_compared_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *s = &samples[i];
        struct judge_bytes b = judge_text(str_of(s->twin), str_of(s->got));
        if (b.lost != s->lost || b.duplicated != s->duplicated || b.changed != s->changed || b.at != s->at)
            fail_msg("'%s': lost %d, duplicated %d, changed %d at %zu", s->got, (int)b.lost, (int)b.duplicated, (int)b.changed, b.at);
    }
}

static struct answer answer(const char *text)
{
    struct answer a = {.text = buf_max(1000), .status = 200, .told = 9, .proof = 77, .prompt_tokens = 5, .completion_tokens = 9,
                       .finish = "length", .used = true, .done = true};
    buf_puts(&a.text, text);
    return a;
}

static struct judgement judged(struct answer *got, bool stops, bool exact)
{
    struct answer twin = answer(STORY);
    struct judgement j = judge_answer(&twin, got, stops, exact);
    answer_fini(&twin);
    answer_fini(got);
    return j;
}

static void a_whole_answer_is_well(void **state)
{
    (void)state;
    struct answer a = answer(STORY);
    struct judgement j = judged(&a, false, true);
    assert_false(j.lost || j.malformed || j.error || j.changed || j.why != NULL);
}

/* Given an answer of which one thing is not as it should be, the judge says what. */
static void an_answer_without_its_end_is_lost(void **state)
{
    (void)state;
    struct answer cut[] = {answer("The boats"), answer(STORY), answer(STORY), answer(STORY), answer(STORY), answer("")};
    cut[0].done = false;
    cut[0].broken = true;
    cut[1].done = false;
    cut[2].used = false;
    cut[3].finish[0] = '\0';
    cut[4].refused = true;
    snprintf(cut[4].why, sizeof cut[4].why, "the worker was lost");
    cut[5].status = 503;
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        struct judgement j = judged(&cut[i], false, false);
        assert_true(j.lost && j.why != NULL && !j.malformed && !j.changed && j.error == (i == 4));
    }
    struct answer torn = answer(STORY);
    torn.malformed = true;
    struct judgement j = judged(&torn, false, false);
    assert_true(j.lost && j.malformed);
}

static void tokens_told_must_be_those_counted(void **state)
{
    (void)state;
    static const struct {
        uint32_t told;
        bool stops;
        const char *finish;
        bool malformed;
    } cases[] = {{8, false, "length", true}, {10, false, "stop", true}, {10, true, "stop", false}, {10, true, "length", true}, {8, true, "stop", false},
                 {8, true, "length", true}, {11, true, "stop", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer a = answer(STORY);
        a.told = cases[i].told;
        snprintf(a.finish, sizeof a.finish, "%s", cases[i].finish);
        assert_int_equal(judged(&a, cases[i].stops, false).malformed, cases[i].malformed);
    }
}

/* Given an answer of fewer tokens that went another way: on exact workers it lacks bytes; on others it is whole, and changed.
 * Given one of as many tokens, with the same end, that lacks a piece or has one twice: that is no other way anywhere. */
static void another_way_is_a_loss_only_where_answers_are_exact(void **state)
{
    (void)state;
    struct answer a = answer("The boats that night, and nobody in the harbour slept before the last of them was tied up."), b = answer(buf_cstr(&a.text));
    a.told = a.completion_tokens = b.told = b.completion_tokens = 7;
    struct judgement exact = judged(&a, false, true), fast = judged(&b, false, false);
    assert_true(exact.lost && exact.bytes.lost == 15);
    assert_true(!fast.lost && fast.changed && fast.bytes.lost == 0 && fast.bytes.changed == 15);
    struct answer gap = answer("The boats that night, and nobody in the harbour slept before the last of them was tied up."), twice = answer(STORY " tied up.");
    assert_true(judged(&gap, false, false).lost);
    assert_int_equal(judged(&twice, false, false).bytes.duplicated, 9);
}

static void other_numbers_are_a_change(void **state)
{
    (void)state;
    struct answer a = answer(STORY), b = answer(STORY), c = answer(STORY);
    a.proof = 78;
    snprintf(b.finish, sizeof b.finish, "stop");
    c.prompt_tokens = 6;
    assert_true(judged(&a, false, true).changed && judged(&b, false, true).changed && judged(&c, false, true).changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_compared_byte_by_byte),
        cmocka_unit_test(a_whole_answer_is_well),
        cmocka_unit_test(an_answer_without_its_end_is_lost),
        cmocka_unit_test(tokens_told_must_be_those_counted),
        cmocka_unit_test(another_way_is_a_loss_only_where_answers_are_exact),
        cmocka_unit_test(other_numbers_are_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
