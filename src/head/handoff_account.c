/* Pass the records of requests (account.h) from a head to the one that replaces it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "head/account.h"
#include "head/handoff.h"

/* A message and its lists. */
struct told {
    struct wire_msg msg;
    struct wire_moved_step steps[ACCOUNT_STEPS_MAX];
    struct wire_moved_candidate candidates[ACCOUNT_STEPS_MAX][FX_CANDIDATES_MAX];
};

/* ---- telling ---- */

static struct str text_of(const char *cstr)
{
    return cstr != NULL ? str_of(cstr) : (struct str){0};
}

static void tell_candidate(const struct account_candidate *from, struct wire_moved_candidate *to)
{
    *to = (struct wire_moved_candidate){.node = str_of(from->node), .busy = from->c.busy, .slots = from->c.slots, .first_s = from->c.first_s,
                                        .cost_s = from->c.cost_s, .prompt_tokens = from->c.prompt_tokens, .cached_tokens = from->c.cached_tokens,
                                        .ahead_tokens = from->c.ahead_tokens, .session = from->c.session, .avoided = from->c.avoided};
}

static void tell_step(const struct account_step *from, struct wire_moved_step *to, struct wire_moved_candidate *candidates)
{
    uint32_t n = from->n < FX_CANDIDATES_MAX ? from->n : FX_CANDIDATES_MAX;
    for (uint32_t i = 0; i < n; i++)
        tell_candidate(&from->candidates[i], &candidates[i]);
    *to = (struct wire_moved_step){.at_us = from->at_us, .kind = (uint8_t)from->kind, .branch = from->branch, .tokens = from->tokens,
                                   .attempt = from->attempt, .queued = from->queued, .wait_ms = from->wait_ms, .why = str_of(from->why),
                                   .node = str_of(from->node), .text = str_of(from->text), .candidates = candidates, .candidates_n = n};
}

static struct wire_moved_account tell(const struct account *a, const struct wire_moved_step *steps)
{
    return (struct wire_moved_account){.id = str_of(a->id), .client_id = text_of(a->client_id), .model = text_of(a->model), .tenant = text_of(a->tenant),
                                       .owner = a->owner, .shape = (uint8_t)a->shape, .stream = a->stream, .ended = a->ended,
                                       .created = (uint64_t)a->created, .status = a->status, .total_s = a->total_s, .first_s = a->first_s,
                                       .queue_s = a->queue_s, .prompt_tokens = a->prompt_tokens, .cached_tokens = a->cached_tokens,
                                       .tokens = a->tokens, .node = str_of(a->node), .finish = str_of(a->finish), .error = str_of(a->error),
                                       .steps = steps, .steps_n = a->steps_n, .steps_left_out = a->steps_left_out};
}

int account_tell(const struct account *a, struct net_fdpass *fdpass, struct buf *frame, struct fault *f)
{
    struct told *t = xalloc(sizeof *t);
    for (uint32_t i = 0; i < a->steps_n; i++)
        tell_step(&a->steps[i], &t->steps[i], t->candidates[i]);
    t->msg.type = WIRE_moved_account;
    t->msg.moved_account = tell(a, t->steps);
    int err = handoff_say(fdpass, frame, &t->msg, f);
    free(t);
    return err;
}

/* ---- keeping ---- */

static char *owned(struct str s)
{
    return s.n > 0 ? xstr_dup(s) : NULL;
}

static void keep_candidate(const struct wire_moved_candidate *from, struct account_candidate *to)
{
    *to = (struct account_candidate){.c = {.actor = ACCOUNT_NO_ACTOR, .busy = from->busy, .slots = from->slots, .first_s = from->first_s,
                                           .cost_s = from->cost_s, .prompt_tokens = from->prompt_tokens, .cached_tokens = from->cached_tokens,
                                           .ahead_tokens = from->ahead_tokens, .session = from->session != 0, .avoided = from->avoided != 0}};
    account_copy(to->node, sizeof to->node, from->node);
}

static void keep_step(const struct wire_moved_step *from, struct account_step *to)
{
    *to = (struct account_step){.at_us = from->at_us, .kind = (enum account_step_kind)from->kind, .branch = from->branch, .actor = ACCOUNT_NO_ACTOR,
                                .tokens = from->tokens, .attempt = from->attempt, .queued = from->queued, .wait_ms = from->wait_ms,
                                .n = from->candidates_n};
    account_copy(to->why, sizeof to->why, from->why);
    account_copy(to->node, sizeof to->node, from->node);
    account_copy(to->text, sizeof to->text, from->text);
    to->candidates = to->n > 0 ? xalloc_array(to->n, sizeof *to->candidates) : NULL;
    for (uint32_t i = 0; i < to->n; i++)
        keep_candidate(&from->candidates[i], &to->candidates[i]);
}

static void keep(const struct wire_moved_account *m, struct account *a)
{
    account_copy(a->id, sizeof a->id, m->id);
    account_copy(a->node, sizeof a->node, m->node);
    account_copy(a->finish, sizeof a->finish, m->finish);
    account_copy(a->error, sizeof a->error, m->error);
    a->client_id = owned(m->client_id);
    a->model = owned(m->model);
    a->tenant = owned(m->tenant);
    a->owner = m->owner;
    a->shape = (enum api_shape)m->shape;
    a->stream = m->stream != 0;
    a->ended = m->ended != 0;
    a->created = (int64_t)m->created;
    a->status = m->status;
    a->total_s = m->total_s;
    a->first_s = m->first_s;
    a->queue_s = m->queue_s;
    a->prompt_tokens = m->prompt_tokens;
    a->cached_tokens = m->cached_tokens;
    a->tokens = m->tokens;
    a->steps_left_out = m->steps_left_out;
    for (uint32_t i = 0; i < m->steps_n; i++)
        keep_step(&m->steps[i], account_add_step(a));
}

/* Is its id one of its dialect, and each part no larger than this head's own records have? */
static bool is_right(const struct wire_moved_account *m)
{
    if (m->shape < API_CHAT || m->shape > API_SHAPE_LAST || m->steps_n > ACCOUNT_STEPS_MAX || m->client_id.n > CLIENT_ID_BYTES_MAX ||
        m->model.n > API_FIELD_BYTES_MAX || m->tenant.n > HEAD_TENANT_NAME_BYTES_MAX || m->id.n >= API_NAME_BYTES)
        return false;
    const char *prefix = api_dialect((enum api_shape)m->shape)->id_prefix;
    if (m->id.n <= strlen(prefix) || memcmp(m->id.p, prefix, strlen(prefix)) != 0)
        return false;
    for (uint32_t i = 0; i < m->steps_n; i++)
        if (m->steps[i].kind > STEP_AGAIN || m->steps[i].candidates_n > FX_CANDIDATES_MAX)
            return false;
    return true;
}

int account_take(struct head_program *p, const struct wire_moved_account *m, struct account **out, struct fault *f)
{
    if (!is_right(m) || (out == NULL && m->ended == 0))
        return fault_set(f, ERR_PROTOCOL, "the running head hands over an account of a request that no head has kept");
    struct account *a = account_new(p);
    if (out != NULL)
        *out = m->ended == 0 ? a : NULL;
    if (a == NULL)
        return 0;
    keep(m, a);
    if (a->ended)
        list_push(&p->accounts, &a->link);
    return 0;
}
