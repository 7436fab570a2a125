#include "lab/cluster.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "client/client.h"
#include "lab/hosts.h"
#include "lab/scratch.h"
#include "launch/launch.h"
#include "os/secret.h"

/* Happy path: each head is started and prints its address -> the workers start, knowing all heads
 * -> every head counts enough ready actors -> on_ready -> the owner strikes parts, which are
 * started again -> lab_cluster_end. It can fail by: a part that ends unasked, actors that do not
 * become ready in time, an interrupt. */

enum { ARGS_MAX = 40, PARTS_MAX = LAB_CLUSTER_HEADS_MAX + LAB_CLUSTER_WORKERS_MAX };

struct part {
    struct lab_cluster *cluster;
    struct net_child *child;   /* NULL: it has ended */
    struct net_timer *again;
    uint32_t again_ms;
    bool struck;               /* it is meant to end */
    char name[24];             /* "head", "worker-2" */
    char address[64];          /* of a head; empty until it has printed it */
    struct client_options client;
    struct client_watch *watch; /* of a head, until all are ready */
    bool ready;                /* a head with enough ready actors */
};

struct lab_cluster {
    struct net_loop *loop;
    struct lab_cluster_config cfg;
    struct part parts[PARTS_MAX];
    uint32_t parts_n;
    struct net_timer *patience;
    struct hosts *hosts;       /* with cfg.apart; else NULL */
    char heads[LAB_CLUSTER_HEADS_MAX * 64], pid[16], program[512];
    /* where these workers keep state for their successors, apart from that of real clusters */
    char scratch[256], state_env[300];
    char key[40], key_env[64];         /* of a head on a switch with other hosts; empty elsewhere */
    char token_env[32 + SECRET_BYTES];
    char reason[1100];         /* the last line a part printed, or the first one with an error code */
    bool has_code;             /* reason has an error code */
    bool ready, failed;
};

static bool is_head(const struct part *p)
{
    return p - p->cluster->parts < (ptrdiff_t)p->cluster->cfg.heads;
}

static void fail(struct lab_cluster *t, const char *why)
{
    if (t->failed)
        return;
    t->failed = true;
    t->cfg.on_failed(why, t->cfg.user_data);
}

/* ---- getting ready ---- */

static void stop_watching(struct lab_cluster *t)
{
    for (uint32_t i = 0; i < t->cfg.heads; i++) {
        client_watch_free(t->parts[i].watch);
        t->parts[i].watch = NULL;
    }
}

static void on_news(const struct client_news *n, void *user_data)
{
    struct part *p = user_data;
    struct lab_cluster *t = p->cluster;
    p->ready = n->ready >= t->cfg.workers;
    for (uint32_t i = 0; i < t->cfg.heads; i++) {
        if (!t->parts[i].ready)
            return;
    }
    if (t->ready || t->failed)
        return;
    t->ready = true;
    net_timer_set(t->patience, UINT64_MAX);
    stop_watching(t);
    t->cfg.on_ready(t->cfg.user_data);
}

static void part_start(struct part *p);

static void start_workers(struct lab_cluster *t)
{
    struct fault f = {0};
    size_t n = 0;
    for (uint32_t i = 0; i < t->cfg.heads; i++)
        n += (size_t)snprintf(t->heads + n, sizeof t->heads - n, "%s%s", i > 0 ? "," : "", t->parts[i].address);
    for (uint32_t i = t->cfg.heads; i < t->parts_n; i++)
        part_start(&t->parts[i]);
    for (uint32_t i = 0; i < t->cfg.heads && !t->failed; i++) {
        struct part *p = &t->parts[i];
        p->client = (struct client_options){.head = p->address, .api_key = t->key, .model = ""};
        p->watch = client_watch_start(t->loop, &p->client, on_news, p, &f);
        if (p->watch == NULL)
            fail(t, f.text);
    }
}

static void note_address(struct part *p, struct str line)
{
    char event[32];
    event_from_line(line, "event", event, sizeof event);
    if (strcmp(event, "head_started") != 0 || p->address[0] != '\0')
        return;
    event_from_line(line, "address", p->address, sizeof p->address);
    for (uint32_t i = 0; i < p->cluster->cfg.heads; i++) {
        if (p->cluster->parts[i].address[0] == '\0')
            return;
    }
    start_workers(p->cluster);
}

static void on_patience(struct net_timer *timer, void *user_data)
{
    (void)timer;
    fail(user_data, "the actors did not become ready in time");
}

static void on_signal(int signum, void *user_data)
{
    (void)signum;
    fail(user_data, "interrupted");
}

/* ---- one part ---- */

