/* What one event costs the head's brain, and how that grows with the number of workers.
 *
 *     bench_head_steps --workers 10,100,1000,10000
 *
 * The real head_step() with as many workers as asked for, each with one actor of one model (all in one pool: the worst
 * case), half of all slots in use, in told time: workers beat once a second, jobs are sent, prefilled, say eight pieces
 * and end, workers leave and join. Only head_step() is timed. Then all slots are taken and the queue is filled, and jobs
 * end and are followed by others from the queue. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/must.h"
#include "brain/head.h"

enum { SLOTS = 2, PIECES = 8, SAMPLES_MAX = 1 << 18, STEPS_MIN = 60000, QUEUE = 1000, WORKERS_MAX = 100000, SIZES_MAX = 8 };

#define KINDS(K) \
    K(beat, "heartbeat") \
    K(prompt, "prompt, sent at once") \
    K(prefilled, "prefilled") \
    K(tokens, "tokens") \
    K(done, "done") \
    K(leave, "worker lost, with its jobs") \
    K(open, "worker joins: link") \
    K(hello, "worker joins: hello") \
    K(actor, "worker joins: actor ready") \
    K(tick, "timer") \
    K(queued, "prompt, queued") \
    K(next, "done, next from the queue")
#define KIND_ENUM(name, text) KIND_##name,
enum kind { KINDS(KIND_ENUM) KIND_COUNT };
#undef KIND_ENUM

static const char *const kind_texts[] = {
#define KIND_TEXT(name, text) text,
    KINDS(KIND_TEXT)
#undef KIND_TEXT
};

struct samples {
    uint32_t *ns; /* owned */
    size_t n;
};

struct node {
    uint64_t link; /* 0: it is away */
    uint32_t busy;
};

/* A job on its way through an actor. */
struct run {
    struct run *next;
    uint64_t job, link;
    uint32_t attempt, said; /* said: tokens, also by those that had it before */
    bool prefilled;
    struct node *node;
};

