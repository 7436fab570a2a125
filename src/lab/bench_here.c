#include "lab/bench_here.h"

#include <signal.h>
#include <stdio.h>

#include "base/plain.h"
#include "json/write.h"
#include "lab/load.h"
#include "lab/progress.h"

/* One line of the table is one load: a number of clients, each sending one prompt after the other.
 * It can fail by: no head at the address, a prompt that fails, Ctrl-C; lines measured before stay
 * on the screen. */

enum { PROMPTS_PER_CLIENT = 4, AWAY_MS = 10000 };

struct bench_here {
    const struct settings *s;
    const char *key;             /* borrowed; API key of the heads */
    struct load_run load;
    uint32_t clients;
    struct progress progress;
};

static void on_progress(uint32_t done, uint32_t of, void *user_data)
{
    struct bench_here *b = user_data;
    progress_say(&b->progress, "%u client%s: %u of %u prompts", b->clients, b->clients == 1 ? "" : "s", done, of);
}

static void on_interrupt(int signum, void *user_data)
{
    struct bench_here *b = user_data;
    (void)signum;
    fault_set(&b->load.fault, ERR_CANCELLED, "cancelled");
    load_cancel(&b->load);
}

static void run(struct bench_here *b, uint32_t clients)
{
    bool given = b->s->values[SET_BENCH_CALLS].source != FROM_DEFAULT;
    struct load_config cfg = {
        .heads = setting_text(b->s, SET_HEAD),
        .key = b->key,
        .prompts = {.prompt_least = 50, .prompt_most = 100, .answer_least = 48, .answer_most = 64},
        .seed = setting_number(b->s, SET_BENCH_SEED) + clients,
        .streams = clients,
        .calls = given ? (uint32_t)setting_number(b->s, SET_BENCH_CALLS) : clients * PROMPTS_PER_CLIENT,
        .warm = clients,
        .away_ms = AWAY_MS,
        .on_progress = on_progress,
        .user_data = b,
    };
    b->clients = clients;
    b->load.loop = net_loop_new();
    net_signal(b->load.loop, SIGINT, on_interrupt, b);
    load_start(&b->load, &cfg);
    if (b->load.load != NULL)
        net_loop_run(b->load.loop);
    net_loop_free(b->load.loop);
    progress_clear();
}

static void put(const struct bench_here *b, bool json, bool first)
{
    const struct load_result *r = &b->load.result;
    if (json) {
        printf("%s\n  {\"clients\":%u,", first ? "" : ",", b->clients);
        load_put_json(r);
        printf("}");
    } else
        printf("%7u  %7u  %8.1f  %6.1f  %8.0f  %8.0f  %8.0f\n", b->clients, r->calls, r->tokens_per_s, r->tokens_per_s / b->clients, r->ttft_p50_ms,
               r->ttft_p95_ms, r->gap_p95_ms);
    fflush(stdout);
}

static void put_head(const struct settings *s, bool json)
{
    if (json) {
        printf("{\"head\":");
        jout_print(stdout, setting_text(s, SET_HEAD));
        printf(",\"results\":[");
        return;
    }
    plain_wrapped(stdout, "The cluster at %s: prompts of 50 to 100 words, answers of 48 to 64 tokens; times in ms", setting_text(s, SET_HEAD));
    printf("%7s  %7s  %8s  %6s  %8s  %8s  %8s\n", "CLIENTS", "PROMPTS", "TOKENS/S", "EACH", "TTFT-P50", "TTFT-P95", "GAP-P95");
    fflush(stdout);
}

/* Runs the load with one client, half of them, all of them. */
static void run_all(struct bench_here *b, uint32_t most, bool json)
{
    uint32_t clients[] = {1, most > 3 ? most / 2 : 0, most > 1 ? most : 0}, done = 0;
    for (size_t i = 0; i < sizeof clients / sizeof clients[0] && b->load.fault.err == 0; i++) {
        if (clients[i] == 0)
            continue;
        run(b, clients[i]);
        if (b->load.fault.err == 0)
            put(b, json, done++ == 0);
    }
}

int bench_here_main(const struct settings *s, const char *key)
{
    struct bench_here b = {.s = s, .key = key};
    bool json = setting_json(s);
    put_head(s, json);
    run_all(&b, (uint32_t)setting_number(s, SET_BENCH_STREAMS), json);
    if (json)
        printf("\n]}\n");
    if (b.load.fault.err != 0)
        plain_error("%s", b.load.fault.text);
    return err_exit(b.load.fault.err);
}
