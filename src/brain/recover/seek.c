/* Seeking: a client brings the name of a stream that another head was answering: which worker has it?
 *
 * The happy path: RESUME -> `seek` to every worker, including those that join meanwhile -> `held` for
 * each branch from the workers that have it, then an empty one -> all have answered, or gather_ms after
 * the first find -> FX_RESUMED, and for each branch a job that is bound to its actor and waits for a
 * slot there -> `adopt`. From then on it is a job like any other whose first tokens were delivered; if
 * the actor dies before that, another compatible one replays them. It can fail by: no worker has it and
 * none is expected (ERR_NOT_FOUND), seek_ms pass (without time in which the head slept), a branch is
 * missing of which the client has tokens, no room (seeks_max, queue_bytes_max: ERR_BUSY).
 *
 * Only this step's cost grows with the number of workers: a small message to each. It is paid once per
 * stream that lost its head, and spares heads any table of the workers' past streams. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/queue/queue.h"
#include "brain/recover/found.h"
#include "brain/recover/recover.h"
#include "brain/registry/registry.h"

#define TAG "FAILOVER"
/* The program does this itself if the client sent the request along. */
#define REMEDY "POST its request again with this Last-Event-ID, and it is computed again"

enum { RETRY_S = 1, NAPS_MAX = 3 };

struct seek {
    struct id_node node;     /* head.seeks, in the order of asking */
    uint64_t call, stream, claim;
    char *tenant;            /* owned */
    uint32_t deadline_ms;
    uint32_t pending;        /* workers that have not answered */
    int32_t *said;           /* owned: the client's number of tokens per branch */
    uint32_t said_n;
    struct found *found;     /* owned; per branch */
    uint32_t found_n;
    uint32_t branches;       /* of the stream, from the first find; 0: nothing found */
    struct request *request; /* owned; NULL: nothing found */
    char *client;            /* owned */
    size_t client_n;
    uint64_t bytes;          /* counted in head.queue_bytes */
    bool gathered;           /* gather_ms have passed since the first find */
    bool over;               /* end_us has come */
    uint32_t naps;           /* extensions granted after the head slept */
    uint64_t end_us;         /* when it is given up */
    uint64_t gather_us;      /* set with the first find */
    struct timer timer;
};

static struct seek *seek_at(struct id_node *node)
{
    return id_item(node, struct seek, node);
}

static struct seek *seek_by_stream(const struct head *h, uint64_t stream)
{
    IDTAB_EACH(n, &h->seeks) {
        if (seek_at(n)->stream == stream)
            return seek_at(n);
    }
    return NULL;
}

static void seek_free(struct head *h, struct seek *s)
{
    timers_clear(&h->timers, &s->timer);
    idtab_remove(&h->seeks, &s->node);
    h->queue_bytes -= s->bytes;
    for (uint32_t i = 0; i < s->found_n; i++)
        found_fini(&s->found[i]);
    free(s->found);
    free(s->said);
    free(s->request);
    free(s->client);
    free(s->tenant);
    free(s);
}

void head_seeks_free(struct head *h)
{
    IDTAB_EACH(n, &h->seeks)
        seek_free(h, seek_at(n));
    idtab_fini(&h->seeks);
}

static void seek_fail(struct head *h, struct seek *s, int err, const char *why)
{
    struct fault f = {0};
    fault_set(&f, err, "this stream cannot be resumed here: %s", why);
    head_call_refuse(h, s->call, &f, err == ERR_BUSY ? RETRY_S : 0);
    seek_free(h, s);
}

/* ---- asking ---- */

static void ask(struct head *h, struct seek *s, const struct worker *w)
{
    s->pending++;
    head_send(h, w->link, WIRE_seek)->seek =
        (struct wire_seek){.stream = s->stream, .said = {.p = s->said, .n = s->said_n}};
}

void head_seek_ask(struct head *h, struct worker *w)
{
    w->replies_due = (uint32_t)h->seeks.n;
    IDTAB_EACH(n, &h->seeks)
        ask(h, seek_at(n), w);
}

/* After a head's restart clients return before workers do: without this, waiting prompts would take slots in which
 * streams run that the worker is about to report. */
static void one_reply_less(struct head *h, struct worker *w)
{
    if (w->replies_due > 0 && --w->replies_due == 0)
        head_worker_refresh(h, w);
}

