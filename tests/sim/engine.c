/* The engine threads of a worker: slots, speeds, and answers that everybody can compute (answer.c).
 *
 * A job waits for a slot, is prefilled, says its tokens in chunks and ends; one that another actor began continues after
 * the tokens that were delivered. Text lags one token behind the ids, as it does when stop strings are held back. Each
 * event of a job carries its `turn`: a cancel makes the others stale. */
#include <stdlib.h>

#include "base/alloc.h"
#include "sim.h"

static void job_turn(struct sim *s, uint64_t id, uint64_t ticket, uint64_t turn);

static struct engine_job *job_find(struct worker *w, uint64_t ticket, struct engine_sim **out_engine)
{
    for (uint32_t i = 0; i < w->actors_n; i++)
        for (struct engine_job *j = w->actors[i].jobs; j != NULL; j = j->next)
            if (j->ticket == ticket) {
                *out_engine = &w->actors[i];
                return j;
            }
    return NULL;
}

static void job_next(struct sim *s, struct worker *w, struct engine_job *j, double in_s)
{
    sim_in(s, 1 + (uint64_t)(in_s * SIM_S), job_turn, w->id, j->ticket, ++j->turn);
}

static void job_begin(struct sim *s, struct worker *w, struct engine_sim *e, struct engine_job *j)
{
    j->running = true;
    e->waiting--;
    if (e->busy++ == 0)
        e->last_token_us = s->now_us;
    job_next(s, w, j, j->moved ? 0.001 : (double)j->prompt_tokens / (double)e->prefill_tps);
}

static void slots_fill(struct sim *s, struct worker *w, struct engine_sim *e)
{
    for (struct engine_job *j = e->jobs; j != NULL && e->busy < e->slots; j = j->next)
        if (!j->running && !j->full && !j->held)
            job_begin(s, w, e, j);
}

/* The agent is told last: its answer may be that the worker has ended. */
static void job_end(struct sim *s, struct worker *w, struct engine_sim *e, struct engine_job *j, uint8_t finish,
                    int err)
{
    struct engine_job **at = &e->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    if (j->running)
        e->busy--;
    else
        e->waiting--;
    float vector[ANSWER_EMBEDDING];
    for (uint32_t i = 0; i < ANSWER_EMBEDDING; i++)
        vector[i] = answer_embedding(j->call, i);
    struct wire_done done = {
        .finish = finish,
        .error = (uint16_t)-err,
        .message = str_of(err == 0 ? "" : err_text(err)),
        .prompt_tokens = j->prompt_tokens,
        .completion_tokens = j->at,
        .embedding = {vector, finish == FINISH_STOP && j->embed ? ANSWER_EMBEDDING : 0},
    };
    uint64_t ticket = j->ticket;
    free(j);
    slots_fill(s, w, e);
    worker_feed(s, w, (struct agent_event){.kind = AGENT_DONE, .ticket = ticket, .done = &done});
    if (worker_was_silent(s))
        PROBE(s, late_engine_event);
}

static void job_say(struct sim *s, struct worker *w, struct engine_sim *e, struct engine_job *j)
{
    enum { CHUNK_MAX = 16 };
    int32_t ids[CHUNK_MAX];
    float logprobs[CHUNK_MAX];
    char text[4 * (CHUNK_MAX + 1)];
    uint32_t n = j->n - j->at < e->chunk ? j->n - j->at : e->chunk;
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = answer_token(j->seed, j->at + i);
        logprobs[i] = answer_logprob(j->seed, j->at + i);
    }
    struct wire_tokens tokens = {.first = j->at, .ids = {ids, n}, .logprobs = {logprobs, j->logprobs ? n : 0}};
    j->at += n;
    uint32_t text_to = j->at == j->n ? j->n : j->at - 1, pieces = 0;
    while (j->text_at < text_to)
        answer_text(j->seed, j->text_at++, &text[4 * pieces++]);
    tokens.text = str_n(text, 4 * pieces);
    e->last_token_us = s->now_us;
    oracle_works(s, w, j);
    worker_feed(s, w, (struct agent_event){.kind = AGENT_TOKENS, .ticket = j->ticket, .tokens = &tokens});
}

