/* A head takes the place of another one (manta head --replace): what head/handoff_out.c tells and head/handoff_in.c makes of it.
 *
 * The happy path: the old head tells of each client that waits, in messages -> a new one is there in its place, and the links of
 * its workers end -> it takes each call (HEAD_HANDOFF), or looks for its stream, and the workers dial again. Clients notice nothing:
 * each asking has one at the new head in its place, with what its client had been sent of the answer. It can fail by: the new
 * process dies before it has all. What it was told is lost with it, and the old one continues as if nothing had been asked.
 *
 * All of it is of one moment, as the old head does nothing else meanwhile; how long that takes is time in which it, or the
 * one in its place, is not run. Clients that read slowly are in here too: they had not been sent all that the head had said. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

enum { TOLD_BYTES_MAX = 1 << 20 }; /* of one client */

/* What a client had of its answer: all that the head had said, a part of it, or nothing, as it waits for the whole of it. */
enum reads { READS_ALL, READS_SLOWLY, READS_AT_THE_END };

/* One client that waits there. */
struct told {
    struct asking *asking; /* the old one; borrowed */
    bool counts;           /* it is no ghost */
    bool seeks, looks;     /* it waits for its stream to be found; and still is to, as it cannot begin anew */
    bool runs;             /* all its jobs that have not ended are with an actor: none of these attempts was in vain yet */
    enum reads reads;
    struct buf frames;     /* owned; moved_job, …, moved_call. Empty: it looks */
};

/* What the new head reads of one. */
struct heard {
    struct wire_msg call, jobs[SIM_BRANCHES_MAX];
    const struct wire_moved_job *list[SIM_BRANCHES_MAX];
    uint32_t jobs_n;
    struct request request;
    struct wire_arena arena, run, lists; /* owned */
    struct wire_arena of_job[SIM_BRANCHES_MAX]; /* owned */
};

/* ---- the old head tells ---- */

static void say(struct sim *s, struct told *t, const struct wire_msg *msg)
{
    int err = wire_encode(&t->frames, msg);
    SIM_MUST(s, err == 0, "%s does not encode: %s", wire_name(msg->type), err_name(err));
}

static uint32_t sent_of(struct sim *s, const struct told *t, const struct wire_moved_job *m)
{
    const struct call *c = t->asking->call;
    SIM_MUST(s, m->branch < c->branches_n, "O1: call %llu has no branch %u", (unsigned long long)c->id, m->branch);
    SIM_MUST(s, !t->counts || m->said == c->branches[m->branch].tokens, "O3: the head has said %u tokens, the client has %u", m->said,
             c->branches[m->branch].tokens);
    if (t->reads == READS_AT_THE_END)
        return 0;
    return t->reads == READS_SLOWLY ? (uint32_t)sim_between(s, 0, m->said) : m->said;
}

/* What a new head holds for nonsense is not to be told. */
static void job_check(struct sim *s, const struct wire_moved_job *m)
{
    SIM_MUST(s, m->ids.n == m->said || m->ids.n == 0, "%u ids of %u tokens cross", m->ids.n, m->said);
    SIM_MUST(s, m->said == 0 || m->same_file.n > 0, "an answer crosses in its middle, and anybody may continue it");
}

static void say_jobs(struct sim *s, const struct coordinator *c, struct told *t)
{
    struct wire_msg msg = {.type = WIRE_moved_job};
    struct wire_moved_job *m = &msg.moved_job;
    for (uint32_t next = 0; head_call_job_moves(c->head, t->asking->no, &next, m);) {
        uint32_t sent = sent_of(s, t, m);
        job_check(s, m);
        m->said = sent;
        m->ids.n = m->ids.n < sent ? m->ids.n : sent;
        if (sent == 0)
            m->same_file = m->same_bits = str_n(NULL, 0);
        say(s, t, &msg);
    }
}

static void say_call(struct sim *s, struct told *t, struct wire_moved_call *m, const struct wire_run *run)
{
    struct wire_msg frame = {.type = WIRE_run, .run = *run}, msg = {.type = WIRE_moved_call};
    struct buf bytes = buf_max(TOLD_BYTES_MAX);
    SIM_MUST(s, wire_encode(&bytes, &frame) == 0, "a request does not encode");
    SIM_MUST(s, m->branches > 0 && m->branches <= SIM_BRANCHES_MAX, "a call with %u answers crosses", m->branches);
    SIM_MUST(s, !m->spread_pending || m->branches == 1, "a fan-out to be with %u answers crosses", m->branches);
    m->run = buf_str(&bytes);
    msg.moved_call = *m;
    say(s, t, &msg);
    buf_fini(&bytes);
}

