/* Routing: the arithmetic of router.h, the prefix table, and both seen through the head. */
#include <string.h>

#include "brain/kit/timers.h"
#include "brain/policy/prefix.h"
#include "brain/policy/router.h"
#include "head_story.h"

static struct candidate fast(uint32_t id)
{
    return (struct candidate){.actor = id, .slots = 4, .prefill_tps = 1000, .decode_tps = 100, .prompt_bytes = 4000};
}

static size_t best_of(enum balance balance, const struct candidate *c, size_t n)
{
    struct rng rng = {.seed = 1};
    return router_pick(balance, c, n, &rng);
}

static void predicted_time_is_queue_plus_own_prompt_plus_contention(void **state)
{
    (void)state;
    struct candidate c = fast(0);
    assert_float_equal(router_ttft_s(&c), 1.01, 1e-6); /* 1,000 tokens at 1,000/s, one token at 100/s */
    c.fresh_bytes = 4000;
    assert_float_equal(router_ttft_s(&c), 2.01, 1e-6);
    c.cached_bytes = 3000;
    assert_float_equal(router_ttft_s(&c), 1.26, 1e-6);
    c.busy = 4; /* full of decoding streams: prompts at half the speed, and a token takes its turn */
    assert_float_equal(router_ttft_s(&c), 2.55, 1e-6);
    c.cached_bytes = 1 << 30; /* no more than the prompt is ever saved */
    assert_float_equal(router_ttft_s(&c), 2.05, 1e-6);
}

static void predicted_prefers_the_fast_machine_until_it_is_busy(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[0].prefill_tps = 250;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 1);
    c[1].fresh_bytes = 40000;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
    c[1].fresh_bytes = 0;
    c[0].cached_bytes = 3900; /* knows nearly all of it already */
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
}

static void a_slow_stream_is_a_cost_as_long_as_the_answer(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[0].decode_tps = 25;
    c[1].fresh_bytes = 1000; /* a quarter of a second */
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
    c[0].answer_tokens = c[1].answer_tokens = 100;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 1);
}

static void what_is_cached_is_worth_some_waiting(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[0].cached_bytes = 3900;
    c[0].fresh_bytes = 6000; /* the first token comes later there, but nobody's work is done twice */
    assert_true(router_ttft_s(&c[0]) > router_ttft_s(&c[1]));
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
    c[0].fresh_bytes = 10000;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 1);
}

static void tokens_are_counted_as_the_model_counts_them(void **state)
{
    (void)state;
    struct candidate c = fast(0);
    c.bytes_per_token = 1; /* each letter of another alphabet is one */
    assert_float_equal(router_ttft_s(&c), 4.01, 1e-6);
}

static void ties_go_to_the_one_that_waited_longest(void **state)
{
    (void)state;
    struct candidate c[3] = {fast(0), fast(1), fast(2)};
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 3), 0);
    c[0].last_pick = 1;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 3), 1);
    c[1].last_pick = 2;
    c[2].last_pick = 3;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 3), 0);
}

static void each_strategy_looks_at_its_own_thing(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[0].busy = 1;
    c[0].prefill_tps = 1e6;
    c[1].last_pick = 5;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
    assert_int_equal(best_of(BALANCE_LEAST_BUSY, c, 2), 1);
    assert_int_equal(best_of(BALANCE_ROUND_ROBIN, c, 2), 0);
    struct rng rng = {.seed = 3};
    unsigned hits[2] = {0};
    for (int i = 0; i < 1000; i++)
        hits[router_pick(BALANCE_RANDOM, c, 2, &rng)]++;
    assert_in_range(hits[0], 400, 600);
}

static void prefix_goes_by_what_is_cached_and_then_by_load(void **state)
{
    (void)state;
    struct candidate c[3] = {fast(0), fast(1), fast(2)};
    c[0].cached_bytes = 512;
    c[0].prefill_tps = 10; /* slow and busy: all the same to this one */
    c[0].busy = 3;
    c[1].cached_bytes = 256;
    assert_int_equal(best_of(BALANCE_PREFIX, c, 3), 0);
    c[0].cached_bytes = c[1].cached_bytes = 0;
    c[1].busy = 1;
    assert_int_equal(best_of(BALANCE_PREFIX, c, 3), 2);
}

static void where_it_failed_is_the_last_choice(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[0].avoid = true;
    c[1].busy = 3;
    for (int b = BALANCE_PREDICTED; b < BALANCE_COUNT; b++)
        assert_int_equal(best_of((enum balance)b, c, 2), 1);
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 1), 0); /* better than nobody */
}

