/* The course: who has something to do next does it, and the clock goes there. Links are as quick as the clock: what is said is heard
 * at once. Link 1 is the launcher's, again and again after it was away; workers have those behind. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autoscale.h"
#include "base/alloc.h"
#include "base/must.h"

enum { S = 1000000, BEAT_US = 5 * S, RULE_US = 15 * S, DUMP_S = 600 };

struct job {
    uint64_t at_us, sent_us; /* sent_us 0: not yet */
    uint64_t left_us;        /* of its time in a slot: an answer that lost its worker continues elsewhere */
    uint32_t model;
    bool ended;
};

struct slot {
    uint64_t job, since_us, ends_us; /* the head's number; ends_us UINT64_MAX: free */
    uint32_t attempt, no;            /* no: of the job, in world.jobs */
};

enum worker_life { GONE = 0, STARTING, READY, DRAINING };
struct worker {
    enum worker_life life;
    uint64_t link, due_us, dies_us; /* due_us: STARTING, it is ready; DRAINING, it tells so */
    bool told;                      /* DRAINING: the head knows */
    struct slot slots[AS_MODELS_MAX][AS_SLOTS];
};

struct world {
    const struct shape *shape;
    enum rule rule;
    struct rule_state rule_state;
    struct rng rng;
    struct head *head;
    struct effects fx;
    uint64_t now_us, beat_us, rule_us, end_us, plot_us, links, calls; /* plot_us: end of what is drawn */
    struct worker workers[AS_WORKERS_MAX];
    uint64_t launcher;              /* its link; 0: it is away */
    uint64_t launcher_due_us;       /* it goes, or comes back */
    uint32_t target, wanted;        /* what the launcher keeps up; what the head asked for last */
    struct job *jobs;               /* owned; in the order of their arrival */
    uint32_t jobs_n, next, ended, in_system[AS_MODELS_MAX];
    bool more;                      /* the last change was to more */
    struct outcome out;
    double worker_us;
    double sums[4][AS_POINTS];      /* of workers, wanted, queue, load: times µs */
};

static void feed(struct world *w, struct head_event ev);

static void tell(struct world *w, uint64_t link, struct wire_msg msg)
{
    feed(w, (struct head_event){.kind = HEAD_LINK_MSG, .link = link, .msg = &msg});
}

static uint64_t dial(struct world *w)
{
    feed(w, (struct head_event){.kind = HEAD_LINK_OPEN, .link = ++w->links, .peer = str_of("10.0.0.1:1"), .origin = w->links});
    return w->links;
}

/* ---- workers ---- */

static uint32_t busy_of(const struct worker *k, uint32_t model)
{
    uint32_t n = 0;
    for (int i = 0; i < AS_SLOTS; i++)
        n += k->slots[model][i].ends_us != UINT64_MAX;
    return n;
}

static bool idle(const struct world *w, const struct worker *k)
{
    for (uint32_t m = 0; m < w->shape->models; m++) {
        if (busy_of(k, m) > 0)
            return false;
    }
    return true;
}

static void worker_begins(struct world *w, struct worker *k)
{
    double chance = 0.8 + 0.4 * rng_unit(w->rng.seed, w->rng.position++);
    *k = (struct worker){.life = STARTING, .due_us = w->now_us + (uint64_t)(w->shape->start_s * chance * S), .dies_us = UINT64_MAX};
    for (int m = 0; m < AS_MODELS_MAX; m++) {
        for (int i = 0; i < AS_SLOTS; i++)
            k->slots[m][i].ends_us = UINT64_MAX;
    }
}

static void worker_joins(struct world *w, struct worker *k)
{
    static const char *const models[AS_MODELS_MAX] = {"m0", "m1"};
    char node[24];
    snprintf(node, sizeof node, "worker-%d", (int)(k - w->workers) + 1);
    k->life = READY;
    k->due_us = UINT64_MAX;
    k->dies_us = k == w->workers && w->shape->dies_every_s > 0 ? w->now_us + (uint64_t)(w->shape->dies_every_s * S) : UINT64_MAX;
    k->link = dial(w);
    tell(w, k->link, (struct wire_msg){.type = WIRE_hello, .hello = {.proto = WIRE_VERSION, .role = WIRE_ROLE_WORKER, .node = str_of(node),
                                                                     .epoch = k->link, .cpus = 1}});
    for (uint32_t m = 0; m < w->shape->models; m++)
        tell(w, k->link, (struct wire_msg){.type = WIRE_actor, .actor = {.key = m, .state = WIRE_ACTOR_READY, .kind = REQUEST_CHAT,
                                                                         .model = str_of(models[m]), .digest = str_of(models[m]),
                                                                         .slots = AS_SLOTS, .context = 4096}});
}

