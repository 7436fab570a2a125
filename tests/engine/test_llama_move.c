/* The real model's cells move from one context to another: the bits that follow are the same, exact and fast. */
#include "llama_story.h"

#include "base/clock.h"
#include "engine/batcher.h"

enum { SHORT = 150, LONG = 600, ANSWER = 24, AFTER = 10, CONTEXT = 1024, CARRY_MAX = 256 << 20, TICKETS = 8 };

static const struct engine_ops *ops;

struct answer {
    int32_t ids[ANSWER];
    float logprobs[ANSWER]; /* bits of them show bits of the logits */
    uint32_t ids_n, prompt_tokens, cached_tokens;
    uint8_t finish;
};
static struct answer answers[TICKETS];

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    return 0;
}

static void on_event(const struct batcher_event *ev, void *user_data)
{
    (void)user_data;
    struct answer *a = &answers[ev->ticket];
    if (ev->kind == BATCHER_TOKENS) {
        assert_int_equal(ev->first, a->ids_n);
        assert_int_equal(ev->ids_n, 1);
        a->logprobs[a->ids_n] = ev->logprobs[0];
        a->ids[a->ids_n++] = ev->ids[0];
    }
    if (ev->kind == BATCHER_DONE) {
        a->finish = ev->finish;
        a->prompt_tokens = ev->prompt_tokens;
        a->cached_tokens = ev->cached_tokens;
    }
}

static uint32_t mirostat; /* version that the answers are drawn with */

static void submit(struct batcher *b, uint64_t ticket, uint32_t words, float temperature, const struct answer *so_far)
{
    static char text[LONG * 6];
    size_t n = 0;
    for (uint32_t i = 0; i < words / 2; i++) /* two tokens each */
        n += (size_t)snprintf(text + n, sizeof text - n, " %c%d", 'a' + (int)(rng_at(ticket, i) % 26), (int)(i % 9));
    struct request r = {.kind = REQUEST_TEXT, .text = str_n(text, n), .sampling = sampling_default()};
    r.sampling.seed = 5;
    r.sampling.temperature = temperature;
    r.sampling.max_tokens = ANSWER;
    r.sampling.ignore_eos = 1;
    r.sampling.logprobs = 1;
    r.sampling.mirostat = mirostat;
    answers[ticket] = so_far != NULL ? *so_far : (struct answer){0};
    batcher_submit(b, ticket, &r, answers[ticket].ids, answers[ticket].ids_n);
}

static struct batcher *open_batcher(struct engine *e)
{
    struct batcher_config cfg = {.ops = ops, .engine = e, .step_ms = 50, .queue_max = 8, .now_us = story_now};
    return batcher_new(&cfg, on_event, NULL);
}

static void finish(struct batcher *b)
{
    while (batcher_step(b))
        ;
}

/* Given an answer made alone, when the same request is stopped after AFTER tokens and moved to another engine, into a slot
 * that held another prompt before, then tokens and log-probabilities are the same to the last bit. */
static void moved(struct engine_load load, uint32_t prompt, float temperature)
{
    struct buf carry = buf_max(CARRY_MAX);
    struct fault f = {0};
    load.context = CONTEXT;
    load.slots = 2;
    struct engine *first = story_load(ops, load), *second = story_load(ops, load);
    struct batcher *from = open_batcher(first), *to = open_batcher(second);
    submit(from, 0, prompt, temperature, NULL);
    finish(from);
    struct answer whole = answers[0];
    assert_int_equal(whole.ids_n, ANSWER);
    batcher_free(from); /* anew: a prefix out of its own cache would be computed in calls of another shape */
    ops->free(first);
    first = story_load(ops, load);
    from = open_batcher(first);

    submit(from, 1, SHORT, temperature, NULL); /* other prompts are in the slots */
    submit(to, 3, SHORT, temperature, NULL);
    submit(to, 4, SHORT, temperature, NULL);
    finish(from);
    finish(to);

    submit(from, 0, prompt, temperature, NULL);
    while (answers[0].ids_n < AFTER)
        assert_true(batcher_step(from));
    uint64_t start_us = clock_us();
    if (batcher_save(from, 0, &carry, &f) != 0)
        fail_msg("%s", f.text);
    uint64_t saved_us = clock_us();
    struct answer so_far = answers[0];
    size_t bytes = carry.n;
    submit(to, 0, prompt, temperature, &so_far);
    batcher_hold(to, 0);
    batcher_give(to, 0, &carry);
    batcher_step(to);
    print_message("%zu bytes for %u tokens; saved in %.1f ms, loaded and next token in %.1f ms\n", bytes,
                  so_far.prompt_tokens + so_far.ids_n, (double)(saved_us - start_us) / 1000, (double)(clock_us() - saved_us) / 1000);
    finish(to);
    /* not computed again, but for what Mirostat has to learn anew */
    assert_int_equal(answers[0].cached_tokens + (mirostat > 0), answers[0].prompt_tokens);
    assert_int_equal(answers[0].ids_n, ANSWER);
    assert_memory_equal(answers[0].ids, whole.ids, sizeof whole.ids);
    assert_memory_equal(answers[0].logprobs, whole.logprobs, sizeof whole.logprobs);
    batcher_free(from);
    batcher_free(to);
    ops->free(first);
    ops->free(second);
}