/* It is looked for. With its request it may begin anew there, as if it had been sent to a worker. */
static void say_seeking(struct sim *s, struct told *t, struct wire_moved_call *m)
{
    const struct call *c = t->asking->call;
    struct client_request asks;
    struct wire_run run = {0};
    struct wire_arena arena = {0};
    t->looks = !client_may_begin_anew(c);
    if (t->looks)
        return;
    client_request(s, c, &asks);
    wire_run_from_request(&run, &asks.r, &arena);
    m->client = asks.note;
    m->model = asks.r.model;
    m->tenant = asks.r.tenant;
    m->priority = asks.r.priority;
    m->count = c->count;
    m->spread = m->spread_pending = c->spread;
    m->deadline_ms = c->deadline_ms;
    m->branches = c->spread ? 1 : c->count;
    if (c->spread)
        say(s, t, &(struct wire_msg){.type = WIRE_moved_job});
    say_call(s, t, m, &run);
    wire_arena_fini(&arena);
}

static void tell(struct sim *s, const struct coordinator *c, struct told *t)
{
    const struct asking *k = t->asking;
    struct wire_moved_call m = {.name = k->call->stream, .age_us = t->counts ? coordinator_now(s, c) - k->call->asked_us : s->now_us - k->asked_us};
    struct wire_run run = {0};
    const struct request *r;
    bool whole = k->call->stream == 0 || sim_chance(s, 10); /* the former cannot be gone on with */
    k->call->known = k->call->known || (t->counts && !t->seeks && coordinator_knows(c, str_of(k->call->model), false));
    t->reads = whole ? READS_AT_THE_END : sim_chance(s, 15) ? READS_SLOWLY : READS_ALL;
    t->frames = buf_max(TOLD_BYTES_MAX);
    if (t->seeks) {
        say_seeking(s, t, &m);
        return;
    }
    SIM_MUST(s, head_call_moves(c->head, k->no, &m, &run, &r), "head %u does not know call %llu", c->no, (unsigned long long)k->call->id);
    struct head_call_view v;
    t->runs = head_call_view(c->head, k->no, &v) && v.running == v.branches - v.ended;
    if (k->call->kind != REQUEST_EMBED)
        say_jobs(s, c, t);
    say_call(s, t, &m, &run);
}

/* Connections are told of in no order. */
static void shuffle(struct sim *s, struct told *told, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = sim_between(s, 0, i - 1);
        struct told t = told[i - 1];
        told[i - 1] = told[j];
        told[j] = t;
    }
}

static size_t tell_all(struct sim *s, const struct coordinator *c, struct told **out)
{
    struct told *told = xalloc_array(c->askings_n + 1, sizeof *told);
    size_t n = 0;
    LIST_EACH(pos, &c->askings) {
        struct asking *k = list_item(pos, struct asking, in_head);
        told[n++] = (struct told){.asking = k, .counts = k->call->asking == k, .seeks = k->seeks};
    }
    shuffle(s, told, n);
    for (size_t i = 0; i < n; i++)
        tell(s, c, &told[i]);
    *out = told;
    return n;
}

/* ---- the new one hears ---- */

static struct heard *hear(struct sim *s, const struct told *t)
{
    struct heard *h = xalloc(sizeof *h);
    struct wire_msg run;
    int err = 0;
    for (size_t at = 0, n = 0; err == 0 && at < t->frames.n; at += n) {
        SIM_MUST(s, wire_frame(str_n(t->frames.p + at, t->frames.n - at), WIRE_FRAME_BYTES_MAX, &n) == 0 && n > 0, "no frame crosses");
        struct str frame = str_n(t->frames.p + at, n);
        if (at + n == t->frames.n) { /* the call comes behind its jobs */
            err = wire_decode(&h->call, &h->arena, frame, NULL);
            continue;
        }
        uint32_t i = h->jobs_n++;
        SIM_MUST(s, i < SIM_BRANCHES_MAX, "a call with more than %d jobs crosses", SIM_BRANCHES_MAX);
        err = wire_decode(&h->jobs[i], &h->of_job[i], frame, NULL);
        h->list[i] = &h->jobs[i].moved_job;
    }
    if (err == 0)
        err = wire_decode(&run, &h->run, h->call.moved_call.run, NULL);
    SIM_MUST(s, err == 0, "what crosses does not decode: %s", err_name(err));
    wire_run_to_request(&run.run, &h->request, &h->lists);
    h->request.model = h->call.moved_call.model;
    h->request.affinity = h->call.moved_call.affinity;
    h->request.tenant = h->call.moved_call.tenant;
    h->request.priority = h->call.moved_call.priority;
    return h;
}

