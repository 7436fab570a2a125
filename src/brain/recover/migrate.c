/* KV migration: a job leaves a worker with its KV cache, so that the target need not recompute it.
 *
 * The happy path: a draining worker wants its jobs elsewhere (`availability` with `moves`), or an actor elsewhere is idle
 * (rebalance.c) -> a ready actor with the same cache layout is found, and moving the cache is predicted to be
 * quicker than recomputing -> kv_save -> the source stops the job and says kv_saved -> the job is sent to the
 * target, which holds it -> the cache follows part by part: kv_pull, kv_part, kv_ack; at most MIGRATION_WINDOW
 * parts at once -> all is there, its checksum right, and the answer continues.
 *
 *     (none) ──kv_save──▶ SAVING ──kv_saved──▶ MOVING ──last kv_ack──▶ (forgotten)
 *
 * It can fail by: the job ends by itself or its client leaves, nothing can be saved, no actor is free by then,
 * either worker dies, nothing moves for kv_stall_ms, a checksum is wrong, or moving turns out slower than
 * recomputing. Then this record is dropped, and the worker that holds the job is told that no more comes, and
 * computes. The job is always where its attempt says, so failover.c handles all its other troubles.
 *
 * The choice compares bytes over the measured bandwidth of the two links with tokens over the measured prefill
 * speed. It is made before the job stops, again when its bytes are known, and after each part. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/smooth.h"
#include "base/utf8.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "FAILOVER"

enum {
    MIGRATION_LOOK_MAX = 64,         /* open actors considered for a job */
    MIGRATION_BPS_GUESS = 100000000, /* bytes/s of a link without a migration yet: a gigabit network */
    MIGRATION_TPS_GUESS = 200,       /* prompt tokens/s before any actor has measured them */
};
static const double MIGRATION_FIXED_S = 0.02; /* saving, asking, loading: the time without any bytes */
static const double LEARN = 0.3;             /* weight of the newest bandwidth */

/* ---- cost ---- */

bool head_migration_alike(const struct actor *a, const struct actor *b)
{
    return a->kv[0] != '\0' && strcmp(a->kv, b->kv) == 0 && a->context == b->context && a->exact == b->exact && strcmp(a->setup, b->setup) == 0 &&
           strcmp(a->worker->engine, b->worker->engine) == 0 && strcmp(a->worker->cpu_features, b->worker->cpu_features) == 0;
}

/* Estimates the tokens in the job's KV cache. */
static double tokens_of(const struct job *job)
{
    float per_token = job->call->pool->bytes_per_token > 0 ? job->call->pool->bytes_per_token : ROUTER_BYTES_PER_TOKEN;
    double prompt = job->prompt_tokens > 0 ? job->prompt_tokens : (double)job->call->prompt_bytes / (double)per_token;
    return prompt + job->said;
}

static double bytes_of(const struct job *job)
{
    const struct actor *a = job->attempt->actor;
    return tokens_of(job) * (double)a->kv_bytes / ((double)a->slots * a->context);
}

/* Prompt tokens/s of the actor; if it has computed nothing yet, of another actor of its model. */
static double prefill_tps(const struct actor *a)
{
    const struct pool *p = a->member_of[POOL_MODEL].pool;
    double best = (double)a->prefill_tps;
    for (uint32_t i = 0; i < p->ready_n && i < MIGRATION_LOOK_MAX && best <= 0; i++)
        best = (double)p->ready[i]->prefill_tps;
    return best > 0 ? best : MIGRATION_TPS_GUESS;
}

/* Seconds in which `to` would recompute it, without the part that its cache should hold. */
static double compute_s(const struct head *h, const struct job *job, const struct actor *to)
{
    double tps = prefill_tps(to), tokens = tokens_of(job);
    double prompt = (double)job->call->prompt_bytes, cached = (double)head_cached_bytes(h, job->call, to);
    double fresh = prompt > 0 && cached < prompt ? 1 - cached / prompt : 0;
    return ((tokens - job->said) * fresh + job->said) / tps;
}

static double bandwidth(const struct worker *from, const struct worker *to)
{
    double a = from->kv_bps > 0 ? from->kv_bps : MIGRATION_BPS_GUESS, b = to->kv_bps > 0 ? to->kv_bps : MIGRATION_BPS_GUESS;
    return a < b ? a : b;
}

static double move_s(const struct worker *from, const struct worker *to, double bytes)
{
    return MIGRATION_FIXED_S + bytes / bandwidth(from, to);
}

double head_migration_pause_s(const struct head *h, const struct job *job, const struct actor *to)
{
    return fmin(move_s(job->attempt->actor->worker, to->worker, bytes_of(job)), compute_s(h, job, to));
}

static void saw_bandwidth(struct worker *w, double bps)
{
    w->kv_bps = smooth(w->kv_bps, bps, LEARN);
}

