/* The pure parts: costs learned from what was seen, slots and what they share, and who runs next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "engine/plan.h"
#include "engine/slots.h"

/* ---- cost ---- */

static void costs_are_learned_and_read_off_neighbours(void **state)
{
    (void)state;
    struct cost c = {0};
    assert_int_equal(cost_prompt(&c, 10), 10 * COST_ROW_US_GUESS);
    assert_int_equal(cost_decode(&c, 3), COST_DECODE_US_GUESS);
    assert_true(cost_prefill_tps(&c) == 0 && cost_decode_tps(&c) == 0);
    cost_saw_decode(&c, 2, 10000);
    cost_saw_decode(&c, 6, 30000);
    assert_int_equal(cost_decode(&c, 4), 20000);
    assert_int_equal(cost_decode(&c, 1), 10000);
    assert_int_equal(cost_decode(&c, 60), 30000);
    cost_saw_prompt(&c, 100, 200000);
    assert_int_equal(cost_prompt(&c, 500), 1000000);
    assert_float_equal(cost_prefill_tps(&c), 500, 1);
    assert_float_equal(cost_decode_tps(&c), 100, 1);
}

static void one_slow_call_does_not_spoil_the_average(void **state)
{
    (void)state;
    struct cost c = {0};
    for (int i = 0; i < 20; i++)
        cost_saw_decode(&c, 1, 10000);
    cost_saw_decode(&c, 1, 5000000); /* the laptop slept */
    assert_true(cost_decode(&c, 1) <= 14000);
    for (int i = 0; i < 40; i++)
        cost_saw_decode(&c, 1, 20000); /* but a machine that became slow is noticed */
    assert_in_range(cost_decode(&c, 1), 19000, 20000);
}

static void copies_are_believed_to_be_cheap(void **state)
{
    (void)state;
    struct cost c = {0};
    assert_int_equal(cost_copy(&c), COST_COPY_US_GUESS);
    cost_saw_copy(&c, 90000); /* the call after it was slow */
    cost_saw_copy(&c, 3000);
    assert_in_range(cost_copy(&c), 3000, 3001);
    cost_saw_copy(&c, 90000);
    assert_in_range(cost_copy(&c), 3000, 3200);
}

static void rows_within_a_time(void **state)
{
    (void)state;
    struct cost c = {0};
    cost_saw_prompt(&c, 8, 8 * 5000);   /* small calls cost more per row */
    cost_saw_prompt(&c, 64, 64 * 2000);
    cost_saw_prompt(&c, 512, 512 * 1000);
    assert_int_equal(cost_rows_within(&c, 512, 1000000), 512);
    assert_int_equal(cost_rows_within(&c, 512, 300000), 300);
    assert_int_equal(cost_rows_within(&c, 512, 0), 0);
    assert_int_equal(cost_rows_within(&c, 512, 4000), 0);
    assert_int_equal(cost_rows_within(&c, 40, 10000000), 40);
    for (uint64_t us = 10000; us < 500000; us += 7000) {
        uint32_t rows = cost_rows_within(&c, 512, us);
        assert_true(rows > 0 && cost_prompt(&c, rows) <= us);
    }
}

/* ---- slots ---- */

static void fill(struct slots *s, uint32_t slot, const int32_t *tokens, uint32_t n)
{
    slots_take(s, slot, (struct job *)s); /* any address */
    slots_cut(s, slot, 0);
    slots_append(s, slot, tokens, n);
    slots_release(s, slot);
}

