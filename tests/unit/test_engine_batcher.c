/* Stories of jobs over the echo engine, in told time. */
#include "engine_world.h"

/* A prompt of n words with its own beginning; static storage, two at a time. */
static const char *long_prompt(char first, uint32_t words)
{
    static char text[2][WORLD_TEXT_MAX];
    static int turn;
    char *p = text[turn = !turn];
    size_t n = (size_t)sprintf(p, "%c", first);
    for (uint32_t i = 1; i < words; i++)
        n += (size_t)sprintf(p + n, " the");
    return p;
}

static void one_stream_is_answered(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=20", 2, 512);
    struct request r = completion("Tell me of the sea", 0);
    struct answer want;
    r.sampling.logprobs = 1;
    expect_answer("echo:tokens=20", 512, &r, &want);
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    assert_answer(&w->answers[t], &want);
    assert_int_equal(want.finish, FINISH_STOP);
    assert_int_equal(w->answers[t].completion_tokens, 20);
    assert_int_equal(w->answers[t].prompt_tokens, want.prompt_tokens);
    assert_float_equal(w->answers[t].logprob_sum, want.logprob_sum, 1e-6);
    assert_false(batcher_step(w->batcher));
    world_free(w);
}

static void chats_go_through_the_template(void **state)
{
    (void)state;
    struct world *w = world_new("echo:script=Hello there.", 1, 512);
    struct turn turns[] = {{.role = str_of("system"), .content = str_of("Be brief")}, {.role = str_of("user"), .content = str_of("Hi")}};
    struct request r = {.kind = REQUEST_CHAT, .turns = turns, .turns_n = 2, .sampling = sampling_default()};
    uint64_t t = world_submit(w, &r);
    turns[1].role = str_of("pilot");
    uint64_t odd = world_submit(w, &r);
    world_finish(w);
    assert_string_equal(w->answers[t].text, "Hello there.");
    assert_int_equal(w->answers[t].finish, FINISH_STOP);
    assert_int_equal(w->answers[odd].finish, FINISH_ERROR);
    assert_int_equal(w->answers[odd].fault.err, ERR_INVALID);
    assert_non_null(strstr(w->answers[odd].fault.text, "pilot"));
    world_free(w);
}

/* 12 streams over 4 slots: each answer is what it would be alone. */
static void many_streams_do_not_mix(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=40,prefill_us=100,decode_us=2000", 4, 512);
    struct request r[12];
    char prompts[12][64];
    uint64_t t[12];
    for (int i = 0; i < 12; i++) {
        sprintf(prompts[i], "Prompt number %d of the sea", i);
        r[i] = completion(prompts[i], (uint32_t)(5 + 4 * i));
        r[i].sampling.temperature = i % 2 == 0 ? 0.0f : 0.8f;
        r[i].sampling.seed = (uint64_t)i;
        t[i] = world_submit(w, &r[i]);
    }
    struct batcher_load load;
    batcher_step(w->batcher);
    batcher_load(w->batcher, &load);
    assert_int_equal(load.busy, 4);
    assert_int_equal(load.waiting, 8);
    world_finish(w);
    for (int i = 0; i < 12; i++) {
        struct answer want;
        expect_answer("echo:tokens=40", 512, &r[i], &want);
        assert_answer(&w->answers[t[i]], &want);
    }
    batcher_load(w->batcher, &load);
    assert_int_equal(load.busy + load.waiting, 0);
    assert_true(load.prefill_tps > 9000 && load.prefill_tps < 11000);
    assert_true(load.decode_tps > 450 && load.decode_tps < 550);
    world_free(w);
}

/* ---- prefixes ---- */

static void the_next_turn_finds_its_conversation(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=8", 2, 1024);
    struct request other = completion(long_prompt('b', 200), 0), r = completion(long_prompt('a', 300), 0);
    uint64_t first = world_submit(w, &r);
    world_finish(w);
    world_submit(w, &other); /* goes to the slot that was never used */
    world_finish(w);
    char longer[2 * WORLD_TEXT_MAX + 32];
    snprintf(longer, sizeof longer, "%s%s And then?", long_prompt('a', 300), w->answers[first].text);
    struct request next = completion(longer, 0);
    uint64_t t = world_submit(w, &next);
    world_finish(w);
    struct answer want;
    expect_answer("echo:tokens=8", 1024, &next, &want);
    assert_answer(&w->answers[t], &want);
    /* all of the first prompt and of its answer: the end-of-text token was drawn after the last word's row */
    assert_int_equal(w->answers[t].cached_tokens, w->answers[first].prompt_tokens + 8);
    world_free(w);
}