static void on_line(struct net_child *c, struct str line, void *user_data)
{
    struct part *p = user_data;
    struct lab_cluster *t = p->cluster;
    char code[32];
    (void)c;
    if (!t->has_code && line.n > 0)
        snprintf(t->reason, sizeof t->reason, "%.*s", STR_ARG(line));
    t->has_code = event_from_line(line, "code", code, sizeof code) || t->has_code;
    if (is_head(p))
        note_address(p, line);
    if (t->cfg.on_line != NULL && !t->failed)
        t->cfg.on_line((uint32_t)(p - t->parts), line, t->cfg.user_data);
}

static void on_exit_of(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct part *p = user_data;
    char how[64];
    struct fault f;
    (void)c;
    p->child = NULL;
    if (p->struck) {
        net_timer_set(p->again, net_now_us(p->cluster->loop) + p->again_ms * 1000ull);
        return;
    }
    snprintf(how, sizeof how, "ended (status %lld, signal %d)", (long long)status, signum);
    launch_reason(&f, p->name, how, p->cluster->reason);
    fail(p->cluster, f.text);
}

static void on_again(struct net_timer *timer, void *user_data)
{
    struct part *p = user_data;
    struct lab_cluster *t = p->cluster;
    (void)timer;
    p->struck = false;
    part_start(p);
    if (!t->failed && t->cfg.on_again != NULL)
        t->cfg.on_again((uint32_t)(p - t->parts), t->cfg.user_data);
}

static uint32_t worker_of(const struct part *p)
{
    return (uint32_t)(p - p->cluster->parts) - p->cluster->cfg.heads;
}

static void part_start(struct part *p)
{
    struct lab_cluster *t = p->cluster;
    /* Settings from the user's environment must not reach these heads and workers. */
    const char *key = is_head(p) ? t->key_env : "MANTA_API_KEY";
    const char *env[] = {t->state_env, key, t->token_env, "MANTA_HOST", "MANTA_API_KEY_FILE", "MANTA_JOIN_TOKEN_FILE", "MANTA_CONFIG",
                         "MANTA_LOG", "MANTA_LOG_FORMAT", NULL};
    const char *argv[ARGS_MAX], *const *more = is_head(p) ? t->cfg.head_flags : t->cfg.worker_flags;
    const char *colon = strrchr(p->address, ':');
    char slow[16];
    uint32_t n = 0;
    struct fault f = {0};
    if (t->hosts != NULL && !is_head(p)) {
        argv[n++] = "nsenter";
        argv[n++] = hosts_flag(t->hosts, worker_of(p));
    }
    argv[n++] = t->program;
    argv[n++] = is_head(p) ? "head" : "worker";
    argv[n++] = "--config=";
    argv[n++] = is_head(p) ? "--port" : "--head";
    argv[n++] = !is_head(p) ? t->heads : colon != NULL ? colon + 1 : "0";
    if (!is_head(p)) {
        argv[n++] = "--node";
        argv[n++] = p->name;
    } else if (t->hosts != NULL) {
        argv[n++] = "--host";
        argv[n++] = hosts_address(t->hosts);
    }
    if (!is_head(p) && t->cfg.slow_times > 1 && p == &t->parts[t->parts_n - 1]) {
        snprintf(slow, sizeof slow, "%u", t->cfg.slow_times);
        argv[n++] = "--throttle";
        argv[n++] = slow;
    }
    argv[n++] = "--die-with-parent";
    argv[n++] = t->pid;
    for (; *more != NULL; more++) {
        MUST(n < ARGS_MAX - 1);
        argv[n++] = *more;
    }
    argv[n] = NULL;
    struct net_child_config cfg = {.argv = argv, .env_add = env, .on_line = on_line, .on_exit = on_exit_of,
                                   .user_data = p};
    p->child = net_spawn(t->loop, &cfg, &f);
    if (p->child == NULL)
        fail(t, f.text);
}

void lab_cluster_strike(struct lab_cluster *t, uint32_t part, int signum, uint32_t again_ms)
{
    MUST(part < t->parts_n);
    struct part *p = &t->parts[part];
    if (p->child == NULL)
        return; /* already struck */
    p->struck = true;
    p->again_ms = again_ms;
    net_child_kill(p->child, signum);
}

void lab_cluster_signal(struct lab_cluster *t, uint32_t part, int signum)
{
    MUST(part < t->parts_n);
    if (t->parts[part].child != NULL)
        net_child_kill(t->parts[part].child, signum);
}

static void on_cable_set(struct net_child *c, int64_t status, int signum, void *user_data)
{
    (void)c;
    if (status != 0 || signum != 0)
        fail(user_data, "a cable could not be pulled or put back");
}

void lab_cluster_cable(struct lab_cluster *t, uint32_t worker, bool in)
{
    struct fault f = {0};
    MUST(t->hosts != NULL);
    if (hosts_cable(t->hosts, worker, in, t->loop, on_cable_set, t, &f) != 0)
        fail(t, f.text);
}

/* ---- all of it ---- */

