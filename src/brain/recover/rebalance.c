/* Rebalancing: a job leaves an actor that is slow, or crowded, for an idle one.
 *
 * The happy path: a worker beats -> one of its actors is slow, or has two jobs or more -> an idle actor
 * with the same KV cache layout has no job waiting for it -> one of the jobs would end there so much
 * sooner that the pause of the move pays -> it moves, as from a draining worker (migrate.c). It can fail
 * like any migration: then the job continues where it is, or is recomputed elsewhere.
 *
 * No ping-pong: the target had no job, so it is not crowded; it is not slow; and the same job stays for
 * rebalance_again_ms. One job per model file moves at a time, followed by a pause of rebalance_every_ms.
 *
 * The cost: each beat of an actor that could give a job looks at no more than REBALANCE_LOOK_MAX actors
 * and jobs; while no actor is idle, one beat per rebalance_every_ms does. */
#include <math.h>

#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "REBALANCE"

enum {
    REBALANCE_LOOK_MAX = 16, /* open actors, and jobs of one actor, per look */
    REBALANCE_TOKENS = 8,    /* tokens of a job here before its pace is believed */
};
/* Predictions err by about this much: a larger gain remains real. */
static const double GAIN_S = 2, GAIN_TIMES = 1.5;

/* ---- gain ---- */

/* Tokens still to come: bounded by the request, and estimated from other answers. */
static double tokens_left(const struct job *job)
{
    const struct actor *a = job->attempt->actor;
    double said = job->said, most = job->call->request->sampling.max_tokens, mean = (double)job->call->pool->answer_tokens;
    double whole = mean > 0 ? fmax(mean, 2 * said) : most > 0 ? most : 2 * said;
    whole = fmin(whole, (double)a->context - job->prompt_tokens);
    return fmax((most > 0 ? fmin(whole, most) : whole) - said, 0);
}

struct gain {
    struct job *job; /* NULL: no job gains enough */
    double tokens, here_s, there_s;
};

static struct gain gain_of(const struct head *h, struct job *job, const struct actor *to)
{
    const struct actor *from = job->attempt->actor;
    double left = tokens_left(job), tps = (double)(to->decode_tps > 0 ? to->decode_tps : from->decode_tps);
    struct gain g = {.job = job, .tokens = left, .here_s = left * job->attempt->gap_us / 1e6};
    g.there_s = head_migration_pause_s(h, job, to) + left / tps;
    if (tps <= 0 || g.here_s - g.there_s < GAIN_S || g.here_s < GAIN_TIMES * g.there_s)
        g.job = NULL;
    return g;
}

/* A suspect stays where it is watched (poison.c), and an often moved job may need its remaining attempts. */
static bool may_go(const struct head *h, const struct job *job)
{
    bool free = job->state == JOB_STREAMING && !job->forgot && job->bound == NULL && job->migration == NULL && job->call->crashes == 0;
    bool rested = job->rebalanced_us == 0 || h->now_us >= job->rebalanced_us + (uint64_t)h->cfg.rebalance_again_ms * 1000;
    return free && rested && job->saved_attempt != job->attempts_n && job->moves < h->cfg.moves_max / 2 &&
           job->said >= job->attempt->from + REBALANCE_TOKENS && job->attempt->gap_us > 0;
}

static struct gain best_gain(const struct head *h, const struct actor *from, const struct actor *to)
{
    struct gain best = {0};
    uint32_t n = 0;
    LIST_EACH(pos, &from->attempts) {
        struct job *job = list_item(pos, struct attempt, in_actor)->job;
        if (n++ >= REBALANCE_LOOK_MAX)
            break;
        struct gain g = may_go(h, job) ? gain_of(h, job, to) : (struct gain){0};
        if (g.job != NULL && (best.job == NULL || g.here_s - g.there_s > best.here_s - best.there_s))
            best = g;
    }
    return best;
}

/* ---- source and target ---- */