static void the_last_prompt_token_is_always_computed(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=8", 1, 1024);
    struct request r = completion(long_prompt('a', 100), 0);
    uint64_t first = world_submit(w, &r);
    world_finish(w);
    uint64_t again = world_submit(w, &r);
    world_finish(w);
    assert_int_equal(w->answers[again].cached_tokens, w->answers[again].prompt_tokens - 1);
    assert_string_equal(w->answers[again].text, w->answers[first].text);
    world_free(w);
}

/* A slot that runs a stream still gives the beginning it holds to others. */
static void a_busy_slots_prefix_is_copied(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=50,prefill_us=1000,decode_us=1000", 2, 1024);
    struct request r = completion(long_prompt('a', 300), 0);
    uint64_t first = world_submit(w, &r);
    world_until(w, first, 5);
    char longer[2 * WORLD_TEXT_MAX + 32];
    snprintf(longer, sizeof longer, "%s and more", long_prompt('a', 250));
    struct request next = completion(longer, 0);
    uint64_t t = world_submit(w, &next);
    world_finish(w);
    struct answer want;
    expect_answer("echo:tokens=50", 1024, &next, &want);
    assert_answer(&w->answers[t], &want);
    assert_true(w->answers[t].cached_tokens >= 250);
    assert_true(w->answers[t].first_us - w->answers[t].submitted_us < 60000); /* 300 ms if computed */
    expect_answer("echo:tokens=50", 1024, &r, &want);
    assert_answer(&w->answers[first], &want); /* undisturbed */
    world_free(w);
}

/* Eight at once with one new prefix of 800: it is computed once. */
static void a_prefix_in_flight_is_computed_once(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=30,prefill_us=1000,decode_us=5000,copy_us=3000", 8, 1024);
    char prompts[8][WORLD_TEXT_MAX + 32];
    struct request r[8];
    uint64_t t[8], last_us = 0, start_us = w->now_us;
    for (int i = 0; i < 8; i++) {
        snprintf(prompts[i], sizeof prompts[i], "%s Question %d", long_prompt('a', 800), i);
        r[i] = completion(prompts[i], 0);
        t[i] = world_submit(w, &r[i]);
    }
    world_finish(w);
    for (int i = 0; i < 8; i++) {
        struct answer want;
        expect_answer("echo:tokens=30", 1024, &r[i], &want);
        assert_answer(&w->answers[t[i]], &want);
        assert_true(i == 0 || w->answers[t[i]].cached_tokens >= 800);
        if (w->answers[t[i]].first_us > last_us)
            last_us = w->answers[t[i]].first_us;
    }
    assert_true(last_us - start_us < 1300000); /* 6.5 s if each computed its own */
    world_free(w);
}

/* A stranger with a few tokens in common must not take the slot of a long conversation while another is free. */
static void a_stranger_leaves_conversations_alone(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=4", 2, 1024);
    struct request talk = completion("System says hello. First conversation, quite long and dear to somebody", 0);
    struct request stranger = completion("System says hello. Who is there", 0);
    world_submit(w, &talk);
    world_finish(w);
    world_submit(w, &stranger);
    world_finish(w);
    uint64_t again = world_submit(w, &talk);
    world_finish(w);
    assert_int_equal(w->answers[again].cached_tokens, w->answers[again].prompt_tokens - 1);
    world_free(w);
}

/* ---- how answers end ---- */

static void stop_strings_over_tokens(void **state)
{
    (void)state;
    struct world *w = world_new("echo:script=one two STOP three", 1, 512);
    struct str stops[] = {str_of("wo STO"), str_of("never")};
    struct request r = completion("x", 0);
    r.stops = stops;
    r.stops_n = 2;
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    assert_string_equal(w->answers[t].text, "one t");
    assert_int_equal(w->answers[t].finish, FINISH_STOP);
    world_free(w);
}