/* All branches of the stream, including those that were never sent before the head died. */
static uint32_t branches_n(const struct seek *s)
{
    uint32_t n = s->said_n > s->found_n ? s->said_n : s->found_n;
    return n > s->branches ? n : s->branches;
}

/* Branches of which the client has tokens but no worker has reported a copy. */
static uint32_t missing(const struct head *h, const struct seek *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->said_n; i++)
        n += s->said[i] > 0 && (i >= s->found_n || found_actor(h, &s->found[i]) == NULL);
    return n;
}

/* ---- found ---- */

static struct pool *pool_of(const struct head *h, const struct seek *s)
{
    for (uint32_t i = 0; i < s->found_n; i++) {
        const struct actor *a = found_actor(h, &s->found[i]);
        if (a != NULL)
            return a->member_of[POOL_MODEL].pool;
    }
    return NULL;
}

static void make_jobs(struct head *h, struct call *call, const struct seek *s)
{
    static const struct fault too_long = {.err = ERR_TOO_LARGE,
                                          .text = "more tokens of this answer were delivered than can be kept (resume_tokens_max)"};
    uint32_t n = branches_n(s);
    for (; call->branches < n; call->branches++) {
        const struct found *f = call->branches < s->found_n ? &s->found[call->branches] : NULL;
        struct actor *a = f != NULL ? found_actor(h, f) : NULL;
        if (a == NULL) { /* not sent yet when the head died */
            head_job_new(h, call, NULL);
            call->branches--;
            continue;
        }
        const struct copy *c = found_best(h, f);
        struct job *job = head_job_found(h, call, call->branches, a, c->attempt, (struct wire_i32s){.p = c->ids, .n = c->ids_n});
        if (job->forgot)
            head_job_fail(h, job, &too_long);
    }
}

/* Branches that were not sent yet: they wait like new ones, and need room in the queue. */
static uint32_t not_begun(const struct head *h, const struct seek *s)
{
    uint32_t n = branches_n(s), fresh = 0;
    for (uint32_t i = 0; i < n; i++)
        fresh += i >= s->found_n || found_actor(h, &s->found[i]) == NULL;
    return fresh;
}

static void go_on(struct head *h, struct seek *s)
{
    struct pool *pool = pool_of(h, s);
    struct fault f = {0};
    uint32_t retry_s;
    MUST(pool != NULL);
    if (head_admit(h, pool, h->common, (struct admission){.jobs = not_begun(h, s)}, &f, &retry_s) != 0) {
        seek_fail(h, s, f.err, f.text);
        return;
    }
    struct head_event ev = {.request = s->request,
                            .stream = s->stream,
                            .claim = s->claim,
                            .client = str_n(s->client, s->client_n),
                            .count = branches_n(s),
                            .deadline_ms = s->deadline_ms};
    struct call *call = head_call_new(h, &ev, pool);
    call->seq = 0; /* older than all waiting calls: its arrival here would put it behind a hundred new prompts */
    h->queue_bytes -= s->bytes; /* the call counts them now */
    s->bytes = 0;
    /* The seek counted the client's branches; workers may know more. It was admitted and is not refused now. */
    if (call->bytes > h->cfg.queue_bytes_max - h->queue_bytes)
        call->bytes = h->cfg.queue_bytes_max - h->queue_bytes;
    head_call_add(h, call, s->call);
    call->reported = true;
    struct fx *fx = head_fx(h, FX_RESUMED);
    fx->call = s->call;
    fx->text = str_n(call->client, call->client_n);
    fx->branches = branches_n(s);
    head_log(h, LOG_INFO, TAG, EVENT("stream_resumed", event_id("stream", s->stream), KV("call", s->call), KV("branches", fx->branches)),
             "a stream of another head continues here");
    make_jobs(h, call, s);
    seek_free(h, s);
}

/* Continues the stream, gives up, or waits for more. */
static void look(struct head *h, struct seek *s)
{
    bool found = s->request != NULL && pool_of(h, s) != NULL, whole = found && missing(h, s) == 0;
    bool settled = h->now_us >= head_settled_us(h);
    if (whole && (s->pending == 0 || s->gathered || s->over))
        go_on(h, s);
    else if (s->over || (settled && s->pending == 0))
        seek_fail(h, s, ERR_NOT_FOUND, found ? "a part of it is kept by no worker; " REMEDY : "no worker has anything of it; " REMEDY);
}

