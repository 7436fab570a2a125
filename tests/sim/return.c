/* Clients that come again: their head has died, or their connection broke and the head may not know it yet.
 *
 * The happy path: the connection is lost -> after a moment RESUME at some head, with the number of tokens it has of each
 * branch -> FX_RESUMED -> what comes after those tokens, to the end. It can fail by: no head is there (it tries again), no
 * worker has the stream: then a call that never began begins anew, and so does one whose client brought its request again. One
 * that had begun is lost without it, and O9 says when it may be. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

enum { TRIES_MAX = 40, FORGOTTEN_S = 55 }; /* a little less than agent_config.adrift_ms */

static void client_returns(struct sim *s, uint64_t id, uint64_t b, uint64_t x);

static void comes_later(struct sim *s, const struct call *c, uint64_t least_ms, uint64_t most_ms)
{
    sim_in(s, sim_between(s, least_ms * SIM_MS, most_ms * SIM_MS), client_returns, c->id, 0, 0);
}

static void leaves(struct sim *s, struct call *c)
{
    c->asking = NULL;
    c->left_us = s->now_us;
    c->left_head = c->head;
    c->tries = 0;
    s->away++;
}

void client_loses_head(struct sim *s, struct asking *k)
{
    struct call *c = k->call;
    bool ghost = c->asking != k;
    if (!ghost)
        PROBE(s, calls_lost_with_head);
    if (!ghost && (c->stream == 0 || sim_chance(s, 5))) {
        call_end(s, c, CALL_LOST);
        return;
    }
    asking_end(k);
    if (ghost)
        return;
    leaves(s, c);
    comes_later(s, c, 20, 3000);
}

/* Its head hears of it in the end, or finds that the connection is dead. */
static void ghost_ends(struct sim *s, uint64_t no, uint64_t b, uint64_t x)
{
    (void)b, (void)x;
    struct asking *k = table_get(&s->askings, no);
    uint64_t until_us;
    while (k->moved_to != 0)
        k = table_get(&s->askings, k->moved_to);
    if (!list_linked(&k->in_head))
        return;
    if (coordinator_asleep(s, k->head, &until_us)) {
        sim_at(s, until_us, ghost_ends, no, 0, 0);
        return;
    }
    struct coordinator *head = k->head;
    asking_end(k);
    coordinator_feed(s, head, (struct head_event){.kind = HEAD_CALL_GONE, .call = k->no});
}

void client_hops(struct sim *s, struct call *c)
{
    sim_trace(s, "client hops", "", c->id, c->asking->no, 0);
    if (c->branches[0].tokens > 0)
        PROBE(s, hopped);
    sim_in(s, sim_between(s, 0, 10 * SIM_S), ghost_ends, c->asking->no, 0, 0);
    c->hops++;
    leaves(s, c);
    comes_later(s, c, 1, 2000);
}

/* ---- asking for the stream ---- */

static uint32_t branches_heard_of(const struct call *c)
{
    uint32_t n = c->spread ? 0 : c->count;
    for (uint32_t i = 0; i < c->branches_n; i++)
        n = (c->branches[i].heard || c->branches[i].has_heard) && i >= n ? i + 1 : n;
    return n;
}

static bool has_tokens(const struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++)
        if (c->branches[i].tokens > 0 || c->branches[i].has > 0)
            return true;
    return false;
}

/* What comes a second time is not news: its client is where it was the first time. */
static void where_it_was(struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++) {
        struct branch *b = &c->branches[i];
        b->heard = b->heard || b->has_heard;
        if (b->tokens >= b->has)
            continue;
        b->behind = true;
        b->tokens = b->has;
        b->text_bytes = b->has_text;
    }
}

/* All of it comes again. */
static void from_the_beginning(struct call *c)
{
    for (uint32_t i = 0; i < c->branches_n; i++) {
        const struct branch *b = &c->branches[i];
        c->branches[i] = (struct branch){.has = b->tokens, .has_text = b->text_bytes, .has_heard = b->heard};
    }
}

bool client_may_begin_anew(const struct call *c)
{
    return !has_tokens(c);
}

void client_seeks(struct sim *s, const struct asking *k)
{
    const struct call *c = k->call;
    int32_t said[SIM_BRANCHES_MAX];
    uint32_t n = branches_heard_of(c);
    for (uint32_t i = 0; i < n; i++)
        said[i] = (int32_t)c->branches[i].tokens;
    coordinator_feed(s, k->head,
                     (struct head_event){.kind = HEAD_RESUME,
                                         .call = k->no,
                                         .stream = c->stream,
                                         .said = {said, n},
                                         .anew = client_may_begin_anew(c),
                                         .deadline_ms = c->deadline_ms});
}

static void asks_for_stream(struct sim *s, struct call *c, struct coordinator *head)
{
    const struct asking *k = asking_new(s, c, head, true);
    c->returns++;
    c->crashes = 0; /* of which another head knows nothing, … */
    c->crashed_worker = 0;
    c->known = false; /* … as of models */
    s->away--;
    where_it_was(c);
    sim_trace(s, "client returns", c->left_head == head ? "" : "elsewhere", c->id, k->no, head->no);
    client_seeks(s, k);
}