/* Text that might have begun a stop string comes out when the answer ends without it. */
static void held_text_comes_with_the_end_token(void **state)
{
    (void)state;
    struct world *w = world_new("echo:script=all is wel", 1, 512);
    struct str stops[] = {str_of("well done")};
    struct request r = completion("x", 0);
    r.stops = stops;
    r.stops_n = 1;
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    struct answer *a = &w->answers[t];
    assert_string_equal(a->text, "all is wel");
    assert_int_equal(a->finish, FINISH_STOP);
    assert_int_equal(a->completion_tokens + 1, a->ids_n);
    assert_int_equal(a->ids[a->ids_n - 1], ECHO_END);
    /* the worker dies between that text and DONE: whoever resumes repeats nothing */
    uint64_t again = world_resume(w, &r, t);
    assert_int_equal(w->answers[again].done, 1);
    assert_int_equal(w->answers[again].finish, FINISH_STOP);
    assert_string_equal(w->answers[again].text, "all is wel");
    assert_int_equal(w->answers[again].completion_tokens, a->completion_tokens);
    world_free(w);
}

static void characters_are_never_split(void **state)
{
    (void)state;
    struct world *w = world_new("echo:script=\xf0\x9f\x99\x82 \xe6\xb0\xb4", 1, 512);
    struct request r = completion("x", 0), cut = completion("x", 2);
    uint64_t t = world_submit(w, &r);
    for (size_t n = 0; w->answers[t].done == 0; n = w->answers[t].text_n) {
        batcher_step(w->batcher);
        size_t step = w->answers[t].text_n - n;
        assert_true(step == 0 || step == 4 || step == 1 || step == 3); /* 🙂, space, 水 */
    }
    assert_string_equal(w->answers[t].text, "🙂 水");
    t = world_submit(w, &cut);
    world_finish(w);
    assert_string_equal(w->answers[t].text, "\xef\xbf\xbd"); /* the end came within a character */
    assert_int_equal(w->answers[t].finish, FINISH_LENGTH);
    world_free(w);
}

static void a_full_context_ends_the_answer(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=500", 2, 64);
    struct request r = completion(long_prompt('a', 59), 0); /* 60 tokens with the beginning-of-text token */
    uint64_t t = world_submit(w, &r);
    struct request full = completion(long_prompt('a', 63), 0);
    uint64_t u = world_submit(w, &full);
    world_finish(w);
    assert_int_equal(w->answers[t].finish, FINISH_LENGTH);
    assert_int_equal(w->answers[t].completion_tokens, 5); /* the fifth is drawn from the last cell */
    assert_int_equal(w->answers[u].finish, FINISH_LENGTH);
    assert_int_equal(w->answers[u].completion_tokens, 1);
    world_free(w);
}

static void a_prompt_longer_than_the_context_is_refused_at_once(void **state)
{
    (void)state;
    struct world *w = world_new("echo", 2, 2048);
    struct request r = completion(long_prompt('a', 2050), 0);
    uint64_t t = world_submit(w, &r);
    struct answer *a = &w->answers[t];
    assert_int_equal(a->done, 1);
    assert_int_equal(a->fault.err, ERR_CONTEXT);
    assert_non_null(strstr(a->fault.text, "the prompt has 2,051 tokens"));
    assert_non_null(strstr(a->fault.text, "maximum context length is 2,048"));
    assert_false(batcher_step(w->batcher));
    world_free(w);
}

/* Given a text that no tokens of this vocabulary could make short enough, then its size refuses it; given one that might be
 * short enough, its beginning does. */
