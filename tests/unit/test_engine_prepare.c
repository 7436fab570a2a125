/* Prompts that are turned into tokens elsewhere: their jobs wait for that, others do not, and each ends exactly once. */
#include "engine_world.h"

enum { TASKS_MAX = 32 };

/* What the batcher wants prepared, by a scribe that does nothing of itself. */
struct desk {
    struct world *w;
    uint64_t tickets[TASKS_MAX];
    const struct request *requests[TASKS_MAX];
    uint32_t n;
    uint64_t under_way; /* ticket that cannot be forgotten */
};

static void on_prepare(uint64_t ticket, const struct request *r, void *user_data)
{
    struct desk *d = user_data;
    assert_true(d->n < TASKS_MAX);
    d->tickets[d->n] = ticket;
    d->requests[d->n++] = r;
}

static uint32_t place_of(const struct desk *d, uint64_t ticket)
{
    uint32_t i = 0;
    while (i < d->n && d->tickets[i] != ticket)
        i++;
    return i;
}

static void drop(struct desk *d, uint32_t i)
{
    d->n--;
    d->tickets[i] = d->tickets[d->n];
    d->requests[i] = d->requests[d->n];
}

static bool on_forget(uint64_t ticket, void *user_data)
{
    struct desk *d = user_data;
    if (ticket == d->under_way)
        return false;
    assert_true(place_of(d, ticket) < d->n);
    drop(d, place_of(d, ticket));
    return true;
}

/* Makes the prompt of that ticket, reading its request as late as may be. */
static void prepare(struct desk *d, uint64_t ticket)
{
    uint32_t i = place_of(d, ticket);
    assert_true(i < d->n);
    struct prompt p = prompt_make(d->w->ops, d->w->engine, d->requests[i], NULL);
    drop(d, i);
    batcher_prepared(d->w->batcher, ticket, &p);
    assert_null(p.tokens.p);
}

static struct desk *desk_new(const char *path, uint32_t slots, uint32_t queue_max)
{
    struct desk *d = xalloc(sizeof *d);
    d->w = world_new(path, slots, 1024);
    batcher_free(d->w->batcher);
    struct batcher_config cfg = {.ops = d->w->ops, .engine = d->w->engine, .step_ms = 100, .queue_max = queue_max, .prepare = on_prepare,
                                 .forget = on_forget, .prepare_user_data = d, .now_us = world_now, .now_user_data = d->w};
    d->w->batcher = batcher_new(&cfg, world_hear, d->w);
    return d;
}

static void desk_free(struct desk *d)
{
    world_free(d->w);
    free(d);
}

static struct batcher_load load_of(const struct desk *d)
{
    struct batcher_load l;
    batcher_load(d->w->batcher, &l);
    return l;
}

/* Given a prompt whose tokens are not there, when others come after it, then they are answered, and it is when it has them. */
static void nobody_waits_for_a_prompt_that_is_not_there(void **state)
{
    (void)state;
    static const char path[] = "echo:tokens=20,decode_us=500,prefill_us=100";
    struct desk *d = desk_new(path, 2, 8);
    struct request slow = completion("a long one", 0), quick = completion("a short one", 0);
    struct answer want;
    uint64_t a = world_submit(d->w, &slow), b = world_submit(d->w, &quick), c = world_submit(d->w, &quick);
    assert_false(batcher_step(d->w->batcher));
    assert_int_equal(load_of(d).waiting, 3);
    assert_int_equal(load_of(d).held, 3);
    prepare(d, c);
    prepare(d, b);
    world_finish(d->w);
    assert_int_equal(d->w->answers[a].done, 0);
    assert_int_equal(load_of(d).held, 1);
    prepare(d, a);
    world_finish(d->w);
    expect_answer(path, 1024, &quick, &want);
    assert_answer(&d->w->answers[b], &want);
    assert_answer(&d->w->answers[c], &want);
    expect_answer(path, 1024, &slow, &want);
    assert_answer(&d->w->answers[a], &want);
    desk_free(d);
}

/* Given a stream, while a prompt is prepared, then the stream's tokens come one after the other. */
static void streams_go_on_meanwhile(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo:tokens=50,decode_us=500", 2, 8);
    struct request r = completion("tell me", 0), other = completion("and me", 0);
    uint64_t stream = world_submit(d->w, &r);
    prepare(d, stream);
    world_until(d->w, stream, 5);
    uint64_t t = world_submit(d->w, &other);
    world_until(d->w, stream, 45);
    assert_int_equal(d->w->answers[stream].longest_gap_us, 500);
    prepare(d, t);
    world_finish(d->w);
    assert_int_equal(d->w->answers[t].finish, FINISH_STOP);
    desk_free(d);
}

/* Given jobs in their order of arrival, when their prompts come in another, then those that are there are served in theirs. */
static void the_order_of_arrival_stays(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo:tokens=3,prefill_us=100,decode_us=100", 1, 8);
    struct request r = completion("x", 0);
    uint64_t t[4];
    for (int i = 0; i < 4; i++)
        t[i] = world_submit(d->w, &r);
    for (int i = 3; i >= 0; i--)
        prepare(d, t[i]);
    world_finish(d->w);
    for (int i = 0; i < 3; i++)
        assert_true(d->w->answers[t[i]].done_us < d->w->answers[t[i + 1]].done_us);
    desk_free(d);
}

/* Given prompts that cannot be had, then their jobs end with the reason, once. */
static void a_prompt_that_cannot_be_had_ends_its_job(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo", 1, 8);
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct request r = completion(text, 0);
    uint64_t t = world_submit(d->w, &r);
    prepare(d, t);
    assert_int_equal(d->w->answers[t].done, 1);
    assert_int_equal(d->w->answers[t].fault.err, ERR_CONTEXT);
    assert_int_equal(load_of(d).waiting, 0);
    desk_free(d);
}

