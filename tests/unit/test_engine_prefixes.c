/* What slots held before other prompts took them: kept in the memory of the host, and brought back. Stories about what is kept alone, then
 * over the echo engine in told time. */
#include "engine_world.h"

#include "engine/prefixes.h"

enum { LONG = 40, CELL = 4 + 10 }; /* bytes of a token and its cells, in the stories without an engine */

/* Tokens of conversation `who`: its own from `from` on, and those of all before. */
static const int32_t *talk(int32_t who, uint32_t from)
{
    static int32_t tokens[4][LONG];
    static int next;
    int32_t *t = tokens[next++ % 4];
    for (uint32_t i = 0; i < LONG; i++)
        t[i] = (int32_t)i + (i >= from ? who * 1000 : 0);
    return t;
}

static bool keep(struct prefixes *p, uint64_t scope, const int32_t *tokens, uint32_t n)
{
    struct buf cells;
    struct prefixes_text text = {.tokens = tokens, .n = n, .asked = n, .scope = scope};
    if (!prefixes_make_room(p, &text, n * (CELL - 4), &cells))
        return false;
    for (uint32_t i = 0; i < n * (CELL - 4); i++)
        assert_int_equal(buf_putc(&cells, 'x'), 0);
    prefixes_keep(p, &text, &cells);
    assert_true(p->bytes <= p->bytes_max);
    return true;
}

static uint32_t found(const struct prefixes *p, uint64_t scope, const int32_t *tokens, uint32_t n)
{
    return prefixes_find(p, scope, tokens, n).n;
}

/* Given room for three; when a fourth comes after the first was used once more; then the second is gone. */
static void the_least_recently_used_goes(void **state)
{
    (void)state;
    struct prefixes p;
    prefixes_init(&p, 3 * 10 * CELL);
    for (int32_t who = 1; who <= 3; who++)
        assert_true(keep(&p, 0, talk(who, 0), 10));
    assert_int_equal(p.bytes, p.bytes_max);
    prefixes_touch(&p, prefixes_find(&p, 0, talk(1, 0), 10).at);
    assert_true(keep(&p, 0, talk(4, 0), 10));
    assert_int_equal(found(&p, 0, talk(1, 0), 40), 10);
    assert_int_equal(found(&p, 0, talk(2, 0), 40), 0);
    assert_int_equal(found(&p, 0, talk(3, 0), 40), 10);
    assert_int_equal(found(&p, 0, talk(4, 0), 7), 7);
    prefixes_fini(&p);
}

/* Given one that needs the room of two; then two go, and one that has no room at all drops nobody. */
static void what_has_no_room_drops_nobody(void **state)
{
    (void)state;
    struct prefixes p;
    prefixes_init(&p, 3 * 10 * CELL);
    for (int32_t who = 1; who <= 3; who++)
        assert_true(keep(&p, 0, talk(who, 0), 10));
    assert_false(keep(&p, 0, talk(4, 0), 31));
    assert_int_equal(p.n, 3);
    assert_true(keep(&p, 0, talk(4, 0), 20));
    assert_int_equal(p.n, 2);
    assert_int_equal(found(&p, 0, talk(3, 0), 10), 10);
    prefixes_fini(&p);
    prefixes_init(&p, 0);
    assert_false(keep(&p, 0, talk(1, 0), 1));
    prefixes_fini(&p);
}

/* Given a conversation that is kept; when it is kept again, longer; then once. Another branch of it is kept beside, and of two that share
 * the beginning of a prompt the shorter is found. */
static void a_beginning_makes_way_for_the_whole(void **state)
{
    (void)state;
    struct prefixes p;
    prefixes_init(&p, 1 << 20);
    keep(&p, 0, talk(1, 0), 10);
    keep(&p, 0, talk(1, 0), 20);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.bytes, 20 * CELL);
    keep(&p, 0, talk(2, 5), 20);
    keep(&p, 0, talk(3, 5), 12);
    assert_int_equal(p.n, 3);
    struct prefixes_found f = prefixes_find(&p, 0, talk(4, 5), 40);
    assert_int_equal(f.n, 5);
    assert_int_equal(p.entries[f.at].n, 12);
    prefixes_fini(&p);
}

/* Given a prompt that two tenants have; then each finds its own, and neither's makes way for the other's. */
static void tenants_keep_their_own(void **state)
{
    (void)state;
    struct prefixes p;
    prefixes_init(&p, 1 << 20);
    keep(&p, 7, talk(1, 0), 10);
    assert_int_equal(found(&p, 8, talk(1, 0), 40), 0);
    assert_int_equal(found(&p, 0, talk(1, 0), 40), 0);
    keep(&p, 8, talk(1, 0), 20);
    assert_int_equal(p.n, 2);
    assert_int_equal(found(&p, 7, talk(1, 0), 40), 10);
    prefixes_fini(&p);
}

