/* Ten thousand random events per seed, sensible and senseless in any order: no invariant breaks, and when the storm is
 * over every call that was accepted has ended exactly once. */
#include "base/rng.h"
#include "head_story.h"

enum { SEEDS = 24, STEPS = 4000, LINKS = 6, CALLS_MAX = 8192, RUNS = 32 };

/* A job as its worker knows it. */
struct run {
    uint64_t job, link; /* link 0: over */
    uint32_t attempt, tokens;
    bool prefilled;
};

struct storm {
    struct story s;
    struct rng rng;
    uint64_t link[LINKS], next_link; /* 0: not open */
    uint64_t closing[2 * LINKS];     /* the head wants them closed */
    size_t closing_n;
    uint64_t next_call;
    uint8_t ends[CALLS_MAX]; /* CALL_END, CALL_FAILED or CALL_GONE seen */
    struct run run[RUNS];    /* the last ones sent, by job % RUNS */
    uint64_t runs;           /* highest job seen */
};

static uint32_t below(struct storm *st, uint32_t n)
{
    return (uint32_t)rng_below(&st->rng, n);
}

static struct storm storm;

static void hear_run(struct storm *st, const struct fx *fx)
{
    const struct wire_run *m = &fx->msg.run;
    if (m->job > st->runs)
        st->runs = m->job;
    st->run[m->job % RUNS] = (struct run){.job = m->job, .link = fx->link, .attempt = m->attempt};
}

/* Each call ends once, and nothing is said of it afterwards. Links that are to close are closed by says(). */
static void hear(struct story *s)
{
    struct storm *st = &storm;
    for (size_t i = 0; i < s->fx.n; i++) {
        const struct fx *fx = &s->fx.fx[i];
        if (fx->kind == FX_CALL_END || fx->kind == FX_CALL_FAILED)
            assert_int_equal(st->ends[fx->call]++, 0);
        if (fx->kind == FX_TOKENS || fx->kind == FX_BRANCH_DONE || fx->kind == FX_STARTED)
            assert_int_equal(st->ends[fx->call], 0);
        if (fx->kind == FX_SEND && fx->msg.type == WIRE_run)
            hear_run(st, fx);
        for (int k = 0; k < LINKS && fx->kind == FX_CLOSE_LINK; k++) {
            if (st->link[k] == fx->link)
                st->link[k] = 0;
        }
        if (fx->kind == FX_CLOSE_LINK) {
            assert_true(st->closing_n < 2 * LINKS);
            st->closing[st->closing_n++] = fx->link;
        }
    }
    buf_reset(&s->said);
}