static void a_huge_prompt_is_refused_by_its_size_or_its_beginning(void **state)
{
    (void)state;
    struct world *w = world_new("echo", 1, 4096);
    uint32_t longest = w->ops->info(w->engine)->token_bytes_max;
    char *text = xalloc(8 * 1024 * 1024);
    memset(text, 'x', 8 * 1024 * 1024 - 1);
    struct request r = completion(text, 0);
    uint64_t t = world_submit(w, &r);
    assert_int_equal(w->answers[t].fault.err, ERR_CONTEXT);
    char want[64];
    uint32_t least = (8 * 1024 * 1024 - 1 + longest - 1) / longest;
    snprintf(want, sizeof want, "at least %u,%03u tokens", least / 1000, least % 1000);
    assert_non_null(strstr(w->answers[t].fault.text, want));
    assert_true(w->answers[t].fault.count == least && w->answers[t].fault.limit == 4096);
    text[longest * 4096] = '\0';
    r = completion(text, 0);
    t = world_submit(w, &r);
    assert_int_equal(w->answers[t].fault.err, ERR_CONTEXT);
    assert_true(w->answers[t].fault.count > 4096 && w->answers[t].fault.limit == 4096);
    free(text);
    world_free(w);
}

static void ignore_eos_and_biases_reach_the_sampler(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=5", 1, 512);
    struct request r = completion("x", 50);
    r.sampling.ignore_eos = 1;
    r.sampling.logprobs = 1;
    uint64_t t = world_submit(w, &r);
    struct logit_bias bias = {.token = ECHO_BYTES + 'z', .bias = 100};
    struct request biased = completion("x", 3);
    biased.biases = &bias;
    biased.biases_n = 1;
    uint64_t z = world_submit(w, &biased);
    world_finish(w);
    assert_int_equal(w->answers[t].completion_tokens, 50);
    assert_int_equal(w->answers[t].logprobs_n, 50);
    assert_string_equal(w->answers[z].text, "zzz");
    assert_int_equal(w->answers[z].logprobs_n, 0);
    world_free(w);
}

/* ---- cancel, errors, limits ---- */

static void cancel_at_each_stage(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=100,prefill_us=1000,decode_us=5000", 2, 1024);
    struct request a = completion("first", 0), b = completion(long_prompt('b', 600), 0), c = completion("third", 0);
    uint64_t streaming = world_submit(w, &a);
    world_until(w, streaming, 3);
    uint64_t prompt = world_submit(w, &b), waiting = world_submit(w, &c);
    for (int i = 0; i < 6; i++)
        batcher_step(w->batcher); /* part of the long prompt */
    assert_int_equal(w->answers[prompt].ids_n, 0);
    batcher_cancel(w->batcher, 12345); /* nobody */
    batcher_cancel(w->batcher, waiting);
    batcher_cancel(w->batcher, prompt);
    batcher_cancel(w->batcher, streaming);
    for (uint64_t t = streaming; t <= waiting; t++) {
        assert_int_equal(w->answers[t].done, 1);
        assert_int_equal(w->answers[t].finish, FINISH_CANCELLED);
    }
    assert_false(batcher_step(w->batcher));
    /* what the cancelled prompt had computed is not lost, and nothing is broken */
    uint64_t again = world_submit(w, &b);
    world_finish(w);
    struct answer want;
    expect_answer("echo:tokens=100", 1024, &b, &want);
    assert_answer(&w->answers[again], &want);
    assert_true(w->answers[again].cached_tokens > 0);
    world_free(w);
}

static void a_failed_call_ends_those_in_it_and_no_others(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=20,fail_decode_at=4", 2, 512);
    struct request a = completion("first", 0), b = completion("second", 0), c = completion("third", 0);
    uint64_t ta = world_submit(w, &a), tb = world_submit(w, &b), tc = world_submit(w, &c);
    world_finish(w);
    assert_int_equal(w->answers[ta].finish, FINISH_ERROR);
    assert_int_equal(w->answers[ta].fault.err, ERR_FAILED);
    assert_non_null(strstr(w->answers[ta].fault.text, "decode call 4"));
    assert_int_equal(w->answers[tb].finish, FINISH_ERROR);
    struct answer want;
    expect_answer("echo:tokens=20", 512, &c, &want);
    assert_answer(&w->answers[tc], &want);
    world_free(w);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=3", 2, 128);
    struct request r = completion("x", 0);
    uint64_t last = 0;
    for (int i = 0; i < 67; i++)
        last = world_submit(w, &r); /* 2 slots and 64 places */
    assert_int_equal(w->answers[last].fault.err, ERR_BUSY);
    world_finish(w);
    for (uint64_t t = 1; t < last; t++)
        assert_int_equal(w->answers[t].finish, FINISH_STOP);
    world_free(w);
}