/* Makes the other hosts, and a key for heads that they can reach. */
static int go_apart(struct lab_cluster *t, struct fault *f)
{
    uint64_t random[2];
    if (getentropy(random, sizeof random) != 0)
        return fault_set(f, ERR_IO, "no random numbers for a key: %m");
    snprintf(t->key, sizeof t->key, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    snprintf(t->key_env, sizeof t->key_env, "MANTA_API_KEY=%s", t->key);
    t->hosts = hosts_new(t->cfg.workers, f);
    return t->hosts == NULL ? f->err : 0;
}

/* Under nsenter, /proc/self/exe would be nsenter. */
static void find_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    MUST(n > 0);
    out[n] = '\0';
}

static void part_init(struct lab_cluster *t, uint32_t i)
{
    struct part *p = &t->parts[i];
    *p = (struct part){.cluster = t, .again = net_timer_new(t->loop, on_again, p)};
    if (i >= t->cfg.heads)
        snprintf(p->name, sizeof p->name, "worker-%u", i - t->cfg.heads + 1);
    else if (t->cfg.heads > 1)
        snprintf(p->name, sizeof p->name, "head-%u", i + 1);
    else
        snprintf(p->name, sizeof p->name, "head");
}

struct lab_cluster *lab_cluster_start(struct net_loop *loop, const struct lab_cluster_config *cfg, struct fault *f)
{
    if (cfg->heads == 0 || cfg->heads > LAB_CLUSTER_HEADS_MAX || cfg->workers == 0 || cfg->workers > LAB_CLUSTER_WORKERS_MAX) {
        fault_set(f, ERR_INVALID, "%u heads and %u workers: there may be 1 to %d heads and 1 to %d workers", cfg->heads, cfg->workers,
                  LAB_CLUSTER_HEADS_MAX, LAB_CLUSTER_WORKERS_MAX);
        return NULL;
    }
    struct lab_cluster *t = xalloc(sizeof *t);
    t->loop = loop;
    t->cfg = *cfg;
    t->parts_n = cfg->heads + cfg->workers;
    snprintf(t->pid, sizeof t->pid, "%d", (int)getpid());
    find_program(t->program, sizeof t->program);
    char token[SECRET_BYTES + 1];
    secret_random(token);
    snprintf(t->key_env, sizeof t->key_env, "MANTA_API_KEY=");
    snprintf(t->token_env, sizeof t->token_env, "MANTA_JOIN_TOKEN=%s", token);
    if (cfg->apart && go_apart(t, f) != 0) {
        free(t);
        return NULL;
    }
    scratch_make(t->scratch, sizeof t->scratch);
    snprintf(t->state_env, sizeof t->state_env, "XDG_STATE_HOME=%s", t->scratch);
    for (uint32_t i = 0; i < t->parts_n; i++)
        part_init(t, i);
    t->patience = net_timer_new(loop, on_patience, t);
    net_timer_set(t->patience, net_now_us(loop) + LAB_CLUSTER_READY_S * 1000000ull);
    net_signal(loop, SIGINT, on_signal, t);
    net_signal(loop, SIGTERM, on_signal, t);
    net_signal(loop, SIGHUP, on_signal, t);
    for (uint32_t i = 0; i < cfg->heads; i++)
        part_start(&t->parts[i]);
    return t;
}

void lab_cluster_end(struct lab_cluster *t)
{
    if (t == NULL)
        return;
    stop_watching(t);
    net_timer_free(t->patience);
    for (uint32_t i = 0; i < t->parts_n; i++) {
        if (t->parts[i].child != NULL)
            net_child_abandon(t->parts[i].child);
        net_timer_free(t->parts[i].again);
    }
    net_signal(t->loop, SIGINT, NULL, NULL);
    net_signal(t->loop, SIGTERM, NULL, NULL);
    net_signal(t->loop, SIGHUP, NULL, NULL);
    hosts_free(t->hosts);
    scratch_remove(t->scratch);
    free(t);
}

const char *lab_cluster_key(const struct lab_cluster *t)
{
    return t->key;
}

const char *lab_cluster_heads(const struct lab_cluster *t)
{
    return t->heads;
}

uint32_t lab_cluster_part_of_worker(const struct lab_cluster *t, uint32_t worker)
{
    return t->cfg.heads + worker;
}

const char *lab_cluster_part_name(const struct lab_cluster *t, uint32_t part)
{
    return t->parts[part].name;
}

/* ---- model and machine ---- */

void lab_cluster_model(const struct settings *s, const char *echo, char *out, size_t cap)
{
    enum { AUTO, LLAMA };
    const char *named = setting_text(s, SET_LAB_MODEL);
    bool is_llama = setting_number(s, SET_LAB_ENGINE) == LLAMA;
    snprintf(out, cap, "%s", named[0] != '\0' ? named : is_llama ? setting_text(s, SET_MODEL) : echo);
}

void lab_cluster_put_machine(FILE *out)
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