/* Given as many as there may be; then there are never more. */
static void there_are_never_too_many(void **state)
{
    (void)state;
    struct prefixes p;
    prefixes_init(&p, 1ull << 40);
    for (int32_t i = 0; i < PREFIXES_MAX + 10; i++)
        assert_true(keep(&p, 0, talk(i + 1, 0), 1));
    assert_int_equal(p.n, PREFIXES_MAX);
    assert_int_equal(found(&p, 0, talk(10, 0), 1), 0);
    assert_int_equal(found(&p, 0, talk(11, 0), 1), 1);
    prefixes_fini(&p);
}

/* ---- over an engine ---- */

enum { AGENTS = 6, TURNS = 4, PROMPT = 300, CONTEXT = 1024, MORE = 40 };
static const char MODEL[] = "echo:tokens=30,prefill_us=1000,decode_us=1000,copy_us=2000,rows=64";
static const uint64_t PLENTY = 8 << 20, LITTLE = 500000; /* a cell has 1,028 bytes */

/* The prompt of an agent's turn: what it said before, and so much more. One token a byte, and all share the beginning. */
static struct request turn_of(char text[CONTEXT], int agent, int turn)
{
    int n = PROMPT + MORE * turn;
    for (int i = 0; i < n; i++)
        text[i] = (char)(i < PROMPT / 3 ? 'x' : 'a' + (agent * 7 + i * (1 + agent)) % 26);
    text[n] = '\0';
    return completion(text, 8);
}

/* Each agent's turns after the other's, all the way round. *out_fresh: prompt tokens computed after the first round. */
static struct batcher_load take_turns(struct world *w, uint32_t *out_fresh)
{
    struct batcher_load load;
    char text[CONTEXT];
    *out_fresh = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        for (int agent = 0; agent < AGENTS; agent++) {
            struct request r = turn_of(text, agent, turn);
            struct answer want;
            uint64_t t = world_submit(w, &r);
            world_finish(w);
            expect_answer(MODEL, CONTEXT, &r, &want);
            assert_answer(&w->answers[t], &want);
            *out_fresh += turn > 0 ? w->answers[t].prompt_tokens - w->answers[t].cached_tokens : 0;
        }
    }
    batcher_load(w->batcher, &load);
    return load;
}

/* Given six agents and two slots; when they take turns; then what is new is computed, and nothing else. Without the memory, all is. */
static void agents_that_take_turns_compute_what_is_new(void **state)
{
    (void)state;
    uint32_t fresh, all;
    struct world *w = world_keeping(MODEL, 2, CONTEXT, PLENTY), *bare = world_new(MODEL, 2, CONTEXT);
    struct batcher_load load = take_turns(w, &fresh);
    assert_int_equal(load.prefixes, AGENTS - 2);
    assert_int_equal(load.restored, AGENTS * (TURNS - 1));
    assert_true(load.prefix_bytes > 0 && load.restored_tokens > load.restored * PROMPT);
    assert_true(fresh <= AGENTS * (TURNS - 1) * (MORE + 1));
    load = take_turns(bare, &all);
    assert_int_equal(load.prefixes + load.restored + load.prefix_bytes, 0);
    assert_true(all > AGENTS * (TURNS - 1) * (PROMPT / 2));
    world_free(w);
    world_free(bare);
}

/* Given room for less than what comes round; then nothing is wrong but the time it takes. */
static void too_little_room_costs_time_alone(void **state)
{
    (void)state;
    uint32_t fresh;
    struct world *w = world_keeping(MODEL, 2, CONTEXT, LITTLE);
    struct batcher_load load = take_turns(w, &fresh);
    assert_true(load.prefixes == 1 && load.prefix_bytes <= LITTLE);
    world_free(w);
}

static int failing_save(struct engine *e, uint32_t seq, struct buf *out, struct fault *f)
{
    (void)e;
    (void)seq;
    (void)out;
    return fault_set(f, ERR_MEMORY, "told to fail");
}

static int failing_load(struct engine *e, uint32_t seq, struct str state, int32_t n, struct fault *f)
{
    (void)state;
    (void)n;
    engine_echo()->seq_trim(e, seq, 0);
    return fault_set(f, ERR_INVALID, "told to fail");
}

/* Given an engine whose copies fail; then all is computed, as if nothing were kept. */
static void copies_that_fail_cost_time_alone(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct engine_ops ops = *engine_echo();
        struct world *w = world_new(MODEL, 2, CONTEXT);
        uint32_t fresh;
        if (k == 0)
            ops.seq_save = failing_save;
        else
            ops.seq_load = failing_load;
        batcher_free(w->batcher);
        struct batcher_config cfg = {.ops = &ops, .engine = w->engine, .step_ms = 100, .queue_max = 64, .prefix_bytes = PLENTY,
                                     .now_us = world_now, .now_user_data = w};
        w->batcher = batcher_new(&cfg, world_hear, w);
        assert_int_equal(take_turns(w, &fresh).restored, 0);
        world_free(w);
    }
}