/* ---- target ---- */

static bool is_better(const struct actor *a, const struct actor *than)
{
    if (than == NULL)
        return true;
    uint64_t x = (uint64_t)a->in_flight * than->slots, y = (uint64_t)than->in_flight * a->slots;
    return x != y ? x < y : a->node.id < than->node.id;
}

/* The required target: may continue the answer; has the same KV cache layout; is also no target of
 * another migration. */
enum need { NEED_FILE, NEED_ALIKE, NEED_FREE };

/* The least busy open actor of the same file elsewhere; for an exact one, of the same bits. */
static struct actor *find_actor(const struct actor *from, enum need need)
{
    const struct pool *p = head_compatible_of(from);
    struct actor *best = NULL;
    for (uint32_t i = 0; p != NULL && i < p->open_n && i < MIGRATION_LOOK_MAX; i++) {
        struct actor *a = p->open[i];
        bool fits = a->worker != from->worker && (need == NEED_FILE || head_migration_alike(from, a)) &&
                    (need != NEED_FREE || a->worker->kv_in == NULL);
        if (fits && is_better(a, best))
            best = a;
    }
    return best;
}

/* The chosen target while it is free, else another. */
static struct actor *aimed_at(const struct head *h, const struct migration *mig, const struct actor *from)
{
    struct actor *a = head_actor_find(h, mig->aim);
    bool fits = a != NULL && head_actor_is_open(a) && a->worker->kv_in == NULL && head_compatible_of(a) == head_compatible_of(from) &&
                head_migration_alike(from, a);
    return fits ? a : find_actor(from, NEED_FREE);
}

/* ---- records ---- */

/* Drops the migration: the job is computed where it is now. */
static void give_up(struct head *h, struct migration *mig, const char *reason, const char *why)
{
    struct job *job = mig->job;
    head_log(h, LOG_WARN, TAG, EVENT("kv_migration_abandoned", KV("job", job->node.id), KV("reason", reason), KV("acked_bytes", mig->acked),
             KV("bytes", mig->bytes), KV("from", mig->from->name), KV("to", mig->to != NULL ? mig->to->name : "")),
             "KV migration of job %llu abandoned: %s; recomputing",
             (unsigned long long)job->node.id, why);
    head_migration_drop(h, job);
}

void head_migration_overdue(struct head *h, struct migration *mig)
{
    give_up(h, mig, "kv_stall", "nothing moved for too long (kv_stall_ms)");
}

void head_migration_lost(struct head *h, struct worker *w)
{
    if (w->kv_out != NULL)
        give_up(h, w->kv_out, "source_lost", "the worker it leaves was lost");
    if (w->kv_in != NULL)
        give_up(h, w->kv_in, "target_lost", "the worker it goes to was lost");
}

/* ---- departure ---- */

static struct migration *begin(struct head *h, struct job *job, const struct actor *to, double move, double compute)
{
    const struct actor *a = job->attempt->actor;
    head_log(h, LOG_INFO, TAG,
             EVENT("kv_migration_begins", KV("job", job->node.id), KV("bytes", (uint64_t)bytes_of(job)), KV("move_s", move), KV("compute_s", compute),
                    KV("from", a->worker->name), KV("to", to->worker->name)),
             "job %llu moves with its KV cache: that takes about %.2f s, computing it %.2f s", (unsigned long long)job->node.id, move, compute);
    struct migration *mig = head_migration_new(h, job);
    mig->aim = (uint32_t)to->node.id;
    head_send(h, a->worker->link, WIRE_kv_save)->kv_save = (struct wire_kv_save){.job = job->node.id, .attempt = job->attempts_n};
    return mig;
}

/* Sends the job to another actor, which recomputes it. */
static void replay(struct head *h, struct job *job, struct actor *to, const char *reason, const char *why)
{
    const struct actor *from = job->attempt->actor;
    double bytes = bytes_of(job), mb_s = bandwidth(from->worker, to->worker) / 1e6;
    double by_move = move_s(from->worker, to->worker, bytes), by_compute = compute_s(h, job, to);
    head_log(h, LOG_INFO, TAG,
             EVENT("job_recomputed", KV("job", job->node.id), KV("reason", reason), KV("compute_s", by_compute), KV("move_s", by_move),
                   KV("bytes", (uint64_t)bytes), KV("bandwidth_mb_s", mb_s), KV("from", from->worker->name), KV("to", to->worker->name)),
             "job %llu goes elsewhere and is computed there: %s; that takes about %.2f s", (unsigned long long)job->node.id, why, by_compute);
    head_job_leave(h, job, LEAVE_RECOMPUTED, NULL, to);
}

