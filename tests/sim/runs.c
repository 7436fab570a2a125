/* What the head has workers do: whether the jobs that it sends are those that its clients asked for, and which of them count.
 *
 * The rules O1-O10 are written in oracle.c. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

static struct run_seen *run_find(struct call *c, uint64_t job)
{
    for (uint32_t i = 0; i < c->runs_n; i++)
        if (c->runs[i].job == job)
            return &c->runs[i];
    return NULL;
}

/* The branch of a run: each has a seed of its own. */
static struct branch *run_branch(struct sim *s, struct call *c, const struct wire_run *run)
{
    uint64_t i = run->sampling.seed - c->seed;
    SIM_MUST(s, i < c->branches_n && i == run->branch, "O6: a seed of another branch than %u", run->branch);
    return &c->branches[i];
}

static void resume_check(struct sim *s, struct call *c, struct run_seen *seen, const struct wire_run *run)
{
    uint64_t now_us = coordinator_now(s, c->head);
    const struct branch *b = run_branch(s, c, run);
    SIM_MUST(s, !b->done, "O6: a branch that has ended runs again");
    SIM_MUST(s, run->resume.n == b->tokens, "O6: branch %u continues after %u tokens, the client has %u", run->branch, run->resume.n,
             b->tokens);
    seen->barren_attempts = b->tokens > seen->from ? 1 : seen->barren_attempts + 1;
    seen->from = b->tokens;
    if (b->tokens > 0)
        PROBE(s, resumed);
    if (b->tokens > 0 && now_us > b->token_us + 5 * (uint64_t)SIM_S)
        PROBE(s, resumed_late);
    c->resumed = c->resumed || b->tokens > 0;
}

/* Branches of a fan-out have an actor each, as far as there are enough. */
static void share_probe(struct sim *s, const struct call *c, uint64_t worker, const struct wire_run *run)
{
    for (uint32_t i = 0; c->spread && i < c->runs_n; i++)
        if (c->runs[i].job != run->job && c->runs[i].worker == worker && c->runs[i].key == run->key)
            PROBE(s, fanout_shared);
}

/* A head that was not told yet that its client came again elsewhere continues it. */
static bool is_ghosts(const struct call *c, const struct coordinator *by)
{
    return c->hops > 0 && (c->state != CALL_OPEN || c->asking == NULL || c->head != by);
}

static void job_note(struct coordinator *by, uint64_t job, uint64_t call)
{
    if (job >= by->jobs_cap) {
        size_t cap = (job + 1) * 2;
        by->call_of_job = xrealloc(by->call_of_job, cap * sizeof *by->call_of_job);
        memset(by->call_of_job + by->jobs_cap, 0, (cap - by->jobs_cap) * sizeof *by->call_of_job);
        by->jobs_cap = cap;
    }
    by->call_of_job[job] = call;
}

/* The call that asks at that head now and whose job's present attempt that is. NULL: none; the head has forgotten it, too. What
 * is said of a job whose client has come again is of no use to anybody. */
static struct call *call_of_job(const struct sim *s, const struct coordinator *by, uint64_t job, uint32_t attempt, struct run_seen **out)
{
    struct call *c = job < by->jobs_cap ? table_get(&s->calls, by->call_of_job[job]) : NULL;
    if (c == NULL || c->asking == NULL || c->asking->seeks || c->asking->head != by)
        return NULL;
    struct run_seen *seen = run_find(c, job);
    if (seen == NULL || seen->attempt != attempt)
        return NULL;
    *out = seen;
    return c;
}

