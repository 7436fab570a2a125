/* Accounts for routing: reports to the program why an actor got a branch, with the candidates that
 * the router compared. */
#include "brain/policy/router.h"
#include "brain/run/run.h"

static uint32_t tokens_of(const struct candidate *c, uint64_t bytes)
{
    double per_token = c->bytes_per_token > 0 ? c->bytes_per_token : ROUTER_BYTES_PER_TOKEN;
    double tokens = (double)bytes / per_token;
    return tokens < UINT32_MAX ? (uint32_t)(tokens + 0.5) : UINT32_MAX;
}

static struct fx_candidate tell(const struct candidate *c, const struct actor *a)
{
    uint64_t cached = c->cached_bytes < c->prompt_bytes ? c->cached_bytes : c->prompt_bytes;
    return (struct fx_candidate){
        .actor = c->actor,
        .node = str_of(a->worker->name),
        .busy = c->busy,
        .slots = c->slots,
        .first_s = router_ttft_s(c),
        .cost_s = router_cost_s(c),
        .prompt_tokens = tokens_of(c, c->prompt_bytes),
        .cached_tokens = tokens_of(c, cached),
        .ahead_tokens = tokens_of(c, c->fresh_bytes),
        .session = c->affine,
        .avoided = c->avoid,
    };
}

/* Inserts c into list[1..*n), ordered by cost; beyond `max` entries the last is dropped. */
static void insert(struct fx_candidate *list, uint32_t *n, uint32_t max, struct fx_candidate c)
{
    uint32_t at = *n;
    if (*n < max)
        (*n)++;
    else
        at--;
    for (; at > 1 && list[at - 1].cost_s > c.cost_s; at--)
        list[at] = list[at - 1];
    list[at] = c;
}

void head_account_weighed(struct head *h, const struct candidate *c, struct actor *const *who, size_t n, size_t chosen)
{
    uint32_t max = n < FX_CANDIDATES_MAX ? (uint32_t)n : FX_CANDIDATES_MAX, told = 1;
    struct fx_choice *choice = head_bytes(h, sizeof *choice);
    struct fx_candidate *list = head_bytes(h, max * sizeof *list);
    list[0] = tell(&c[chosen], who[chosen]);
    for (size_t i = 0; i < n; i++) {
        bool enters = told < max || (max > 1 && router_cost_s(&c[i]) < list[max - 1].cost_s);
        if (i != chosen && enters) /* only for those, as most candidates are not reported */
            insert(list, &told, max, tell(&c[i], who[i]));
    }
    *choice = (struct fx_choice){.why = "best", .candidates = list, .n = told};
    h->choice = choice;
}

static const char *why_there(const struct job *job, const struct actor *a)
{
    if (job->adopts)
        return "has it";
    if (job->migration != NULL)
        return "moved";
    return job->bound == a ? "fan-out" : "next in queue";
}

static struct fx *fx_of(struct head *h, enum fx_kind kind, const struct job *job, const struct actor *a)
{
    struct fx *fx = head_fx(h, kind);
    fx->call = job->call->node.id;
    fx->branch = job->branch;
    fx->actor = (uint32_t)a->node.id;
    fx->model = str_of(a->member_of[POOL_MODEL].pool->name);
    fx->node = str_of(a->worker->name);
    fx->address = str_of(a->worker->address);
    fx->first = job->said;
    return fx;
}

void head_account_chosen(struct head *h, const struct job *job, const struct actor *a)
{
    struct fx_choice *choice = h->choice;
    h->choice = NULL;
    if (choice == NULL || choice->candidates[0].actor != a->node.id) {
        choice = head_bytes(h, sizeof *choice);
        *choice = (struct fx_choice){.why = why_there(job, a)};
    }
    choice->attempt = job->attempts_n;
    choice->queued = job->call->pool->queue.n;
    struct fx *fx = fx_of(h, FX_CHOSEN, job, a);
    fx->choice = choice;
    fx->usage.wait_ms = job->attempts_n > 1 || job->adopts ? 0 : job->wait_ms; /* the time since the call came is not all the queue's by then */
}

void head_account_left(struct head *h, const struct job *job, const char *reason, const char *text)
{
    struct str kept = head_text(h, "%s", text);
    struct fx *fx = fx_of(h, FX_LEFT, job, job->attempt->actor);
    fx->tag = reason;
    fx->text = kept;
}