static void worker_goes(struct world *w, struct worker *k)
{
    uint64_t link = k->link;
    k->life = GONE;
    k->link = 0;
    k->due_us = k->dies_us = UINT64_MAX;
    if (link != 0)
        feed(w, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = link, .text = str_of("gone")});
}

static void worker_dies(struct world *w, struct worker *k)
{
    for (int m = 0; m < AS_MODELS_MAX; m++) {
        for (int i = 0; i < AS_SLOTS; i++) {
            struct slot *s = &k->slots[m][i];
            if (s->ends_us != UINT64_MAX)
                w->jobs[s->no].left_us = s->ends_us - w->now_us + S; /* what was told is replayed */
        }
    }
    bool drains = k->life == DRAINING;
    worker_goes(w, k);
    if (!drains)
        worker_begins(w, k); /* by the engine */
}

/* Tells that it drains, and leaves when nothing runs there any more. */
static void worker_drains(struct world *w, struct worker *k)
{
    if (!k->told) {
        k->told = true;
        k->due_us = UINT64_MAX;
        tell(w, k->link, (struct wire_msg){.type = WIRE_availability, .availability = {.availability = WIRE_DRAINING, .reason = str_of("SIGTERM")}});
    }
    if (k->life == DRAINING && idle(w, k)) {
        tell(w, k->link, (struct wire_msg){.type = WIRE_bye, .bye.reason = str_of("drained")});
        worker_goes(w, k);
    }
}

static void worker_runs(struct world *w, struct worker *k, const struct wire_run *run)
{
    char text[16]; /* what came is not terminated */
    snprintf(text, sizeof text, "%.*s", STR_ARG(run->text));
    uint32_t no = (uint32_t)strtoul(text, NULL, 10);
    MUST(no < w->jobs_n);
    struct job *job = &w->jobs[no];
    for (int i = 0; i < AS_SLOTS; i++) {
        struct slot *s = &k->slots[run->key][i];
        if (s->ends_us != UINT64_MAX)
            continue;
        *s = (struct slot){.job = run->job, .attempt = run->attempt, .no = no, .since_us = w->now_us, .ends_us = w->now_us + job->left_us};
        job->sent_us = job->sent_us == 0 ? w->now_us : job->sent_us;
        return;
    }
    MUST(!"more jobs than slots");
}

static void slot_ends(struct world *w, struct worker *k, struct slot *s)
{
    struct slot was = *s;
    s->ends_us = UINT64_MAX;
    w->jobs[was.no].ended = true;
    w->in_system[w->jobs[was.no].model]--;
    w->ended++;
    tell(w, k->link, (struct wire_msg){.type = WIRE_done, .done = {.job = was.job, .attempt = was.attempt, .finish = FINISH_STOP,
                                                                   .prompt_tokens = 10, .completion_tokens = 10}});
    if (k->life == DRAINING && k->told)
        worker_drains(w, k);
}

/* ---- the launcher ---- */

static uint32_t count(const struct world *w, bool ready)
{
    uint32_t n = 0;
    for (int i = 0; i < AS_WORKERS_MAX; i++)
        n += ready ? w->workers[i].life == READY : w->workers[i].life != GONE;
    return n;
}

static void launcher_says(struct world *w)
{
    tell(w, w->launcher, (struct wire_msg){.type = WIRE_scale_state, .scale_state = {.running = count(w, true), .target = w->target, .note = str_of("")}});
}

/* Those with an index beyond the target leave, the others are there. */
static void launcher_reconciles(struct world *w)
{
    uint32_t most = w->shape->quota > 0 && w->shape->quota < w->target ? w->shape->quota : w->target;
    for (uint32_t i = 0; i < AS_WORKERS_MAX && w->launcher != 0; i++) {
        struct worker *k = &w->workers[i];
        if (i < most && k->life == GONE)
            worker_begins(w, k);
        else if (i >= most && k->life == STARTING)
            k->life = GONE;
        else if (i >= most && k->life == READY) {
            k->life = DRAINING;
            k->due_us = w->now_us + S / 10;
        }
    }
}