/* Given a cancel before, while and after a prompt is prepared, then the job ends as cancelled at once; the request is there as
 * long as it is read. */
static void cancel_at_each_stage_of_a_prompt(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo", 1, 8);
    struct request r = completion("hello there", 0);
    uint64_t before = world_submit(d->w, &r), during = world_submit(d->w, &r), after = world_submit(d->w, &r), twice = world_submit(d->w, &r);
    batcher_cancel(d->w->batcher, before);
    d->under_way = during;
    batcher_cancel(d->w->batcher, during);
    batcher_cancel(d->w->batcher, during);
    prepare(d, after);
    batcher_cancel(d->w->batcher, after);
    for (uint64_t t = before; t <= after; t++) {
        assert_int_equal(d->w->answers[t].done, 1);
        assert_int_equal(d->w->answers[t].finish, FINISH_CANCELLED);
    }
    assert_int_equal(load_of(d).waiting, 1);
    prepare(d, during); /* reads its request */
    prepare(d, twice);
    world_finish(d->w);
    assert_int_equal(d->w->answers[twice].finish, FINISH_STOP);
    struct prompt late = {0};
    batcher_prepared(d->w->batcher, twice, &late); /* of a job that is long gone */
    desk_free(d);
}

/* Given jobs that are being prepared or were cancelled meanwhile, when the batcher ends, then nothing is left of them. */
static void the_end_in_the_middle_of_a_prompt(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo", 1, 8);
    struct request r = completion("hello there", 0);
    world_submit(d->w, &r);
    d->under_way = world_submit(d->w, &r);
    batcher_cancel(d->w->batcher, d->under_way);
    desk_free(d);
}

/* Given a full queue of prompts that are prepared, then one more is refused: they count. */
static void what_is_prepared_counts_in_the_queue(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo", 1, 2);
    struct request r = completion("x", 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(d->w->answers[world_submit(d->w, &r)].done, 0);
    assert_int_equal(d->w->answers[world_submit(d->w, &r)].fault.err, ERR_BUSY);
    desk_free(d);
}

/* Given an answer that continues after its worker was lost, then it is the undisturbed one, though its tokens come later. */
static void a_resumed_answer_waits_for_its_prompt(void **state)
{
    (void)state;
    static const char path[] = "echo:tokens=30";
    struct desk *d = desk_new(path, 1, 8);
    struct request r = completion("a story", 0);
    struct answer want;
    expect_answer(path, 1024, &r, &want);
    uint64_t first = world_submit(d->w, &r);
    prepare(d, first);
    world_until(d->w, first, 11);
    batcher_cancel(d->w->batcher, first);
    uint64_t rest = world_resume(d->w, &r, first);
    struct buf nothing = buf_max(16);
    batcher_hold(d->w->batcher, rest);
    batcher_give(d->w->batcher, rest, &nothing);
    prepare(d, rest);
    world_finish(d->w);
    assert_answer(&d->w->answers[rest], &want);
    desk_free(d);
}

/* Given texts for vectors, then each has its vector as soon as its tokens are there. */
static void texts_for_vectors_are_prepared_too(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo:embed=8,decode_us=100", 4, 16);
    struct request r = completion("some text", 0);
    uint64_t t[6];
    r.kind = REQUEST_EMBED;
    for (int i = 0; i < 6; i++)
        t[i] = world_submit(d->w, &r);
    for (int i = 5; i > 0; i--)
        prepare(d, t[i]);
    world_finish(d->w);
    for (int i = 1; i < 6; i++)
        assert_int_equal(d->w->answers[t[i]].embedding_n, 8);
    assert_int_equal(d->w->answers[t[0]].done, 0);
    prepare(d, t[0]);
    world_finish(d->w);
    assert_int_equal(d->w->answers[t[0]].embedding_n, 8);
    desk_free(d);
}

static struct engine_info reranker;

static const struct engine_info *info_of_a_reranker(const struct engine *e)
{
    reranker = *engine_echo()->info(e);
    reranker.ranks = true;
    return &reranker;
}

/* Given a reranker without a token to begin a text with; when question and text are empty; then the pair is refused: no engine computes a prompt
 * of no tokens. */
static void an_empty_pair_is_refused(void **state)
{
    (void)state;
    struct desk *d = desk_new("echo:embed=8", 1, 16);
    struct engine_ops ops = *d->w->ops;
    struct turn question = {.role = str_of("query"), .content = str_of("")};
    struct request r = {.kind = REQUEST_EMBED, .turns = &question, .turns_n = 1, .text = str_of("")};
    ops.info = info_of_a_reranker;
    struct prompt p = prompt_make(&ops, d->w->engine, &r, NULL);
    assert_int_equal(p.fault.err, ERR_INVALID);
    assert_null(p.tokens.p);
    desk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_for_a_prompt_that_is_not_there),
        cmocka_unit_test(streams_go_on_meanwhile),
        cmocka_unit_test(the_order_of_arrival_stays),
        cmocka_unit_test(a_prompt_that_cannot_be_had_ends_its_job),
        cmocka_unit_test(cancel_at_each_stage_of_a_prompt),
        cmocka_unit_test(the_end_in_the_middle_of_a_prompt),
        cmocka_unit_test(what_is_prepared_counts_in_the_queue),
        cmocka_unit_test(a_resumed_answer_waits_for_its_prompt),
        cmocka_unit_test(texts_for_vectors_are_prepared_too),
        cmocka_unit_test(an_empty_pair_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
