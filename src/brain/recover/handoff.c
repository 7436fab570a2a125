/* Handoff: a head takes the place of another one, and continues its calls.
 *
 * The happy path: TAKE for each call of the former head -> they become calls like any other, whose jobs
 * wait -> the workers, whose links are gone, join here -> each is asked (`seek`) for the jobs that the
 * former head sent -> `held`: the job is bound to that actor, which will be told to continue it (`adopt`) ->
 * all workers are back and have answered -> their actors open, and all jobs are sent in their old order.
 * A job that no worker has, because its worker died at that very moment, is recomputed after its
 * delivered tokens, as in any failover. It can fail by: a worker stays away (it is not awaited after
 * handoff_ms), an answer with too many tokens to be kept (it ends, as if its worker had died).
 *
 * Until all workers are back no actor is open: each worker owes one more reply than it was asked for
 * (worker.replies_due). Otherwise new prompts would take slots in which streams of the next worker run,
 * and a fan-out would find one actor instead of all. The last question is for stream 0, which never
 * exists: its answer comes after all reports of the worker. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "FAILOVER"

/* ---- the record for the other head ---- */

/* No branch of the fan-out has been sent: the other head has other actors, and makes the branches anew. */
static bool is_fan_out_to_be(const struct call *call)
{
    bool fresh = call->spread && call->open == call->branches;
    LIST_EACH(pos, &call->jobs)
        fresh = fresh && list_item(pos, struct job, in_call)->attempts_n == 0;
    return fresh;
}

/* A call that was resumed from a worker's journal lacks the client's name for the model: the pool's name
 * replaces it. */
static struct str model_of(const struct call *call)
{
    return call->request->model.n > 0 ? call->request->model : str_of(call->pool->name);
}

static uint8_t known_of(const struct pool *p)
{
    return p->was_ready ? WIRE_KNOWN_READY : p->registered ? WIRE_KNOWN : WIRE_KNOWN_NOT; /* the pool of any model is never registered */
}

bool head_call_moves(const struct head *h, uint64_t id, struct wire_moved_call *out, struct wire_run *out_run,
                     const struct request **out_request)
{
    const struct call *call = head_call_find(h, id);
    if (call == NULL)
        return false;
    const struct request *r = call->request;
    bool to_be = is_fan_out_to_be(call);
    *out_run = call->run;
    *out_request = r;
    out->client = str_n(call->client, call->client_n);
    out->model = model_of(call);
    out->known = known_of(call->pool);
    out->affinity = r->affinity;
    out->tenant = r->tenant;
    out->priority = r->priority;
    out->count = call->wanted;
    out->spread = call->spread;
    out->spread_pending = to_be;
    out->deadline_ms = call->deadline_ms;
    out->seq = call->seq;
    out->reported = call->reported;
    out->branches = to_be ? 1 : call->branches;
    return true;
}

bool head_call_job_moves(const struct head *h, uint64_t id, uint32_t *branch, struct wire_moved_job *out)
{
    const struct call *call = head_call_find(h, id);
    struct job *job = NULL;
    if (call == NULL || (*branch > 0 && is_fan_out_to_be(call)))
        return false;
    LIST_EACH(pos, &call->jobs) {
        job = list_item(pos, struct job, in_call);
        if (job->branch >= *branch)
            break;
        job = NULL;
    }
    if (job == NULL)
        return false;
    *branch = job->branch + 1;
    *out = (struct wire_moved_job){.branch = job->branch, .attempt = job->attempts_n, .barren_attempts = job->barren_attempts, .said = job->said};
    out->barren_attempts -= job->attempt != NULL && job->barren_attempts > 0; /* the running attempt counts later */
    if (!job->forgot)
        out->ids = (struct wire_i32s){.p = job->ids, .n = job->said};
    if (job->same_file != NULL)
        out->same_file = str_of(job->same_file->name);
    if (job->same_bits != NULL)
        out->same_bits = str_of(job->same_bits->name);
    return true;
}

/* ---- the calls ---- */

const struct wire_moved_job *head_moved_job(const struct wire_moved_job *const *jobs, uint32_t n, uint32_t branch)
{
    for (uint32_t i = 0; i < n; i++) {
        if (jobs[i]->branch == branch)
            return jobs[i];
    }
    return NULL;
}

