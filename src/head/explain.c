/* Write the records of requests (account.h) for owners who may see them. */
#include <string.h>

#include "head/account.h"
#include "json/write.h"

enum { ENDED_LISTED_MAX = 32 };

static const char *api_of(enum api_shape shape)
{
    return api_dialect(shape)->id_prefix;
}

static bool sees(const struct owner *who, uint64_t owner)
{
    return who->all || owner == who->id;
}

static void put_text(struct jout *j, const char *key, const char *text)
{
    jout_key(j, key);
    if (text != NULL && text[0] != '\0')
        jout_str(j, str_of(text));
    else
        jout_null(j);
}

static void put_actor(struct jout *j, uint32_t actor)
{
    jout_key(j, "actor");
    if (actor != ACCOUNT_NO_ACTOR)
        jout_uint(j, actor);
    else
        jout_null(j);
}

static void put_seconds(struct jout *j, const char *key, double s)
{
    jout_key(j, key);
    if (s >= 0)
        jout_fixed(j, s, 3);
    else
        jout_null(j);
}

static void put_end(struct jout *j, const struct account *a)
{
    jout_put_int(j, "status", a->status);
    put_text(j, "finish_reason", a->finish);
    put_text(j, "error", a->error);
    put_seconds(j, "first_token_s", a->first_s);
    put_seconds(j, "total_s", a->total_s);
    jout_put_uint(j, "prompt_tokens", a->prompt_tokens);
    jout_put_uint(j, "cached_tokens", a->cached_tokens);
    jout_put_uint(j, "tokens", a->tokens);
}

/* Writes the members that a line of the list and a whole record share. */
static void put_summary(struct jout *j, const struct account *a)
{
    jout_put_cstr(j, "id", a->id);
    if (a->client_id != NULL)
        jout_put_cstr(j, "client_id", a->client_id);
    jout_put_cstr(j, "state", a->ended ? "ended" : "running");
    put_text(j, "model", a->model);
    put_text(j, "node", a->node);
    put_text(j, "tenant", a->tenant);
    jout_put_bool(j, "stream", a->stream);
    jout_put_int(j, "created", a->created);
    jout_put_fixed(j, "queued_s", a->queue_s, 3);
    if (a->ended)
        put_end(j, a);
}

void put_ended(struct head_program *p, const struct owner *who, struct jout *j)
{
    uint32_t listed = 0;
    jout_array(j);
    for (const struct list *pos = p->accounts.prev; pos != &p->accounts && listed < ENDED_LISTED_MAX; pos = pos->prev) {
        const struct account *a = list_item(pos, const struct account, link);
        if (!sees(who, a->owner))
            continue;
        jout_object(j);
        put_summary(j, a);
        jout_object_end(j);
        listed++;
    }
    jout_array_end(j);
}

/* ---- one of them ---- */

static void put_candidate(struct jout *j, const struct account_candidate *c, bool chosen)
{
    jout_object(j);
    put_actor(j, c->c.actor);
    jout_put_cstr(j, "node", c->node);
    jout_put_bool(j, "chosen", chosen);
    jout_put_fixed(j, "first_token_s", c->c.first_s, 3);
    jout_put_fixed(j, "cost_s", c->c.cost_s, 3);
    jout_put_uint(j, "busy", c->c.busy);
    jout_put_uint(j, "slots", c->c.slots);
    jout_put_uint(j, "prompt_tokens", c->c.prompt_tokens);
    jout_put_uint(j, "cached_tokens", c->c.cached_tokens);
    jout_put_uint(j, "ahead_tokens", c->c.ahead_tokens);
    jout_put_bool(j, "session", c->c.session);
    jout_put_bool(j, "avoided", c->c.avoided);
    jout_object_end(j);
}

static void put_choice(struct jout *j, const struct account_step *s)
{
    jout_put_uint(j, "attempt", s->attempt);
    jout_put_fixed(j, "waited_s", (double)s->wait_ms / 1e3, 3);
    jout_put_uint(j, "others_queued", s->queued);
    jout_key(j, "candidates");
    jout_array(j);
    for (uint32_t i = 0; i < s->n; i++)
        put_candidate(j, &s->candidates[i], i == 0);
    jout_array_end(j);
}