/* The job must stay: no actor could continue it, it is bound, it migrates already, or it has moved too often. */
static bool stays(const struct head *h, const struct job *job)
{
    return job->forgot || job->bound != NULL || job->migration != NULL || job->moves >= h->cfg.moves_max;
}

void head_migration_start(struct head *h, struct job *job, struct actor *to, bool rebalances)
{
    const struct actor *from = job->attempt->actor;
    double by_move = move_s(from->worker, to->worker, bytes_of(job)), by_compute = compute_s(h, job, to);
    if (by_move < by_compute)
        begin(h, job, to, by_move, by_compute)->rebalances = rebalances;
    else
        replay(h, job, to, "slower_to_move", "that is quicker");
}

/* Returns true when the job is leaving now, by migration or recomputation. */
static bool move(struct head *h, struct job *job)
{
    struct actor *from = job->attempt->actor, *any = find_actor(from, NEED_FILE), *to = find_actor(from, NEED_FREE);
    if (stays(h, job) || any == NULL)
        return false;
    if (from->kind == REQUEST_EMBED || job->saved_attempt == job->attempts_n || (to == NULL && find_actor(from, NEED_ALIKE) == NULL)) {
        bool failed = job->saved_attempt == job->attempts_n;
        replay(h, job, any, failed ? "moving_failed" : "no_target", failed ? "moving it failed" : "no actor that is alike is free");
        return true;
    }
    if (to == NULL)
        return false; /* its turn comes later */
    head_migration_start(h, job, to, false);
    return true;
}

/* Moves the oldest job of the worker that can move. False: there is none. */
static bool move_one(struct head *h, struct worker *w)
{
    for (uint32_t key = 0; key < HEAD_WORKER_ACTORS_MAX; key++) {
        if (w->actors[key] == NULL)
            continue;
        LIST_EACH(pos, &w->actors[key]->attempts) {
            if (move(h, list_item(pos, struct attempt, in_actor)->job))
                return true;
        }
    }
    return false;
}

void head_moves(struct head *h, struct worker *w, bool moves)
{
    if (moves && !list_linked(&w->moving))
        list_push(&h->movers, &w->moving);
    else if (!moves)
        list_remove(&w->moving);
}

void head_migration_more(struct head *h)
{
    LIST_EACH(pos, &h->movers) {
        struct worker *w = list_item(pos, struct worker, moving);
        while (w->kv_out == NULL && h->migrations_n < h->cfg.kv_moves_max && move_one(h, w))
            ;
    }
}

/* ---- transfer ---- */

static void pull(struct head *h, struct migration *mig)
{
    if (mig->pulled >= mig->bytes)
        return;
    head_send(h, mig->from->link, WIRE_kv_pull)->kv_pull = (struct wire_kv_pull){
        .job = mig->job->node.id, .attempt = mig->from_attempt, .offset = mig->pulled, .bytes = WIRE_KV_PART_BYTES};
    mig->pulled += WIRE_KV_PART_BYTES;
}

static void set_out(struct head *h, struct migration *mig, struct actor *to)
{
    struct job *job = mig->job;
    mig->state = MIGRATION_MOVING;
    mig->to = to->worker;
    mig->to->kv_in = mig;
    mig->began_us = h->now_us;
    mig->compute_s = compute_s(h, job, to);
    head_job_leave(h, job, LEAVE_MIGRATED, NULL, to);
    timers_set(&h->timers, &mig->timer, head_after_ms(h, h->cfg.kv_stall_ms));
    for (int i = 0; i < MIGRATION_WINDOW; i++)
        pull(h, mig);
}

/* The attempt has ended: decides who continues, and how. */
static void saved(struct head *h, struct job *job, const struct actor *from, const struct wire_kv_saved *m)
{
    struct migration *mig = job->migration;
    struct actor *to = mig != NULL && !job->forgot && m->bytes <= WIRE_KV_BYTES_MAX ? aimed_at(h, mig, from) : NULL;
    bool quicker = to != NULL && move_s(from->worker, to->worker, (double)m->bytes) < compute_s(h, job, to);
    if (!quicker) {
        struct fault f = {0};
        fault_set(&f, ERR_WORKER_LOST, "worker '%s' gives its jobs to others", from->worker->name);
        if (mig != NULL)
            give_up(h, mig, to == NULL ? "no_target" : "larger_than_thought",
                    to == NULL ? "no actor that is alike is free any more" : "it is more than was thought");
        head_kv_drop(h, from->worker, m->job, m->attempt);
        head_job_leave(h, job, LEAVE_NOT_MIGRATED, &f, NULL);
        return;
    }
    mig->bytes = m->bytes;
    mig->sum = m->sum;
    set_out(h, mig, to);
}