static void a_session_goes_home_unless_that_costs_too_much(void **state)
{
    (void)state;
    struct candidate c[2] = {fast(0), fast(1)};
    c[1].affine = true;
    c[1].busy = 1;
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 1);
    c[1].fresh_bytes = 40000; /* ten seconds */
    assert_int_equal(best_of(BALANCE_PREDICTED, c, 2), 0);
    assert_int_equal(best_of(BALANCE_LEAST_BUSY, c, 2), 1);
}

/* ---- prefixes ---- */

static size_t blocks_of(const char *system, const char *user, uint64_t *out)
{
    struct turn turns[2] = {{.role = str_of("system"), .content = str_of(system)}, {.role = str_of("user"), .content = str_of(user)}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 2};
    return prefix_blocks(1, &r, out);
}

static void equal_beginnings_have_equal_blocks(void **state)
{
    (void)state;
    char system[1000];
    memset(system, 's', sizeof system - 1);
    system[999] = '\0';
    uint64_t a[PREFIX_BLOCKS_MAX], b[PREFIX_BLOCKS_MAX];
    size_t na = blocks_of(system, "short", a), nb = blocks_of(system, "another", b);
    assert_int_equal(na, 3); /* 1,019 bytes: three whole blocks of 256 */
    assert_int_equal(nb, 3);
    assert_memory_equal(a, b, 3 * sizeof a[0]);
    system[300] = 'x'; /* in the second block: it and all behind it differ */
    blocks_of(system, "short", b);
    assert_true(a[0] == b[0] && a[1] != b[1] && a[2] != b[2]);
}

/* Tools stand before the conversation: it shares its blocks with others of the same tools, and with none of other ones. */
static void conversations_with_equal_tools_have_equal_blocks(void **state)
{
    (void)state;
    static char tools[20000], said[2000];
    uint64_t a[PREFIX_BLOCKS_MAX], b[PREFIX_BLOCKS_MAX];
    memset(tools, 't', sizeof tools);
    memset(said, 's', sizeof said);
    struct turn turns[] = {{.role = str_of("user"), .content = str_n(said, sizeof said)}, {.role = str_of("assistant"), .extra = str_n(said, 1000)}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 1, .tools = str_n(tools, sizeof tools)};
    size_t n = prefix_blocks(1, &r, a);
    assert_int_equal(prefix_uncut_bytes(&r), sizeof tools - 4096);
    assert_true(n > 2000 / PREFIX_BLOCK_BYTES && n < PREFIX_BLOCKS_MAX / 2); /* some are left for what is said */
    r.turns_n = 2;
    assert_true(prefix_blocks(1, &r, b) > n); /* what was called counts, too */
    assert_memory_equal(a, b, n * sizeof *a);
    tools[sizeof tools - 1] = 'u';
    assert_true(prefix_blocks(1, &r, b) > n && a[0] != b[0]);
    r.tools.n = 0;
    prefix_blocks(1, &r, b);
    r.template_args = str_of("{\"enable_thinking\":false}");
    prefix_blocks(1, &r, a);
    assert_true(a[0] != b[0]);
}

static void a_prompt_of_any_length_has_a_bounded_number_of_blocks(void **state)
{
    (void)state;
    char *text = xalloc(1 << 20);
    memset(text, 'a', 1 << 20);
    struct request r = {.kind = REQUEST_TEXT, .text = str_n(text, 1 << 20)};
    uint64_t out[PREFIX_BLOCKS_MAX];
    assert_int_equal(prefix_blocks(1, &r, out), PREFIX_BLOCKS_MAX);
    free(text);
}

static void the_table_knows_who_holds_how_much(void **state)
{
    (void)state;
    struct prefix *p = prefix_new();
    struct prefix_holder out[PREFIX_HOLDERS_MAX];
    uint64_t blocks[4] = {11, 22, 33, 44};
    assert_int_equal(prefix_find(p, blocks, 4, out), 0);
    prefix_add(p, blocks, 4, 7, 100);
    prefix_add(p, blocks, 2, 8, 200);
    assert_int_equal(prefix_find(p, blocks, 4, out), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(out[i].blocks, out[i].actor == 7 ? 4 : 2);
        assert_int_equal(out[i].stamp, out[i].actor == 7 ? 100 : 200);
    }
    blocks[1] = 99; /* another prompt with the same first block */
    assert_int_equal(prefix_find(p, blocks, 4, out), 2);
    assert_true(out[0].blocks == 1 && out[1].blocks == 1);
    prefix_free(p);
}