struct bench {
    struct head *head;
    struct effects fx;
    uint64_t now_us, calls, links, turn;
    struct node *nodes; /* owned */
    struct node **by_link; /* owned; borrowed items */
    size_t nodes_n, links_cap;
    struct run *first, **end; /* owned, oldest first */
    uint32_t running;
    bool warm; /* samples count */
    uint64_t clock_ns; /* what reading the clock takes */
    struct samples samples[KIND_COUNT];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the head's other side ---- */

static void run_push(struct bench *b, struct run *r)
{
    r->next = NULL;
    if (b->first == NULL)
        b->end = &b->first;
    *b->end = r;
    b->end = &r->next;
}

static void carry_out(struct bench *b, const struct fx *fx)
{
    MUST(fx->kind != FX_CLOSE_LINK && fx->kind != FX_CALL_FAILED);
    if (fx->kind != FX_SEND || fx->msg.type != WIRE_run)
        return;
    struct run *r = xalloc(sizeof *r);
    *r = (struct run){.job = fx->msg.run.job, .link = fx->link, .attempt = fx->msg.run.attempt, .said = fx->msg.run.resume.n,
                      .node = b->by_link[fx->link]};
    r->node->busy++;
    b->running++;
    run_push(b, r);
}

static void step(struct bench *b, enum kind kind, struct head_event ev)
{
    struct samples *s = &b->samples[kind];
    ev.now_us = b->now_us;
    effects_reset(&b->fx);
    uint64_t from = now_ns();
    head_step(b->head, &ev, &b->fx);
    uint64_t ns = now_ns() - from;
    if (b->warm && s->n < SAMPLES_MAX)
        s->ns[s->n++] = (uint32_t)(ns > b->clock_ns ? ns - b->clock_ns : 0);
    for (size_t i = 0; i < b->fx.n; i++)
        carry_out(b, &b->fx.fx[i]);
}

static void say(struct bench *b, enum kind kind, uint64_t link, struct wire_msg msg)
{
    step(b, kind, (struct head_event){.kind = HEAD_LINK_MSG, .link = link, .msg = &msg});
}

/* ---- what happens ---- */

static void join(struct bench *b, struct node *n)
{
    char name[32];
    n->link = ++b->links;
    n->busy = 0;
    MUST(n->link < b->links_cap);
    b->by_link[n->link] = n;
    snprintf(name, sizeof name, "node-%zu", (size_t)(n - b->nodes));
    step(b, KIND_open, (struct head_event){.kind = HEAD_LINK_OPEN, .link = n->link, .peer = str_of("10.0.0.1:4312")});
    say(b, KIND_hello, n->link,
        (struct wire_msg){.type = WIRE_hello,
                          .hello = {.proto = WIRE_VERSION, .version = str_of("bench"), .role = WIRE_ROLE_WORKER,
                                    .node = str_of(name), .epoch = n->link, .cpus = 2, .engine = str_of("bench")}});
    say(b, KIND_actor, n->link,
        (struct wire_msg){.type = WIRE_actor,
                          .actor = {.state = WIRE_ACTOR_READY, .kind = REQUEST_CHAT, .model = str_of("m"),
                                    .digest = str_of("d"), .slots = SLOTS, .context = 4096, .prefill_tps = 500,
                                    .decode_tps = (float)(50 + n->link % 10)}});
}

static void leave(struct bench *b, struct node *n)
{
    struct run **at = &b->first;
    while (*at != NULL) { /* its jobs go elsewhere: the head sends them again */
        struct run *r = *at;
        if (r->node != n) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        b->running--;
        free(r);
    }
    b->end = at;
    uint64_t link = n->link;
    n->link = 0;
    step(b, KIND_leave, (struct head_event){.kind = HEAD_LINK_CLOSED, .link = link, .text = str_of("reset")});
}

static void beat(struct bench *b, const struct node *n)
{
    struct wire_load load = {.busy = n->busy, .prefill_tps = 500, .decode_tps = (float)(50 + (n->link + b->turn) % 10)};
    say(b, KIND_beat, n->link, (struct wire_msg){.type = WIRE_beat, .beat = {.sent_us = b->now_us, .loads = &load, .loads_n = 1}});
}

static void ask(struct bench *b, enum kind kind)
{
    char text[400];
    int n = snprintf(text, sizeof text, "prompt %" PRIu64 ": ", ++b->calls);
    memset(text + n, 'x', sizeof text - (size_t)n);
    struct turn turn = {.role = str_of("user"), .content = str_n(text, sizeof text)};
    struct request r = {.kind = REQUEST_CHAT, .model = str_of("m"), .turns = &turn, .turns_n = 1, .sampling = sampling_default()};
    step(b, kind, (struct head_event){.kind = HEAD_PROMPT, .call = b->calls, .request = &r, .count = 1});
}

static void go_on(struct bench *b, enum kind done)
{
    static const int32_t ids[] = {1, 2, 3};
    struct run *r = b->first;
    if (r == NULL)
        return;
    b->first = r->next;
    if (!r->prefilled) {
        r->prefilled = true;
        run_push(b, r);
        say(b, KIND_prefilled, r->link,
            (struct wire_msg){.type = WIRE_prefilled, .prefilled = {.job = r->job, .attempt = r->attempt, .prompt_tokens = 100}});
    } else if (r->said < PIECES * 3) {
        struct wire_tokens tokens = {.job = r->job, .attempt = r->attempt, .first = r->said, .ids = {ids, 3}, .text = str_of("abc")};
        r->said += 3;
        run_push(b, r);
        say(b, KIND_tokens, r->link, (struct wire_msg){.type = WIRE_tokens, .tokens = tokens});
    } else {
        struct wire_done end = {.job = r->job, .attempt = r->attempt, .finish = FINISH_STOP, .completion_tokens = r->said};
        uint64_t link = r->link;
        r->node->busy--;
        b->running--;
        free(r);
        say(b, done, link, (struct wire_msg){.type = WIRE_done, .done = end});
    }
}

static void time_passes(struct bench *b)
{
    b->now_us += 1 + 1000000 / b->nodes_n; /* each node beats once a second */
    if (head_deadline(b->head) <= b->now_us)
        step(b, KIND_tick, (struct head_event){.kind = HEAD_TICK});
}

/* Scattered over the nodes, as it would be: not in the order in which they lie in memory. */
static struct node *next_node(struct bench *b)
{
    return &b->nodes[++b->turn * 7919 % b->nodes_n];
}

static void half_full(struct bench *b, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        struct node *n = next_node(b);
        time_passes(b);
        beat(b, n);
        go_on(b, KIND_done);
        if (b->running < b->nodes_n * SLOTS / 2)
            ask(b, KIND_prompt);
        if (i % 64 == 63) {
            leave(b, n);
            time_passes(b);
            join(b, n);
        }
    }
}

static void all_full(struct bench *b, size_t steps)
{
    while (b->running < b->nodes_n * SLOTS)
        ask(b, KIND_prompt);
    for (int i = 0; i < QUEUE; i++)
        ask(b, KIND_queued);
    for (size_t i = 0; i < steps; i++) {
        uint32_t before = b->running;
        time_passes(b);
        beat(b, next_node(b));
        uint64_t jobs = b->samples[KIND_next].n;
        go_on(b, KIND_next);
        if (b->samples[KIND_next].n > jobs || b->running < before)
            ask(b, KIND_queued);
    }
}

/* ---- one size ---- */