static void bad_peers_get_errors(void **state)
{
    (void)state;
    struct world *w = world_new("echo", 1, 128);
    struct request r = completion("x", 0);
    int32_t odd[] = {5, 1 << 20};
    batcher_submit(w->batcher, w->tickets = 1, &r, odd, 2);
    assert_int_equal(w->answers[1].fault.err, ERR_INVALID);
    char huge[REQUEST_STOP_BYTES_MAX + 1] = {0};
    struct str stop = str_n(huge, sizeof huge);
    r.stops = &stop;
    r.stops_n = 1;
    uint64_t t = world_submit(w, &r);
    assert_int_equal(w->answers[t].fault.err, ERR_INVALID);
    r.stops_n = 0;
    r.kind = 77;
    t = world_submit(w, &r);
    assert_int_equal(w->answers[t].fault.err, ERR_UNSUPPORTED);
    world_free(w);
}

/* ---- failover ---- */

/* Resumed after every number of tokens, greedy and drawn: the whole is the undisturbed answer. */
static void resumed_answers_equal_undisturbed_ones(void **state)
{
    (void)state;
    static const char path[] = "echo:tokens=25";
    struct str stops[] = {str_of(" sea the"), str_of("s,")};
    for (int drawn = 0; drawn < 2; drawn++) {
        struct request r = completion("Where do manta rays go", 0);
        r.stops = stops;
        r.stops_n = 2;
        r.sampling.temperature = drawn ? 0.8f : 0.0f;
        r.sampling.seed = 42;
        struct answer want;
        expect_answer(path, 512, &r, &want);
        for (uint32_t after = 1; after <= want.ids_n; after++) {
            struct world *w = world_new(path, 2, 512);
            uint64_t t = world_submit(w, &r);
            world_until(w, t, after);
            uint64_t resumed = world_resume(w, &r, t);
            world_finish(w);
            assert_answer(&w->answers[resumed], &want);
            world_free(w);
        }
    }
}

static void seeds_make_different_answers(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=20", 2, 512);
    struct request r = completion("x", 0);
    r.sampling.temperature = 0.8f;
    r.sampling.seed = 1;
    uint64_t a = world_submit(w, &r), b = world_submit(w, &r);
    r.sampling.seed = 2;
    uint64_t c = world_submit(w, &r);
    world_finish(w);
    assert_string_equal(w->answers[a].text, w->answers[b].text);
    assert_string_not_equal(w->answers[a].text, w->answers[c].text);
    world_free(w);
}

/* ---- time ---- */

/* Seven streams run, a prompt of 1,165 tokens arrives: nobody stands still, and it is not starved. */
static void a_long_prompt_does_not_stall_streams(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=400,prefill_us=3000,decode_us=10000,stream_us=3500,chunk=64", 8, 2048);
    uint64_t t[7], arrived_us;
    char prompts[7][32];
    for (int i = 0; i < 7; i++) {
        sprintf(prompts[i], "%d streams", i);
        struct request r = completion(prompts[i], 0);
        t[i] = world_submit(w, &r);
    }
    world_until(w, t[6], 20);
    for (int i = 0; i < 7; i++)
        w->answers[t[i]].longest_gap_us = 0;
    arrived_us = w->now_us;
    struct request big = completion(long_prompt('b', 1164), 0);
    uint64_t late = world_submit(w, &big);
    world_until(w, late, 1);
    for (int i = 0; i < 7; i++)
        assert_true(w->answers[t[i]].longest_gap_us <= 280000); /* 80 rows at most, and the turn of the streams */
    assert_true(w->answers[late].first_us - arrived_us < 3495000 * 14 / 10);
    world_free(w);
}