static bool engine_stands_still(struct sim *s, const struct worker *w, const struct engine_sim *e, uint64_t *until_us)
{
    uint64_t frozen_us = w->frozen_until_us, stuck_us = e->stuck_until_us;
    *until_us = frozen_us > stuck_us ? frozen_us : stuck_us;
    return *until_us > s->now_us;
}

static void job_named(struct sim *s, const struct engine_job *j, uint32_t company)
{
    struct wire_msg msg = {.type = WIRE_crashed, .crashed = {.job = j->job, .attempt = j->attempt, .signal = 6, .company = company}};
    struct link *l = table_get(&s->links, j->link);
    if (l != NULL && l->near_up)
        link_send(s, l, TO_HEAD, &msg);
}

/* A prompt is computed for itself, the streams of an engine together. Some die without a word. */
static void engine_crash(struct sim *s, struct worker *w, struct engine_sim *e, const struct engine_job *j)
{
    uint32_t company = 0;
    for (const struct engine_job *o = e->jobs; o != NULL; o = o->next)
        company += j->prefilled ? o->prefilled : o == j;
    sim_trace(s, "crashes", w->node, w->id, j->call, company);
    bool speaks = sim_chance(s, 90);
    if (!speaks)
        PROBE(s, crashed_silently);
    for (const struct engine_job *o = e->jobs; o != NULL && speaks; o = o->next)
        if (j->prefilled ? o->prefilled : o == j)
            job_named(s, o, company);
    worker_crash(s, w);
}

static bool is_poison(const struct sim *s, const struct engine_job *j)
{
    const struct call *c = table_get(&s->calls, j->call);
    return c->poison && (j->prefilled ? j->at >= c->poison_at || j->at == j->n : c->poison_at == 0);
}

static void job_turn(struct sim *s, uint64_t id, uint64_t ticket, uint64_t turn)
{
    struct worker *w = table_get(&s->workers, id);
    struct engine_sim *e = NULL;
    struct engine_job *j = w->agent != NULL ? job_find(w, ticket, &e) : NULL;
    uint64_t until_us;
    if (j == NULL || j->turn != turn)
        return;
    if (engine_stands_still(s, w, e, &until_us)) {
        sim_at(s, until_us, job_turn, id, ticket, turn);
    } else if (j->cancelled) {
        job_end(s, w, e, j, FINISH_CANCELLED, 0);
    } else if (j->full) {
        job_end(s, w, e, j, FINISH_ERROR, ERR_BUSY);
    } else if (j->prompt_tokens > 4096) {
        PROBE(s, prompt_too_long);
        job_end(s, w, e, j, FINISH_ERROR, ERR_CONTEXT);
    } else if (is_poison(s, j)) {
        engine_crash(s, w, e, j);
    } else if (j->embed) {
        job_end(s, w, e, j, FINISH_STOP, 0);
    } else if (!j->prefilled) {
        struct wire_prefilled prefilled = {.prompt_tokens = j->prompt_tokens, .prefill_ms = 1};
        j->prefilled = true;
        job_next(s, w, j, 1 / (double)e->decode_tps);
        worker_feed(s, w, (struct agent_event){.kind = AGENT_PREFILLED, .ticket = ticket, .prefilled = &prefilled});
    } else if (j->at < j->n) {
        job_next(s, w, j, (double)e->chunk / (double)e->decode_tps);
        job_say(s, w, e, j);
    } else {
        job_end(s, w, e, j, answer_finish(j->seed, j->max_tokens), 0);
    }
}

