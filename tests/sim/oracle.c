/* What the right answer to every call is, and whether the head gives that and nothing else.
 *
 * O1  every accepted call ends exactly once: CALL_END, CALL_FAILED, or its client or its head has gone
 * O2  nothing is said of a call that has ended or that nobody made
 * O3  a branch's tokens follow each other without gap or repetition and are exactly those of its seed; so is its text
 * O4  a whole answer is whole: as many tokens as its seed makes, the right way to end
 * O5  a branch fails only for a reason that happened: no actor for its deadline, or none that could load, attempts used
 *     up, a prompt that is too long, poison that crashed two workers, alone the second time. That a worker was lost, hung or broke is none
 * O6  attempts of a job count 1, 2, … up to the limits, all of one seed and one prompt, each after the tokens that were
 *     delivered by then
 * O7  no engine works on for a call that has ended
 * O8  a job runs on the model that its call named
 * O9  a stream that lost its head continues at any head whose workers have it, after the tokens that its client has; where none has, it
 *     is computed again for a client that brings its request, and is the same stream (O3)
 * O10 a tenant with a small job waits for no more than a few of any other tenant, however many wait
 * O11 a job that went to an idle actor stays there for a while (coordinator.c)
 *
 * Here is what the head says to clients; what it has workers do, for O6-O8 and O10, is in runs.c. */
#include "sim.h"

/* ---- answers, piece by piece ---- */

static struct branch *branch_of(struct sim *s, struct call *c, uint32_t i)
{
    SIM_MUST(s, i < c->branches_n, "call %llu has no branch %u",
             (unsigned long long)c->id, i);
    SIM_MUST(s, !c->branches[i].done, "O1: branch %u of call %llu continues after its end", i, (unsigned long long)c->id);
    return &c->branches[i];
}

/* The head does not say which job a branch is, but each branch has a seed of its own: that of the call plus its number.
 * NULL: it was never run. */
static struct run_seen *branch_run(const struct call *c, uint32_t branch)
{
    for (uint32_t i = 0; i < c->runs_n; i++)
        if (c->runs[i].seed == c->seed + branch)
            return &c->runs[i];
    return NULL;
}

static void text_check(struct sim *s, struct branch *b, struct str text)
{
    char want[4];
    for (size_t i = 0; i < text.n; i++, b->text_bytes++) {
        answer_text(b->run->seed, b->text_bytes / 4, want);
        SIM_MUST(s, text.p[i] == want[b->text_bytes % 4], "O3: wrong text at byte %u", b->text_bytes);
    }
    SIM_MUST(s, b->text_bytes <= 4 * b->tokens, "O3: text of tokens that were not said");
}

static void tokens_check(struct sim *s, struct call *c, const struct fx *fx)
{
    struct branch *b = branch_of(s, c, fx->branch);
    SIM_MUST(s, b->started, "tokens before FX_STARTED");
    SIM_MUST(s, fx->first == b->tokens, "O3: token %u after %u", fx->first, b->tokens);
    if (b->run == NULL) {
        b->run = branch_run(c, fx->branch);
        SIM_MUST(s, b->run != NULL, "O3: tokens of a branch that never ran");
        b->rerouted = b->run->attempt > 1;
    }
    SIM_MUST(s, !c->logprobs || fx->logprobs.n == fx->ids.n, "O3: %u logprobs for %u tokens", fx->logprobs.n,
             fx->ids.n);
    for (uint32_t i = 0; i < fx->ids.n; i++) {
        uint32_t at = b->tokens++;
        SIM_MUST(s, fx->ids.p[i] == answer_token(b->run->seed, at), "O3: wrong token %u", at);
        SIM_MUST(s, !c->logprobs || fx->logprobs.p[i] <= answer_logprob(b->run->seed, at), "O3: wrong logprob %u", at);
    }
    if (fx->branch == c->suspect && b->tokens >= c->suspect_from + HEAD_CLEAR_TOKENS)
        c->crashes = 0; /* it was not this one's doing; nor where it ends well */
    s->tokens += fx->ids.n;
    b->token_us = coordinator_now(s, c->head);
    text_check(s, b, fx->text);
}