static void says(struct storm *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void says(struct storm *st, const char *fmt, ...)
{
    char line[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    event(&st->s, line);
    while (st->closing_n > 0)
        step(&st->s, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = st->closing[--st->closing_n]});
}

/* Keys 0 and 1 are chat models, key 2 makes embeddings; now and then a worker says something else. */
static void a_worker_joins(struct storm *st, int k)
{
    static const char *const states[] = {"ready", "loading", "failed", "gone"};
    unsigned long long id = st->link[k];
    uint32_t key = below(st, 3), sane = below(st, 25);
    if (id == 0) {
        id = st->link[k] = ++st->next_link;
        says(st, "open %llu", id);
        says(st, "hello %llu node=n%d epoch=%u role=%d", id, k % 4, below(st, 40), sane == 0 ? 2 : 1);
    }
    uint32_t state = below(st, 8);
    says(st, "actor %llu key=%u model=m%u kind=%d state=%s slots=%u", id, key, sane == 1 ? 7 : key, key == 2 ? 3 : 1,
         states[state < 4 ? state : 0], sane == 2 ? 9 : 2);
}

/* What a worker would really say next of one of its jobs. */
static void a_worker_works(struct storm *st)
{
    struct run *r = &st->run[below(st, RUNS)];
    unsigned long long link = r->link, job = r->job;
    if (r->link == 0)
        return;
    if (!r->prefilled) {
        r->prefilled = true;
        says(st, "prefilled %llu job=%llu.%u", link, job, r->attempt);
    } else if (below(st, 3) > 0) {
        says(st, "tokens %llu job=%llu.%u first=%u n=2", link, job, r->attempt, r->tokens);
        r->tokens += 2;
    } else {
        r->link = 0;
        bool fails = below(st, 5) == 0;
        says(st, "done %llu job=%llu.%u finish=%u error=%u tokens=%u", link, job, r->attempt, fails ? 4 : 1,
             fails ? below(st, 22) : 0, r->tokens);
    }
}

/* What it may say or not, of jobs that are its own or not. */
static void a_worker_talks(struct storm *st, unsigned long long id)
{
    uint64_t job = st->runs > 12 ? st->runs - below(st, 12) : st->runs;
    unsigned long long j = job;
    uint32_t attempt = 1 + below(st, 2);
    switch (below(st, 12)) {
    case 0: says(st, "bye %llu", id); break;
    case 1:
        for (int k = 0; k < LINKS; k++)
            st->link[k] = st->link[k] == id ? 0 : st->link[k];
        says(st, "closed %llu", id);
        break;
    case 2: says(st, "tokens %llu job=%llu.%u first=%u n=%u", id, j, attempt, below(st, 3), below(st, 2)); break;
    case 3: says(st, "prefilled %llu job=%llu.%u", id, j, attempt); break;
    case 4: says(st, "done %llu job=%llu.%u finish=%u error=%u", id, j, attempt, 1 + below(st, 4), below(st, 10)); break;
    default:
        says(st, "beat %llu key=%u busy=%u age=%u", id, below(st, 3), below(st, 3), below(st, 20) == 0 ? 90000 : 5);
    }
}

static void a_client_acts(struct storm *st)
{
    if (st->next_call > 0 && below(st, 6) == 0) {
        uint64_t call = 1 + rng_below(&st->rng, st->next_call);
        st->ends[call] |= 1;
        says(st, "gone %llu", (unsigned long long)call);
        return;
    }
    const char *model = below(st, 3) == 0 ? "" : below(st, 8) == 0 ? "nobody" : below(st, 2) ? "m0" : "m1";
    says(st, "prompt %llu model=%s kind=%u count=%u spread=%u deadline=%u", (unsigned long long)++st->next_call, model,
         below(st, 12) == 0 ? 3 : 2, below(st, 4), below(st, 2), below(st, 5) * 700);
}

static void weather(struct storm *st)
{
    int k = (int)below(st, LINKS);
    uint32_t dice = below(st, 20);
    if (dice < 2)
        a_worker_joins(st, k);
    else if (dice < 3)
        says(st, "wait %u", below(st, 600));
    else if (dice < 6)
        a_client_acts(st);
    else if (dice < 17)
        a_worker_works(st);
    else if (st->link[k] != 0 && dice < 19)
        says(st, "beat %llu loads=0", (unsigned long long)st->link[k]);
    else if (st->link[k] != 0)
        a_worker_talks(st, st->link[k]);
}

static void a_storm_breaks_nothing(void **state)
{
    (void)state;
    uint64_t rerouted = 0, answered = 0, tokens = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        storm = (struct storm){.s = story_begin(), .rng = {.seed = seed}};
        storm.s.heard = hear;
        storm.s.cfg.queue_jobs_max = 12;
        storm.s.cfg.queue_bytes_max = 6000 + 10 * (HEAD_CALL_BYTES + HEAD_JOB_BYTES);
        storm.s.cfg.balance = (enum balance)(seed % BALANCE_COUNT);
        storm.s.cfg.settle_ms = seed % 2 ? 5000 : 0;
        for (int i = 0; i < STEPS && storm.next_call < CALLS_MAX - 1; i++)
            weather(&storm);
        for (int k = 0; k < LINKS; k++) {
            if (storm.link[k] != 0)
                says(&storm, "closed %llu", (unsigned long long)storm.link[k]);
        }
        says(&storm, "wait 600000");
        struct head_totals t;
        head_totals(storm.s.head, &t);
        assert_true(t.calls == 0 && t.queued == 0 && t.running == 0 && t.workers == 0 && t.links == 0 &&
                    t.queue_bytes == 0);
        for (uint64_t call = 1; call <= storm.next_call; call++)
            assert_int_equal(storm.ends[call], 1);
        rerouted += t.jobs_rerouted;
        tokens += t.answer_tokens;
        answered += t.calls_total - t.calls_failed;
        story_end(&storm.s);
    }
    print_message("answered=%llu rerouted=%llu tokens=%llu\n", (unsigned long long)answered,
                  (unsigned long long)rerouted, (unsigned long long)tokens);
    assert_true(rerouted > 100 && answered > 500); /* it did rain */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm_breaks_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
