#include "lab/bench.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "brain/head.h"
#include "json/write.h"
#include "lab/bench_here.h"
#include "lab/cluster.h"
#include "lab/load.h"
#include "lab/progress.h"

/* One cell of the table is one fresh cluster: a head with a strategy, three workers, one load.
 * Happy path: cluster -> ready -> load -> its result -> the cluster is killed. It can fail by: a
 * cluster that fails, a prompt that fails. */

enum { WORKERS = 3, SLOW_TIMES = 4, WARM_CALLS = 18 };

/* Half as fast as a small model on two cores: 2,000 prompt tokens/s, 200 tokens/s for one stream.
 * Sleeping needs no processor, so three such workers behave like three machines. */
#define ECHO_MODEL "echo:tokens=4096,context=4096,prefill_us=500,decode_us=4500,stream_us=500,copy_us=1000"

struct shape {
    const char *name, *about;
    bool uneven;
    struct load_prompts prompts;
};

static const struct shape shapes[] = {
    {"even", "three workers alike, all prompts different", false,
     {.prompt_least = 50, .prompt_most = 400, .answer_least = 16, .answer_most = 96}},
    {"uneven", "worker-3 at a quarter of the speed", true,
     {.prompt_least = 50, .prompt_most = 400, .answer_least = 16, .answer_most = 96}},
    {"shared", "prompts begin with one of 8 texts of 700 words", false,
     {.prefixes = 8, .prefix_words = 700, .prompt_least = 25, .prompt_most = 100, .answer_least = 16, .answer_most = 96}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct bench {
    const struct settings *s;
    const struct shape *shape;
    enum balance balance;
    struct lab_cluster *cluster;
    struct load_run load;
    char model[512];
    struct progress progress;
};

/* ---- a cell ---- */

static void give_up(const char *what, void *user_data)
{
    struct bench *b = user_data;
    if (b->load.fault.err == 0)
        fault_set(&b->load.fault, ERR_FAILED, "%s load, %s: %s", b->shape->name, balance_name(b->balance), what);
    net_loop_stop(b->load.loop);
}

static void on_progress(uint32_t done, uint32_t of, void *user_data)
{
    struct bench *b = user_data;
    progress_say(&b->progress, "%s load, %s: %u of %u prompts", b->shape->name, balance_name(b->balance), done, of);
}

static void on_ready(void *user_data)
{
    struct bench *b = user_data;
    struct load_config cfg = {
        .heads = lab_cluster_heads(b->cluster),
        .prompts = b->shape->prompts,
        .seed = setting_number(b->s, SET_BENCH_SEED),
        .streams = (uint32_t)setting_number(b->s, SET_BENCH_STREAMS),
        .calls = (uint32_t)setting_number(b->s, SET_BENCH_CALLS),
        .warm = WARM_CALLS,
        .on_progress = on_progress,
        .user_data = b,
    };
    load_start(&b->load, &cfg);
}

/* Runs one cell; sets b->load.fault if it failed. */
static void run_cell(struct bench *b, const struct shape *shape, enum balance balance)
{
    char slots[16];
    bool echo = strncmp(b->model, "echo", 4) == 0;
    snprintf(slots, sizeof slots, "%llu", (unsigned long long)setting_number(b->s, SET_SLOTS));
    const char *head_flags[] = {"--balance", balance_name(balance), NULL};
    const char *worker_flags[] = {"--engine", echo ? "echo" : "llama", "--model", b->model, "--slots", slots, "--context", "2048",
                                  "--threads", "1", NULL};
    struct lab_cluster_config cfg = {.heads = 1, .workers = WORKERS, .head_flags = head_flags, .worker_flags = worker_flags,
                               .slow_times = shape->uneven ? SLOW_TIMES : 1, .on_ready = on_ready, .on_failed = give_up, .user_data = b};
    b->shape = shape;
    b->balance = balance;
    b->load.loop = net_loop_new();
    b->cluster = lab_cluster_start(b->load.loop, &cfg, &b->load.fault);
    if (b->load.fault.err == 0)
        net_loop_run(b->load.loop);
    lab_cluster_end(b->cluster);
    load_cancel(&b->load);
    net_loop_free(b->load.loop);
}

/* ---- the table ---- */

static void put_row(const struct bench *b)
{
    const struct load_result *r = &b->load.result;
    char shares[96] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < r->nodes && n < sizeof shares; i++)
        n += (size_t)snprintf(shares + n, sizeof shares - n, "%s%.0f", i > 0 ? " / " : "", r->shares[i].part * 100);
    printf("| %-6s | %-11s | %8.1f | %12.0f | %12.0f | %11.0f | %8.0f | %-15s |\n", b->shape->name, balance_name(b->balance), r->tokens_per_s,
           r->ttft_p50_ms, r->ttft_p95_ms, r->gap_p95_ms, r->cached * 100, shares);
    fflush(stdout);
}

static void put_json(const struct bench *b, bool first)
{
    const struct load_result *r = &b->load.result;
    printf("%s\n  {\"load\":\"%s\",\"balance\":\"%s\",", first ? "" : ",", b->shape->name, balance_name(b->balance));
    load_put_json(r);
    printf(",\"shares\":{");
    for (uint32_t i = 0; i < r->nodes; i++)
        printf("%s\"%s\":%.4f", i > 0 ? "," : "", r->shares[i].node, r->shares[i].part);
    printf("}}");
    fflush(stdout);
}

static void put_head(const struct bench *b, bool json)
{
    if (json) {
        printf("{\"model\":");
        jout_print(stdout, b->model);
        printf(",\"machine\":\"");
        lab_cluster_put_machine(stdout);
        printf("\",\"results\":[");
        return;
    }
    lab_cluster_put_machine(stdout);
    printf("; %d workers of %llu slots, %llu clients, %llu prompts of each load; model %s\n", WORKERS,
           (unsigned long long)setting_number(b->s, SET_SLOTS), (unsigned long long)setting_number(b->s, SET_BENCH_STREAMS),
           (unsigned long long)setting_number(b->s, SET_BENCH_CALLS), b->model);
    for (int i = 0; i < SHAPES; i++)
        printf("%s: %s\n", shapes[i].name, shapes[i].about);
    printf("\n| load   | strategy    | tokens/s | TTFT p50, ms | TTFT p95, ms | gap p95, ms | cached %% | share, %%        |\n"
           "| ------ | ----------- | -------- | ------------ | ------------ | ----------- | -------- | --------------- |\n");
}

static void put_result(const struct bench *b, bool json, bool first)
{
    if (json)
        put_json(b, first);
    else
        put_row(b);
    fflush(stdout); /* a row takes minutes with a real model: show it at once to a reader who follows the file */
}

/* Runs each strategy under one load. */
static void run_load(struct bench *b, const struct shape *shape, bool json, bool *first)
{
    for (int k = 0; k < BALANCE_COUNT && b->load.fault.err == 0; k++) {
        run_cell(b, shape, (enum balance)k);
        progress_clear();
        if (b->load.fault.err == 0)
            put_result(b, json, *first);
        *first = false;
    }
}

int bench_main(const struct settings *s, const char *key)
{
    struct bench b = {.s = s};
    bool json = setting_json(s), first = true;
    lab_cluster_model(s, ECHO_MODEL, b.model, sizeof b.model);
    if (!setting_on(s, SET_COMPARE_BALANCE))
        return bench_here_main(s, key);
    put_head(&b, json);
    const char *wanted = setting_text(s, SET_BENCH_LOAD);
    for (int i = 0; i < SHAPES && b.load.fault.err == 0; i++) {
        if (strcmp(wanted, "all") == 0 || strcmp(wanted, shapes[i].name) == 0)
            run_load(&b, &shapes[i], json, &first);
    }
    if (json)
        printf("\n]}\n");
    if (b.load.fault.err != 0)
        plain_error("%s", b.load.fault.text);
    return b.load.fault.err != 0 ? 1 : 0;
}