/* Text that was said with these ids: all but the last one's, unless that was the end. */
static void job_resume(struct sim *s, const struct worker *w, struct engine_job *j, struct wire_i32s ids)
{
    SIM_MUST(s, ids.n <= j->n, "%s continues after token %u of %u", w->node, ids.n, j->n);
    for (uint32_t i = 0; i < ids.n; i++)
        SIM_MUST(s, ids.p[i] == answer_token(j->seed, i), "%s is told the wrong token %u", w->node, i);
    j->at = ids.n;
    j->text_at = ids.n == j->n || ids.n == 0 ? ids.n : ids.n - 1;
    if (ids.n == j->n)
        PROBE(s, resumed_at_the_end);
}

/* A head gives an actor no more jobs than it has slots. The actor takes as many again, for the other heads
 * (engine/batcher.h, queue_max); what comes then is refused. */
static bool engine_is_full(struct sim *s, const struct worker *w, const struct engine_sim *e, uint64_t link)
{
    uint32_t wanted = 1;
    for (const struct engine_job *j = e->jobs; j != NULL; j = j->next)
        wanted += j->link == link && !j->cancelled;
    SIM_MUST(s, wanted <= e->slots, "%s actor %u has %u slots and was given %u jobs", w->node, e->key, e->slots, wanted);
    return e->busy + e->waiting >= 2 * e->slots;
}

static void note(struct worker *w, const struct engine_job *j)
{
    if (w->given_n == w->given_cap) {
        w->given_cap = w->given_cap == 0 ? 16 : w->given_cap * 2;
        w->given = xrealloc(w->given, w->given_cap * sizeof *w->given);
    }
    w->given[w->given_n++] = (struct given){.call = j->call, .ticket = j->ticket, .branch = j->branch};
}

void engine_run(struct sim *s, struct worker *w, uint64_t link, uint32_t key, uint64_t ticket, const struct wire_run *run)
{
    struct engine_sim *e = &w->actors[key];
    struct engine_job **end = &e->jobs, *j = xalloc(sizeof *j);
    SIM_MUST(s, e->state == WIRE_ACTOR_READY, "%s runs a job on an actor that is not ready", w->node);
    *j = (struct engine_job){
        .ticket = ticket,
        .link = link,
        .full = engine_is_full(s, w, e, link),
        .call = answer_call_of(run),
        .branch = run->branch,
        .seed = run->sampling.seed,
        .job = run->job,
        .attempt = run->attempt,
        .max_tokens = run->sampling.max_tokens,
        .prompt_tokens = (uint32_t)sim_between(s, 20, 300),
        .logprobs = run->sampling.logprobs,
        .embed = run->kind == REQUEST_EMBED,
    };
    note(w, j);
    struct call *c = table_get(&s->calls, j->call);
    SIM_MUST(s, c != NULL, "%s runs a prompt nobody asked", w->node);
    SIM_MUST(s, c->model[0] == '\0' || str_is(str_of(c->model), e->model), "O8: '%s' runs a prompt for '%s'", e->model, c->model);
    if (c->too_long)
        j->prompt_tokens = 5000;
    j->n = answer_tokens(j->seed, j->max_tokens);
    job_resume(s, w, j, run->resume);
    j->held = run->kv_bytes > 0;
    while (*end != NULL)
        end = &(*end)->next;
    *end = j;
    e->waiting++;
    if (j->full) {
        PROBE(s, actor_full);
        c->found_full = true;
        job_next(s, w, j, 0);
    } else {
        oracle_took(s, ((struct link *)table_get(&s->links, link))->far, w->id, j->call, run->job, run->attempt);
        slots_fill(s, w, e);
    }
}

void engine_cancel(struct sim *s, struct worker *w, uint32_t key, uint64_t ticket)
{
    struct engine_sim *e = &w->actors[key];
    struct engine_job *j = job_find(w, ticket, &e);
    SIM_MUST(s, j != NULL && !j->cancelled, "%s cancels a job it does not have", w->node);
    j->cancelled = true;
    job_next(s, w, j, 1 / (double)e->decode_tps); /* after the decode call that is running */
}