/* Due when the first find has waited for others, when no more workers are expected, and at the end. */
static void set_timer(struct head *h, struct seek *s)
{
    uint64_t due_us = s->end_us, settled_us = head_settled_us(h);
    if (settled_us > h->now_us && settled_us < due_us)
        due_us = settled_us;
    if (s->request != NULL && !s->gathered && s->gather_us < due_us)
        due_us = s->gather_us;
    timers_set(&h->timers, &s->timer, due_us);
}

/* This timer is late: the head slept (a suspended machine, a stopped process), and the workers' answers are in the
 * sockets. They get one beat more, a few times only, in case the head is always late. */
static void more_time(struct head *h, struct seek *s, uint64_t late_us)
{
    uint64_t beat_us = (uint64_t)h->cfg.beat_ms * 1000, least_us = h->now_us + beat_us;
    if (late_us <= beat_us || s->naps++ >= NAPS_MAX)
        return;
    if (s->end_us < least_us)
        s->end_us = least_us;
    if (s->gather_us < least_us)
        s->gather_us = least_us;
}

void head_seek_overdue(struct head *h, struct timer *timer)
{
    struct seek *s = list_item(timer, struct seek, timer);
    uint64_t id = s->node.id;
    more_time(h, s, h->now_us - timer->due_us);
    s->gathered = s->gathered || (s->request != NULL && h->now_us >= s->gather_us);
    s->over = h->now_us >= s->end_us;
    look(h, s);
    struct id_node *left = idtab_get(&h->seeks, id);
    if (left != NULL)
        set_timer(h, seek_at(left));
}

/* ---- answers ---- */

static void take_request(struct head *h, struct seek *s, const struct wire_run *run)
{
    struct request borrowed;
    struct wire_arena arena = {0};
    wire_run_to_request(run, &borrowed, &arena);
    borrowed.sampling.seed -= run->branch; /* each branch was sent with its own */
    borrowed.tenant = str_of(s->tenant);
    uint64_t bytes = request_bytes(&borrowed) + run->client.n + HEAD_CALL_BYTES + (s->said_n > 0 ? s->said_n : 1) * HEAD_JOB_BYTES;
    if (h->queue_bytes + bytes <= h->cfg.queue_bytes_max) {
        s->request = request_clone(&borrowed);
        s->client = xstr_dup(run->client);
        s->client_n = run->client.n;
        s->bytes += bytes;
        h->queue_bytes += bytes;
    }
    wire_arena_fini(&arena);
}

static void take_branch(const struct head *h, struct seek *s, uint32_t branch, const struct actor *a, uint32_t attempt, struct wire_i32s ids)
{
    if (branch >= s->found_n) {
        s->found = xrealloc(s->found, (branch + 1) * sizeof *s->found);
        for (; s->found_n <= branch; s->found_n++)
            s->found[s->found_n] = (struct found){0};
    }
    uint32_t wanted = branch < s->said_n ? (uint32_t)s->said[branch] : 0;
    if (ids.n == wanted) /* else it has fewer tokens than the client */
        found_add(h, &s->found[branch], a, attempt, ids);
}

static int check_held(const struct head *h, const struct worker *w, const struct wire_held *m, const struct wire_run *run,
                      struct fault *f)
{
    if (m->branch >= run->branches || run->branches > h->cfg.fanout_max || run->branch != m->branch || run->stream != m->stream)
        return fault_set(f, ERR_PROTOCOL, "held: branch %u of the stream %016llx comes with the run of another one", m->branch,
                         (unsigned long long)m->stream);
    if (m->key >= HEAD_WORKER_ACTORS_MAX || w->actors[m->key] == NULL)
        return fault_set(f, ERR_PROTOCOL, "held: there is no actor %u", m->key);
    if (run->attempt == 0 || run->kind == REQUEST_EMBED || m->ids.n > HEAD_RESUME_TOKENS_MAX)
        return fault_set(f, ERR_PROTOCOL, "held: attempt %u of kind %u with %u tokens is no stream", run->attempt, run->kind,
                         m->ids.n);
    return 0;
}

