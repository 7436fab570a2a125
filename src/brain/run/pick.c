/* Picks an open actor for a job: collects the candidates and the head's knowledge of them for the router. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "brain/policy/prefix.h"
#include "brain/policy/router.h"
#include "brain/run/run.h"
#include "brain/step/find.h"

/* ---- candidates ---- */

/* The expected length of the answer: as of earlier answers, within the request's limit. */
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

/* Estimates how many prompts the actor keeps besides its slots, from the usual length of prompts
 * and answers of its model. */
static uint64_t kept_prompts(const struct actor *a)
{
    const struct pool *pool = a->member_of[POOL_MODEL].pool;
    float each = pool->prompt_tokens + pool->answer_tokens;
    return each >= 1 ? (uint64_t)((float)a->prefix_tokens / each) : 0;
}

/* A prompt remains cached until as many other prompts have come as the actor's slots and its kept
 * prompts have room for. */
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

/* Marks actors that hold the prompt's beginning, or the session, and adds those missing from the sample. */
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

/* Replaces an unknown speed, or an unproven claim above the fastest, by the fastest. */
static double guess_speed(double said, double fastest, bool proven)
{
    return said <= 0 || (!proven && fastest > 0 && said > fastest) ? fastest : said;
}

/* An actor without a measured speed counts as the fastest proven one, so that it is tried soon and
 * measured. So does one that claims to be faster, until it has completed a job: otherwise one that
 * never answers would get every prompt. */
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

/* Samples the pool's open actors: all, or of many a window of `max` from a random place. */
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

/* Picks the n best open actors, one after the other. */
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
