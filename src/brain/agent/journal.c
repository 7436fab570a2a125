/* The journals of a worker: each job's request, token ids and messages, for a head that takes its stream over.
 *
 *           run                     its link is lost             no head asked for adrift_ms
 * (none) ────────▶ RUNS ─────────────────────────────▶ ADRIFT ────────────────────▶ (forgotten, cancelled)
 *                   ▲ │ done, cancelled                 │  │ done
 *                   │ ▼                                 │  ▼
 *                   │ OVER ◀────────────────────────────┘  OVER ──────────────────▶ (forgotten)
 *                   └───┴──── adopt ◀──────────────────────┘
 *
 * A journal delivered in full is kept longer (told_ms): other branches of its stream may still run, here or on
 * other workers, and a head that takes the stream over needs the ends of the finished branches.
 *
 * A lost head may have been killed; its clients come to another head, or to its next life, with the number of
 * tokens they have, and that head seeks and adopts. A head that returns as the same process has given the job
 * to another worker meanwhile: the job is cancelled, its journal stays.
 *
 * A stream belongs to the head where its client asked last: only the last head that sought it may adopt it.
 * Otherwise a head that does not yet know of its client's departure would take the stream back. Questions over
 * an ended link are forgotten: the head asks again on its next link if it still needs to. A head that took
 * another one's place asks for clients that did not come by themselves, so it hears of no stream that another
 * head has sought or runs.
 *
 * A journal is *alone* if its head was lost before receiving all of it or handing it on: it may be the only
 * copy. A draining worker therefore stays until a head has adopted it, that head returns, the grace time ends,
 * or it expires.
 *
 * `adopt` replays the log if the log has the client's next token; otherwise the job runs again after the
 * client's tokens. Both ways leave no gap; text that the client never saw may come out differently.
 *
 * The log is whole frames with the job's old number, which is overwritten when they are sent again. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/agent/state.h"

#define TAG "FAILOVER"

static struct journal *kept_at(struct list *pos)
{
    return list_item(pos, struct journal, all);
}

static struct journal **bucket(struct agent *a, uint64_t stream)
{
    return &a->journals_by_stream[rng_mix(stream) % AGENT_JOURNAL_BUCKETS];
}

struct journal *agent_journal_first(struct agent *a, uint64_t stream)
{
    return *bucket(a, stream);
}

struct journal *agent_journal_find(struct agent *a, uint64_t stream, uint32_t branch)
{
    struct journal *k = *bucket(a, stream);
    while (k != NULL && (k->stream != stream || k->branch != branch))
        k = k->next;
    return k;
}

/* ---- memory ---- */

static uint64_t bytes_of(const struct journal *k)
{
    return sizeof *k + k->run.cap + k->log.cap + k->ids.cap;
}

static void count(struct agent *a, struct journal *k)
{
    a->journal_bytes += bytes_of(k) - k->bytes;
    k->bytes = bytes_of(k);
}

static void kept_free(struct agent *a, struct journal *k)
{
    if (k == NULL)
        return;
    struct journal **at = bucket(a, k->stream);
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    if (k->job != NULL)
        k->job->journal = NULL;
    a->journal_bytes -= k->bytes;
    list_remove(&k->all);
    list_remove(&k->expiring);
    buf_fini(&k->run);
    buf_fini(&k->log);
    buf_fini(&k->ids);
    free(k);
}

static void drop(struct agent *a, struct journal *k)
{
    struct agent_job *j = k->job;
    if (j != NULL)
        agent_log(a, LOG_WARN, TAG, EVENT("stream_dropped", event_id("stream", k->stream), KV("journal_bytes", a->journal_bytes)),
                  "the stream cannot be taken over any more: more is kept than journal_bytes_max, %llu bytes", (unsigned long long)a->cfg.journal_bytes_max);
    kept_free(a, k);
    if (j != NULL && j->adrift)
        agent_job_orphan(a, j);
}

static struct journal *first_of(const struct list *expiring)
{
    return list_empty(expiring) ? NULL : list_item(expiring->next, struct journal, expiring);
}

/* Drops the oldest journal delivered in full, else the oldest that no head reads; if there is none, this
 * journal goes. */
static void make_room(struct agent *a, struct journal *k)
{
    while (a->journal_bytes > a->cfg.journal_bytes_max) {
        struct journal *oldest = first_of(list_empty(&a->told) ? &a->expiring : &a->told);
        if (oldest == NULL || oldest == k)
            break;
        drop(a, oldest);
    }
    if (a->journal_bytes > a->cfg.journal_bytes_max)
        drop(a, k);
}

/* ---- writing ---- */