static void the_longest_prefix_wins_the_oldest_otherwise(void **state)
{
    (void)state;
    struct slots s;
    int32_t a[40], b[40], c[40];
    for (int32_t i = 0; i < 40; i++) {
        a[i] = i;
        b[i] = i < 10 ? i : 100 + i;
        c[i] = 1000 + i;
    }
    slots_init(&s, 3, 64);
    assert_int_equal(slots_pick(&s, 0, a, 40, 0), 0);
    fill(&s, 0, a, 30);
    assert_int_equal(slots_pick(&s, 0, a, 40, 0), 0); /* its own */
    assert_int_equal(slots_pick(&s, 0, b, 40, 0), 1); /* shares 10 of 30: leave it alone, one is empty */
    fill(&s, 1, b, 30);
    fill(&s, 2, c, 30);
    assert_int_equal(slots_pick(&s, 0, b, 40, 0), 1);
    int32_t stranger[2] = {-1, -2};
    assert_int_equal(slots_pick(&s, 0, stranger, 2, 0), 0); /* freed the longest ago */
    slots_take(&s, 0, (struct job *)&s);
    assert_int_equal(slots_pick(&s, 0, a, 40, 0), 1);
    slots_fini(&s);
}

static void streams_stay_side_by_side(void **state)
{
    (void)state;
    struct slots s;
    int32_t a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}, stranger[1] = {9};
    slots_init(&s, 6, 64);
    for (uint32_t i = 6; i-- > 0;)
        fill(&s, i, i == 5 ? b : a, 4); /* slot 5 was freed first */
    assert_int_equal(slots_pick(&s, 0, stranger, 1, 0), 5);
    slots_take(&s, 1, (struct job *)&s);
    assert_int_equal(slots_pick(&s, 0, stranger, 1, 0), 2); /* beside slot 1, and freed before slot 0 */
    slots_take(&s, 3, (struct job *)&s);
    assert_int_equal(slots_pick(&s, 0, stranger, 1, 0), 2); /* joins 1 and 3 */
    assert_int_equal(slots_pick(&s, 0, b, 4, 0), 5); /* but a prefix at hand is worth more */
    slots_fini(&s);
}

static void prefixes_are_kept_copied_or_computed(void **state)
{
    (void)state;
    struct slots s;
    int32_t a[100];
    for (int32_t i = 0; i < 100; i++)
        a[i] = i;
    slots_init(&s, 2, 128);
    fill(&s, 0, a, 80);
    fill(&s, 1, a, 20);
    struct slots_prefix p = slots_find_prefix(&s, 0, 0, a, 100, 10);
    assert_true(p.from == SLOTS_HERE && p.n == 80);
    p = slots_find_prefix(&s, 1, 0, a, 100, 10);
    assert_true(p.from == SLOTS_COPY && p.n == 80 && p.src == 0); /* 60 tokens for the price of 10 */
    p = slots_find_prefix(&s, 1, 0, a, 100, 40);
    assert_true(p.from == SLOTS_HERE && p.n == 20); /* not worth it */
    p = slots_find_prefix(&s, 0, 0, a, 80, 10);
    assert_int_equal(p.n, 79); /* the last one's logits are needed */
    slots_copy(&s, 0, 1, 80);
    assert_int_equal(slots_common(s.slot[1].tokens, s.slot[1].n, a, 100), 80);
    slots_fini(&s);
}

/* ---- plan ---- */

static struct cost laptop(void)
{
    struct cost c = {0};
    cost_saw_decode(&c, 1, 8000);
    cost_saw_decode(&c, 8, 36000);
    cost_saw_prompt(&c, 64, 64 * 3000);
    cost_saw_prompt(&c, 512, 512 * 3000);
    return c;
}

static void nothing_or_streams_only(void **state)
{
    (void)state;
    struct cost c = laptop();
    struct plan_input in = {.cost = &c, .step_us = 100000, .rows_max = 512};
    assert_int_equal(plan_next(&in).kind, PLAN_NOTHING);
    in.streams = 3;
    assert_int_equal(plan_next(&in).kind, PLAN_STREAMS);
}

static void without_streams_prompts_go_whole(void **state)
{
    (void)state;
    struct cost c = laptop();
    struct plan_prompt prompts[] = {{.slot = 2, .rows = 1165}, {.slot = 0, .rows = 10}};
    struct plan_input in = {.cost = &c, .step_us = 100000, .rows_max = 512, .prompts = prompts, .prompts_n = 2,
                            .last_slot = 2};
    struct plan p = plan_next(&in);
    assert_true(p.kind == PLAN_PROMPT && p.slot == 2 && p.rows == 512);
    prompts[0].rows = 141;
    p = plan_next(&in);
    assert_true(p.slot == 2 && p.rows == 141);
}