static void client_returns(struct sim *s, uint64_t id, uint64_t b, uint64_t x)
{
    (void)b, (void)x;
    struct call *c = table_get(&s->calls, id);
    uint64_t until_us;
    if (c->state != CALL_OPEN || c->asking != NULL)
        return;
    struct coordinator *head = client_head(s, sim_between(s, 0, s->heads_n - 1));
    if (head == NULL && ++c->tries > TRIES_MAX)
        call_end(s, c, CALL_LOST);
    else if (head == NULL)
        comes_later(s, c, 100, 1000);
    else if (coordinator_asleep(s, head, &until_us))
        sim_at(s, until_us, client_returns, id, 0, 0);
    else
        asks_for_stream(s, c, head);
}

/* ---- the answer ---- */

void client_resumed(struct sim *s, struct asking *k, const struct fx *fx)
{
    struct call *c = k->call;
    char note[40];
    snprintf(note, sizeof note, "call=%llu ", (unsigned long long)c->id);
    SIM_MUST(s, k->seeks && str_is(fx->text, note), "O9: call %llu continues another one's note", (unsigned long long)c->id);
    SIM_MUST(s, fx->branches <= c->branches_n, "O9: %u branches", fx->branches);
    asking_found(k);
    c->runs_n = 0;
    for (uint32_t i = 0; i < c->branches_n; i++) {
        struct branch *b = &c->branches[i];
        b->started = b->done = b->behind = false; /* the first two are told again */
        b->run = NULL;
        b->barren_attempts = 0;
        b->token_us = coordinator_now(s, k->head);
    }
    PROBE(s, came_again);
    if (s->heads_n > 1 && c->hops == 0 && c->left_head != k->head)
        PROBE(s, came_to_another_head);
}

/* O9: the worker that has it lives, has kept it, is there for this head, and nothing was in the way. */
static bool branch_could_be_found(const struct sim *s, const struct asking *k, const struct branch *b)
{
    const struct call *c = k->call;
    const struct worker *w = table_get(&s->workers, b->holder);
    const struct link *l = w != NULL ? table_get(&s->links, w->ways[k->head->no].link) : NULL;
    uint64_t from_us = k->asked_us;
    if (c->hops > 0 || b->behind || w == NULL || w->agent == NULL || s->now_us > c->left_us + FORGOTTEN_S * (uint64_t)SIM_S)
        return false;
    if (w->leapt_us >= c->born_us) /* by its clock it may have kept it long enough */
        return false;
    if (l == NULL || !l->near_up || !l->far_up || !l->welcomed || l->given_up || w->broken_us >= c->born_us)
        return false;
    bool late = worker_was_late(s, w, k->head, from_us) || k->head->leapt_us >= from_us; /* a leap ends the search */
    return !late && l->welcomed_us + SIM_S < from_us;
}

static bool could_be_found(const struct sim *s, const struct asking *k)
{
    bool could = true;
    for (uint32_t i = 0; i < k->call->branches_n; i++)
        could = could && (k->call->branches[i].tokens == 0 || branch_could_be_found(s, k, &k->call->branches[i]));
    return could;
}

static void begins_anew(struct sim *s, uint64_t id, uint64_t b, uint64_t x)
{
    (void)b, (void)x;
    struct call *c = table_get(&s->calls, id);
    struct coordinator *head = c->head;
    uint64_t until_us;
    if (c->state != CALL_OPEN || c->asking != NULL)
        return;
    if (head->head == NULL) {
        comes_later(s, c, 20, 1000);
        return;
    }
    if (coordinator_asleep(s, head, &until_us)) {
        sim_at(s, until_us, begins_anew, id, 0, 0);
        return;
    }
    if (has_tokens(c))
        PROBE(s, computed_again);
    else
        PROBE(s, came_again_anew);
    s->away--;
    c->runs_n = 0;
    from_the_beginning(c);
    client_prompts(s, c, head);
}

void client_not_resumed(struct sim *s, struct asking *k, const struct fx *fx)
{
    struct call *c = k->call;
    SIM_MUST(s, fx->fault.err == ERR_NOT_FOUND || fx->fault.err == ERR_BUSY, "O9: the stream of call %llu: %s %s",
             (unsigned long long)c->id, err_name(fx->fault.err), fx->fault.text);
    bool busy = fx->fault.err == ERR_BUSY;
    SIM_MUST(s, busy || !has_tokens(c) || !could_be_found(s, k), "O9: all of the stream of call %llu is there, and was not found: %s",
             (unsigned long long)c->id, fx->fault.text);
    if (!busy && has_tokens(c) && !c->keeps_request) {
        PROBE(s, came_again_lost);
        call_end(s, c, CALL_LOST);
        return;
    }
    asking_end(k);
    s->away++;
    if (busy)
        comes_later(s, c, 1000, 2000);
    else
        sim_in(s, 1, begins_anew, c->id, 0, 0);
}
