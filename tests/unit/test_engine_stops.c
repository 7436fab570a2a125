/* Stop strings and the tokens beside the text: who asks for log-probabilities or ids gets those of the text's tokens. */
#include "engine_world.h"
#include "engine/job.h"

/* One report of a token. */
struct told {
    uint32_t first;
    int32_t id;
    float logprob;
    uint32_t top_n;
    char text[64], piece[64]; /* terminated */
};

enum { TOLD_MAX = 512 };
static struct told told[TOLD_MAX];
static uint32_t told_n;

static void keep(char *out, struct str s)
{
    assert_true(s.n < sizeof told->text);
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

static void note(const struct batcher_event *ev, void *user_data)
{
    world_hear(ev, user_data);
    if (ev->kind != BATCHER_TOKENS)
        return;
    assert_true(told_n < TOLD_MAX && ev->ids_n == 1);
    struct told *t = &told[told_n++];
    *t = (struct told){.first = ev->first, .id = ev->ids[0], .logprob = ev->logprobs != NULL ? ev->logprobs[0] : 0, .top_n = ev->top_n};
    keep(t->text, ev->text);
    if (ev->pieces != NULL)
        keep(t->piece, ev->pieces[0]);
}

static struct world *noting_world(const char *path)
{
    struct world *w = world_new(path, 2, 1024);
    batcher_free(w->batcher);
    struct batcher_config cfg = {.ops = w->ops, .engine = w->engine, .step_ms = 100, .queue_max = 64,
                                 .now_us = world_now, .now_user_data = w};
    w->batcher = batcher_new(&cfg, note, w);
    told_n = 0;
    return w;
}

static struct request with_stop(struct str *stop, uint32_t max_tokens)
{
    struct request r = completion("x", max_tokens);
    r.stops = stop;
    r.stops_n = 1;
    r.sampling.logprobs = true;
    r.sampling.top_logprobs = 2;
    return r;
}

/* The pieces of the told tokens, joined by '|'. */
static const char *pieces(void)
{
    static char all[4096];
    all[0] = '\0';
    for (uint32_t i = 0; i < told_n; i++) {
        strcat(all, i > 0 ? "|" : "");
        strcat(all, told[i].piece);
    }
    return all;
}

struct story {
    const char *script, *stop;
    uint32_t max_tokens; /* 0: no limit */
    const char *text, *pieces;
    uint32_t completion_tokens; /* generated: those of the stop string, too */
    enum finish finish;
};

/* The echo engine's tokens: " sea", " the", " is" ... and single bytes for what is no word of its list. */
static const struct story stories[] = {
    /* it begins and ends at borders of tokens */
    {" the sea is deep", " sea is", 0, " the", " the", 3, FINISH_STOP},
    /* it begins and ends in the middle of tokens */
    {" the sea is deep", "ea i", 0, " the s", " the| sea", 3, FINISH_STOP},
    /* in one token, which keeps its beginning, and in one that keeps nothing */
    {" the sea is deep", "a", 0, " the se", " the| sea", 2, FINISH_STOP},
    {" the sea is deep", " se", 0, " the", " the", 2, FINISH_STOP},
    /* from the first token on: nothing is left */
    {" the sea is deep", " the sea", 0, "", "", 2, FINISH_STOP},
    /* a false start is released, and the stop string met behind it */
    {" the sea the sea is", " sea is", 0, " the sea the", " the| sea| the", 5, FINISH_STOP},
    /* one that overlaps itself */
    {" a a a the", " a a the", 0, " a", " a", 4, FINISH_STOP},
    /* it never comes: what was withheld is told at the end, and at the limit */
    {" the sea is", " sea is deep", 0, " the sea is", " the| sea| is", 3, FINISH_STOP},
    {" the sea is deep and", " sea is deep and", 3, " the sea is", " the| sea| is", 3, FINISH_LENGTH},
    /* it begins within a character's two tokens, and behind them */
    {" the café sea", "é sea", 0, " the caf", " the| caf\xc3", 4, FINISH_STOP},
    {" the café sea", " sea", 0, " the café", " the| caf\xc3|\xa9", 4, FINISH_STOP},
    /* the half of a character is none of the text */
    {" the 🙂 sea", " 🙂", 0, " the", " the", 3, FINISH_STOP},
};

static void only_tokens_of_the_text_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
        const struct story *s = &stories[i];
        char path[256];
        snprintf(path, sizeof path, "echo:script=%s", s->script);
        struct world *w = noting_world(path);
        struct str stop = str_of(s->stop);
        struct request r = with_stop(&stop, s->max_tokens);
        uint64_t t = world_submit(w, &r);
        world_finish(w);
        const struct answer *a = &w->answers[t];
        assert_string_equal(a->text, s->text);
        assert_string_equal(pieces(), s->pieces);
        assert_int_equal(a->completion_tokens, s->completion_tokens);
        assert_int_equal(a->finish, s->finish);
        assert_string_equal(a->stop, a->finish == FINISH_STOP && strstr(s->script, s->stop) != NULL ? s->stop : "");
        for (uint32_t k = 0; k < told_n; k++)
            assert_int_equal(told[k].top_n, 2);
        world_free(w);
    }
}