static void heard_free(struct heard *h)
{
    for (uint32_t i = 0; i < h->jobs_n; i++)
        wire_arena_fini(&h->of_job[i]);
    wire_arena_fini(&h->arena);
    wire_arena_fini(&h->run);
    wire_arena_fini(&h->lists);
    free(h);
}

static struct head_event take(const struct heard *h, uint64_t call, uint64_t stream, uint32_t workers)
{
    const struct wire_moved_call *m = &h->call.moved_call;
    return (struct head_event){.kind = HEAD_HANDOFF,
                               .call = call,
                               .request = &h->request,
                               .count = m->count,
                               .spread = m->spread != 0,
                               .stream = stream,
                               .client = m->client,
                               .deadline_ms = m->deadline_ms,
                               .moved = m,
                               .moved_jobs = h->list,
                               .moved_jobs_n = h->jobs_n,
                               .workers = workers};
}

/* ---- its clients, who notice nothing ---- */

static const struct wire_moved_job *job_of(const struct heard *h, uint32_t branch)
{
    for (uint32_t i = 0; i < h->jobs_n; i++)
        if (h->list[i]->branch == branch)
            return h->list[i];
    return NULL;
}

/* Attempts of the present branch that brought nothing, as far as the next head can know of them. */
static uint32_t vain_of(const struct call *c, const struct branch *b, uint32_t no)
{
    for (uint32_t i = 0; i < c->runs_n; i++)
        if (c->runs[i].seed == c->seed + no)
            return b->tokens > c->runs[i].from ? 0 : c->runs[i].barren_attempts;
    return b->barren_attempts;
}

static void branch_probe(struct sim *s, const struct branch *b, const struct wire_moved_job *m, const struct told *t)
{
    if (m != NULL && m->attempt == 0)
        PROBE(s, replaced_waiting);
    if (b->done)
        PROBE(s, replaced_whole);
    else if (b->tokens > 0 && t->reads != READS_ALL)
        PROBE(s, replaced_unsent);
    else if (b->tokens > 0)
        PROBE(s, replaced_running);
}

/* What it is sent continues behind what it has. Of an answer that was whole all comes again, and so does what is waited for as a whole;
 * the program knows what of that it has sent (head/answer.c). */
static void branch_moves(struct sim *s, const struct call *c, const struct told *t, const struct heard *h, uint32_t no)
{
    struct branch *b = &c->branches[no];
    const struct wire_moved_job *m = job_of(h, no);
    bool made = no < h->call.moved_call.branches && !h->call.moved_call.spread_pending; /* of which is not told has ended */
    uint32_t said = m != NULL ? m->said : 0;
    branch_probe(s, b, m, t);
    b->barren_attempts = m != NULL ? vain_of(c, b, no) : 0;
    b->barren_attempts -= t->runs && b->barren_attempts > 0;
    b->attempts = m != NULL ? m->attempt : made;
    if (said != b->tokens)
        b->text_bytes = said > 0 ? 4 * (said - 1) : 0;
    b->tokens = said;
    b->started = b->done = false; /* both are told again */
    b->run = NULL;
    b->token_us = coordinator_now(s, t->asking->head);
}

static void call_moves(struct sim *s, struct call *c, const struct told *t, const struct heard *h)
{
    bool anew = t->seeks;
    if (anew) /* as if it had just come, and perhaps been sent */
        memset(c->branches, 0, c->branches_n * sizeof *c->branches);
    for (uint32_t i = 0; i < c->branches_n; i++)
        branch_moves(s, c, t, h, i);
    c->runs_n = 0;
    c->crashes = 0; /* of which another head knows nothing */
    c->crashed_worker = 0;
    memcpy(c->sent_before, t->asking->head->sent[c->asked], sizeof c->sent_before);
    if (anew)
        PROBE(s, replaced_anew);
    if (c->spread && !h->call.moved_call.spread_pending)
        PROBE(s, replaced_fanout);
}