/* Attempts count on where a stream is found, and where a call came from the head before. */
static struct run_seen *run_seen(struct sim *s, struct call *c, uint64_t job, uint64_t seed, uint32_t attempt)
{
    struct run_seen *seen = run_find(c, job);
    SIM_MUST(s, seed - c->seed < c->branches_n, "O6: a seed of no branch");
    const struct branch *b = &c->branches[seed - c->seed];
    bool fresh = seen == NULL;
    if (fresh) {
        SIM_MUST(s, c->runs_n < c->branches_n, "call %llu has too many jobs", (unsigned long long)c->id);
        seen = &c->runs[c->runs_n++];
        *seen = (struct run_seen){.job = job, .seed = seed, .attempt = b->attempts, .barren_attempts = b->barren_attempts, .from = b->tokens};
        job_note(c->head, job, c->id);
    }
    bool follows = attempt == seen->attempt + 1 || (fresh && c->returns > 0 && attempt > 0);
    follows = follows || (fresh && c->let_in && attempt == 2 && seen->attempt == 0);
    SIM_MUST(s, follows, "O6: attempt %u after %u", attempt, seen->attempt);
    seen->moves++;
    SIM_MUST(s, seen->moves - seen->crossed <= c->head->cfg.moves_max, "O6: attempt %u, which is one of %u that count, is over the limit", attempt,
             seen->moves);
    return seen;
}

void oracle_adopt(struct sim *s, const struct coordinator *by, uint64_t worker, const struct wire_adopt *m)
{
    struct call *c = table_get(&s->calls, answer_call_of_stream(m->stream));
    if (c != NULL && is_ghosts(c, by))
        return;
    SIM_MUST(s, c != NULL && c->state == CALL_OPEN && c->asking != NULL && c->head == by && c->stream == m->stream,
             "O2: a stream continues for a call that is not there");
    SIM_MUST(s, m->branch < c->branches_n && m->said == c->branches[m->branch].tokens, "O9: branch %u continues after %u tokens, the client has %u",
             m->branch, m->said, c->branches[m->branch].tokens);
    struct run_seen *seen = run_seen(s, c, m->job, c->seed + m->branch, m->attempt);
    sim_trace(s, "adopt", c->model, c->id, m->job, m->attempt);
    seen->barren_attempts++;
    seen->from = m->said;
    seen->attempt = m->attempt;
    seen->worker = worker;
    PROBE(s, adopted);
}

enum { FAIR_JOBS = 4 }; /* no job is smaller than the quiet tenant's by more than a rounding; a queue may be merged into another meanwhile */

/* Whether its actor has the model by the name that the client gave, so that both wait in one queue. */
static bool is_same_queue(const struct sim *s, const struct call *c, uint64_t worker, uint32_t key)
{
    const struct worker *w = table_get(&s->workers, worker);
    const char *model = w != NULL && key < SIM_ACTORS_MAX ? w->actors[key].model : NULL;
    return model != NULL && strcmp(model, c->model) == 0;
}

/* Of a stream that came again, what had not begun goes before what the same tenant asked later; to others it does not count, since it
 * may be in another queue: it goes where its file is, whatever that is called by now. */
static void fair_count(const struct sim *s, struct call *c, uint64_t worker, uint32_t key)
{
    if (!c->spread && (c->returns == 0 || (c->tenant == 0 && is_same_queue(s, c, worker, key))))
        c->head->sent[c->asked][c->tenant]++;
}

/* O10. Those for another model, and branches of a fan-out, are in other queues, and so may be those of a stream that came again. */
static void fair_check(struct sim *s, const struct call *c)
{
    if (c->tenant != 0 || c->count != 1 || c->hops > 0 || c->returns > 0)
        return;
    uint64_t own = c->head->sent[c->asked][0] - c->sent_before[0];
    for (uint32_t i = 1; i < SIM_TENANTS; i++) {
        uint64_t others = c->head->sent[c->asked][i] - c->sent_before[i];
        SIM_MUST(s, others <= FAIR_JOBS * (own + 1), "O10: call %llu of '%s' waited for %llu jobs of '%s' and %llu of its own", (unsigned long long)c->id,
                 client_tenant(0), (unsigned long long)others, client_tenant(i), (unsigned long long)own);
    }
    if (c->ahead > 50 && coordinator_now(s, c->head) > c->asked_us)
        PROBE(s, went_past_a_crowd);
}