/* ---- ends ---- */

static uint64_t waited_ms(const struct sim *s, const struct call *c)
{
    return (coordinator_now(s, c->head) - c->asked_us) / SIM_MS;
}

static bool attempts_used_up(struct sim *s, const struct call *c, uint32_t branch)
{
    const struct run_seen *run = branch_run(c, branch);
    uint32_t vain = run == NULL ? c->branches[branch].barren_attempts : c->branches[branch].tokens == run->from ? run->barren_attempts : 0;
    bool barren_attempts = vain >= c->head->cfg.attempts_max;
    if (!barren_attempts && (run == NULL || run->moves < c->head->cfg.moves_max))
        return false;
    PROBE(s, attempts_ran_out);
    if (c->branches[branch].tokens > 0)
        PROBE(s, lost_mid_stream);
    return true;
}

/* Of the actors of its model that its head has now, all have failed: none is ready or loads. */
static bool actors_have_failed(const struct call *c)
{
    struct str model = str_of(c->model);
    struct head_actor_view a;
    uint32_t failed = 0;
    for (uint32_t from = 0; head_actor_at(c->head->head, from, &a); from = a.id + 1) {
        if (model.n > 0 ? !str_is(a.model, c->model) : a.kind == REQUEST_EMBED)
            continue;
        bool ready = a.state == WIRE_ACTOR_READY && a.worker_state != WORKER_LOST;
        if (ready || a.state == WIRE_ACTOR_LOADING)
            return false;
        failed += a.state == WIRE_ACTOR_FAILED;
    }
    return failed > 0;
}

/* Somebody has its model, and nobody ever got it loaded, or whoever had it has lost it. */
static bool model_has_failed(struct sim *s, const struct call *c)
{
    struct str model = str_of(c->model);
    bool failed = coordinator_settled(s, c->head) && coordinator_knows(c->head, model, false) &&
                  (!coordinator_knows(c->head, model, true) || actors_have_failed(c));
    if (failed)
        PROBE(s, model_failed);
    return failed;
}

/* What another head asked of the worker, before the client came here, reached it only afterwards. */
static bool ghost_was_late(const struct sim *s, const struct call *c, const struct run_seen *run)
{
    const struct worker *w = run != NULL ? table_get(&s->workers, run->worker) : NULL;
    bool late = false;
    for (uint32_t head = 0; head < s->heads_n && w != NULL; head++)
        late = late || worker_was_late(s, w, &s->heads[head], c->left_us);
    return late;
}

/* O5 */
static bool reason_is_true(struct sim *s, const struct call *c, uint32_t branch, int err)
{
    uint32_t deadline_ms = c->deadline_ms != 0 ? c->deadline_ms : c->head->cfg.queue_deadline_ms;
    const struct branch *b = &c->branches[branch];
    switch (err) {
    case ERR_UNAVAILABLE:
        if (b->tokens == 0 && model_has_failed(s, c))
            return true;
        /* fallthrough */
    case ERR_TIMEOUT:
        SIM_MUST(s, scaler_may_fail(s, c), "S2: call %llu came while no worker was there, and none came", (unsigned long long)c->id);
        PROBE(s, queue_deadline);
        if (b->tokens > 0)
            PROBE(s, resume_deadline);
        return waited_ms(s, c) >= deadline_ms && coordinator_now(s, c->head) >= b->token_us + (uint64_t)deadline_ms * SIM_MS;
    case ERR_WORKER_LOST:
        return attempts_used_up(s, c, branch);
    case ERR_FAILED:
        return c->engine_failed && attempts_used_up(s, c, branch);
    case ERR_CANCELLED:
        return c->hops > 0 && ghost_was_late(s, c, branch_run(c, branch));
    case ERR_BUSY:
        return c->found_full && attempts_used_up(s, c, branch);
    case ERR_POISON:
        PROBE(s, poison_rejected);
        return c->poison && c->crashes >= 2 && c->crashed_alone;
    case ERR_CONTEXT:
        return c->too_long;
    default:
        return false;
    }
}