void engine_adopted(struct worker *w, uint64_t link, uint64_t call, uint32_t branch)
{
    size_t i = w->given_n;
    while (i > 0 && (w->given[i - 1].call != call || w->given[i - 1].branch != branch))
        i--;
    struct engine_sim *e;
    struct engine_job *j = i > 0 ? job_find(w, w->given[i - 1].ticket, &e) : NULL;
    if (j != NULL && !j->cancelled) /* one that was given before may still run for a head that does not know that its client left */
        j->link = link;
}

/* ---- moving ---- */

enum { CELL_BYTES = 1024 };

/* What is computed of a job is a function of it, too: an engine notices when it gets another one's. */
static void cells_of(const struct engine_job *j, struct buf *out)
{
    uint64_t head[] = {j->call, j->seed, j->at};
    buf_add(out, head, sizeof head);
    for (uint32_t i = 0; i < j->at + 100; i++) {
        char cell[CELL_BYTES];
        memset(cell, (int)(i + j->seed), sizeof cell);
        buf_add(out, cell, sizeof cell);
    }
}

static void job_saved(struct sim *s, uint64_t id, uint64_t ticket, uint64_t c)
{
    (void)c;
    struct worker *w = table_get(&s->workers, id);
    struct engine_sim *e = NULL;
    struct engine_job *j = w->agent != NULL ? job_find(w, ticket, &e) : NULL;
    uint64_t until_us;
    if (j == NULL || j->cancelled)
        return;
    if (engine_stands_still(s, w, e, &until_us)) {
        sim_at(s, until_us, job_saved, id, ticket, 0);
        return;
    }
    struct buf carry = buf_max(WIRE_KV_BYTES_MAX);
    if (!j->embed && j->running && j->prefilled)
        cells_of(j, &carry);
    bool goes = carry.n > 0;
    worker_feed(s, w, (struct agent_event){.kind = AGENT_SAVED, .ticket = ticket, .carry = &carry, .text = str_of("nothing computed")});
    buf_fini(&carry);
    j = w->agent != NULL ? job_find(w, ticket, &e) : NULL; /* with the last of its jobs a worker may leave */
    if (goes && j != NULL)
        job_end(s, w, e, j, FINISH_CANCELLED, 0);
}

void engine_save(struct sim *s, struct worker *w, uint64_t ticket)
{
    sim_in(s, 2 * SIM_MS, job_saved, w->id, ticket, 0); /* after the decode call that is running */
}

void engine_give(struct sim *s, struct worker *w, uint64_t ticket, struct buf *carry)
{
    struct engine_sim *e = NULL;
    struct engine_job *j = job_find(w, ticket, &e);
    SIM_MUST(s, j != NULL && j->held, "%s is given something for a job that does not wait for it", w->node);
    struct buf want = buf_max(WIRE_KV_BYTES_MAX);
    cells_of(j, &want);
    SIM_MUST(s, carry->n == 0 || str_eq(buf_str(carry), buf_str(&want)), "%s is given another job's cells", w->node);
    buf_fini(&want);
    j->held = false;
    j->moved = carry->n > 0;
    if (j->moved)
        PROBE(s, moved);
    slots_fill(s, w, e);
}

/* ---- loading and breaking ---- */

static void engine_tell(struct sim *s, struct worker *w, const struct engine_sim *e, float progress)
{
    struct wire_actor is = {
        .key = e->key,
        .state = (uint8_t)e->state,
        .kind = e->kind,
        .model = str_of(e->model),
        .digest = str_of(e->digest),
        .slots = e->slots,
        .context = 4096,
        .kv = str_of(e->kind == REQUEST_CHAT ? "f16" : ""),
        .kv_bytes = (uint64_t)e->slots * 4096 * CELL_BYTES,
        .exact = 1,
        .setup = str_of("scripted"),
        .has_template = e->kind == REQUEST_CHAT,
        .progress = progress,
        .prefill_tps = e->prefill_tps,
        .decode_tps = e->decode_tps,
        .note = str_of(e->state == WIRE_ACTOR_FAILED ? "out of luck" : ""),
    };
    sim_trace(s, "actor is", e->model, w->id, e->key, e->state);
    worker_feed(s, w, (struct agent_event){.kind = AGENT_ACTOR, .actor = &is});
}