/* A branch without a record has ended: its worker has all of it. */
static void make_job(struct head *h, struct call *call, const struct head_event *ev, uint32_t branch)
{
    static const struct fault too_long = {.err = ERR_TOO_LARGE,
                                          .text = "more tokens of this answer were delivered than can be kept (resume_tokens_max)"};
    const struct wire_moved_job *told = head_moved_job(ev->moved_jobs, ev->moved_jobs_n, branch);
    struct wire_moved_job m = told != NULL ? *told : (struct wire_moved_job){.branch = branch, .attempt = 1};
    if (m.attempt == 0 && h->queued - h->requeued >= h->cfg.queue_jobs_max)
        m.attempt = 1; /* admitted there and not refused now: exempt from queue_jobs_max */
    struct job *job = head_job_taken(h, call, &m);
    if (job->forgot)
        head_job_fail(h, job, &too_long);
}

/* Fits the call's bytes into the budget: the former head admitted it within its own limits. */
static void fit(const struct head *h, struct call *call)
{
    uint64_t room = h->cfg.queue_bytes_max - h->queue_bytes;
    if (call->bytes > room)
        call->bytes = room;
}

void head_handoff(struct head *h, const struct head_event *ev)
{
    const struct wire_moved_call *m = ev->moved;
    bool is_embed = ev->request->kind == REQUEST_EMBED;
    struct pool *pool = head_pool_for(h, ev->request);
    h->calls_total++;
    if (pool == NULL)
        pool = head_pool_new(h, ev->request->model, is_embed);
    pool->registered = pool->registered || m->known != WIRE_KNOWN_NOT; /* its worker may be away at the moment */
    pool->was_ready = pool->was_ready || m->known == WIRE_KNOWN_READY;
    pool->away_n += m->known == WIRE_KNOWN_READY && pool->away_n == 0;
    struct call *call = head_call_new(h, ev, pool);
    if (m->seq > 0) /* 0: it was in no queue there, and is the last here */
        call->seq = m->seq;
    if (h->next_seq <= call->seq)
        h->next_seq = call->seq + 1;
    call->created_us = h->now_us > m->age_us ? h->now_us - m->age_us : 0;
    call->reported = m->reported != 0;
    call->spread_pending = m->spread_pending != 0;
    call->tenant->calls_total++;
    fit(h, call);
    head_call_add(h, call, ev->call);
    call->branches = call->request->inputs_n > 0 ? call->request->inputs_n : m->branches;
    call->open++; /* keeps the call open if a branch fails at once */
    for (uint32_t i = 0; i < call->branches; i++)
        make_job(h, call, ev, i);
    call->open--;
    head_call_branch_ended(h, call);
    if (ev->workers > 0 && h->take_workers == 0) {
        h->take_workers = ev->workers;
        timers_set(&h->timers, &h->handoff, head_after_ms(h, h->cfg.handoff_ms));
    }
}

/* ---- the workers ---- */

static void ask(struct head *h, struct worker *w, uint64_t stream, struct wire_i32s said)
{
    w->replies_due++;
    head_send(h, w->link, WIRE_seek)->seek = (struct wire_seek){.stream = stream, .said = said, .taken = 1};
}

struct places {
    struct grave grave;
    int32_t said[];
};

/* The client's number of tokens of each branch that a worker may have; n 0: no branch. */
static struct wire_i32s sought_of(struct head *h, const struct call *call)
{
    uint32_t sought = 0;
    LIST_EACH(pos, &call->jobs)
        sought += list_item(pos, struct job, in_call)->sought;
    if (sought == 0)
        return (struct wire_i32s){0};
    struct places *p = xalloc(sizeof *p + call->branches * sizeof *p->said);
    memset(p->said, 0, call->branches * sizeof *p->said);
    LIST_EACH(pos, &call->jobs) {
        const struct job *job = list_item(pos, struct job, in_call);
        p->said[job->branch] = (int32_t)job->said;
    }
    head_bury(h, &p->grave, NULL);
    return (struct wire_i32s){.p = p->said, .n = call->branches};
}