static void launcher_comes(struct world *w)
{
    w->launcher = dial(w);
    tell(w, w->launcher, (struct wire_msg){.type = WIRE_hello, .hello = {.proto = WIRE_VERSION, .role = WIRE_ROLE_LAUNCHER, .node = str_of("launcher"),
                                                                         .epoch = w->links}});
    launcher_says(w);
    launcher_reconciles(w);
}

static void launcher_turns(struct world *w)
{
    uint64_t link = w->launcher;
    w->launcher_due_us = UINT64_MAX;
    if (link == 0) {
        launcher_comes(w);
        return;
    }
    w->launcher = 0;
    w->launcher_due_us = (uint64_t)((w->shape->launcher_away_s[1] + 1) * S);
    feed(w, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = link, .text = str_of("killed")});
}

static void ordered(struct world *w, uint32_t workers)
{
    w->target = workers;
    launcher_reconciles(w);
}

/* ---- the head ---- */

static struct worker *worker_at(struct world *w, uint64_t link)
{
    for (int i = 0; i < AS_WORKERS_MAX; i++) {
        if (w->workers[i].link == link)
            return &w->workers[i];
    }
    MUST(!"a link nobody has");
    return NULL;
}

static void wants(struct world *w, uint32_t workers)
{
    if (workers == w->wanted)
        return;
    bool more = workers > w->wanted;
    w->out.changes++;
    w->out.turns += w->out.changes > 1 && more != w->more;
    w->more = more;
    w->wanted = workers;
}

static void feed(struct world *w, struct head_event ev)
{
    struct effects mine = w->fx;
    uint32_t order = UINT32_MAX;
    w->fx = (struct effects){0};
    ev.now_us = w->now_us;
    effects_reset(&mine);
    head_step(w->head, &ev, &mine);
    for (size_t i = 0; i < mine.n; i++) {
        const struct fx *fx = &mine.fx[i];
        MUST(fx->kind != FX_CALL_FAILED);
        if (fx->kind == FX_SEND && fx->msg.type == WIRE_run)
            worker_runs(w, worker_at(w, fx->link), &fx->msg.run);
        else if (fx->kind == FX_SEND && fx->msg.type == WIRE_scale)
            order = fx->msg.scale.workers;
    }
    effects_fini(&w->fx);
    w->fx = mine;
    struct head_scale_view v;
    head_scale_view(w->head, &v);
    if (v.known)
        wants(w, v.desired);
    if (order != UINT32_MAX && w->launcher != 0)
        ordered(w, order);
}

/* ---- what goes by ---- */

static void passes(struct world *w, uint64_t to_us)
{
    double us = (double)(to_us - w->now_us);
    uint32_t there = count(w, false), waiting = 0, running = 0, at = (uint32_t)(w->now_us * AS_POINTS / w->plot_us);
    struct head_totals t;
    head_totals(w->head, &t);
    waiting = t.queued;
    running = t.running;
    w->worker_us += there * us;
    w->out.most = there > w->out.most ? there : w->out.most;
    if (at < AS_POINTS) {
        const double now[4] = {count(w, true), w->wanted, waiting, waiting + running};
        for (int i = 0; i < 4; i++)
            w->sums[i][at] += now[i] * us;
    }
    w->now_us = to_us;
}

static void beat(struct world *w)
{
    w->beat_us = w->now_us + BEAT_US;
    for (int i = 0; i < AS_WORKERS_MAX; i++) {
        struct worker *k = &w->workers[i];
        struct wire_load loads[AS_MODELS_MAX];
        for (uint32_t m = 0; m < w->shape->models && k->link != 0; m++)
            loads[m] = (struct wire_load){.key = m, .busy = busy_of(k, m), .prefill_tps = 1000, .decode_tps = 30};
        if (k->link != 0)
            tell(w, k->link, (struct wire_msg){.type = WIRE_beat, .beat = {.sent_us = w->now_us, .loads = loads, .loads_n = w->shape->models}});
    }
    if (w->launcher != 0)
        launcher_says(w);
}

static void rule_decides(struct world *w)
{
    w->rule_us = w->now_us + RULE_US;
    uint32_t to = w->wanted;
    double now_s = (double)w->now_us / S;
    if (w->rule == RULE_HPA)
        to = rule_hpa(&w->rule_state, w->shape, now_s, w->in_system, w->wanted);
    else if (w->rule == RULE_KEDA)
        to = rule_keda(&w->rule_state, w->shape, now_s, w->in_system, w->wanted);
    if (to != w->wanted)
        feed(w, (struct head_event){.kind = HEAD_SCALE, .call = ++w->calls, .count = to});
}