static void engine_loads(struct sim *s, uint64_t id, uint64_t key, uint64_t percent)
{
    struct worker *w = table_get(&s->workers, id);
    struct engine_sim *e = &w->actors[key];
    uint64_t until_us;
    if (w->agent == NULL)
        return;
    if (worker_asleep(s, w, &until_us)) {
        sim_at(s, until_us, engine_loads, id, key, percent);
        return;
    }
    if (percent < 100) {
        e->state = WIRE_ACTOR_LOADING;
        sim_in(s, sim_between(s, 100 * SIM_MS, 1500 * SIM_MS), engine_loads, id, key, percent + 50);
    } else if ((!s->opt.scale && sim_chance(s, 2)) || str_is(str_of(e->model), "broken")) {
        PROBE(s, actor_failed);
        e->state = WIRE_ACTOR_FAILED;
    } else {
        e->state = WIRE_ACTOR_READY;
    }
    engine_tell(s, w, e, (float)percent / 100);
}

void engine_load(struct sim *s, struct worker *w, uint32_t key)
{
    struct engine_sim *e = &w->actors[key];
    uint64_t dice = sim_between(s, 0, 99);
    *e = (struct engine_sim){
        .key = key,
        .state = WIRE_ACTOR_LOADING,
        .kind = dice < 90 ? REQUEST_CHAT : REQUEST_EMBED,
        .model = dice < 70   ? "smollm2"
                 : dice < 88 ? "gpt2"
                 : dice < 90 ? "broken"
                             : "nomic",
        .slots = (uint32_t)sim_between(s, 1, 3),
        .prefill_tps = (float)sim_between(s, 200, 2000),
        .decode_tps = (float)sim_between(s, 20, 60),
        .chunk = (uint32_t)sim_between(s, 4, 16),
    };
    if (s->opt.scale) { /* all workers are alike, as the policy takes them to be */
        static const char *const models[SIM_ACTORS_MAX] = {"smollm2", "gpt2", "nomic"};
        e->model = models[key];
        e->kind = key == 2 ? REQUEST_EMBED : REQUEST_CHAT;
    }
    bool other = !s->opt.scale && str_is(str_of(e->model), "gpt2") && dice % 3 == 0; /* another file that goes by the same name */
    e->digest = other ? "other gpt2" : e->model;
    sim_in(s, 1, engine_loads, w->id, key, 0);
}

void engine_break(struct sim *s, struct worker *w, uint32_t key, bool unload)
{
    struct engine_sim *e = &w->actors[key];
    if (e->state != WIRE_ACTOR_READY)
        return;
    w->broken_us = s->now_us;
    if (unload) {
        PROBE(s, actor_unloaded);
        e->state = WIRE_ACTOR_GONE;
        engine_tell(s, w, e, 0);
        sim_in(s, sim_between(s, SIM_S, 5 * SIM_S), engine_loads, w->id, key, 0);
    }
    while (w->agent != NULL && e->jobs != NULL) {
        struct engine_job *j = e->jobs;
        struct call *c = table_get(&s->calls, j->call);
        PROBE(s, engine_failed);
        c->engine_failed = true;
        job_end(s, w, e, j, FINISH_ERROR, ERR_FAILED);
    }
}

void engine_free(struct engine_sim *e)
{
    while (e->jobs != NULL) {
        struct engine_job *j = e->jobs;
        e->jobs = j->next;
        free(j);
    }
}
