/* Which of the open actors gets a job: candidates with what is known of them, for the router to choose from. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/policy/prefix.h"
#include "brain/policy/router.h"
#include "brain/run/run.h"
#include "brain/step/find.h"

/* ---- candidates ---- */

/* How long the answer will be: as long as those before it, but no longer than it may get. */
static double answer_tokens(const struct actor *a, const struct call *call)
{
    uint32_t most = call->request->sampling.max_tokens;
    double mean = (double)a->member_of[POOL_MODEL].pool->answer_tokens;
    return most > 0 && (mean <= 0 || mean > most) ? most : mean;
}

static struct candidate candidate_of(const struct actor *a, const struct call *call, const struct job *job)
{
    return (struct candidate){
        .actor = (uint32_t)a->node.id,
        .busy = a->in_flight + a->other_heads,
        .slots = a->slots,
        .prefill_tps = (double)a->prefill_tps,
        .decode_tps = (double)a->decode_tps,
        .bytes_per_token = (double)a->member_of[POOL_MODEL].pool->bytes_per_token,
        .fresh_bytes = a->fresh_bytes,
        .prompt_bytes = call->prompt_bytes + (job != NULL ? head_replay_bytes(job) : 0),
        .answer_tokens = answer_tokens(a, call),
        .last_pick = a->last_pick,
        .avoid = job != NULL && job->avoid == a->node.id,
    };
}

/* Prompts that lost their slots and are kept nevertheless, where they are as long as prompts of that model have been. */
static uint64_t kept_prompts(const struct actor *a)
{
    const struct pool *pool = a->member_of[POOL_MODEL].pool;
    float each = pool->prompt_tokens + pool->answer_tokens;
    return each >= 1 ? (uint64_t)((float)a->prefix_tokens / each) : 0;
}

/* An actor's cache is what its slots held last, and what it keeps beside them: a prompt is gone once as many others have come as both
 * have room for. */
static uint64_t still_cached(const struct actor *a, const struct call *call, const struct prefix_holder *holder)
{
    bool there = a->cache_fills - holder->stamp < a->slots + kept_prompts(a) && holder->blocks > 0;
    return there ? (uint64_t)holder->blocks * PREFIX_BLOCK_BYTES + prefix_uncut_bytes(call->request) : 0;
}

uint64_t head_cached_bytes(const struct head *h, const struct call *call, const struct actor *a)
{
    struct prefix_holder found[PREFIX_HOLDERS_MAX];
    size_t n = prefix_find(h->prefix, call->blocks, call->blocks_n, found);
    for (size_t i = 0; i < n; i++) {
        if (found[i].actor == a->node.id)
            return still_cached(a, call, &found[i]);
    }
    return 0;
}

struct sample {
    const struct pool *pool;
    struct candidate *c; /* owned */
    struct actor **who;  /* owned; same index */
    size_t n, cap;
};

static void sample_add(struct sample *s, struct actor *a, const struct call *call, const struct job *job)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->who[i] == a)
            return;
    }
    s->who[s->n] = a;
    s->c[s->n++] = candidate_of(a, call, job);
}

/* Actors that are known to hold the beginning of the prompt, or the session, belong into the sample in any case. */
static void sample_holders(struct head *h, struct sample *s, const struct call *call, const struct job *job)
{
    struct prefix_holder found[2][PREFIX_HOLDERS_MAX];
    size_t n[2] = {
        prefix_find(h->prefix, call->blocks, call->blocks_n, found[0]),
        prefix_find(h->sessions, &call->session, call->session != 0, found[1]),
    };
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n[k]; i++) {
            struct actor *a = head_actor_find(h, found[k][i].actor);
            const struct membership *at = a != NULL ? &a->member_of[s->pool->kind] : NULL;
            if (at == NULL || at->pool != s->pool || at->open_at == NOT_LISTED)
                continue;
            if (s->n < s->cap)
                sample_add(s, a, call, job);
            for (size_t j = 0; j < s->n; j++) {
                if (s->who[j] == a && k == 0)
                    s->c[j].cached_bytes = still_cached(a, call, &found[0][i]);
                else if (s->who[j] == a)
                    s->c[j].affine = true;
            }
        }
    }
}

/* Where nothing is known of a speed, or nothing but what its worker claims of it: the fastest there is. */
static double guess_speed(double said, double fastest, bool proven)
{
    return said <= 0 || (!proven && fastest > 0 && said > fastest) ? fastest : said;
}

