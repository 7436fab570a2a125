/* Exact mode: the bits of a row's logits do not depend on company, chunking or threads (ARCHITECTURE.md, "Exactness").
 * An update of llama.cpp that breaks this must not pass unseen. */
#include "llama_story.h"

enum { PROMPT = 150 };
static const struct engine_ops *ops;
static int32_t prompt[PROMPT];
static float alone[STORY_PROBES];

/* Given: exact mode, one thread, and the prompt alone in one chunk: these bits are the measure for all others. */
static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    story_tokens(prompt, PROMPT, 1);
    struct engine *e = story_load(ops, (struct engine_load){.slots = 4, .context = 512, .exact = true});
    story_prefill(ops, e, 0, prompt, 0, PROMPT, PROMPT);
    story_probe(ops, e, PROMPT - 1, alone);
    ops->free(e);
    return 0;
}

static void expect_same(struct engine *e, uint32_t row)
{
    float now[STORY_PROBES];
    story_probe(ops, e, row, now);
    assert_memory_equal(now, alone, sizeof alone);
}

static void chunks_change_no_bit(void **state)
{
    (void)state;
    const uint32_t sizes[] = {1, 2, 7, 63, 64, 65, 128};
    struct engine *e = story_load(ops, (struct engine_load){.slots = 4, .context = 512, .exact = true});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ops->seq_trim(e, 2, 0);
        story_prefill(ops, e, 2, prompt, 0, PROMPT, sizes[i]);
        expect_same(e, (PROMPT - 1) % sizes[i]);
    }
    ops->free(e);
}

/* Given three other streams, one of them in the middle of a long chunk, when the last row of ours runs among theirs,
 * then it has the bits it has alone. */
static void company_changes_no_bit(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 4, .context = 512, .exact = true});
    int32_t others[3][256];
    for (uint32_t s = 0; s < 3; s++) {
        story_tokens(others[s], 256, 10 + s);
        story_prefill(ops, e, s, others[s], 0, 100 + s, 64);
    }
    story_prefill(ops, e, 3, prompt, 0, PROMPT - 1, 50);
    struct engine_row rows[512];
    uint32_t n = story_rows(rows, 0, 0, others[0], 100, 101, true);
    n = story_rows(rows, n, 1, others[1], 101, 101 + 80, true);
    uint32_t mine = n;
    n = story_rows(rows, n, 3, prompt, PROMPT - 1, PROMPT, true);
    n = story_rows(rows, n, 2, others[2], 102, 103, true);
    story_decode(ops, e, rows, n);
    expect_same(e, mine);
    ops->free(e);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 2, .context = 512, .exact = true, .threads = 2});
    story_prefill(ops, e, 1, prompt, 0, PROMPT, 40);
    expect_same(e, (PROMPT - 1) % 40);
    ops->free(e);
}

/* Given a prefix that another slot holds, when it is copied and only the rest is computed, then nothing changes. */
static void a_copied_prefix_changes_no_bit(void **state)
{
    (void)state;
    int32_t other[256];
    struct engine *e = story_load(ops, (struct engine_load){.slots = 4, .context = 512, .exact = true});
    memcpy(other, prompt, sizeof prompt);
    story_tokens(other + 90, 166, 3);
    story_prefill(ops, e, 1, other, 0, 256, 100);
    ops->seq_copy(e, 1, 3, 90);
    story_prefill(ops, e, 3, prompt, 90, PROMPT, 30);
    expect_same(e, (PROMPT - 90 - 1) % 30);
    ops->free(e);
}

/* Given two streams with an idle slot between them, when they run many tokens together, so that the module bridges the
 * gap with rows of the idle slot, then neither they nor the idle slot's text change a bit. */
static void a_bridged_gap_changes_no_bit(void **state)
{
    (void)state;
    struct engine *e = story_load(ops, (struct engine_load){.slots = 4, .context = 512, .exact = true});
    int32_t other[256];
    story_tokens(other, 256, 20);
    story_prefill(ops, e, 0, prompt, 0, 100, 64);
    story_prefill(ops, e, 1, prompt, 0, 90, 64);
    story_prefill(ops, e, 2, other, 0, 120, 64);
    for (uint32_t i = 100; i < PROMPT; i++) {
        struct engine_row rows[2];
        uint32_t n = story_rows(rows, 0, 2, other, i + 20, i + 21, true);
        story_decode(ops, e, rows, story_rows(rows, n, 0, prompt, i, i + 1, true));
    }
    expect_same(e, 1);
    story_prefill(ops, e, 1, prompt, 90, PROMPT, 7);
    expect_same(e, (PROMPT - 90 - 1) % 7);
    ops->free(e);
}

/* Given a slot that held a longer text, when it is cut back and goes on with ours, then nothing of it is left. */
static void a_cut_slot_changes_no_bit(void **state)
{
    (void)state;
    int32_t other[300];
    struct engine *e = story_load(ops, (struct engine_load){.slots = 2, .context = 512, .exact = true});
    story_tokens(other, 300, 4);
    memcpy(other, prompt, 20 * sizeof *prompt);
    story_prefill(ops, e, 0, other, 0, 300, 300);
    ops->seq_trim(e, 0, 20);
    story_prefill(ops, e, 0, prompt, 20, PROMPT, 130);
    expect_same(e, PROMPT - 20 - 1);
    ops->free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_change_no_bit),           cmocka_unit_test(company_changes_no_bit),
        cmocka_unit_test(threads_change_no_bit),          cmocka_unit_test(a_copied_prefix_changes_no_bit),
        cmocka_unit_test(a_bridged_gap_changes_no_bit),   cmocka_unit_test(a_cut_slot_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