static void the_table_forgets_the_oldest(void **state)
{
    (void)state;
    struct prefix *p = prefix_new();
    struct prefix_holder out[PREFIX_HOLDERS_MAX];
    uint64_t block = 5;
    for (uint32_t actor = 0; actor < 20; actor++)
        prefix_add(p, &block, 1, actor, 0);
    size_t n = prefix_find(p, &block, 1, out);
    assert_int_equal(n, PREFIX_HOLDERS_MAX);
    for (size_t i = 0; i < n; i++)
        assert_true(out[i].actor >= 20 - PREFIX_HOLDERS_MAX);
    prefix_free(p);
}

/* ---- through the head ---- */

static void goes_where_its_beginning_is_cached(enum balance balance)
{
    struct story s = story_begin();
    s.cfg.balance = balance;
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4 context=100000\nopen 2\nhello 2 node=b\nactor 2 slots=4 "
              "context=100000\n");
    given(
        &s,
        "prompt 1 text=b pad=8000\nprompt 2 text=a pad=8000\ndone 1 job=1\ndone 2 job=2\n"); /* each on its own actor */
    for (int i = 0; i < 3; i++) {
        char line[64];
        snprintf(line, sizeof line, "prompt %d text=a pad=8000", 3 + i);
        event(&s, line);
        assert_int_equal(s.fx.fx[0].link, 2);
        snprintf(line, sizeof line, "done 2 job=%d", 3 + i);
        event(&s, line);
    }
    event(&s, "prompt 9 text=b pad=8000");
    assert_int_equal(s.fx.fx[0].link, 1);
    story_end(&s);
}

static void a_prompt_goes_where_its_beginning_is_cached(void **state)
{
    (void)state;
    goes_where_its_beginning_is_cached(BALANCE_PREDICTED);
    goes_where_its_beginning_is_cached(BALANCE_PREFIX);
}

/* Prompts of 2,000 tokens, one after the other, to an actor whose one slot holds 2,100; then a faster one joins. */
static uint64_t goes_back_after(const char *others)
{
    struct story s = story_begin();
    given(&s,
          "open 1\nhello 1 node=a\nactor 1 slots=1 context=2100 prefill=100\nprompt 1 text=a pad=8000\ndone 1 job=1\n");
    given(&s, others);
    given(&s, "open 2\nhello 2 node=b\nactor 2 slots=1 context=2100 prefill=110\n");
    event(&s, "prompt 9 text=a pad=8000");
    uint64_t link = s.fx.fx[0].link;
    story_end(&s);
    return link;
}

static void a_cache_that_was_overwritten_since_counts_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(goes_back_after(""), 1);
    assert_int_equal(
        goes_back_after("prompt 2 text=b pad=8000\ndone 1 job=2\nprompt 3 text=c pad=8000\ndone 1 job=3\n"), 2);
}

/* Worker 1 has measured itself and is idle; worker 2 is new. The next prompt finds out how fast that one is. */
static void who_has_not_measured_himself_is_tried(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4 prefill=1000 decode=100\nprompt 1 text=x\nprefilled 1 job=1\ndone 1 job=1\n"
              "open 2\nhello 2 node=b\nactor 2 slots=4\n");
    event(&s, "prompt 2 text=y");
    assert_int_equal(s.fx.fx[0].link, 2);
    story_end(&s);
}

/* Worker 1 has computed a text. A second prompt with it waits there, and is no work: it does not send the third away. */
static void waiting_prompts_count_by_what_is_new_in_them(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4 context=4000 prefill=1000 decode=100\n"
              "open 2\nhello 2 node=b\nactor 2 slots=4 context=4000 prefill=1000 decode=100\n"
              "prompt 1 text=a pad=8000\nprefilled 1 job=1\ndone 1 job=1\n"
              "prompt 2 text=a pad=8000\n");
    event(&s, "prompt 3 text=a pad=8000"); /* prompt 2 is not prefilled yet */
    assert_int_equal(s.fx.fx[0].link, 1);
    story_end(&s);
}