/* Who has not measured himself yet counts as the fastest of those who have: he is tried soon, and then it is known. So does who says
 * that he is faster, until an answer has come from him: one that never answers would else get every prompt. */
static void guess_speeds(struct sample *s)
{
    double all[2] = {0}, proven[2] = {0};
    for (size_t i = 0; i < s->n; i++) {
        bool has = s->who[i]->jobs_done > 0;
        all[0] = fmax(all[0], s->c[i].prefill_tps);
        all[1] = fmax(all[1], s->c[i].decode_tps);
        proven[0] = has ? fmax(proven[0], s->c[i].prefill_tps) : proven[0];
        proven[1] = has ? fmax(proven[1], s->c[i].decode_tps) : proven[1];
    }
    for (size_t i = 0; i < s->n; i++) {
        bool has = s->who[i]->jobs_done > 0;
        s->c[i].prefill_tps = guess_speed(s->c[i].prefill_tps, proven[0] > 0 ? proven[0] : all[0], has);
        s->c[i].decode_tps = guess_speed(s->c[i].decode_tps, proven[1] > 0 ? proven[1] : all[1], has);
    }
}

/* Open actors of the pool: all, or with many of them a window of max at a random place. */
static void sample_open(struct head *h, struct sample *s, const struct call *call, const struct job *job, uint32_t max)
{
    const struct pool *p = s->pool;
    uint32_t n = p->open_n < max ? p->open_n : max;
    uint64_t from = p->open_n > max ? rng_below(&h->rng, p->open_n) : 0;
    for (uint32_t i = 0; i < n; i++) {
        struct actor *a = p->open[(from + i) % p->open_n];
        s->who[s->n] = a;
        s->c[s->n++] = candidate_of(a, call, job);
    }
    sample_holders(h, s, call, job);
    guess_speeds(s);
}

struct actor *head_pick(struct head *h, const struct job *job)
{
    struct candidate c[ROUTER_SAMPLE_MAX + 2 * PREFIX_HOLDERS_MAX];
    struct actor *who[ROUTER_SAMPLE_MAX + 2 * PREFIX_HOLDERS_MAX];
    struct sample s = {.pool = job->pool, .c = c, .who = who, .cap = sizeof c / sizeof c[0]};
    sample_open(h, &s, job->call, job, ROUTER_SAMPLE_MAX);
    size_t best = router_pick(h->cfg.balance, c, s.n, &h->rng);
    head_account_weighed(h, c, who, s.n, best);
    return who[best];
}

/* ---- several actors for one call ---- */

static int by_id(const void *a, const void *b)
{
    const struct actor *const *x = a, *const *y = b;
    return ((*x)->node.id > (*y)->node.id) - ((*x)->node.id < (*y)->node.id);
}

/* The n best of the open ones, one after the other. */
static uint32_t pick_open(struct head *h, const struct call *call, uint32_t n, struct actor **out)
{
    size_t cap = (size_t)n * 2 + ROUTER_SAMPLE_MAX + 2 * PREFIX_HOLDERS_MAX;
    struct sample s = {
        .pool = call->pool, .c = xalloc_array(cap, sizeof *s.c), .who = xalloc_array(cap, sizeof *s.who), .cap = cap};
    sample_open(h, &s, call, NULL, n * 2 + ROUTER_SAMPLE_MAX);
    uint32_t picked = 0;
    while (picked < n && s.n > 0) {
        size_t best = router_pick(h->cfg.balance, s.c, s.n, &h->rng);
        out[picked++] = s.who[best];
        s.n--;
        s.c[best] = s.c[s.n];
        s.who[best] = s.who[s.n];
    }
    free(s.c);
    free(s.who);
    return picked;
}

uint32_t head_pick_spread(struct head *h, const struct call *call, uint32_t n, struct actor **out)
{
    const struct pool *p = call->pool;
    uint32_t picked = n > 0 ? pick_open(h, call, n, out) : 0;
    for (uint32_t i = 0; picked < n && i < p->ready_n; i++) {
        if (p->ready[i]->member_of[p->kind].open_at == NOT_LISTED && p->ready[i]->serves)
            out[picked++] = p->ready[i];
    }
    qsort(out, picked, sizeof(struct actor *), by_id);
    return picked;
}
