/* Thousands of random operations: every answer is what it would have been alone, whatever happened around it.
 *
 * A client here submits, cancels, and resumes elsewhere what was cut off (by a cancel or by a failed decode call). Its
 * prompts share beginnings, so slots are reused, copied, taken over, kept and brought back all the time. The echo engine's MUSTs watch
 * positions and cells, the batcher's watch tickets, and the text is compared with a model that knows one sequence only.
 * A seed that ever failed stays in the list below. */
#include "engine_world.h"

enum { OPERATIONS = 4000, KINDS = 24, SLOTS = 5, CONTEXT = 160 };

/* The kinds of requests of one run, and their answers. */
struct plot {
    char path[160];
    char prompts[KINDS][512];
    struct str stops[KINDS][2];
    struct request r[KINDS];
    struct answer want[KINDS];
    uint32_t kind_of[WORLD_ANSWERS_MAX]; /* by ticket */
};

static const char *const stop_words[] = {" sea the", "s,", "manta", "é", ". the", "light and", "\n", "glide glide"};

static void make_prompt(struct rng *rng, char *out, size_t cap)
{
    static const char *const families[] = {"You are a helpful fish. ", "You are a ray. ", ""};
    size_t n = (size_t)snprintf(out, cap, "%s", families[rng_below(rng, 3)]);
    for (uint64_t i = rng_below(rng, 9); i > 0; i--)
        n += (size_t)snprintf(out + n, cap - n, " the deep sea is warm over the reef and slow");
    for (uint64_t i = 1 + rng_below(rng, 8); i > 0; i--)
        n += (size_t)snprintf(out + n, cap - n, "%c", (char)('a' + rng_below(rng, 4)));
}

static void make_plot(struct plot *p, struct rng *rng)
{
    snprintf(p->path, sizeof p->path, "echo:tokens=%u,seed=%u", (unsigned)(1 + rng_below(rng, 60)),
             (unsigned)rng_below(rng, 100));
    for (uint32_t i = 0; i < KINDS; i++) {
        make_prompt(rng, p->prompts[i], sizeof p->prompts[i]);
        p->r[i] = completion(p->prompts[i], (uint32_t)rng_below(rng, 50));
        p->r[i].sampling.temperature = rng_below(rng, 2) == 0 ? 0.0f : 1.0f;
        p->r[i].sampling.seed = rng_below(rng, 10);
        p->r[i].sampling.ignore_eos = p->r[i].sampling.max_tokens > 0 && rng_below(rng, 4) == 0;
        p->r[i].stops = p->stops[i];
        p->r[i].stops_n = (uint32_t)rng_below(rng, 3);
        for (uint32_t k = 0; k < 2; k++)
            p->stops[i][k] = str_of(stop_words[rng_below(rng, 8)]);
        expect_answer(p->path, CONTEXT, &p->r[i], &p->want[i]);
    }
}

/* What was reported so far is the beginning of what will be. */
static void check_beginning(const struct answer *got, const struct answer *want)
{
    uint32_t n = got->ids_n < want->ids_n ? got->ids_n : want->ids_n;
    assert_true(got->ids_n <= want->ids_n + 1);
    assert_memory_equal(got->ids, want->ids, n * sizeof(int32_t));
    assert_true(got->text_n <= want->text_n);
    assert_memory_equal(got->text, want->text, got->text_n);
}

static void check_done(const struct plot *p, struct world *w, uint64_t ticket)
{
    const struct answer *got = &w->answers[ticket], *want = &p->want[p->kind_of[ticket]];
    check_beginning(got, want);
    if (got->finish == FINISH_ERROR && got->fault.err == ERR_FAILED)
        return; /* a decode call that was told to fail */
    if (got->finish == FINISH_CANCELLED || (got->finish == FINISH_ERROR && got->fault.err == ERR_BUSY))
        return;
    assert_answer(got, want);
}

/* A ticket that was cut off and not resumed yet, at random; 0: none found. */
static uint64_t cut_off(struct rng *rng, const struct world *w, bool resumed[])
{
    if (w->tickets == 0)
        return 0;
    uint64_t t = 1 + rng_below(rng, w->tickets);
    const struct answer *a = &w->answers[t];
    bool cut = a->done == 1 && (a->finish == FINISH_CANCELLED || a->finish == FINISH_ERROR) && !resumed[t];
    return cut ? t : 0;
}

/* Returns how many prompts began with what was kept beside the slots. */
static uint64_t soak(uint64_t seed)
{
    struct batcher_load load;
    struct rng rng = {.seed = seed};
    struct plot *p = xalloc(sizeof *p);
    bool *resumed = xalloc(WORLD_ANSWERS_MAX);
    make_plot(p, &rng);
    char path[256];
    snprintf(path, sizeof path, "%s,prefill_us=%u,decode_us=%u,copy_us=%u,fail_decode_at=%u,rows=64", p->path,
             (unsigned)rng_below(&rng, 4000), (unsigned)rng_below(&rng, 20000), (unsigned)rng_below(&rng, 9000),
             (unsigned)rng_below(&rng, 2000));
    struct world *w = world_keeping(path, SLOTS, CONTEXT, rng_below(&rng, 3) * 200000); /* a few prompts, or none */
    for (int i = 0; i < OPERATIONS && w->tickets + 2 < WORLD_ANSWERS_MAX; i++) {
        uint64_t dice = rng_below(&rng, 100), t;
        if (dice < 10) {
            uint32_t kind = (uint32_t)rng_below(&rng, KINDS);
            p->kind_of[w->tickets + 1] = kind;
            world_submit(w, &p->r[kind]);
        } else if (dice < 14 && (t = cut_off(&rng, w, resumed)) != 0) {
            resumed[t] = true;
            p->kind_of[w->tickets + 1] = p->kind_of[t];
            world_resume(w, &p->r[p->kind_of[t]], t);
        } else if (dice < 17 && w->tickets > 0) {
            batcher_cancel(w->batcher, w->tickets - rng_below(&rng, w->tickets < 12 ? w->tickets : 12));
        } else {
            batcher_step(w->batcher);
        }
    }
    world_finish(w);
    uint32_t whole = 0;
    for (uint64_t t = 1; t <= w->tickets; t++) {
        assert_int_equal(w->answers[t].done, 1);
        check_done(p, w, t);
        whole += w->answers[t].finish == FINISH_STOP || w->answers[t].finish == FINISH_LENGTH;
    }
    assert_true(whole > w->tickets / 3); /* the run was about something */
    batcher_load(w->batcher, &load);
    world_free(w);
    free(resumed);
    free(p);
    return load.restored;
}

static void random_operations(void **state)
{
    (void)state;
    uint64_t restored = 0;
    for (uint64_t seed = 1; seed <= 12; seed++)
        restored += soak(seed);
    assert_true(restored > 12);
}

int main(int argc, char **argv)
{
    if (argc == 2) { /* a longer run: seeds 1 … argv[1] */
        for (uint64_t seed = 1; seed <= strtoull(argv[1], NULL, 10); seed++) {
            printf("seed %llu\n", (unsigned long long)seed);
            soak(seed);
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
