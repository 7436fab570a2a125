/* Poison: requests that crash the workers that compute them.
 *
 * The evidence is a crashing worker's last words: `crashed`, for each job that its engine was computing
 * in that very call. A prompt chunk and the draw of a token are computed for one job alone, a decode
 * step for all running streams. The mere end of a process is no evidence: workers are killed (kill -9,
 * out of memory, power), and among 60 such kills some innocent stream loses two workers in a row, alone
 * and without a token in between. attempts_max covers such deaths.
 *
 *     named in a crash ──▶ suspect ──▶ a quiet actor: it runs there alone ──▶ HEAD_CLEAR_TOKENS tokens further, or ended: cleared
 *                                                                        └──▶ named again, alone: rejected (ERR_POISON)
 *
 * So poison kills two workers, whatever ran beside it. A request named with it the first time is soon
 * cleared, and never rejected for a crash in company. Evidence counts for the call: its branches have
 * one prompt, and run on several workers. */
#include <stdlib.h>

#include "brain/queue/queue.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "FAILOVER"

enum { SIGNAL_OF_MEMORY = 9 }; /* reported by the witness when the kernel killed the worker for its memory
                                  (worker/crash_note.c) */

/* ---- evidence ---- */

int head_crashed(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_crashed *m = &msg->crashed;
    const struct attempt *attempt = head_attempt_of(h, w, m->job, m->attempt, f);
    struct job *job = attempt != NULL ? head_job_find(h, m->job) : NULL;
    if (job == NULL || job->attempts_n != m->attempt)
        return f->err; /* the attempt was cut short by a hang and waits again: still evidence */
    struct call *call = job->call;
    head_log(h, LOG_WARN, TAG, EVENT("job_at_crash", KV("job", job->node.id), KV("company", m->company), KV("signal", m->signal), KV("call", call->node.id),
             KV("actor", attempt->actor->node.id), KV("node", w->name)), "job %llu was computed, with %u others, when its worker %s (signal %u)",
             (unsigned long long)job->node.id, m->company > 0 ? m->company - 1 : 0,
             m->signal == SIGNAL_OF_MEMORY ? "was killed with its memory at its limit" : "crashed", m->signal);
    if (call->crashed_worker == w->node.id)
        return 0; /* two branches of the call, or reported twice */
    call->crashed_worker = w->node.id;
    call->crashes++;
    call->crashed_alone = m->company <= 1;
    call->crashed_memory = m->signal == SIGNAL_OF_MEMORY;
    call->suspect = job->node.id;
    call->suspect_from = job->said;
    if (head_call_is_poison(call)) /* now: its link has not ended yet, and a slot may become free before that */
        head_call_reject(h, call, job);
    return 0;
}

bool head_call_is_poison(const struct call *call)
{
    return call->crashes >= HEAD_POISON_CRASHES && call->crashed_alone;
}

void head_poison_fault(const struct call *call, struct fault *f)
{
    if (call->crashed_memory)
        fault_set(f, ERR_POISON, "this request took more memory than there was on %u workers that computed it, one after the other, and they were "
                  "killed for it: it is not given to another one; shorter or fewer of it may fit", call->crashes);
    else
        fault_set(f, ERR_POISON, "this request crashed %u workers that computed it, one after the other: it is not given to another one",
                  call->crashes);
}

/* Ends a rejected call: its waiting jobs, and those on live workers. Jobs of the dying worker follow one by one. */
void head_call_reject(struct head *h, struct call *call, const struct job *but)
{
    struct fault f = {0};
    head_poison_fault(call, &f);
    LIST_EACH_SAFE(pos, nxt, &call->jobs) {
        struct job *job = list_item(pos, struct job, in_call);
        bool dying = job->attempt != NULL && job->attempt->actor->worker->state == WORKER_LOST;
        if (job != but && !dying)
            head_job_fail(h, job, &f);
    }
}

/* ---- quarantine ---- */

/* A ready actor that takes jobs and has no other quarantined job. Prefers, in this order, another
 * actor than the one it failed on, one that does not rest, one with few running jobs. Walks the pool
 * once per crash. */
static struct actor *quiet_actor(const struct job *job)
{
    const struct pool *p = head_job_pool(job);
    struct actor *best = NULL;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < p->ready_n; i++) {
        struct actor *a = p->ready[i];
        uint64_t cost = a->in_flight + (timer_is_set(&a->rest) ? 1ull << 32 : 0) + (a->node.id == job->avoid ? 1ull << 33 : 0);
        bool better = cost < least || (cost == least && a->node.id < best->node.id);
        if (!a->serves || a->hung || a->quarantined != NULL || !better) /* hung: its jobs are leaving, perhaps this one */
            continue;
        best = a;
        least = cost;
    }
    return best;
}

bool head_job_quarantine(struct head *h, struct job *job)
{
    head_quarantined_leave(h, job);
    if (job->call->suspect != job->node.id)
        return false;
    struct actor *a = quiet_actor(job);
    if (a == NULL)
        return false; /* every actor has a quarantined job: run it in company */
    job->bound = a;
    a->quarantined = job;
    head_log(h, LOG_INFO, TAG, EVENT("job_tried_alone", KV("job", job->node.id), KV("actor", a->node.id), KV("node", a->worker->name)),
             "job %llu is tried alone",
             (unsigned long long)job->node.id);
    head_actor_refresh(h, a);
    return true;
}
