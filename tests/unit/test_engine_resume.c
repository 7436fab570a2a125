/* Answers that another engine began: in which shape they are computed once more, and what cannot be gone on with. */
#include "engine_world.h"

/* ---- the shape of calls ---- */

enum { CALLS_MAX = 512 };
static uint32_t calls[CALLS_MAX], calls_n; /* rows of each decode call */

static int watched_decode(struct engine *e, const struct engine_row *rows, uint32_t rows_n, struct fault *f)
{
    assert_true(calls_n < CALLS_MAX);
    calls[calls_n++] = rows_n;
    return engine_echo()->decode(e, rows, rows_n, f);
}

static struct world *watched_world(const char *path, struct engine_ops *ops)
{
    struct world *w = world_new(path, 2, 2048);
    *ops = *engine_echo();
    ops->decode = watched_decode;
    batcher_free(w->batcher);
    w->ops = ops;
    struct batcher_config cfg = {.ops = ops, .engine = w->engine, .step_ms = 100, .queue_max = 64,
                                 .now_us = world_now, .now_user_data = w};
    w->batcher = batcher_new(&cfg, world_hear, w);
    calls_n = 0;
    return w;
}

/* "aaa…": one token each, and one for the beginning. */
static struct request prompt_of(char *text, uint32_t tokens)
{
    memset(text, 'x', tokens);
    text[tokens - 1] = '\0';
    struct request r = completion(text, 0);
    return r;
}

static void the_prompt_is_replayed_like_a_prompt_and_the_answer_like_a_stream(void **state)
{
    (void)state;
    static const char path[] = "echo:tokens=200,chunk=64";
    char text[256];
    struct request r = prompt_of(text, 130);
    struct engine_ops ops;
    struct answer want;
    expect_answer(path, 2048, &r, &want);
    struct world *w = watched_world(path, &ops);
    uint64_t t = world_submit(w, &r);
    world_until(w, t, 150);
    assert_int_equal(calls[0], 130);
    batcher_cancel(w->batcher, t);
    world_finish(w);
    world_free(w);

    w = watched_world(path, &ops); /* another worker, whose cache is empty */
    memcpy(w->answers[1].ids, want.ids, 150 * sizeof *want.ids);
    w->answers[1].ids_n = 150;
    batcher_submit(w->batcher, ++w->tickets, &r, want.ids, 150);
    world_until(w, w->tickets, 151);
    assert_int_equal(calls_n, 4);
    assert_true(calls[0] == 130 && calls[1] == 63 && calls[2] == 63 && calls[3] == 24);
    world_finish(w);
    assert_int_equal(w->answers[w->tickets].ids_n, want.ids_n);
    assert_memory_equal(w->answers[w->tickets].ids, want.ids, want.ids_n * sizeof *want.ids);
    world_free(w);
}

static void an_engine_that_takes_any_chunk_replays_at_once(void **state)
{
    (void)state;
    char text[256];
    struct request r = prompt_of(text, 130);
    struct engine_ops ops;
    struct world *w = watched_world("echo:tokens=200", &ops);
    struct answer want;
    expect_answer("echo:tokens=200", 2048, &r, &want);
    batcher_submit(w->batcher, ++w->tickets, &r, want.ids, 150);
    w->answers[w->tickets].ids_n = 150;
    world_until(w, w->tickets, 151);
    assert_true(calls_n == 1 && calls[0] == 280);
    world_free(w);
}

/* ---- what cannot be gone on with ---- */

static void an_answer_longer_than_the_context_is_refused(void **state)
{
    (void)state;
    struct world *big = world_new("echo:tokens=200", 1, 512), *small = world_new("echo:tokens=200", 1, 64);
    struct request r = completion("twenty", 0);
    uint64_t t = world_submit(big, &r);
    world_until(big, t, 100);
    batcher_submit(small->batcher, ++small->tickets, &r, big->answers[t].ids, 100);
    const struct answer *a = &small->answers[small->tickets];
    assert_true(a->done == 1 && a->finish == FINISH_ERROR && a->fault.err == ERR_CONTEXT);
    assert_non_null(strstr(a->fault.text, "already has 100 tokens"));
    world_finish(small);
    world_free(big);
    world_free(small);
}

static void when_only_the_end_was_left_to_say_it_is_said(void **state)
{
    (void)state;
    struct world *w = world_new("echo:tokens=20", 1, 512);
    struct request r = completion("hello", 8);
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    uint64_t again = world_resume(w, &r, t); /* the worker died between the last token and DONE */
    const struct answer *a = &w->answers[again];
    assert_true(a->done == 1 && a->finish == FINISH_LENGTH && a->completion_tokens == 8 && a->prompt_tokens > 0);
    assert_int_equal(a->text_n, w->answers[t].text_n);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prompt_is_replayed_like_a_prompt_and_the_answer_like_a_stream),
        cmocka_unit_test(an_engine_that_takes_any_chunk_replays_at_once),
        cmocka_unit_test(an_answer_longer_than_the_context_is_refused),
        cmocka_unit_test(when_only_the_end_was_left_to_say_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
