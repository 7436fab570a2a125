#include "main/bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/client.h"
#include "client/load.h"
#include "cluster/head.h"

/* One cell of the table is one fresh cluster: a head with a strategy, three workers, one load. Happy path: head's port is read
 * from its log -> workers -> three actors ready -> load -> its result -> all of them are killed, nothing of them is needed.
 * It can fail by: a child that ends, actors that do not become ready in time, a prompt that fails. */

enum { WORKERS = 3, SLOW_TIMES = 4, READY_S = 120, WARM_CALLS = 18 };

/* Half as slow as a small model on two cores: 2,000 prompt tokens/s, 200 tokens/s for one stream. Sleeping needs no processor,
 * so three of them are three machines. */
#define ECHO_MODEL "echo:tokens=4096,context=4096,prefill_us=500,decode_us=4500,stream_us=500,copy_us=1000"

struct shape {
    const char *name, *about;
    bool uneven;
    struct load_config load;
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
    struct net_loop *loop;
    const struct shape *shape;
    enum balance balance;
    struct net_child *children[WORKERS + 1]; /* [0]: the head */
    uint32_t children_n;
    struct client_options client;
    struct client_watch *watch;
    struct net_timer *patience;
    char address[64], model[512];
    char reason[256]; /* the first line of a child that says that it cannot, or the last one of all */
    bool loading, over;
    struct load_result result;
    struct fault fault;
};

static bool on_terminal(void)
{
    return isatty(STDERR_FILENO) != 0;
}

/* ---- a cluster ---- */

static void give_up(struct bench *b, const char *what)
{
    if (b->fault.err == 0)
        fault_set(&b->fault, ERR_FAILED, "%s load, %s: %s", b->shape->name, balance_name(b->balance), what);
    b->over = true;
    net_loop_stop(b->loop);
}

static void on_child_exit(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct bench *b = user_data;
    char what[300];
    for (uint32_t i = 0; i < b->children_n; i++) {
        if (b->children[i] == c)
            b->children[i] = NULL;
    }
    snprintf(what, sizeof what, "a child ended (status %lld, signal %d): %.200s", (long long)status, signum, b->reason);
    give_up(b, what);
}

static void start_workers(struct bench *b);

static void on_child_line(struct net_child *c, struct str line, void *user_data)
{
    struct bench *b = user_data;
    static const char begins[] = "cluster started on http://";
    char text[256];
    snprintf(text, sizeof text, "%.*s", STR_ARG(line));
    if (strstr(b->reason, "cannot") == NULL)
        snprintf(b->reason, sizeof b->reason, "%s", text);
    const char *at = strstr(text, begins);
    if (c != b->children[0] || at == NULL || b->address[0] != '\0')
        return;
    snprintf(b->address, sizeof b->address, "%.*s", (int)strcspn(at + strlen(begins), " "), at + strlen(begins));
    start_workers(b);
}

static void spawn(struct bench *b, const char *const *argv)
{
    struct net_child_config cfg = {.argv = argv, .on_line = on_child_line, .on_exit = on_child_exit, .user_data = b};
    struct net_child *c = net_spawn(b->loop, &cfg, &b->fault);
    if (c == NULL)
        give_up(b, b->fault.text);
    else
        b->children[b->children_n++] = c;
}

static void on_load_end(const struct load_result *r, const struct fault *f, void *user_data)
{
    struct bench *b = user_data;
    b->result = *r;
    b->fault = *f;
    b->over = true;
    net_loop_stop(b->loop);
}

static void on_progress(uint32_t done, uint32_t of, void *user_data)
{
    struct bench *b = user_data;
    if (on_terminal())
        fprintf(stderr, "\r%s load, %s: %u of %u prompts ", b->shape->name, balance_name(b->balance), done, of);
}

static void on_news(const struct client_news *n, void *user_data)
{
    struct bench *b = user_data;
    if (n->ready < WORKERS || b->loading)
        return;
    b->loading = true;
    net_timer_set(b->patience, UINT64_MAX);
    struct load_config cfg = b->shape->load;
    cfg.head = b->address;
    cfg.seed = setting_number(b->s, SET_BENCH_SEED);
    cfg.streams = (uint32_t)setting_number(b->s, SET_BENCH_STREAMS);
    cfg.calls = (uint32_t)setting_number(b->s, SET_BENCH_CALLS);
    cfg.warm = WARM_CALLS;
    cfg.on_progress = on_progress;
    cfg.on_end = on_load_end;
    cfg.user_data = b;
    if (load_start(b->loop, &cfg, &b->fault) != 0)
        give_up(b, b->fault.text);
}

static void on_patience(struct net_timer *t, void *user_data)
{
    (void)t;
    give_up(user_data, "the actors did not become ready in time");
}