void oracle_run(struct sim *s, const struct coordinator *by, uint64_t worker, const struct wire_run *run)
{
    struct call *c = table_get(&s->calls, answer_call_of(run));
    if (c != NULL && is_ghosts(c, by))
        return;
    SIM_MUST(s, c != NULL && c->state == CALL_OPEN && c->asking != NULL && c->head == by,
             "O2: a job runs for a call that is not there");
    SIM_MUST(s, run->stream == c->stream, "O6: a run of another stream");
    bool first = run_find(c, run->job) == NULL && run->attempt == 1;
    struct run_seen *seen = run_seen(s, c, run->job, run->sampling.seed, run->attempt);
    if (first) {
        fair_check(s, c);
        fair_count(s, c, worker, run->key);
    }
    sim_trace(s, "run", c->model, c->id, run->job, run->attempt);
    SIM_MUST(s, c->crashes < 2 || !c->crashed_alone, "O5: what crashed %u workers is given to another one", c->crashes);
    SIM_MUST(s, run->sampling.seed == seen->seed, "O6: another seed in attempt %u", run->attempt);
    SIM_MUST(s, c->count != 1 || run->sampling.seed == c->seed, "O6: not the seed the client gave");
    SIM_MUST(s, run->kind == c->kind && run->sampling.max_tokens == c->max_tokens, "O6: not what the client asked");
    resume_check(s, c, seen, run);
    seen->attempt = run->attempt;
    seen->worker = worker;
    seen->key = run->key;
    if (run->attempt > 1)
        PROBE(s, rerouted);
    share_probe(s, c, worker, run);
}

/* The call is that of the message itself: what a former head sent, and was held up on its way, may have the number of another job here. */
void oracle_took(struct sim *s, const struct coordinator *by, uint64_t worker, uint64_t call, uint64_t job, uint32_t attempt)
{
    struct call *c = table_get(&s->calls, call);
    const struct run_seen *seen = c != NULL && c->state == CALL_OPEN && c->head == by ? run_find(c, job) : NULL;
    if (seen != NULL && seen->attempt == attempt)
        c->branches[seen->seed - c->seed].holder = worker;
}

void oracle_refused(struct sim *s, const struct coordinator *by, const struct wire_done *m)
{
    struct run_seen *seen;
    if (call_of_job(s, by, m->job, m->attempt, &seen) == NULL)
        return;
    if (m->error == -ERR_BUSY)
        seen->moves--;
    else
        seen->crossed++;
}

void oracle_crashed(struct sim *s, const struct coordinator *by, const struct wire_crashed *m)
{
    struct run_seen *seen;
    struct call *c = call_of_job(s, by, m->job, m->attempt, &seen);
    if (c == NULL)
        return;
    if (!c->poison)
        PROBE(s, named_beside_poison);
    bool rejected = c->crashes >= 2 && c->crashed_alone; /* its other branches may still crash others, in company */
    if (rejected || c->crashed_worker == seen->worker)
        return;
    c->crashed_worker = seen->worker;
    c->crashes++;
    c->crashed_alone = m->company == 1;
    c->suspect = (uint32_t)(seen->seed - c->seed);
    c->suspect_from = c->branches[c->suspect].tokens;
}

enum { ADRIFT_S = 62 }; /* agent_config.adrift_ms and a little */
enum { CANCEL_S = 2 };  /* a cancel reaches the engine within this when nothing is in its way */

void oracle_works(struct sim *s, const struct worker *w, const struct engine_job *j)
{
    const struct call *c = table_get(&s->calls, j->call);
    if (c->state == CALL_OPEN || c->state == CALL_LOST || s->now_us < c->ended_us + (uint64_t)CANCEL_S * SIM_S)
        return;
    const struct link *came_over = table_get(&s->links, j->link);
    bool adrift = c->hops > 0 || c->returns > 0 || !came_over->near_up;
    if (adrift && s->now_us < c->ended_us + ADRIFT_S * (uint64_t)SIM_S)
        return;
    SIM_MUST(s, worker_was_late(s, w, c->head, c->ended_us), "O7: %s still works on call %llu, which ended %llu ms ago", w->node, (unsigned long long)c->id,
             (unsigned long long)(s->now_us - c->ended_us) / SIM_MS);
}