static void with_streams_prompts_are_cut_by_time(void **state)
{
    (void)state;
    struct cost c = laptop();
    struct plan_prompt prompts[] = {{.slot = 2, .rows = 1000}};
    struct plan_input in = {.cost = &c, .step_us = 500000, .rows_max = 512, .chunk_rows = 64, .streams = 1,
                            .prompts = prompts, .prompts_n = 1};
    struct plan p = plan_next(&in);
    assert_int_equal(p.kind, PLAN_PROMPT);
    assert_int_equal(p.rows, 128); /* (500 - 8) ms of 3 ms rows, in whole tiles */
    in.prompt_ran = true;
    in.waited_us = 490000; /* the chunk took its time: the stream is next */
    assert_int_equal(plan_next(&in).kind, PLAN_STREAMS);
    in.waited_us = 400000;
    assert_int_equal(plan_next(&in).kind, PLAN_STREAMS); /* 30 rows would fit: no chunk that pays … */
    prompts[0].rows = 25;
    assert_int_equal(plan_next(&in).rows, 25); /* … but a whole prompt */
    in.waited_us = 0;
    in.prompt_ran = false;
    prompts[0].rows = 140; /* no crumb of 12 is left behind … */
    assert_int_equal(plan_next(&in).rows, 140);
    prompts[0].rows = 150; /* … but 22 rows more would be felt by the stream */
    assert_int_equal(plan_next(&in).rows, 128);
}

/* Streams that take longer than a step alone must not starve a prompt, nor it them. */
static void both_go_forward_when_the_step_is_too_short(void **state)
{
    (void)state;
    struct cost c = laptop();
    struct plan_prompt prompts[] = {{.slot = 2, .rows = 1000}};
    struct plan_input in = {.cost = &c, .step_us = 100000, .rows_max = 512, .chunk_rows = 64, .streams = 8,
                            .prompts = prompts, .prompts_n = 1};
    struct plan p = plan_next(&in);
    assert_true(p.kind == PLAN_PROMPT && p.rows == 64); /* two steps long, but twice as fast */
    in.step_us = 10000;
    p = plan_next(&in);
    assert_true(p.kind == PLAN_PROMPT && p.rows == PLAN_CHUNK_ROWS_MIN);
    in.prompt_ran = true;
    assert_int_equal(plan_next(&in).kind, PLAN_STREAMS);
}

static void a_short_one_slips_in_between_two_chunks(void **state)
{
    (void)state;
    struct cost c = laptop();
    struct plan_prompt prompts[] = {{.slot = 2, .rows = 1000}, {.slot = 3, .rows = 900}, {.slot = 0, .rows = 20}};
    struct plan_input in = {.cost = &c, .step_us = 200000, .rows_max = 512, .streams = 1, .prompts = prompts,
                            .prompts_n = 3, .last_slot = 1};
    assert_int_equal(plan_next(&in).slot, 2); /* the oldest begins */
    in.last_slot = 2;
    struct plan p = plan_next(&in);
    assert_true(p.slot == 0 && p.rows == 20);
    in.last_slot = 0;
    assert_int_equal(plan_next(&in).slot, 2); /* and has its turn again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_learned_and_read_off_neighbours),
        cmocka_unit_test(one_slow_call_does_not_spoil_the_average),
        cmocka_unit_test(copies_are_believed_to_be_cheap),
        cmocka_unit_test(rows_within_a_time),
        cmocka_unit_test(the_longest_prefix_wins_the_oldest_otherwise),
        cmocka_unit_test(streams_stay_side_by_side),
        cmocka_unit_test(prefixes_are_kept_copied_or_computed),
        cmocka_unit_test(nothing_or_streams_only),
        cmocka_unit_test(without_streams_prompts_go_whole),
        cmocka_unit_test(with_streams_prompts_are_cut_by_time),
        cmocka_unit_test(both_go_forward_when_the_step_is_too_short),
        cmocka_unit_test(a_short_one_slips_in_between_two_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
