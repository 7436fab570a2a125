/* An answer moves from one engine to another with what is computed of it. */
#include "engine_world.h"

#include "engine/carry.h"

static const char MODEL[] = "echo:tokens=60,prefill_us=1000,decode_us=10000", ANSWERS[] = "echo:tokens=60"; /* the same, without time */
enum { CONTEXT = 1024, PROMPT = 400, CARRY_MAX = 1 << 20 };

/* "xxx…": one token each, and one for the beginning. */
static struct request long_prompt(char text[PROMPT])
{
    memset(text, 'x', PROMPT);
    text[PROMPT - 1] = '\0';
    return completion(text, 50);
}

static uint64_t rows; /* that engines computed since it was set to 0 */

static int counting_decode(struct engine *e, const struct engine_row *r, uint32_t n, struct fault *f)
{
    rows += n;
    return engine_echo()->decode(e, r, n, f);
}

static struct world *counted_world(const char *path, uint32_t slots)
{
    static struct engine_ops ops;
    struct world *w = world_new(path, slots, CONTEXT);
    ops = *engine_echo();
    ops.decode = counting_decode;
    batcher_free(w->batcher);
    w->ops = &ops;
    struct batcher_config cfg = {.ops = &ops, .engine = w->engine, .step_ms = 100, .queue_max = 64,
                                 .now_us = world_now, .now_user_data = w};
    w->batcher = batcher_new(&cfg, world_hear, w);
    rows = 0;
    return w;
}

/* The first `after` tokens in one world, saved there; the world is gone then. */
static struct buf begun_elsewhere(const char *path, const struct request *r, uint32_t after, struct answer *out)
{
    struct buf carry = buf_max(CARRY_MAX);
    struct fault f = {0};
    struct world *w = world_new(path, 2, CONTEXT);
    uint64_t t = world_submit(w, r);
    world_until(w, t, after);
    assert_int_equal(batcher_save(w->batcher, t, &carry, &f), 0);
    assert_true(w->answers[t].done == 1 && w->answers[t].finish == FINISH_CANCELLED);
    *out = w->answers[t];
    world_finish(w); /* the slot is free, nothing is left to do */
    world_free(w);
    return carry;
}

/* Continues in w with what is said and computed so far. */
static uint64_t goes_on(struct world *w, const struct request *r, const struct answer *so_far, struct buf *carry)
{
    uint64_t t = ++w->tickets;
    struct answer *a = &w->answers[t];
    a->ids_n = so_far->ids_n;
    memcpy(a->ids, so_far->ids, so_far->ids_n * sizeof *a->ids);
    a->text_n = so_far->text_n;
    memcpy(a->text, so_far->text, so_far->text_n);
    batcher_submit(w->batcher, t, r, so_far->ids, so_far->ids_n);
    batcher_hold(w->batcher, t);
    if (carry != NULL)
        batcher_give(w->batcher, t, carry);
    return t;
}

static void is_whole(const struct world *w, uint64_t t, const struct request *r)
{
    struct answer want;
    const struct answer *a = &w->answers[t];
    expect_answer(ANSWERS, CONTEXT, r, &want);
    assert_int_equal(a->done, 1);
    assert_int_equal(a->finish, want.finish);
    assert_int_equal(a->ids_n, want.ids_n);
    assert_memory_equal(a->ids, want.ids, want.ids_n * sizeof *want.ids);
    assert_int_equal(a->text_n, want.text_n);
    assert_memory_equal(a->text, want.text, want.text_n);
}

static void what_was_computed_is_not_computed_again(void **state)
{
    (void)state;
    char text[PROMPT];
    struct request r = long_prompt(text);
    struct answer so_far;
    struct buf carry = begun_elsewhere(MODEL, &r, 20, &so_far);
    struct world *w = counted_world(MODEL, 2);
    uint64_t t = goes_on(w, &r, &so_far, &carry);
    world_finish(w);
    is_whole(w, t, &r);
    assert_int_equal(w->answers[t].cached_tokens, w->answers[t].prompt_tokens);
    assert_int_equal(rows, 30); /* one for each token that was missing */
    assert_null(carry.p);       /* taken over */
    world_free(w);
}

static void half_a_prompt_moves_as_well(void **state)
{
    (void)state;
    char text[PROMPT];
    struct request r = long_prompt(text), other = completion("a stream, so that the prompt is cut up", 60);
    struct buf carry = buf_max(CARRY_MAX);
    struct fault f = {0};
    struct world *w = world_new(MODEL, 2, CONTEXT);
    world_until(w, world_submit(w, &other), 5);
    uint64_t t = world_submit(w, &r);
    for (int i = 0; i < 4; i++)
        batcher_step(w->batcher);
    assert_int_equal(w->answers[t].prefilled, 0);
    assert_int_equal(batcher_save(w->batcher, t, &carry, &f), 0);
    struct answer nothing_yet = {0};
    world_free(w);

    struct carry c;
    assert_int_equal(carry_open(buf_str(&carry), &c, &f), 0);
    assert_true(c.tokens_n > 50 && c.tokens_n < PROMPT - 50);
    uint32_t computed = c.tokens_n;
    w = counted_world(MODEL, 1);
    t = goes_on(w, &r, &nothing_yet, &carry);
    world_finish(w);
    is_whole(w, t, &r);
    assert_int_equal(rows, w->answers[t].prompt_tokens - computed + 49);
    assert_int_equal(w->answers[t].cached_tokens, computed);
    world_free(w);
}