static void measure(struct bench *b, size_t workers)
{
    struct head_config cfg = head_config_default();
    size_t steps = workers * 12 > STEPS_MIN ? workers * 12 : STEPS_MIN; /* so that jobs come to their end */
    cfg.links_max = cfg.actors_max = (uint32_t)workers + 16;
    cfg.queue_jobs_max = QUEUE + 16;
    cfg.queue_bytes_max = (uint64_t)1 << 34;
    cfg.queue_deadline_ms = UINT32_MAX; /* nothing here is about waiting for long */
    cfg.version = str_of("bench");
    b->now_us = 1000000000;
    b->head = head_new(&cfg, b->now_us);
    b->nodes_n = workers;
    b->nodes = xalloc_array(workers, sizeof *b->nodes);
    b->links_cap = workers + steps;
    b->by_link = xalloc_array(b->links_cap, sizeof *b->by_link);
    for (size_t i = 0; i < workers; i++)
        join(b, &b->nodes[i]);
    while (b->running < workers * SLOTS / 2)
        ask(b, KIND_prompt);
    half_full(b, workers);
    b->warm = true;
    half_full(b, steps);
    all_full(b, steps);
    b->warm = false;
    head_free(b->head);
    for (struct run *r = b->first, *next; r != NULL; r = next) {
        next = r->next;
        free(r);
    }
    b->first = NULL;
    b->running = 0;
    free(b->nodes);
    free(b->by_link);
}

static int by_value(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

struct figures {
    uint32_t median[KIND_COUNT], most[KIND_COUNT]; /* ns; most: 99 of 100 take no longer */
    size_t n[KIND_COUNT];
};

static void figures_take(struct bench *b, struct figures *out)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        struct samples *s = &b->samples[k];
        qsort(s->ns, s->n, sizeof *s->ns, by_value);
        out->n[k] = s->n;
        out->median[k] = s->n > 0 ? s->ns[s->n / 2] : 0;
        out->most[k] = s->n > 0 ? s->ns[s->n * 99 / 100] : 0;
        s->n = 0;
    }
}

static uint64_t clock_takes_ns(void)
{
    uint32_t ns[1001];
    for (size_t i = 0; i < 1001; i++) {
        uint64_t from = now_ns();
        ns[i] = (uint32_t)(now_ns() - from);
    }
    qsort(ns, 1001, sizeof *ns, by_value);
    return ns[500];
}

/* ---- out ---- */

static void print_table(const size_t *sizes, const struct figures *f, size_t n)
{
    printf("| ns per event, median (99 of 100 below) |");
    for (size_t i = 0; i < n; i++)
        printf(" %zu workers |", sizes[i]);
    printf("\n|---|");
    for (size_t i = 0; i < n; i++)
        printf("--:|");
    printf("\n");
    for (int k = 0; k < KIND_COUNT; k++) {
        printf("| %s |", kind_texts[k]);
        for (size_t i = 0; i < n; i++)
            printf(" %u (%u) |", f[i].median[k], f[i].most[k]);
        printf("\n");
    }
}

static void print_json(const size_t *sizes, const struct figures *f, size_t n)
{
    printf("[");
    for (size_t i = 0; i < n; i++) {
        printf("%s\n  {\"workers\": %zu", i > 0 ? "," : "", sizes[i]);
        for (int k = 0; k < KIND_COUNT; k++)
            printf(",\n   \"%s\": {\"median_ns\": %u, \"p99_ns\": %u, \"events\": %zu}", kind_texts[k], f[i].median[k],
                   f[i].most[k], f[i].n[k]);
        printf("}");
    }
    printf("\n]\n");
}

static size_t sizes_parse(const char *text, size_t *out)
{
    size_t n = 0;
    while (*text != '\0') {
        char *end = NULL;
        unsigned long workers = strtoul(text, &end, 10);
        if (end == text || workers < 1 || workers > WORKERS_MAX || n == SIZES_MAX || (*end != ',' && *end != '\0'))
            return 0;
        out[n++] = workers;
        text = *end == ',' ? end + 1 : end;
    }
    return n;
}

static int usage(FILE *to)
{
    fprintf(to,
            "What one event costs the head's brain, by kind of event and number of workers.\n\n"
            "    bench_head_steps [--workers 10,100,1000,10000] [-o table|json]\n\n"
            "Up to %d sizes of 1 to %d workers. Example: bench_head_steps --workers 10,10000 -o json\n",
            SIZES_MAX, WORKERS_MAX);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    size_t sizes[SIZES_MAX] = {10, 100, 1000, 10000}, n = 4;
    bool json = false;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--workers") == 0 && (n = sizes_parse(value, sizes)) > 0)
            continue;
        if (strcmp(argv[i], "-o") != 0 || (strcmp(value, "json") != 0 && strcmp(value, "table") != 0))
            return usage(stderr);
        json = strcmp(value, "json") == 0;
    }
    static struct bench b;
    static struct figures f[SIZES_MAX];
    b.clock_ns = clock_takes_ns();
    for (int k = 0; k < KIND_COUNT; k++)
        b.samples[k].ns = xalloc_array(SAMPLES_MAX, sizeof *b.samples[k].ns);
    for (size_t i = 0; i < n; i++) {
        measure(&b, sizes[i]);
        figures_take(&b, &f[i]);
    }
    if (json)
        print_json(sizes, f, n);
    else
        print_table(sizes, f, n);
    for (int k = 0; k < KIND_COUNT; k++)
        free(b.samples[k].ns);
    effects_fini(&b.fx);
    return 0;
}