static void exact_answers_move(void **state)
{
    (void)state;
    moved((struct engine_load){.exact = true, .kv = ENGINE_KV_Q8_0}, SHORT, 0);
    moved((struct engine_load){.exact = true, .kv = ENGINE_KV_Q8_0}, LONG, 1.1f);
}

static void answers_of_mirostat_move(void **state)
{
    (void)state;
    for (mirostat = 1; mirostat <= MIROSTAT_VERSIONS; mirostat++)
        moved((struct engine_load){.exact = true, .kv = ENGINE_KV_Q8_0}, SHORT, 1.1f);
    mirostat = 0;
}

static void fast_answers_move(void **state)
{
    (void)state;
    moved((struct engine_load){.kv = ENGINE_KV_F16}, SHORT, 0);
    moved((struct engine_load){.kv = ENGINE_KV_F16}, LONG, 1.1f);
}

static void answers_move_without_flash_attention(void **state)
{
    (void)state;
    moved((struct engine_load){.kv = ENGINE_KV_F32}, SHORT, 1.1f); /* V lies transposed there */
}

/* Given cells of another kind of cache, or half of them, then they are refused and the sequence is empty and usable. */
static void unfit_cells_are_refused(void **state)
{
    (void)state;
    int32_t tokens[64];
    struct buf cells = buf_max(CARRY_MAX);
    struct fault f = {0};
    float before[STORY_PROBES], after[STORY_PROBES];
    story_tokens(tokens, 64, 3);
    struct engine *half = story_load(ops, (struct engine_load){.slots = 2, .context = 256});
    struct engine *eight = story_load(ops, (struct engine_load){.slots = 2, .context = 256, .exact = true, .kv = ENGINE_KV_Q8_0});
    story_prefill(ops, half, 0, tokens, 0, 64, 64);
    assert_int_equal(ops->seq_save(half, 0, &cells, &f), 0);
    story_prefill(ops, eight, 1, tokens, 0, 64, 64);
    story_probe(ops, eight, 63, before);

    assert_int_equal(ops->seq_load(eight, 1, buf_str(&cells), 64, &f), ERR_INVALID);
    assert_true(f.text[0] != '\0');
    assert_int_equal(ops->seq_load(half, 1, str_n(cells.p, cells.n / 2), 64, &f), ERR_INVALID);
    assert_int_equal(ops->seq_load(half, 1, str_n(cells.p, 3), 64, &f), ERR_INVALID);
    assert_int_equal(ops->seq_load(half, 1, buf_str(&cells), 63, &f), ERR_INVALID);

    story_prefill(ops, eight, 1, tokens, 0, 64, 64);
    story_probe(ops, eight, 63, after);
    assert_memory_equal(before, after, sizeof before);
    buf_fini(&cells);
    ops->free(half);
    ops->free(eight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_answers_move),
        cmocka_unit_test(answers_of_mirostat_move),
        cmocka_unit_test(fast_answers_move),
        cmocka_unit_test(answers_move_without_flash_attention),
        cmocka_unit_test(unfit_cells_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