static struct asking *asking_moves(struct sim *s, struct told *t)
{
    struct asking *k = t->asking, *moved = asking_add(s, k->call, k->head, t->looks);
    k->moved_to = moved->no;
    if (!t->looks)
        moved->asked_us = k->asked_us;
    if (t->counts) {
        k->call->asking = moved;
        k->call->handed++;
    } else {
        PROBE(s, replaced_ghost);
    }
    sim_trace(s, "client is handed on", t->counts ? "" : "a ghost", k->call->id, k->no, moved->no);
    return moved;
}

static void hand_on(struct sim *s, struct told *t, uint32_t workers)
{
    struct call *c = t->asking->call;
    if (t->looks) {
        PROBE(s, replaced_seeking);
        client_seeks(s, asking_moves(s, t));
        return;
    }
    struct heard *h = hear(s, t);
    if (t->counts)
        call_moves(s, c, t, h);
    const struct asking *k = asking_moves(s, t);
    struct coordinator *head = k->head;
    struct head_totals totals;
    coordinator_feed(s, head, take(h, k->no, c->stream, workers));
    head_totals(head->head, &totals);
    if (t->counts)
        c->let_in = totals.queued > head->cfg.queue_jobs_max;
    heard_free(h);
}

/* ---- how it goes ---- */

/* The old head is held up while the new one hears, seldom for as long as it has patience. */
static void takes_time(struct sim *s, struct coordinator *c)
{
    uint64_t until_us = sim_chance(s, 90) ? faults_soon(s, 0, 100) : faults_soon(s, 100, 10000);
    if (until_us > c->stalled_until_us)
        c->stalled_until_us = until_us;
}

/* It dies with what it has; nothing of it was to be seen by anybody. */
static void fails(struct sim *s, struct coordinator *c, const struct told *told, size_t n, uint32_t workers)
{
    struct effects fx = {0};
    struct head *doomed = head_new(&c->cfg, coordinator_now(s, c));
    for (size_t i = 0; i < n; i++) {
        if (told[i].looks)
            continue;
        struct heard *h = hear(s, &told[i]);
        struct head_event ev = take(h, i + 1, told[i].asking->call->stream, workers);
        ev.now_us = coordinator_now(s, c);
        effects_reset(&fx);
        head_step(doomed, &ev, &fx);
        heard_free(h);
    }
    head_check(doomed, coordinator_now(s, c));
    head_free(doomed);
    effects_fini(&fx);
    sim_trace(s, "a new head dies", "", c->no, n, 0);
    PROBE(s, replace_failed);
}

static void replaces(struct sim *s, uint64_t no, uint64_t b, uint64_t x);

static void succeeds(struct sim *s, struct coordinator *c, struct told *told, size_t n, uint32_t workers)
{
    for (size_t i = 0; i < n; i++)
        asking_end(told[i].asking);
    coordinator_gives_place(s, c);
    PROBE(s, replaced);
    for (size_t i = 0; i < n; i++)
        hand_on(s, &told[i], workers);
    if (sim_chance(s, 15)) /* and so is the new one, perhaps before all workers are back */
        sim_at(s, faults_soon(s, 20, 1500), replaces, c->no, 0, 0);
}

static void replaces(struct sim *s, uint64_t no, uint64_t b, uint64_t x)
{
    (void)b, (void)x;
    struct coordinator *c = &s->heads[no];
    struct told *told;
    struct head_totals t;
    uint64_t until_us;
    if (c->head == NULL || s->now_us >= s->end_us || coordinator_asleep(s, c, &until_us))
        return;
    head_totals(c->head, &t);
    size_t n = tell_all(s, c, &told);
    sim_trace(s, "head is asked for its place", "", no, n, t.workers);
    takes_time(s, c);
    if (sim_chance(s, 25))
        fails(s, c, told, sim_between(s, 0, n), t.workers);
    else
        succeeds(s, c, told, n, t.workers);
    for (size_t i = 0; i < n; i++)
        buf_fini(&told[i].frames);
    free(told);
}

void fault_replace(struct sim *s, struct worker *w)
{
    (void)w;
    if (sim_chance(s, 20))
        replaces(s, sim_between(s, 0, s->heads_n - 1), 0, 0);
}