/* Writes the branch and the actor that it went to or left. */
static void put_place(struct jout *j, const struct account_step *s)
{
    jout_put_uint(j, "index", s->branch);
    put_actor(j, s->actor);
    jout_put_cstr(j, "node", s->node);
    jout_put_cstr(j, "why", s->why);
}

static const char *const step_names[] = {[STEP_CHOSEN] = "chosen", [STEP_LEFT] = "left", [STEP_NEW_HEAD] = "new head",
                                         [STEP_CAME_BACK] = "came back", [STEP_AGAIN] = "computed again"};

static void put_step(struct jout *j, const struct account_step *s)
{
    jout_object(j);
    jout_put_fixed(j, "at_s", (double)s->at_us / 1e6, 3);
    jout_put_cstr(j, "what", step_names[s->kind]);
    if (s->kind == STEP_CHOSEN || s->kind == STEP_LEFT)
        put_place(j, s);
    jout_put_uint(j, "tokens", s->tokens);
    if (s->kind == STEP_LEFT)
        put_text(j, "text", s->text);
    if (s->kind == STEP_CHOSEN)
        put_choice(j, s);
    jout_object_end(j);
}

static void put_account(struct head_program *p, struct jout *j, const struct account *a, const struct head_wait *wait)
{
    jout_object(j);
    jout_put_cstr(j, "object", "manta.explain");
    put_summary(j, a);
    jout_put_cstr(j, "balance", balance_name(p->o->brain.balance));
    if (wait->place > 0) {
        jout_put_uint(j, "place", wait->place);
        jout_put_fixed(j, "eta_s", wait->eta_s, 1);
    }
    jout_put_uint(j, "steps_left_out", a->steps_left_out);
    jout_key(j, "steps");
    jout_array(j);
    for (uint32_t i = 0; i < a->steps_n; i++)
        put_step(j, &a->steps[i]);
    jout_array_end(j);
    jout_object_end(j);
}

/* True if `name` is the record's id ("chatcmpl-1f…"), the id without its prefix ("1f…"), or the
 * client's own id. */
static bool goes_by(const struct account *a, struct str name)
{
    size_t prefix = strlen(api_of(a->shape));
    return str_is(name, a->id) || str_is(name, a->id + prefix) || (a->client_id != NULL && str_is(name, a->client_id));
}

/* Explains a request without a record: it waits in the queue for the first time, and has only its
 * place. */
static bool write_waiting(struct head_program *p, struct jout *j, const struct call *c, const struct head_wait *wait, struct str name)
{
    struct account a = {.shape = c->api.shape, .stream = c->api.stream, .created = c->head.created, .model = c->model, .client_id = c->client_id,
                        .first_s = -1, .queue_s = (double)(net_now_us(p->loop) - c->started_us) / 1e6};
    call_name(c, a.id);
    if (!goes_by(&a, name))
        return false;
    put_account(p, j, &a, wait);
    return true;
}

bool write_explained(struct head_program *p, struct str name, const struct owner *who)
{
    struct jout j = jout_to(&p->json);
    IDTAB_EACH(pos, &p->calls)
    {
        const struct call *c = id_item(pos, struct call, node);
        struct head_wait wait = {0};
        if (c->api.shape == 0 || !sees(who, c->owner))
            continue;
        (void)head_call_waits(p->brain, c->node.id, &wait);
        if (c->account == NULL && write_waiting(p, &j, c, &wait, name))
            return true;
        if (c->account != NULL && goes_by(c->account, name)) {
            put_account(p, &j, c->account, &wait);
            return true;
        }
    }
    for (const struct list *pos = p->accounts.prev; pos != &p->accounts; pos = pos->prev) {
        const struct account *a = list_item(pos, const struct account, link);
        if (sees(who, a->owner) && goes_by(a, name)) {
            put_account(p, &j, a, &(struct head_wait){0});
            return true;
        }
    }
    return false;
}