struct journal *agent_journal_new(struct agent *a, const struct wire_run *run, struct agent_job *j)
{
    struct journal *old = agent_journal_find(a, run->stream, run->branch);
    if (run->stream == 0)
        return NULL;
    if (old != NULL && old->job != NULL && old->job->adrift)
        agent_job_orphan(a, old->job); /* its head came back without asking for it */
    struct journal *k = xalloc(sizeof *k);
    *k = (struct journal){.stream = run->stream,
                       .seeker = old != NULL ? old->seeker : AGENT_HEADS_MAX,
                       .told = old != NULL ? old->told : UINT32_MAX,
                       .branch = run->branch,
                       .key = run->key,
                       .job = j,
                       .run = buf_max(WIRE_FRAME_BYTES_MAX),
                       .log = buf_max(a->cfg.journal_bytes_max),
                       .ids = buf_max(a->cfg.journal_bytes_max)};
    kept_free(a, old);
    k->next = *bucket(a, k->stream);
    *bucket(a, k->stream) = k;
    list_push(&a->journals, &k->all);
    struct wire_msg msg = {.type = WIRE_run, .run = *run};
    msg.run.resume = (struct wire_i32s){0};
    msg.run.kv_bytes = 0; /* the KV cache comes only once */
    buf_add(&k->ids, run->resume.p, run->resume.n * sizeof *run->resume.p);
    if (wire_encode(&k->run, &msg) != 0 || k->ids.overflowed) {
        kept_free(a, k);
        return NULL;
    }
    j->journal = k;
    count(a, k);
    make_room(a, k);
    return j->journal;
}

void agent_journal_say(struct agent *a, struct journal *k, const struct wire_msg *msg)
{
    int err = wire_encode(&k->log, msg);
    if (msg->type == WIRE_tokens && err == 0)
        err = buf_add(&k->ids, msg->tokens.ids.p, msg->tokens.ids.n * sizeof *msg->tokens.ids.p);
    if (msg->type == WIRE_done && msg->done.finish != FINISH_CANCELLED)
        k->done = true;
    count(a, k);
    if (err != 0)
        drop(a, k);
    else
        make_room(a, k);
}

void agent_journal_tick(struct agent *a)
{
    for (struct journal *k; (k = first_of(&a->told)) != NULL && k->due_us <= a->now_us;)
        kept_free(a, k);
    for (struct journal *k; (k = first_of(&a->expiring)) != NULL && k->due_us <= a->now_us;) {
        struct agent_job *j = k->job;
        if (j != NULL)
            agent_log(a, LOG_INFO, TAG, EVENT("stream_abandoned", event_id("stream", k->stream)), "no head resumed the stream within %u ms: it ends",
                      a->cfg.adrift_ms);
        kept_free(a, k);
        if (j != NULL)
            agent_job_orphan(a, j);
    }
}

uint64_t agent_journal_deadline(const struct agent *a)
{
    const struct journal *adrift = first_of(&a->expiring), *told = first_of(&a->told);
    uint64_t due_us = adrift != NULL ? adrift->due_us : AGENT_NEVER;
    return told != NULL && told->due_us < due_us ? told->due_us : due_us;
}

/* ---- the only copy ---- */

void agent_journal_left_alone(struct agent *a, uint64_t stream, uint32_t branch, uint32_t head)
{
    struct journal *k = agent_journal_find(a, stream, branch);
    if (k == NULL || k->job != NULL) /* it has returned, and runs */
        return;
    agent_journal_alone(a, k, head);
    if (k->done) /* kept for adrift_ms only, not told_ms: a draining worker stays for it */
        agent_journal_expire_later(a, k);
}

void agent_journal_rejoined(struct agent *a, uint32_t head, uint64_t epoch)
{
    LIST_EACH(pos, &a->journals) {
        struct journal *k = kept_at(pos);
        k->alone = k->alone && (k->lost_head != head || k->lost_epoch != epoch);
    }
}

bool agent_journal_matters(const struct agent *a)
{
    LIST_EACH(pos, &a->journals) {
        if (kept_at(pos)->alone)
            return true;
    }
    return false;
}

void agent_journal_free_all(struct agent *a)
{
    LIST_EACH_SAFE(pos, nxt, &a->journals)
        kept_free(a, kept_at(pos));
}

/* ---- invariants ---- */

void agent_journal_check(const struct agent *a)
{
    uint64_t bytes = 0;
    LIST_EACH(pos, &a->journals) {
        const struct journal *k = kept_at(pos);
        bytes += k->bytes;
        MUST(k->job == NULL || k->job->journal == k);
        bool runs = k->job != NULL && !k->job->adrift;
        MUST(runs != list_linked(&k->expiring)); /* 10 */
        MUST(!k->alone || !runs);
    }
    MUST(bytes == a->journal_bytes); /* 9 */
    MUST(bytes <= a->cfg.journal_bytes_max);
}