/* Token ids alone are cut like log-probabilities; who asks for neither hears of every token at once. */
static void ids_are_cut_too_and_others_are_not_delayed(void **state)
{
    (void)state;
    struct world *w = noting_world("echo:script= the sea is deep");
    struct str stop = str_of(" sea is");
    struct request r = with_stop(&stop, 0);
    r.sampling.logprobs = false;
    r.sampling.prompt_ids = true;
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    assert_true(told_n == 1 && w->answers[t].completion_tokens == 3);
    told_n = 0;
    r.sampling.prompt_ids = false;
    world_submit(w, &r);
    world_finish(w);
    assert_int_equal(told_n, 3);
    world_free(w);
}

/* The answer of `path` to r, undisturbed; then resumed behind each of its tokens, as another engine would after the first one
 * died there: text, ids, log-probabilities and what comes with each token are the same. */
static void resume_everywhere(const char *path, const struct request *r)
{
    struct world *w = noting_world(path);
    uint64_t t = world_submit(w, r);
    world_finish(w);
    struct answer want = w->answers[t];
    static struct told all[TOLD_MAX];
    uint32_t all_n = told_n;
    memcpy(all, told, sizeof all);
    world_free(w);
    int32_t ids[TOLD_MAX];
    for (uint32_t i = 0; i < all_n; i++)
        ids[i] = all[i].id;
    for (uint32_t k = 0; k <= all_n; k++) {
        w = noting_world(path);
        t = ++w->tickets;
        w->answers[t].ids_n = k;
        batcher_submit(w->batcher, t, r, ids, k);
        world_finish(w);
        assert_int_equal(told_n, all_n - k);
        for (uint32_t i = 0; i < told_n; i++) {
            assert_true(told[i].first == k + i && told[i].id == all[k + i].id);
            assert_true(told[i].logprob == all[k + i].logprob);
            assert_string_equal(told[i].text, all[k + i].text);
        }
        assert_int_equal(w->answers[t].completion_tokens, want.completion_tokens);
        assert_int_equal(w->answers[t].finish, want.finish);
        world_free(w);
    }
}

static void a_resumed_answer_has_the_same_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "echo:script=%s", stories[i].script);
        struct str stop = str_of(stories[i].stop);
        struct request r = with_stop(&stop, stories[i].max_tokens);
        resume_everywhere(path, &r);
    }
    struct str drawn[] = {str_of(" sea"), str_of(". the"), str_of("e manta"), str_of("s, a"), str_of("\n")};
    for (uint32_t seed = 0; seed < 40; seed++) {
        struct request r = with_stop(&drawn[seed % 5], seed % 3 == 0 ? 30 : 0);
        r.sampling.temperature = 0.9f;
        r.sampling.seed = seed;
        resume_everywhere("echo:tokens=60", &r);
    }
}

/* What is withheld is bounded: a stop string of 200 tokens is not worth more. Its text is cut where it can be. */
static void no_more_than_the_limit_is_withheld(void **state)
{
    (void)state;
    char path[512], xs[256];
    memset(xs, 'x', 200);
    xs[200] = '\0';
    snprintf(path, sizeof path, "echo:script= the%s end", xs);
    struct world *w = noting_world(path);
    struct str stop = str_of(xs);
    struct request r = with_stop(&stop, 0);
    uint64_t t = world_submit(w, &r);
    world_finish(w);
    const struct answer *a = &w->answers[t];
    assert_int_equal(a->completion_tokens, 201);
    assert_int_equal(a->finish, FINISH_STOP);
    assert_int_equal(told_n, 1 + 200 - WITHHELD_MAX);
    assert_int_equal(a->text_n, 4 + told_n - 1);
    world_free(w);
}

/* In the fast mode another worker may draw other tokens: the beginning of a stop string has been delivered, the rest is cut. */
static void a_stop_string_whose_beginning_was_delivered_loses_its_rest(void **state)
{
    (void)state;
    struct world *w = noting_world("echo:script= the sea is deep");
    struct str stop = str_of(" sea is");
    struct request r = with_stop(&stop, 0);
    int32_t ids[2];
    struct engine_tokens p = {0};
    assert_int_equal(w->ops->tokenize(w->engine, str_of(" the sea"), 0, NULL, &p, NULL), 0);
    memcpy(ids, p.p + p.n - 2, sizeof ids);
    free(p.p);
    uint64_t t = ++w->tickets;
    w->answers[t].ids_n = 2;
    batcher_submit(w->batcher, t, &r, ids, 2);
    world_finish(w);
    assert_true(told_n == 0 && w->answers[t].completion_tokens == 3 && w->answers[t].finish == FINISH_STOP);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_tokens_of_the_text_are_told),
        cmocka_unit_test(ids_are_cut_too_and_others_are_not_delayed),
        cmocka_unit_test(a_resumed_answer_has_the_same_tokens),
        cmocka_unit_test(no_more_than_the_limit_is_withheld),
        cmocka_unit_test(a_stop_string_whose_beginning_was_delivered_loses_its_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
