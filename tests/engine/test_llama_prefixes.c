/* Conversations that take turns on too few slots: what they lost comes back from the host's memory, to the last bit. */
#include "llama_story.h"

#include "engine/batcher.h"

enum { TALKS = 3, TURNS = 2, FIRST = 130, MORE = 20, ANSWER = 8, CONTEXT = 1024 };

static const struct engine_ops *ops;

struct answer {
    int32_t ids[ANSWER];
    float logprobs[ANSWER]; /* bits of them show bits of the logits */
    uint32_t ids_n, prompt_tokens, cached_tokens;
};
static struct answer latest;

static int set_up(void **state)
{
    (void)state;
    ops = story_ops();
    return 0;
}

static void on_event(const struct batcher_event *ev, void *user_data)
{
    (void)user_data;
    if (ev->kind == BATCHER_TOKENS) {
        latest.logprobs[latest.ids_n] = ev->logprobs[0];
        latest.ids[latest.ids_n++] = ev->ids[0];
    }
    if (ev->kind == BATCHER_DONE) {
        assert_true(ev->finish == FINISH_LENGTH);
        latest.prompt_tokens = ev->prompt_tokens;
        latest.cached_tokens = ev->cached_tokens;
    }
}

/* What a conversation says in that turn: all it had before, its answers too, and more. Returns the new tokens. */
static void say(struct batcher *b, int32_t *talk, uint32_t *inout_n, uint32_t who, uint32_t turn)
{
    uint32_t more = turn == 0 ? FIRST : MORE;
    for (uint32_t i = 0; i < more; i++, ++*inout_n)
        talk[*inout_n] = (int32_t)(rng_at(who, *inout_n) % 40000 + 100);
    struct request r = {.kind = REQUEST_TEXT, .tokens = talk, .tokens_n = *inout_n, .sampling = sampling_default()};
    r.sampling.seed = 5;
    r.sampling.temperature = who % 2 == 0 ? 0.0f : 1.1f;
    r.sampling.max_tokens = ANSWER;
    r.sampling.ignore_eos = 1;
    r.sampling.logprobs = 1;
    latest = (struct answer){0};
    batcher_submit(b, who * 100 + turn, &r, NULL, 0);
    while (batcher_step(b))
        ;
    assert_int_equal(latest.ids_n, ANSWER);
    for (uint32_t i = 0; i < ANSWER; i++)
        talk[(*inout_n)++] = latest.ids[i];
}

/* All the turns of all, each after the other. */
static struct batcher_load converse(struct engine_load load, uint64_t prefix_bytes, struct answer out[TURNS][TALKS])
{
    static int32_t talks[TALKS][CONTEXT];
    uint32_t n[TALKS] = {0};
    struct batcher_load seen;
    load.context = CONTEXT;
    struct engine *e = story_load(ops, load);
    struct batcher_config cfg = {.ops = ops, .engine = e, .step_ms = 50, .queue_max = 8, .prefix_bytes = prefix_bytes, .now_us = story_now};
    struct batcher *b = batcher_new(&cfg, on_event, NULL);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        for (uint32_t who = 0; who < TALKS; who++) {
            say(b, talks[who], &n[who], who, turn);
            out[turn][who] = latest;
        }
    }
    batcher_load(b, &seen);
    batcher_free(b);
    ops->free(e);
    return seen;
}

/* Given conversations with a slot each, and the same on two slots with memory beside; then tokens and log-probabilities are equal to the last
 * bit, and in both only what is new is computed. */
static void comes_back(struct engine_load load)
{
    struct answer apart[TURNS][TALKS], together[TURNS][TALKS];
    load.slots = TALKS;
    converse(load, 0, apart);
    load.slots = 2;
    struct batcher_load seen = converse(load, 256u << 20, together);
    assert_int_equal(seen.restored, TALKS * (TURNS - 1));
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        for (uint32_t who = 0; who < TALKS; who++) {
            const struct answer *a = &apart[turn][who], *b = &together[turn][who];
            assert_memory_equal(a->ids, b->ids, sizeof a->ids);
            assert_memory_equal(a->logprobs, b->logprobs, sizeof a->logprobs);
            assert_int_equal(a->cached_tokens, b->cached_tokens);
            assert_true(turn == 0 || b->prompt_tokens - b->cached_tokens <= MORE + 1);
        }
    }
    print_message("%u kept in %.1f MB\n", seen.prefixes, (double)seen.prefix_bytes / 1e6);
}

static void exact_prefixes_come_back(void **state)
{
    (void)state;
    comes_back((struct engine_load){.exact = true, .kv = ENGINE_KV_Q8_0, .setup = ""});
}

static void fast_prefixes_come_back(void **state)
{
    (void)state;
    comes_back((struct engine_load){.kv = ENGINE_KV_F16});
}

static void prefixes_come_back_without_flash_attention(void **state)
{
    (void)state;
    comes_back((struct engine_load){.kv = ENGINE_KV_F32}); /* V lies transposed there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_prefixes_come_back),
        cmocka_unit_test(fast_prefixes_come_back),
        cmocka_unit_test(prefixes_come_back_without_flash_attention),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