/* Given two tenants with the same prompt and one slot; then neither finds what the other's left, and both find their own. */
static void what_is_kept_is_a_tenants_own(void **state)
{
    (void)state;
    char text[CONTEXT];
    struct request r = turn_of(text, 1, 0);
    struct world *w = world_keeping(MODEL, 1, CONTEXT, PLENTY);
    for (uint64_t i = 0; i < 6; i++) {
        r.scope = 1 + i % 2;
        uint64_t t = world_submit(w, &r);
        world_finish(w);
        assert_int_equal(w->answers[t].cached_tokens, i < 2 ? 0 : w->answers[t].prompt_tokens - 1);
    }
    world_free(w);
}

/* Given an answer that the next prompt of its conversation has without its thoughts; then what is cut off is not kept. */
static void thoughts_are_not_kept(void **state)
{
    (void)state;
    char text[CONTEXT];
    struct world *w = world_keeping("echo:tokens=300,prefill_us=1000", 1, CONTEXT, PLENTY);
    struct request r = turn_of(text, 1, 0);
    struct batcher_load load;
    r.sampling.max_tokens = 200;
    world_submit(w, &r);
    world_finish(w);
    r = turn_of(text, 1, 1);
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    batcher_load(w->batcher, &load);
    assert_true(w->answers[t].cached_tokens >= PROMPT);
    assert_int_equal(load.prefixes, 0);
    world_free(w);
}

/* Given a stream; when prompts come and go beside it, copied in and out; then it waits for a copy or a chunk, not for both. */
static void streams_wait_for_one_copy_at_a_time(void **state)
{
    (void)state;
    char text[CONTEXT];
    struct world *w = world_keeping("echo:tokens=400,prefill_us=1000,decode_us=1000,copy_us=60000,rows=64", 2, CONTEXT, PLENTY);
    struct request stream = completion("a stream", 400);
    struct batcher_load before, load;
    for (int i = 0; i < 6; i++) { /* what a copy takes is known */
        struct request r = turn_of(text, i % 3, i / 3);
        world_submit(w, &r);
        world_finish(w);
    }
    uint64_t s = world_submit(w, &stream);
    world_until(w, s, 2);
    batcher_load(w->batcher, &before);
    assert_true(before.restored > 0);
    for (int i = 6; i < 12; i++) {
        struct request r = turn_of(text, i % 3, i / 3);
        r.sampling.max_tokens = 1;
        uint64_t t = world_submit(w, &r);
        while (w->answers[t].done == 0)
            batcher_step(w->batcher);
        assert_true(w->answers[t].cached_tokens >= PROMPT);
    }
    batcher_load(w->batcher, &load);
    assert_true(load.restored >= before.restored + 5);
    assert_true(w->answers[s].done == 0 && w->answers[s].longest_gap_us <= 102000);
    world_free(w);
}

/* Given copies that take longer than a step; then beside a stream none is made after the first, and without one they are. */
static void copies_longer_than_a_step_wait_for_silence(void **state)
{
    (void)state;
    char text[CONTEXT];
    struct world *w = world_keeping("echo:tokens=400,prefill_us=1000,decode_us=1000,copy_us=110000,rows=64", 2, CONTEXT, PLENTY);
    struct batcher_load load;
    struct request stream = completion("a stream", 400);
    struct request first = turn_of(text, 0, 0);
    world_submit(w, &first);
    world_finish(w);
    world_submit(w, &stream);
    for (int i = 0; i < 8; i++) {
        struct request r = turn_of(text, 1 + i % 2, i / 2);
        uint64_t t = world_submit(w, &r);
        while (w->answers[t].done == 0)
            batcher_step(w->batcher);
    }
    batcher_load(w->batcher, &load);
    assert_int_equal(load.restored, 0);
    assert_true(load.prefixes <= 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(what_has_no_room_drops_nobody),
        cmocka_unit_test(a_beginning_makes_way_for_the_whole),
        cmocka_unit_test(tenants_keep_their_own),
        cmocka_unit_test(there_are_never_too_many),
        cmocka_unit_test(agents_that_take_turns_compute_what_is_new),
        cmocka_unit_test(too_little_room_costs_time_alone),
        cmocka_unit_test(copies_that_fail_cost_time_alone),
        cmocka_unit_test(what_is_kept_is_a_tenants_own),
        cmocka_unit_test(thoughts_are_not_kept),
        cmocka_unit_test(streams_wait_for_one_copy_at_a_time),
        cmocka_unit_test(copies_longer_than_a_step_wait_for_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