static void arrives(struct world *w)
{
    static const char *const models[AS_MODELS_MAX] = {"m0", "m1"};
    uint32_t no = w->next++;
    char text[16];
    snprintf(text, sizeof text, "%u", no);
    struct request r = {.kind = REQUEST_TEXT, .model = str_of(models[w->jobs[no].model]), .text = str_of(text), .sampling = sampling_default()};
    w->in_system[w->jobs[no].model]++;
    feed(w, (struct head_event){.kind = HEAD_PROMPT, .call = ++w->calls, .request = &r, .count = 1});
}

/* ---- the order of things ---- */

static void sooner(uint64_t due_us, uint64_t *at, void **what, void *this)
{
    if (due_us < *at) {
        *at = due_us;
        *what = this;
    }
}

static bool worker_acts(struct world *w, struct worker *k, uint64_t at)
{
    for (int m = 0; m < AS_MODELS_MAX; m++) {
        for (int i = 0; i < AS_SLOTS; i++) {
            if (k->life >= READY && k->slots[m][i].ends_us <= at) {
                slot_ends(w, k, &k->slots[m][i]);
                return true;
            }
        }
    }
    if (k->life != GONE && k->life != STARTING && k->dies_us <= at)
        worker_dies(w, k);
    else if (k->life == STARTING && k->due_us <= at)
        worker_joins(w, k);
    else if (k->life == DRAINING && k->due_us <= at)
        worker_drains(w, k);
    else
        return false;
    launcher_reconciles(w); /* one that was wanted again while it left is started now */
    return true;
}

static uint64_t worker_due(const struct worker *k)
{
    uint64_t at = k->life == GONE ? UINT64_MAX : k->due_us < k->dies_us ? k->due_us : k->dies_us;
    for (int m = 0; m < AS_MODELS_MAX && k->life >= READY; m++) {
        for (int i = 0; i < AS_SLOTS; i++)
            at = k->slots[m][i].ends_us < at ? k->slots[m][i].ends_us : at;
    }
    return at;
}

static void do_next(struct world *w)
{
    uint64_t at = w->end_us;
    void *what = NULL;
    sooner(head_deadline(w->head), &at, &what, w->head);
    sooner(w->beat_us, &at, &what, &w->beat_us);
    sooner(w->rule_us, &at, &what, &w->rule_us);
    sooner(w->launcher_due_us, &at, &what, &w->launcher_due_us);
    sooner(w->next < w->jobs_n ? w->jobs[w->next].at_us : UINT64_MAX, &at, &what, &w->next);
    for (int i = 0; i < AS_WORKERS_MAX; i++)
        sooner(worker_due(&w->workers[i]), &at, &what, &w->workers[i]);
    passes(w, at > w->now_us ? at : w->now_us);
    if (what == NULL)
        return;
    if (what == w->head)
        feed(w, (struct head_event){.kind = HEAD_TICK});
    else if (what == &w->beat_us)
        beat(w);
    else if (what == &w->rule_us)
        rule_decides(w);
    else if (what == &w->launcher_due_us)
        launcher_turns(w);
    else if (what == &w->next)
        arrives(w);
    else
        worker_acts(w, what, at);
}

/* ---- the jobs of a shape ---- */