/* 16 at once: the first does not wait for the others, the median has its token in two thirds of the time. */
static void the_first_of_many_has_its_token_first(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=64,prefill_us=3000,decode_us=6000,stream_us=3900,chunk=64", 16, 512);
    char prompts[16][WORLD_TEXT_MAX];
    uint64_t t[16], start_us = w->now_us;
    for (int i = 0; i < 16; i++) {
        snprintf(prompts[i], sizeof prompts[i], "%s", long_prompt((char)('a' + i), 44));
        struct request r = completion(prompts[i], 0);
        t[i] = world_submit(w, &r);
    }
    world_finish(w);
    uint64_t all_prefills_us = 16 * 45 * 3000;
    assert_true(w->answers[t[0]].first_us - start_us <= 45 * 3000);
    assert_true(w->answers[t[7]].first_us - start_us < all_prefills_us * 7 / 10);
    for (int i = 1; i < 16; i++)
        assert_true(w->answers[t[i]].first_us > w->answers[t[i - 1]].first_us);
    world_free(w);
}

/* A short prompt behind a long one slips in between two chunks of it. */
static void a_short_prompt_does_not_wait_for_a_long_one(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=400,prefill_us=3000,decode_us=10000", 4, 2048);
    struct request a = completion("a stream", 0), b = completion(long_prompt('b', 1500), 0), c = completion("short", 0);
    uint64_t stream = world_submit(w, &a);
    world_until(w, stream, 10);
    uint64_t big = world_submit(w, &b);
    batcher_step(w->batcher);
    batcher_step(w->batcher);
    uint64_t small = world_submit(w, &c);
    world_until(w, small, 1);
    assert_true(w->answers[small].first_us - w->answers[small].submitted_us < 250000);
    assert_int_equal(w->answers[big].ids_n, 0);
    world_until(w, big, 1);
    assert_true(w->answers[big].first_us - w->answers[big].submitted_us < 4500000 * 15 / 10);
    world_free(w);
}

static uint32_t calls_until_first(struct world *w, uint64_t t)
{
    uint32_t calls = 0;
    for (; w->answers[t].ids_n == 0; calls++)
        assert_true(batcher_step(w->batcher));
    return calls;
}

static void a_lone_prompt_goes_in_whole_batches(void **state)
{
    (void)state;
    struct world *w = world_new("echo:prefill_us=3000,rows=512", 4, 2048);
    struct request a = completion(long_prompt('a', 500), 0), b = completion(long_prompt('b', 1200), 0);
    uint64_t t = world_submit(w, &a);
    assert_int_equal(calls_until_first(w, t), 1);
    world_finish(w);
    t = world_submit(w, &b);
    assert_int_equal(calls_until_first(w, t), 3);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_is_answered),
        cmocka_unit_test(chats_go_through_the_template),
        cmocka_unit_test(many_streams_do_not_mix),
        cmocka_unit_test(the_next_turn_finds_its_conversation),
        cmocka_unit_test(the_last_prompt_token_is_always_computed),
        cmocka_unit_test(a_busy_slots_prefix_is_copied),
        cmocka_unit_test(a_prefix_in_flight_is_computed_once),
        cmocka_unit_test(a_stranger_leaves_conversations_alone),
        cmocka_unit_test(stop_strings_over_tokens),
        cmocka_unit_test(held_text_comes_with_the_end_token),
        cmocka_unit_test(characters_are_never_split),
        cmocka_unit_test(a_full_context_ends_the_answer),
        cmocka_unit_test(a_prompt_longer_than_the_context_is_refused_at_once),
        cmocka_unit_test(a_huge_prompt_is_refused_by_its_size_or_its_beginning),
        cmocka_unit_test(ignore_eos_and_biases_reach_the_sampler),
        cmocka_unit_test(cancel_at_each_stage),
        cmocka_unit_test(a_failed_call_ends_those_in_it_and_no_others),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(bad_peers_get_errors),
        cmocka_unit_test(resumed_answers_equal_undisturbed_ones),
        cmocka_unit_test(seeds_make_different_answers),
        cmocka_unit_test(a_long_prompt_does_not_stall_streams),
        cmocka_unit_test(the_first_of_many_has_its_token_first),
        cmocka_unit_test(a_short_prompt_does_not_wait_for_a_long_one),
        cmocka_unit_test(a_lone_prompt_goes_in_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