static void seek_found(struct head *h, struct seek *s, struct worker *w, const struct wire_held *m, struct fault *f)
{
    struct wire_arena arena = {0};
    struct wire_msg msg;
    int err = wire_decode(&msg, &arena, m->run, f);
    if (err == 0 && msg.type != WIRE_run)
        err = fault_set(f, ERR_PROTOCOL, "held: its run is '%s'", wire_name(msg.type));
    if (err == 0)
        err = check_held(h, w, m, &msg.run, f);
    if (err == 0 && msg.run.claim != s->claim)
        err = fault_set(f, ERR_PROTOCOL, "held: no head gave this worker the stream %016llx: what it tells of it is made up",
                        (unsigned long long)m->stream);
    if (err != 0) {
        f->err = ERR_PROTOCOL;
    } else {
        bool first = s->request == NULL;
        take_branch(h, s, m->branch, w->actors[m->key], msg.run.attempt, m->ids);
        s->branches = first ? msg.run.branches : s->branches;
        if (first)
            take_request(h, s, &msg.run);
        if (first && s->request != NULL) {
            s->gather_us = head_after_ms(h, h->cfg.gather_ms);
            set_timer(h, s);
        }
    }
    wire_arena_fini(&arena);
}

int head_held(struct head *h, struct worker *w, const struct wire_msg *msg, struct fault *f)
{
    const struct wire_held *m = &msg->held;
    struct seek *s = seek_by_stream(h, m->stream); /* NULL: it has ended meanwhile */
    if (s == NULL && m->found != 0) {
        head_handoff_held(h, w, m);
    } else if (s != NULL && m->found != 0) {
        seek_found(h, s, w, m, f);
    } else if (s != NULL) {
        if (w->answered < s->node.id) {
            w->answered = s->node.id;
            s->pending--;
        }
        look(h, s);
    }
    if (m->found == 0) {
        one_reply_less(h, w); /* first: found jobs wait for its slots */
        head_handoff_look(h, w);
    }
    return f->err;
}

void head_seek_lost(struct head *h, const struct worker *w)
{
    IDTAB_EACH(n, &h->seeks) {
        struct seek *s = seek_at(n);
        if (s->node.id <= w->answered)
            continue;
        s->pending--;
        look(h, s);
    }
}

/* ---- clients ---- */

bool head_seek_gone(struct head *h, uint64_t call)
{
    IDTAB_EACH(n, &h->seeks) {
        if (seek_at(n)->call != call)
            continue;
        seek_free(h, seek_at(n));
        return true;
    }
    return false;
}

/* The client comes again on another connection: ends the earlier one. */
static void take_over(struct head *h, uint64_t stream)
{
    struct call *call = head_call_by_stream(h, stream);
    struct seek *s = seek_by_stream(h, stream);
    if (call != NULL)
        head_call_taken(h, call);
    if (s != NULL)
        seek_fail(h, s, ERR_CANCELLED, "its client has come again");
}

void head_resume(struct head *h, const struct head_event *ev)
{
    struct fault f = {0};
    h->calls_total++;
    if (ev->said.n > h->cfg.fanout_max || ev->stream == 0) {
        fault_set(&f, ERR_INVALID, "no stream has that name, or %u branches", ev->said.n);
        head_call_refuse(h, ev->call, &f, 0);
        return;
    }
    take_over(h, ev->stream);
    if (h->seeks.n >= h->cfg.seeks_max) {
        fault_set(&f, ERR_BUSY, "%u streams are looked for already (seeks_max); come back in %d s", h->cfg.seeks_max, RETRY_S);
        head_call_refuse(h, ev->call, &f, RETRY_S);
        return;
    }
    struct seek *s = xalloc(sizeof *s);
    s->call = ev->call;
    s->stream = ev->stream;
    s->claim = ev->claim;
    s->tenant = xstr_dup(ev->tenant);
    s->deadline_ms = ev->deadline_ms;
    s->said_n = ev->said.n;
    s->said = xalloc_array(s->said_n + 1, sizeof *s->said);
    memcpy(s->said, ev->said.p, s->said_n * sizeof *s->said);
    s->timer.kind = TIMER_SEEK;
    idtab_add(&h->seeks, &s->node, h->next_seek++);
    IDTAB_EACH(n, &h->workers)
        ask(h, s, id_item(n, struct worker, node));
    s->end_us = head_after_ms(h, ev->anew ? h->cfg.anew_ms : h->cfg.seek_ms);
    set_timer(h, s);
    look(h, s);
}

uint64_t head_seeks_bytes(const struct head *h)
{
    uint64_t bytes = 0;
    IDTAB_EACH(n, &h->seeks)
        bytes += seek_at(n)->bytes;
    return bytes;
}