void head_handoff_ask(struct head *h, struct worker *w)
{
    if (!timer_is_set(&h->handoff))
        return;
    w->expected_back = true;
    w->replies_due++;
    IDTAB_EACH(node, &h->calls) {
        const struct call *call = id_item(node, struct call, node);
        struct wire_i32s said = sought_of(h, call);
        if (said.n > 0)
            ask(h, w, call->stream, said);
    }
    ask(h, w, 0, (struct wire_i32s){0});
}

/* A made-up copy lacks the claim that the head gave to the stream's worker. */
static bool is_of(const struct call *call, const struct wire_held *m)
{
    struct wire_arena arena = {0};
    struct wire_msg msg;
    bool same = wire_decode(&msg, &arena, m->run, NULL) == 0 && msg.type == WIRE_run && msg.run.stream == call->stream &&
                msg.run.claim == call->claim && msg.run.branch == m->branch;
    wire_arena_fini(&arena);
    return same;
}

static struct job *find_sought(const struct head *h, const struct wire_held *m)
{
    const struct call *call = head_call_by_stream(h, m->stream);
    if (call == NULL || !is_of(call, m))
        return NULL;
    LIST_EACH(pos, &call->jobs) {
        struct job *job = list_item(pos, struct job, in_call);
        if (job->branch == m->branch && job->sought && job->state == JOB_QUEUED)
            return job;
    }
    return NULL;
}

/* An older copy may have fewer tokens, or other ones than were delivered. */
void head_handoff_held(struct head *h, struct worker *w, const struct wire_held *m)
{
    struct job *job = find_sought(h, m);
    struct actor *a = m->key < HEAD_WORKER_ACTORS_MAX ? w->actors[m->key] : NULL;
    if (job == NULL || a == NULL || !a->serves || a->kind == REQUEST_EMBED || m->ids.n != job->said)
        return;
    if (job->said > 0 && memcmp(m->ids.p, job->ids, job->said * sizeof *job->ids) != 0)
        return;
    job->sought = false;
    head_queue_take(h, job);
    head_compatible_join(h, job, a);
    job->bound = a;
    job->adopts = true;
    head_queue_put(h, job);
}

/* First of all jobs: the actor has been running it all the time. */
static void adopt(struct head *h, struct job *job)
{
    if (job->adopts && head_actor_is_open(job->bound))
        head_job_send(h, job, job->bound);
}

/* Now all actors are known: those of the same bits, and one for each branch of a fan-out if there are enough. */
static void find_place(struct head *h, struct job *job)
{
    job->sought = false;
    if (job->state != JOB_QUEUED || job->bound != NULL || job->regroups)
        return;
    head_queue_take(h, job);
    if (job->call->spread && !job->call->spread_pending)
        job->bound = head_job_other_actor(job);
    head_queue_put(h, job);
}

static void end(struct head *h)
{
    uint32_t here = 0;
    timers_clear(&h->timers, &h->handoff);
    IDTAB_EACH(node, &h->workers) {
        struct worker *w = id_item(node, struct worker, node);
        bool awaited = w->expected_back;
        w->expected_back = false;
        here += awaited;
        if (awaited && w->replies_due > 0 && --w->replies_due == 0)
            head_worker_refresh(h, w);
    }
    IDTAB_EACH(node, &h->jobs)
        adopt(h, id_item(node, struct job, node));
    IDTAB_EACH(node, &h->jobs)
        find_place(h, id_item(node, struct job, node));
    head_log(h, LOG_INFO, TAG, EVENT("replaced", KV("workers", here), KV("of", h->take_workers)),
             "%u of %u workers of the former head are back: what it had continues", here, h->take_workers);
}

void head_handoff_look(struct head *h, const struct worker *w)
{
    uint32_t back = 0;
    if (!w->expected_back || w->replies_due > 1)
        return;
    IDTAB_EACH(node, &h->workers) {
        const struct worker *other = id_item(node, struct worker, node);
        back += other->expected_back && other->replies_due == 1;
    }
    if (back >= h->take_workers)
        end(h);
}

void head_handoff_overdue(struct head *h)
{
    end(h);
}