/* An embedding is asked of a model that makes text. */
static bool wrong_kind(const struct call *c)
{
    return c->kind == REQUEST_EMBED && !str_is(str_of(c->model), "nomic");
}

/* The queue is full, or what is left of it is kept for other tenants. */
static bool no_room(struct sim *s, const struct call *c, const struct head_totals *t)
{
    uint32_t n = c->count != 0 ? c->count : c->head->cfg.fanout_max, most = c->head->cfg.queue_jobs_max;
    struct head_tenant_view v;
    if (t->queued + n > most) {
        PROBE(s, queue_full);
        return true;
    }
    const char *name = client_tenant(c->tenant);
    uint64_t own = 0;
    for (uint64_t from = 0; head_tenant_at(c->head->head, from, &v); from = v.id + 1)
        own = str_is(v.name, name[0] != '\0' ? name : "common") ? v.queued : own;
    PROBE(s, room_was_kept);
    return own > 0 && own + n > (uint64_t)HEAD_TENANT_SHARE * (most - t->queued - n + 1);
}

static bool failure_is_true(struct sim *s, const struct call *c, int err)
{
    struct head_totals t;
    head_totals(c->head->head, &t);
    switch (err) {
    case ERR_NOT_FOUND:
        PROBE(s, no_such_model);
        if (wrong_kind(c)) /* of its own kind there is none, and what the head before knew of the other kind does not cross */
            return coordinator_settled(s, c->head);
        return coordinator_settled(s, c->head) && !c->known && !coordinator_knows(c->head, str_of(c->model), false);
    case ERR_UNSUPPORTED:
        PROBE(s, wrong_kind);
        return wrong_kind(c) || (c->model[0] == '\0' && coordinator_settled(s, c->head) &&
                                 !coordinator_knows(c->head, str_of(""), true));
    case ERR_BUSY:
        return no_room(s, c, &t);
    default:
        return reason_is_true(s, c, 0, err);
    }
}

static void embedding_check(struct sim *s, const struct call *c, const struct fx *fx)
{
    SIM_MUST(s, fx->embedding.n == ANSWER_EMBEDDING, "a vector of %u numbers", fx->embedding.n);
    for (uint32_t i = 0; i < fx->embedding.n; i++)
        SIM_MUST(s,
                 fx->embedding.p[i] <= answer_embedding(c->id, i) && fx->embedding.p[i] >= answer_embedding(c->id, i),
                 "wrong vector");
    PROBE(s, answered_embedding);
}

static void answer_check(struct sim *s, const struct call *c, const struct branch *b, const struct fx *fx)
{
    if (c->kind == REQUEST_EMBED) {
        embedding_check(s, c, fx);
        return;
    }
    uint64_t seed = c->seed + fx->branch;
    uint32_t n = answer_tokens(seed, c->max_tokens);
    SIM_MUST(s, b->tokens == n && fx->usage.completion_tokens == n, "O4: %u tokens said, %u counted, %u made",
             b->tokens, fx->usage.completion_tokens, n);
    SIM_MUST(s, b->text_bytes == 4 * n, "O4: %u bytes of text, %u made", b->text_bytes, 4 * n);
    SIM_MUST(s, fx->finish == answer_finish(seed, c->max_tokens), "O4: finish %u", fx->finish);
    if (b->rerouted)
        PROBE(s, rerouted_answered);
    if (c->resumed)
        PROBE(s, resumed_answered);
    if (c->returns > 0)
        PROBE(s, came_again_answered);
    if (b->has > 0)
        PROBE(s, computed_again_answered);
    if (c->handed > 0)
        PROBE(s, replaced_answered);
    if (c->early)
        PROBE(s, waited_for_workers);
}

static void branch_ends(struct sim *s, struct call *c, const struct fx *fx)
{
    struct branch *b = branch_of(s, c, fx->branch);
    b->done = true;
    if (fx->finish == FINISH_ERROR)
        SIM_MUST(s, reason_is_true(s, c, fx->branch, fx->fault.err),
                 "O5: branch %u of call %llu failed after %u tokens: %s %s", fx->branch, (unsigned long long)c->id,
                 b->tokens, err_name(fx->fault.err), fx->fault.text);
    else if (fx->finish == FINISH_CANCELLED)
        sim_fail(s, "O5: call %llu was cancelled by nobody", (unsigned long long)c->id);
    else
        answer_check(s, c, b, fx);
    if (fx->branch == c->suspect && fx->finish != FINISH_ERROR)
        c->crashes = 0;
}

