/* Attempts of jobs on actors, which hold the actors' slots; and the fence that checks workers' messages. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/smooth.h"
#include "brain/registry/registry.h"
#include "brain/run/run.h"

static void count_running(struct head *h, const struct job *job, int more)
{
    h->running += (uint32_t)more;
    job->call->running += (uint32_t)more;
    job->call->tenant->running += (uint32_t)more;
}

/* An attempt with the same first text runs there: it has that slot, so this one needs another. */
static bool twin_runs(const struct call *call, const struct actor *a)
{
    LIST_EACH(pos, &a->attempts) {
        const struct job *job = list_item(pos, struct attempt, in_actor)->job;
        if (job->call->blocks_n > 0 && job->call->blocks[0] == call->blocks[0])
            return true;
    }
    return false;
}

/* Bytes of the prompt to be computed there. Also counts cache fills: a prompt that continues a free
 * slot's content reuses that slot; any other prompt overwrites an older prompt's slot. */
static uint64_t fresh_bytes(struct head *h, const struct call *call, struct actor *a)
{
    uint64_t cached = head_cached_bytes(h, call, a);
    if (cached * 2 < call->prompt_bytes || twin_runs(call, a))
        a->cache_fills++;
    return cached < call->prompt_bytes ? call->prompt_bytes - cached : 0;
}

struct attempt *head_attempt_new(struct head *h, struct job *job, struct actor *a)
{
    struct attempt *f = xalloc(sizeof *f);
    f->actor = a;
    f->job = job;
    f->job_id = job->node.id;
    f->number = job->attempts_n;
    f->adopts = job->adopts;
    f->sent_us = h->now_us;
    f->prompt_bytes = job->call->prompt_bytes + head_replay_bytes(job);
    f->from = job->said;
    f->logprob_from = job->logprob_sum;
    list_push(&a->attempts, &f->in_actor);
    if (a->in_flight++ == 0)
        a->progress_us = h->now_us;
    f->fresh_bytes = fresh_bytes(h, job->call, a);
    a->waiting_bytes += f->prompt_bytes;
    a->fresh_bytes += f->fresh_bytes;
    a->last_pick = ++h->picks;
    count_running(h, job, 1);
    job->attempt = f;
    head_actor_refresh(h, a);
    return f;
}

void head_attempt_end(struct head *h, struct attempt *f)
{
    struct actor *a = f->actor;
    demand_served(&a->member_of[POOL_MODEL].pool->load.demand, (double)(h->now_us - f->sent_us) / 1e6);
    list_remove(&f->in_actor);
    a->in_flight--;
    a->waiting_bytes -= f->prompt_bytes;
    a->fresh_bytes -= f->fresh_bytes;
    if (f->job != NULL) {
        f->job->attempt = NULL;
        count_running(h, f->job, -1);
    }
    free(f);
    head_actor_refresh(h, a);
}

void head_attempt_cancel(struct head *h, const struct attempt *f)
{
    head_send(h, f->actor->worker->link, WIRE_cancel)->cancel =
        (struct wire_cancel){.job = f->job_id, .attempt = f->number};
}

void head_job_abandon(struct head *h, struct job *job)
{
    struct attempt *f = job->attempt;
    job->attempt = NULL;
    f->job = NULL;
    count_running(h, job, -1);
    list_remove(&f->in_actor);
    list_push(&f->actor->orphans, &f->in_actor);
    head_attempt_cancel(h, f);
}

/* ---- the fence ---- */

static struct attempt *orphan_of(const struct worker *w, uint64_t job, uint32_t number)
{
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        if (w->actors[key] == NULL)
            continue;
        LIST_EACH(pos, &w->actors[key]->orphans) {
            struct attempt *f = list_item(pos, struct attempt, in_actor);
            if (f->job_id == job && f->number == number)
                return f;
        }
    }
    return NULL;
}

struct attempt *head_attempt_of(struct head *h, struct worker *w, uint64_t id, uint32_t number, struct fault *f)
{
    if (id >= h->next_job || id == 0) {
        fault_set(f, ERR_PROTOCOL, "it speaks of job %llu, which never was", (unsigned long long)id);
        return NULL;
    }
    const struct job *job = head_job_find(h, id);
    struct attempt *attempt = job != NULL ? job->attempt : NULL;
    if (attempt == NULL || attempt->number != number || attempt->actor->worker != w)
        attempt = orphan_of(w, id, number);
    if (attempt != NULL)
        attempt->actor->progress_us = h->now_us;
    return attempt;
}

struct job *head_job_of(struct head *h, struct worker *w, uint64_t id, uint32_t number, struct fault *f)
{
    struct attempt *attempt = head_attempt_of(h, w, id, number, f);
    return attempt != NULL ? attempt->job : NULL;
}

/* ---- its pace ---- */

static const double LEARN = 0.1, LEARN_MAX = 0.5; /* weight of one token, and at most of one message */
static const double OUTLIER = 4;                  /* a momentary stall does not make a worker slow */

void head_attempt_paces(const struct head *h, struct attempt *f, uint32_t tokens)
{
    const struct job *job = f->job;
    if (tokens == 0 || job->said == f->from) /* before its first token it computed the prompt */
        return;
    double gap_us = (double)(h->now_us - job->token_us) / tokens;
    if (f->gap_us > 0)
        gap_us = fmin(gap_us, OUTLIER * f->gap_us);
    f->gap_us = smooth(f->gap_us, gap_us, fmin(LEARN * tokens, LEARN_MAX));
}