static double normal(struct rng *r)
{
    double u = (double)(rng_next(r) >> 11) * 0x1.0p-53, v = (double)(rng_next(r) >> 11) * 0x1.0p-53;
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

static uint64_t service_us(const struct shape *s, struct rng *r)
{
    double u = (double)(rng_next(r) >> 11) * 0x1.0p-53;
    double seconds = s->sigma >= 0 ? s->service_s * exp(s->sigma * normal(r)) : fmin(s->service_s / 2 * pow(1 - u, 1 / s->sigma), 50 * s->service_s);
    return (uint64_t)(seconds * S) + 1;
}

static void job_add(struct world *w, double t, uint32_t model, struct rng *r)
{
    MUST(w->jobs_n < AS_JOBS_MAX);
    uint64_t us = service_us(w->shape, r);
    w->jobs[w->jobs_n++] = (struct job){.at_us = (uint64_t)(t * S) + S, .left_us = us, .model = model};
}

static int by_time(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* By thinning: arrivals at the highest rate, each kept with the chance that its moment has. */
static void jobs_make(struct world *w, uint64_t seed)
{
    const struct shape *s = w->shape;
    for (uint32_t m = 0; m < s->models; m++) {
        struct rng r = {.seed = rng_at(seed, m)};
        for (double t = 0; t < 60.0 * s->minutes;) {
            t += -log(1 - (double)(rng_next(&r) >> 11) * 0x1.0p-53) / s->most;
            double chance = (double)(rng_next(&r) >> 11) * 0x1.0p-53;
            if (t < 60.0 * s->minutes && chance * s->most < s->rate(t, (int)m, s))
                job_add(w, t, m, &r);
        }
    }
    struct rng r = {.seed = rng_at(seed, 99)};
    for (double t = DUMP_S / 2.0; s->dump > 0 && t < 60.0 * s->minutes; t += DUMP_S) {
        for (uint32_t i = 0; i < s->dump; i++)
            job_add(w, t + i * 1e-3, 0, &r);
    }
    qsort(w->jobs, w->jobs_n, sizeof *w->jobs, by_time);
}

/* ---- what came of it ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct world *w)
{
    double *waits = xalloc_array(w->jobs_n + 1, sizeof *waits), sum = 0;
    for (uint32_t i = 0; i < w->jobs_n; i++) {
        const struct job *j = &w->jobs[i];
        waits[i] = (double)((j->sent_us > 0 ? j->sent_us : w->now_us) - j->at_us) / S;
        sum += waits[i];
    }
    qsort(waits, w->jobs_n, sizeof *waits, by_size);
    w->out.jobs = w->jobs_n;
    w->out.p95_s = waits[(w->jobs_n - 1) * 95 / 100];
    w->out.worst_s = waits[w->jobs_n - 1];
    w->out.mean_s = sum / w->jobs_n;
    w->out.worker_hours = w->worker_us / S / 3600;
    free(waits);
    double part = (double)w->plot_us / AS_POINTS;
    float *const out[4] = {w->out.workers, w->out.wanted, w->out.queue, w->out.load};
    for (int i = 0; i < 4; i++) {
        for (int at = 0; at < AS_POINTS; at++)
            out[i][at] = (float)(w->sums[i][at] / part);
    }
}

struct outcome autoscale_run(const struct shape *shape, enum rule rule, uint32_t fixed, uint64_t seed)
{
    struct world w = {.shape = shape, .rule = rule, .rng = {.seed = rng_mix(seed)}, .now_us = S, .end_us = (60ull * shape->minutes + 120) * S};
    struct head_config cfg = head_config_default();
    cfg.seed = seed;
    cfg.beat_ms = BEAT_US / 1000;
    cfg.lost_after_ms = 3 * cfg.beat_ms;
    cfg.token_stall_ms = cfg.token_floor_ms = 86400000; /* no tokens are told here */
    cfg.queue_deadline_ms = 86400000;                   /* who waits longest is counted, not refused */
    cfg.rebalance = false;
    cfg.status_every_ms = 0;
    cfg.settle_ms = 0;
    cfg.scale = (struct scale_limits){.mode = rule == RULE_AUTO ? SCALE_AUTO : SCALE_FIXED, .min = shape->min, .max = shape->max};
    cfg.scale_given = true;
    w.plot_us = w.end_us;
    w.head = head_new(&cfg, w.now_us);
    w.jobs = xalloc_array(AS_JOBS_MAX, sizeof *w.jobs);
    w.beat_us = w.now_us + BEAT_US;
    w.rule_us = rule == RULE_HPA || rule == RULE_KEDA ? w.now_us + RULE_US : UINT64_MAX;
    w.launcher_due_us = shape->launcher_away_s[0] > 0 ? (uint64_t)(shape->launcher_away_s[0] + 1) * S : UINT64_MAX;
    w.target = w.wanted = rule == RULE_FIXED ? fixed : 1; /* all begin with one */
    jobs_make(&w, seed);
    launcher_comes(&w);
    while (w.now_us < w.end_us || w.ended < w.jobs_n) {
        if (w.now_us >= w.end_us)
            w.end_us += 60ull * S; /* the hours count until all is done */
        do_next(&w);
    }
    measure(&w);
    head_check(w.head, w.now_us);
    head_free(w.head);
    effects_fini(&w.fx);
    free(w.jobs);
    return w.out;
}