static void call_ends(struct sim *s, struct call *c, const struct fx *fx)
{
    SIM_MUST(s, c->scale || c->availability || (fx->branches > 0 && fx->branches <= c->branches_n), "%u branches", fx->branches);
    SIM_MUST(s, c->scale || c->availability || c->spread || fx->branches == c->count, "%u branches of %u", fx->branches, c->count);
    for (uint32_t i = 0; i < fx->branches && !c->scale && !c->availability; i++)
        SIM_MUST(s, c->branches[i].done, "O1: call %llu ended before its branch %u", (unsigned long long)c->id, i);
    call_end(s, c, CALL_ENDED);
    s->calls_answered++;
    if (fx->branches > 1 && c->spread)
        PROBE(s, answered_fanout);
    else if (fx->branches > 1)
        PROBE(s, answered_choices);
    if (c->scale)
        PROBE(s, scaled);
    if (c->held)
        PROBE(s, woken);
}

static void call_fails(struct sim *s, struct call *c, const struct fx *fx)
{
    for (uint32_t i = 0; i < c->branches_n; i++)
        SIM_MUST(s, !c->branches[i].heard && !c->branches[i].done, "O1: call %llu failed after it had begun",
                 (unsigned long long)c->id);
    if (c->scale)
        PROBE(s, scaled_by_nobody);
    else if (c->availability)
        SIM_MUST(s, fx->fault.err == ERR_NOT_FOUND || fx->fault.err == ERR_IN_USE, "O5: a question of availability failed: %s %s", err_name(fx->fault.err),
                 fx->fault.text);
    else
        SIM_MUST(s, failure_is_true(s, c, fx->fault.err), "O5: call %llu failed: %s %s", (unsigned long long)c->id,
                 err_name(fx->fault.err), fx->fault.text);
    call_end(s, c, CALL_FAILED);
}

void oracle_effect(struct sim *s, const struct coordinator *by, const struct fx *fx)
{
    static const char *const verbs[] = {[FX_STARTED] = "started",
                                        [FX_TOKENS] = "tokens",
                                        [FX_BRANCH_DONE] = "branch done",
                                        [FX_RESUMED] = "resumed",
                                        [FX_CALL_END] = "call end",
                                        [FX_CALL_FAILED] = "call failed"};
    struct asking *k = table_get(&s->askings, fx->call);
    SIM_MUST(s, k != NULL && list_linked(&k->in_head) && k->head == by, "O2: an effect for call %llu, which has ended",
             (unsigned long long)fx->call);
    struct call *c = k->call;
    sim_trace(s, verbs[fx->kind], fx->fault.err != 0 ? err_name(fx->fault.err) : c->asking != k ? "for a ghost" : "", c->id, fx->branch, fx->ids.n);
    if (c->asking != k) {
        if (fx->kind == FX_CALL_END || fx->kind == FX_CALL_FAILED)
            asking_end(k);
    } else if (fx->kind == FX_RESUMED) {
        client_resumed(s, k, fx);
    } else if (k->seeks) {
        SIM_MUST(s, fx->kind == FX_CALL_FAILED, "O2: an effect for a call whose stream was not found yet");
        client_not_resumed(s, k, fx);
    } else if (fx->kind == FX_STARTED) {
        struct branch *b = branch_of(s, c, fx->branch);
        SIM_MUST(s, !b->started, "branch %u started twice", fx->branch);
        b->started = b->heard = true;
    } else if (fx->kind == FX_TOKENS) {
        tokens_check(s, c, fx);
    } else if (fx->kind == FX_BRANCH_DONE) {
        branch_ends(s, c, fx);
    } else if (fx->kind == FX_CALL_END) {
        call_ends(s, c, fx);
    } else {
        call_fails(s, c, fx);
    }
}