/* A queued job could use this actor. H8 rules that out before a step, except for jobs still regrouping. */
static bool is_wanted(const struct actor *a)
{
    for (int s = 0; s < POOL_KINDS; s++) {
        const struct pool *p = a->member_of[s].pool;
        if (p != NULL && (!queue_is_empty(&p->queue) || !list_empty(&p->regroup)))
            return true;
    }
    return !queue_is_empty(&a->bound);
}

static bool is_idle(const struct actor *a)
{
    return a->in_flight == 0 && a->other_heads == 0 && !a->slow && a->worker->kv_in == NULL && head_actor_health(a) == ACTOR_WELL;
}

/* Returns the fastest of a few idle actors. *out_any: one is idle, perhaps with another cache layout. */
static struct actor *idle_one(const struct head *h, const struct actor *from, bool *out_any)
{
    const struct pool *p = head_compatible_of(from);
    struct actor *best = NULL;
    for (uint32_t i = 0; i < p->open_n && i < REBALANCE_LOOK_MAX; i++) {
        struct actor *a = p->open[(h->steps + i) % p->open_n]; /* a different window each step */
        if (a->worker == from->worker || !is_idle(a))
            continue;
        *out_any = true;
        if (head_migration_alike(from, a) && (best == NULL || a->decode_tps > best->decode_tps))
            best = a;
    }
    return best != NULL && !is_wanted(best) ? best : NULL;
}

/* The job that moved last has not resumed yet. */
static bool is_under_way(const struct head *h, const struct pool *p)
{
    const struct job *job = head_job_find(h, p->rebalancing);
    return job != NULL && (job->migration != NULL || job->state != JOB_STREAMING);
}

static bool gives(const struct head *h, const struct actor *a)
{
    const struct pool *same_file = head_compatible_of(a);
    return a->state == WIRE_ACTOR_READY && !a->hung && !list_empty(&a->attempts) && h->now_us >= same_file->rebalance_us && !is_under_way(h, same_file);
}

/* An idle actor's speed is from its last work: too weak to call another actor slow (beat.c), but enough
 * to try a move. */
static bool lags(const struct actor *from, const struct actor *to)
{
    static const float LAGS_BELOW = 0.4f;
    return from->decode_tps > 0 && from->decode_tps < to->decode_tps * LAGS_BELOW;
}

static void go(struct head *h, const struct gain *g, struct actor *to)
{
    const struct actor *from = g->job->attempt->actor;
    struct pool *p = head_compatible_of(from);
    head_log(h, LOG_INFO, TAG,
             EVENT("job_rebalanced", KV("job", g->job->node.id), KV("actor", from->node.id), KV("slow", lags(from, to)), KV("jobs", from->in_flight),
                   KV("tokens", g->tokens), KV("here_s", g->here_s), KV("there_s", g->there_s), KV("from", from->worker->name), KV("to", to->worker->name)),
             "job %llu leaves actor %u, which is %s, for an idle one", (unsigned long long)g->job->node.id, (unsigned)from->node.id,
             lags(from, to) ? "slow" : "crowded");
    h->jobs_rebalanced++;
    p->rebalancing = g->job->node.id;
    p->rebalance_us = head_after_ms(h, h->cfg.rebalance_every_ms);
    g->job->rebalanced_us = h->now_us;
    head_migration_start(h, g->job, to, true);
}

/* Returns true when one of its jobs moves. */
static bool relieve(struct head *h, const struct actor *from)
{
    bool any = false;
    struct actor *to = idle_one(h, from, &any);
    bool may = to != NULL && (from->in_flight > 1 || lags(from, to));
    struct gain g = may ? best_gain(h, from, to) : (struct gain){0};
    if (g.job != NULL)
        go(h, &g, to);
    else if (!any)
        head_compatible_of(from)->rebalance_us = head_after_ms(h, h->cfg.rebalance_every_ms);
    return g.job != NULL;
}

void head_rebalance(struct head *h, struct worker *w)
{
    if (!h->cfg.rebalance || w->kv_out != NULL || h->migrations_n >= h->cfg.kv_moves_max)
        return;
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        if (w->actors[key] != NULL && gives(h, w->actors[key]) && relieve(h, w->actors[key]))
            return;
    }
}