int head_kv_saved(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_kv_saved *m = &msg->kv_saved;
    struct attempt *attempt = head_attempt_of(h, w, m->job, m->attempt, f);
    if (attempt == NULL && f->err == 0 && m->bytes > 0)
        head_kv_drop(h, w, m->job, m->attempt);
    if (attempt == NULL || (attempt->job == NULL && m->bytes == 0))
        return f->err;
    struct job *job = attempt->job;
    const struct actor *from = attempt->actor;
    if (job == NULL) { /* its client left meanwhile */
        head_attempt_end(h, attempt);
        head_kv_drop(h, w, m->job, m->attempt);
    } else if (m->bytes > 0) {
        saved(h, job, from, m);
    } else if (job->migration != NULL) {
        char why[200];
        snprintf(why, sizeof why, "%.*s", STR_ARG(utf8_head(m->message, 160)));
        give_up(h, job->migration, "not_saved", why);
    }
    return 0;
}

static struct migration *migration_of(const struct head *h, uint64_t job)
{
    const struct job *moves = head_job_find(h, job);
    struct migration *mig = moves != NULL ? moves->migration : NULL;
    return mig != NULL && mig->state == MIGRATION_MOVING ? mig : NULL;
}

int head_kv_part(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_kv_part *m = &msg->kv_part;
    struct migration *mig = migration_of(h, m->job);
    if (mig == NULL || mig->from != w || mig->from_attempt != m->attempt)
        return 0; /* of a dropped migration */
    if (m->bytes.n == 0) {
        give_up(h, mig, "source_forgot", "the worker it leaves has it no more");
        return 0;
    }
    if (m->offset != mig->came || m->bytes.n > WIRE_KV_PART_BYTES || m->bytes.n > mig->bytes - mig->came || mig->came >= mig->pulled)
        return fault_set(f, ERR_PROTOCOL, "job %llu: a part of %zu bytes at %llu came where %llu of %llu was due",
                         (unsigned long long)m->job, m->bytes.n, (unsigned long long)m->offset, (unsigned long long)mig->came,
                         (unsigned long long)mig->bytes);
    mig->came += m->bytes.n;
    struct wire_msg *on = head_send(h, mig->to->link, WIRE_kv_part);
    on->kv_part = *m;
    on->kv_part.attempt = mig->job->attempts_n;
    return 0;
}

static void moved(struct head *h, struct migration *mig, double took_s)
{
    const struct job *job = mig->job;
    h->jobs_moved++;
    h->moved_bytes += mig->bytes;
    head_log(h, LOG_INFO, TAG, EVENT("kv_migrated", KV("job", job->node.id), KV("bytes", mig->bytes), KV("took_ms", took_s * 1e3), KV("from", mig->from->name),
             KV("to", mig->to->name)), "job %llu has moved: %.1f MB in %.0f ms, %.1f MB/s", (unsigned long long)job->node.id,
             (double)mig->bytes / 1e6, took_s * 1e3, (double)mig->bytes / took_s / 1e6);
    head_kv_drop(h, mig->from, job->node.id, mig->from_attempt);
    head_migration_free(h, mig);
}

/* At the pace so far, the rest of the transfer would take longer than recomputing everything. */
static bool too_slow(const struct migration *mig, double took_s)
{
    return mig->acked >= MIGRATION_WINDOW * (uint64_t)WIRE_KV_PART_BYTES &&
           (double)(mig->bytes - mig->acked) / ((double)mig->acked / took_s) > mig->compute_s;
}

int head_kv_ack(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_kv_ack *m = &msg->kv_ack;
    struct migration *mig = migration_of(h, m->job);
    if (mig == NULL || mig->to != w || mig->job->attempts_n != m->attempt)
        return 0;
    if (m->refused) {
        give_up(h, mig, "checksum", "it came with an error (checksum)");
        return 0;
    }
    if (m->bytes <= mig->acked || m->bytes > mig->came)
        return fault_set(f, ERR_PROTOCOL, "job %llu: it has %llu bytes of the %llu that were sent", (unsigned long long)m->job,
                         (unsigned long long)m->bytes, (unsigned long long)mig->came);
    double took_s = fmax((double)(h->now_us - mig->began_us) / 1e6, 1e-6);
    mig->acked = m->bytes;
    mig->job->attempt->actor->progress_us = h->now_us;
    timers_set(&h->timers, &mig->timer, head_after_ms(h, h->cfg.kv_stall_ms));
    bool all = mig->acked == mig->bytes, slow = !all && too_slow(mig, took_s);
    if (all || slow) {
        saw_bandwidth(mig->from, (double)mig->acked / took_s);
        saw_bandwidth(mig->to, (double)mig->acked / took_s);
    }
    if (all)
        moved(h, mig, took_s);
    else if (slow)
        give_up(h, mig, "slower_than_computing", "the rest would take longer than computing it");
    else
        pull(h, mig);
    return 0;
}