static void start_workers(struct bench *b)
{
    char pid[16], node[16], throttle[16], slots[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(slots, sizeof slots, "%llu", (unsigned long long)setting_number(b->s, SET_SLOTS));
    for (int i = 1; i <= WORKERS && !b->over; i++) {
        bool echo = strncmp(b->model, "echo", 4) == 0;
        snprintf(node, sizeof node, "worker-%d", i);
        snprintf(throttle, sizeof throttle, "%d", b->shape->uneven && i == WORKERS ? SLOW_TIMES : 1);
        const char *argv[] = {"/proc/self/exe", "worker", "--head", b->address, "--node", node, "--engine", echo ? "echo" : "llama", "--model",
                              b->model, "--slots", slots, "--context", "2048", "--threads", "1", "--throttle", throttle,
                              "--die-with-parent", pid, NULL};
        spawn(b, argv);
    }
    b->client = (struct client_options){.head = b->address, .api_key = "", .model = ""};
    if (!b->over)
        b->watch = client_watch_start(b->loop, &b->client, on_news, b, &b->fault);
}

static void on_signal(int signum, void *user_data)
{
    (void)signum;
    give_up(user_data, "interrupted");
}

/* Runs one cell; b->fault when it failed. */
static void run_cell(struct bench *b, const struct shape *shape, enum balance balance)
{
    char pid[16];
    b->shape = shape;
    b->balance = balance;
    b->children_n = 0;
    b->address[0] = b->reason[0] = '\0';
    b->loading = b->over = false;
    b->watch = NULL;
    b->loop = net_loop_new();
    b->patience = net_timer_new(b->loop, on_patience, b);
    net_timer_set(b->patience, net_now_us(b->loop) + READY_S * 1000000ull);
    net_signal(b->loop, SIGINT, on_signal, b);
    net_signal(b->loop, SIGTERM, on_signal, b);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const char *argv[] = {"/proc/self/exe", "head", "--port", "0", "--balance", balance_name(balance), "--die-with-parent", pid, NULL};
    spawn(b, argv);
    if (!b->over)
        net_loop_run(b->loop);
    for (uint32_t i = 0; i < b->children_n; i++) {
        if (b->children[i] != NULL)
            net_child_abandon(b->children[i]);
    }
    client_watch_free(b->watch);
    net_loop_free(b->loop);
}

/* ---- the table ---- */

static void put_machine(FILE *out)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            fprintf(out, "%.*s, ", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f != NULL)
        fclose(f);
    fprintf(out, "%ld processors", sysconf(_SC_NPROCESSORS_ONLN));
}

static void put_row(const struct bench *b)
{
    const struct load_result *r = &b->result;
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
    const struct load_result *r = &b->result;
    printf("%s\n  {\"load\":\"%s\",\"balance\":\"%s\",\"calls\":%u,\"seconds\":%.3f,\"tokens_per_s\":%.2f,\"ttft_p50_ms\":%.1f,"
           "\"ttft_p95_ms\":%.1f,\"gap_p95_ms\":%.1f,\"cached_share\":%.4f,\"shares\":{",
           first ? "" : ",", b->shape->name, balance_name(b->balance), r->calls, r->seconds, r->tokens_per_s, r->ttft_p50_ms, r->ttft_p95_ms,
           r->gap_p95_ms, r->cached);
    for (uint32_t i = 0; i < r->nodes; i++)
        printf("%s\"%s\":%.4f", i > 0 ? "," : "", r->shares[i].node, r->shares[i].part);
    printf("}}");
    fflush(stdout);
}

static void put_head(const struct bench *b, bool json)
{
    if (json) {
        printf("{\"model\":\"%s\",\"machine\":\"", b->model);
        put_machine(stdout);
        printf("\",\"results\":[");
        return;
    }
    put_machine(stdout);
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
}

/* A model or an engine that a person named; else the echo engine, which needs no processor to be three machines. */
static void choose_model(struct bench *b)
{
    const struct settings *s = b->s;
    bool named = s->values[SET_MODEL].source == FROM_FLAG, engine = s->values[SET_ENGINE].source == FROM_FLAG;
    bool echo = engine ? setting_number(s, SET_ENGINE) == 1 : !named;
    snprintf(b->model, sizeof b->model, "%s", echo && !named ? ECHO_MODEL : setting_text(s, SET_MODEL));
}

int bench_main(const struct settings *s)
{
    struct bench b = {.s = s};
    bool json = setting_number(s, SET_OUTPUT) == 1;
    choose_model(&b);
    if (!setting_on(s, SET_COMPARE_BALANCE)) {
        fprintf(stderr, "error: manta bench: say what to compare; there is --compare-balance\n");
        return 2;
    }
    put_head(&b, json);
    for (int i = 0; i < SHAPES && b.fault.err == 0; i++) {
        for (int k = 0; k < BALANCE_COUNT && b.fault.err == 0; k++) {
            run_cell(&b, &shapes[i], (enum balance)k);
            if (on_terminal())
                fprintf(stderr, "\r\033[K");
            else if (b.fault.err == 0)
                fprintf(stderr, "%s load, %s: done\n", shapes[i].name, balance_name((enum balance)k));
            if (b.fault.err == 0)
                put_result(&b, json, i + k == 0);
        }
    }
    if (json)
        printf("\n]}\n");
    if (b.fault.err != 0)
        fprintf(stderr, "error: %s\n", b.fault.text);
    return b.fault.err != 0 ? 1 : 0;
}