static void a_session_goes_back_to_its_actor(void **state)
{
    (void)state;
    struct story s = story_begin();
    given(&s, "open 1\nhello 1 node=a\nactor 1 slots=4\nopen 2\nhello 2 node=b\nactor 2 slots=4\nopen 3\nhello 3 "
              "node=c\nactor 3 slots=4\n");
    event(&s, "prompt 1 text=x session=anna");
    uint64_t home = s.fx.fx[0].link;
    given(&s, "done 1 job=1\n");
    for (int i = 0; i < 4; i++) {
        char line[64];
        snprintf(line, sizeof line, "prompt %d text=other%d session=anna", 2 + i, i);
        event(&s, line);
        assert_int_equal(s.fx.fx[0].link, home);
    }
    event(&s, "prompt 9 text=x session=bert");
    assert_int_not_equal(s.fx.fx[0].link, home);
    story_end(&s);
}

static void hundreds_of_actors_share_the_work(void **state)
{
    (void)state;
    struct story s = story_begin();
    s.cfg.balance = BALANCE_LEAST_BUSY;
    char line[128];
    unsigned got[301] = {0};
    for (int i = 1; i <= 300; i++) {
        snprintf(line, sizeof line, "open %d\nhello %d node=w%d\nactor %d slots=4\n", i, i, i, i);
        given(&s, line);
    }
    for (int i = 1; i <= 600; i++) {
        snprintf(line, sizeof line, "prompt %d text=p%d", i, i);
        event(&s, line);
        assert_int_equal(s.fx.n, 2); /* and why it went there */
        got[s.fx.fx[0].link]++;
    }
    unsigned idle = 0, most = 0;
    for (int i = 1; i <= 300; i++) {
        idle += got[i] == 0;
        most = got[i] > most ? got[i] : most;
    }
    assert_true(most <= 4 && idle < 15); /* of a random sample of 32 the least busy: nobody is forgotten for long */
    story_end(&s);
}

/* ---- timers ---- */

static void timers_come_in_order_and_ties_as_they_were_set(void **state)
{
    (void)state;
    struct timers t = {0};
    static struct timer timers[500];
    memset(timers, 0, sizeof timers);
    for (uint64_t i = 0; i < 500; i++)
        timers_set(&t, &timers[i], rng_at(1, i) % 100);
    for (size_t i = 0; i < 500; i += 3)
        timers_clear(&t, &timers[i]);
    for (uint64_t i = 1; i < 500; i += 3)
        timers_set(&t, &timers[i], rng_at(2, i) % 100);
    size_t n = 0;
    for (const struct timer *last = NULL, *next; (next = timers_first(&t)) != NULL; last = next, n++) {
        assert_true(last == NULL || next->due_us > last->due_us ||
                    (next->due_us == last->due_us && next->turn.tie > last->turn.tie));
        timers_clear(&t, timers_first(&t));
    }
    assert_int_equal(n, 500 - 167);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predicted_time_is_queue_plus_own_prompt_plus_contention),
        cmocka_unit_test(predicted_prefers_the_fast_machine_until_it_is_busy),
        cmocka_unit_test(a_slow_stream_is_a_cost_as_long_as_the_answer),
        cmocka_unit_test(what_is_cached_is_worth_some_waiting),
        cmocka_unit_test(tokens_are_counted_as_the_model_counts_them),
        cmocka_unit_test(ties_go_to_the_one_that_waited_longest),
        cmocka_unit_test(each_strategy_looks_at_its_own_thing),
        cmocka_unit_test(prefix_goes_by_what_is_cached_and_then_by_load),
        cmocka_unit_test(where_it_failed_is_the_last_choice),
        cmocka_unit_test(a_session_goes_home_unless_that_costs_too_much),
        cmocka_unit_test(equal_beginnings_have_equal_blocks),
        cmocka_unit_test(conversations_with_equal_tools_have_equal_blocks),
        cmocka_unit_test(a_prompt_of_any_length_has_a_bounded_number_of_blocks),
        cmocka_unit_test(the_table_knows_who_holds_how_much),
        cmocka_unit_test(the_table_forgets_the_oldest),
        cmocka_unit_test(a_prompt_goes_where_its_beginning_is_cached),
        cmocka_unit_test(a_cache_that_was_overwritten_since_counts_for_nothing),
        cmocka_unit_test(who_has_not_measured_himself_is_tried),
        cmocka_unit_test(waiting_prompts_count_by_what_is_new_in_them),
        cmocka_unit_test(a_session_goes_back_to_its_actor),
        cmocka_unit_test(hundreds_of_actors_share_the_work),
        cmocka_unit_test(timers_come_in_order_and_ties_as_they_were_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