/* Given a carry that is not what it should be, then all is computed and the answer is the same. */
static void computes_all_with(struct buf *carry, const struct request *r, const struct answer *so_far)
{
    struct world *w = counted_world(MODEL, 2);
    uint64_t t = goes_on(w, r, so_far, carry);
    world_finish(w);
    is_whole(w, t, r);
    assert_int_equal(w->answers[t].cached_tokens, 0);
    assert_true(rows > PROMPT);
    world_free(w);
}

static void what_is_unfit_is_computed(void **state)
{
    (void)state;
    char text[PROMPT];
    struct request r = long_prompt(text), like = r;
    struct answer so_far, other;
    like.text = str_of("another prompt, of another length");
    struct buf carry = begun_elsewhere(MODEL, &like, 20, &other);
    struct buf whole = begun_elsewhere(MODEL, &r, 20, &so_far);
    computes_all_with(&carry, &r, &so_far); /* another prompt's */

    carry = buf_max(CARRY_MAX);
    computes_all_with(&carry, &r, &so_far); /* nothing came */

    for (size_t cut = 1; cut < whole.n; cut += whole.n / 7) { /* a part of it */
        carry = buf_max(CARRY_MAX);
        buf_add(&carry, whole.p, whole.n - cut);
        computes_all_with(&carry, &r, &so_far);
    }
    carry = begun_elsewhere("echo:tokens=60,kv=2k", &r, 20, &other); /* another kind of cache */
    computes_all_with(&carry, &r, &so_far);
    carry = begun_elsewhere("echo:tokens=60,seed=9", &r, 20, &other); /* another model */
    computes_all_with(&carry, &r, &so_far);
    buf_fini(&whole);
}

static void who_is_held_stands_in_nobodys_way(void **state)
{
    (void)state;
    char text[PROMPT];
    struct request r = long_prompt(text), other = completion("hello", 10);
    struct answer so_far;
    struct buf carry = begun_elsewhere(MODEL, &r, 20, &so_far);
    struct world *w = counted_world(MODEL, 1);
    struct batcher_load load;
    uint64_t held = goes_on(w, &r, &so_far, NULL), t = world_submit(w, &other);
    world_finish(w); /* returns although one waits */
    is_whole(w, t, &other);
    assert_int_equal(w->answers[held].done, 0);
    batcher_load(w->batcher, &load);
    assert_true(load.waiting == 1 && load.held == 1 && load.busy == 0);
    batcher_give(w->batcher, held, &carry);
    world_finish(w);
    is_whole(w, held, &r);
    assert_int_equal(w->answers[held].cached_tokens, w->answers[held].prompt_tokens);

    held = goes_on(w, &r, &so_far, NULL);
    batcher_cancel(w->batcher, held);
    assert_true(w->answers[held].done == 1 && w->answers[held].finish == FINISH_CANCELLED);
    carry = buf_max(10);
    buf_puts(&carry, "late");
    batcher_give(w->batcher, held, &carry); /* of nobody any more: still ours */
    buf_fini(&carry);
    world_free(w);
}

/* Given a job that cannot be saved, then it continues where it is. */
static void what_cannot_be_saved_goes_on(void **state)
{
    (void)state;
    char text[PROMPT];
    struct request r = long_prompt(text);
    struct buf little = buf_max(1000);
    struct fault f = {0};
    struct world *w = counted_world(MODEL, 1);
    uint64_t t = world_submit(w, &r), waits = world_submit(w, &r);
    assert_int_equal(batcher_save(w->batcher, 99, &little, &f), ERR_NOT_FOUND);
    assert_int_equal(batcher_save(w->batcher, t, &little, &f), ERR_NOT_FOUND); /* nothing computed yet */
    world_until(w, t, 10);
    assert_int_equal(batcher_save(w->batcher, waits, &little, &f), ERR_NOT_FOUND);
    assert_int_equal(batcher_save(w->batcher, t, &little, &f), ERR_TOO_LARGE);
    assert_non_null(strstr(f.text, "1000 bytes"));
    world_finish(w);
    is_whole(w, t, &r);
    is_whole(w, waits, &r);
    buf_fini(&little);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_computed_is_not_computed_again),
        cmocka_unit_test(half_a_prompt_moves_as_well),
        cmocka_unit_test(what_is_unfit_is_computed),
        cmocka_unit_test(who_is_held_stands_in_nobodys_way),
        cmocka_unit_test(what_cannot_be_saved_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
