#include "lab/chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "lab/cluster.h"
#include "lab/load.h"
#include "lab/progress.h"
#include "lab/report.h"
#include "lab/runner.h"

/* Happy path: cluster -> ready -> every stream once, undisturbed: the twins -> the same streams
 * again, repeated until the schedule is over, each judged against its twin -> the sums. It can fail
 * by: a cluster that fails, an undisturbed stream that is not whole, a worker that does not
 * leave. */

enum { AWAY_MS = 60000, COMPLAINTS_MAX = 10, ANSWER_TOKENS = 64 };

/* About 2 seconds for an answer of 64 tokens; token boundaries cut characters. */
#define ECHO_MODEL "echo:tokens=200,prefill_us=300,decode_us=20000,stream_us=500"

/* Streams take these shapes in turn. */
static const struct shape {
    const char *name, *fields;
    bool stops;
} shapes[] = {
    {"greedy", "\"temperature\":0", false},
    {"drawn", "\"temperature\":0.9", false},
    {"greedy with stop strings", "\"temperature\":0,\"stop\":[\"\\n\\n\",\" the sea\"]", true},
    {"drawn with a stop string", "\"temperature\":0.9,\"stop\":[\". \"]", true},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct chaos {
    const struct settings *s;
    struct lab_cluster *cluster;
    struct load_run load;
    struct runner runner;
    struct answer *twins;      /* owned; one for each of schedule.streams */
    uint32_t complaints;       /* differing streams shown so far */
    bool disturbed;
    char model[512];
    struct report report;
    struct progress progress;
};

static void give_up(const char *why, void *user_data)
{
    struct chaos *c = user_data;
    if (c->load.fault.err == 0)
        fault_set(&c->load.fault, ERR_FAILED, "%s", why);
    net_loop_stop(c->load.loop);
}

/* ---- streams ---- */

static uint32_t stream_of(const struct chaos *c, uint32_t number)
{
    return number % c->runner.schedule.streams;
}

static void put_body(struct buf *out, uint32_t number, void *user_data)
{
    const struct chaos *c = user_data;
    uint32_t i = stream_of(c, number);
    buf_printf(out, "{\"messages\":[{\"role\":\"user\",\"content\":\"Story %u: what happened at the harbour?\"}],\"seed\":%llu,"
                    "\"max_tokens\":%d,\"stream\":true,\"stream_options\":{\"include_usage\":true},\"logprobs\":true,%s}",
               i, (unsigned long long)(c->runner.schedule.seed + i), ANSWER_TOKENS, shapes[i % SHAPES].fields);
}

static void keep_twin(struct chaos *c, uint32_t i, const struct answer *a)
{
    char why[640];
    if (!answer_is_whole(a)) {
        snprintf(why, sizeof why, "stream %u (%s), undisturbed: %s", i, shapes[i % SHAPES].name, a->why[0] != '\0' ? a->why : "it has no end");
        give_up(why, c);
        return;
    }
    c->twins[i] = *a;
    c->twins[i].text = buf_max(FOLLOW_TEXT_BYTES_MAX);
    buf_add_str(&c->twins[i].text, buf_str(&a->text));
}

/* For the tests of this command: damages an answer as a real fault would. */
static void spoil(struct buf *text, uint64_t how)
{
    struct buf was = *text;
    size_t half = was.n / 2, part = was.n / 4;
    *text = buf_max(was.max);
    buf_add(text, was.p, half);
    if (how == 2)
        buf_add(text, was.p + half - part, part);
    if (how == 3)
        buf_putc(text, '#');
    half += how == 1 ? part : how == 3 ? 1 : 0;
    buf_add(text, was.p + half, was.n - half);
    buf_fini(&was);
}

/* Whole characters around byte `at`, on one line. */
static void put_excerpt(const char *what, const struct buf *text, size_t at)
{
    enum { BEFORE = 30, SHOWN = 60 };
    size_t i = at > BEFORE ? at - BEFORE : 0, n;
    while (i < text->n && utf8_len(text->p + i, text->n - i) == 0)
        i++;
    size_t end = i;
    for (size_t shown = 0; end < text->n && shown < SHOWN; shown++) {
        n = utf8_len(text->p + end, text->n - end);
        end += n > 0 ? n : 1;
    }
    plain_print(stderr, "    %s%.*s", what, (int)(end - i), text->p + i);
}

static void complain(const struct chaos *c, uint32_t i, const struct answer *a, const struct judgement *j)
{
    progress_clear();
    fprintf(stderr, "stream %u (%s): %s; %zu bytes as they should be\n", i, shapes[i % SHAPES].name, j->why, j->bytes.at);
    if (j->bytes.lost + j->bytes.duplicated + j->bytes.changed == 0)
        return;
    put_excerpt("undisturbed: ", &c->twins[i].text, j->bytes.at);
    put_excerpt("it was:      ", &a->text, j->bytes.at);
}

static void judge(struct chaos *c, uint32_t i, const struct answer *a)
{
    struct judgement j = judge_answer(&c->twins[i], a, shapes[i % SHAPES].stops, c->report.exact);
    report_add(&c->report, a, &j);
    if (!report_accepts(&c->report, &j) && c->complaints++ < COMPLAINTS_MAX)
        complain(c, i, a, &j);
}

static void on_answer(uint32_t number, const struct answer *a, void *user_data)
{
    struct chaos *c = user_data;
    uint32_t i = stream_of(c, number);
    if (!c->disturbed) {
        keep_twin(c, i, a);
        return;
    }
    struct answer copy = *a;
    uint64_t how = number == 0 ? setting_number(c->s, SET_CHAOS_SPOIL) : 0;
    copy.text = buf_max(FOLLOW_TEXT_BYTES_MAX);
    buf_add_str(&copy.text, buf_str(&a->text));
    if (how > 0)
        spoil(&copy.text, how);
    judge(c, i, &copy);
    answer_fini(&copy);
    runner_ended(&c->runner, c->report.streams);
}

static bool more(void *user_data)
{
    const struct chaos *c = user_data;
    return c->disturbed && !runner_is_calm(&c->runner);
}

static bool is_settled(uint64_t since_us, void *user_data)
{
    const struct chaos *c = user_data;
    return load_is_settled(&c->load, since_us);
}

static void on_progress(uint32_t done, uint32_t of, void *user_data)
{
    struct chaos *c = user_data;
    if (c->disturbed)
        progress_say(&c->progress, "disturbed: %u streams, fault %u of %u", done, c->runner.next, c->runner.schedule.faults);
    else
        progress_say(&c->progress, "undisturbed: %u of %u streams", done, of);
}

/* ---- the two runs ---- */

static void run_streams(struct chaos *c);

/* After the undisturbed run comes the disturbed one. */
static bool on_load_end(void *user_data)
{
    struct chaos *c = user_data;
    if (c->disturbed)
        return false;
    c->disturbed = true;
    runner_start(&c->runner);
    run_streams(c);
    return true;
}

static void run_streams(struct chaos *c)
{
    uint32_t streams = c->runner.schedule.streams, at_once = (uint32_t)setting_number(c->s, SET_CHAOS_AT_ONCE);
    struct load_config cfg = {
        .heads = lab_cluster_heads(c->cluster),
        .key = lab_cluster_key(c->cluster),
        .streams = at_once < streams ? at_once : streams,
        .calls = streams,
        .away_ms = AWAY_MS,
        .put_body = put_body,
        .on_answer = on_answer,
        .more = more,
        .on_progress = on_progress,
        .on_end = on_load_end,
        .user_data = c,
    };
    load_start(&c->load, &cfg);
}

static void on_ready(void *user_data)
{
    run_streams(user_data);
}

static void on_again(uint32_t part, void *user_data)
{
    (void)part;
    runner_again(&((struct chaos *)user_data)->runner);
}

static void on_line(uint32_t part, struct str line, void *user_data)
{
    struct chaos *c = user_data;
    if (setting_number(c->s, SET_LOG) == LOG_TRACE)
        plain_print(stderr, "%s | %.*s", lab_cluster_part_name(c->cluster, part), STR_ARG(line));
    if (c->disturbed && part < c->runner.schedule.heads)
        runner_line(&c->runner, line);
}

static void run(struct chaos *c)
{
    char slots[16];
    bool echo = strncmp(c->model, "echo", 4) == 0;
    snprintf(slots, sizeof slots, "%llu", (unsigned long long)setting_number(c->s, SET_SLOTS));
    static const char *const head_flags[] = {NULL};
    const char *worker_flags[] = {"--engine", echo ? "echo" : "llama", "--model", c->model, "--slots", slots, "--context", "1024",
                                  "--threads", "1", c->report.exact ? "--exact" : NULL, NULL};
    struct lab_cluster_config cfg = {.heads = c->runner.schedule.heads, .workers = c->runner.schedule.workers, .head_flags = head_flags,
                               .worker_flags = worker_flags, .apart = (c->runner.schedule.kinds & 1u << SCHEDULE_CUT) != 0,
                               .on_ready = on_ready, .on_again = on_again, .on_line = on_line,
                               .on_failed = give_up, .user_data = c};
    c->load.loop = c->runner.loop = net_loop_new();
    c->cluster = c->runner.cluster = lab_cluster_start(c->load.loop, &cfg, &c->load.fault);
    c->runner.is_settled = is_settled;
    c->runner.on_failed = give_up;
    c->runner.user_data = c;
    if (c->load.fault.err == 0)
        net_loop_run(c->load.loop);
    runner_end(&c->runner);
    lab_cluster_end(c->cluster);
    load_cancel(&c->load);
    net_loop_free(c->load.loop);
    progress_clear();
}

/* ---- the command ---- */

static int schedule_of(const struct settings *s, struct schedule *out, struct fault *f)
{
    *out = (struct schedule){
        .seed = setting_number(s, SET_BENCH_SEED),
        .workers = (uint32_t)setting_number(s, SET_WORKERS),
        .heads = (uint32_t)setting_number(s, SET_CHAOS_HEADS),
        .faults = (uint32_t)setting_number(s, SET_CHAOS_FAULTS),
        .streams = (uint32_t)setting_number(s, SET_CHAOS_STREAMS),
    };
    return schedule_parse_kinds(setting_text(s, SET_CHAOS_KINDS), &out->kinds, f);
}

int chaos_main(const struct settings *s)
{
    struct chaos *c = xalloc(sizeof *c); /* the samples are too large for the stack */
    *c = (struct chaos){.s = s, .report.exact = setting_on(s, SET_EXACT)};
    struct report_about about = {.model = c->model, .slots = (uint32_t)setting_number(s, SET_SLOTS),
                                .at_once = (uint32_t)setting_number(s, SET_CHAOS_AT_ONCE)};
    int status = 2;
    if (schedule_of(s, &c->runner.schedule, &c->load.fault) == 0) {
        lab_cluster_model(s, ECHO_MODEL, c->model, sizeof c->model);
        c->twins = xalloc_array(c->runner.schedule.streams, sizeof *c->twins);
        run(c);
        status = c->load.fault.err == 0 && report_is_well(&c->report) ? 0 : 1;
    }
    if (c->load.fault.err != 0)
        plain_error("manta chaos: %s", c->load.fault.text);
    else if (setting_json(s))
        report_put_json(&c->report, &c->runner, &about);
    else
        report_put_text(&c->report, &c->runner, &about);
    for (uint32_t i = 0; c->twins != NULL && i < c->runner.schedule.streams; i++)
        answer_fini(&c->twins[i]);
    free(c->twins);
    free(c);
    return status;
}
