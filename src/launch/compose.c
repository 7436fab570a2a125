/* The engine is Docker Compose, by its command line: one service runs the head, another one the
 * workers.
 *
 * The happy path: `docker version` answers, and one of `docker compose` and `docker-compose` ->
 * raise: `up -d head`, then the join token and the key are read in the head's container, where this
 * repository's Compose file puts them -> list: `docker ps` -> start and stop: `up -d --scale
 * worker=N`. It can fail by: no docker, no daemon, no permission (each with its remedy), another
 * person's project of that name, an image that is not built, a service that does not start:
 * Compose's own last line.
 *
 * Compose keeps a number of replicas. Its containers are numbered with gaps, and Compose itself
 * decides which of them to remove: worker K is the K-th container by number. The daemon restarts
 * one that dies (`restart: unless-stopped`). Our containers have the label manta.cluster, which an
 * override file on stdin adds; a project whose head or workers lack it was started by somebody else
 * and is left alone. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "launch/compose.h"
#include "launch/engines.h"
#include "launch/exec.h"

enum {
    ARGS_MAX = 24,
    OVERRIDE_BYTES_MAX = 1024,
    QUICK_MS = 45000, /* docker-compose is Python: it takes seconds, and many on a busy machine */
    LONG_MS = LAUNCHER_PATIENCE_MS - 10000,
};

enum what { IDLE, OPEN, RAISE, START, STOP, LIST, DOWN };

struct compose {
    struct launcher base;      /* first */
    struct exec *exec;         /* the running command; NULL: none */
    enum what what;            /* the operation under way */
    uint64_t ticket;
    const char *command[2];    /* "docker", "compose" or "docker-compose", NULL */
    char override[OVERRIDE_BYTES_MAX];
    char publish[64];          /* MANTA_PUBLISH=8470 */
    char labels[2][96];        /* label=… for docker ps: the project's, ours */
    char count[96];            /* worker=3 */
    char token[300];           /* of the head raised by this launcher */
    uint32_t listed;           /* workers in the last list */
};

static const char *option(const struct compose *c, const char *name)
{
    return launcher_option_value(&c->base, name);
}

/* f NULL: success. */
static void finish(struct compose *c, const struct fault *f)
{
    enum what what = c->what;
    c->what = IDLE;
    launcher_ended(&c->base, what == OPEN, c->ticket, f != NULL ? f : &(struct fault){0});
}

/* ---- Docker's words ---- */

static bool says(const struct exec_result *r, const char *words)
{
    return strcasestr(r->err.p, words) != NULL || strcasestr(r->fault.text, words) != NULL;
}

static void fail(struct compose *c, const struct exec_result *r, const char *tried)
{
    struct fault f;
    if (r->fault.err == ERR_NOT_FOUND)
        exec_blame(&f, r, ERR_NOT_FOUND, tried, "install Docker with its Compose plugin, or docker-compose");
    else if (says(r, "permission denied"))
        exec_blame(&f, r, ERR_FORBIDDEN, tried, "this user may not use the Docker daemon: add it to the group docker, or use rootless Docker");
    else if (says(r, "cannot connect to the docker daemon") || says(r, "couldn't connect to docker daemon") || says(r, "is the docker daemon running"))
        exec_blame(&f, r, ERR_UNAVAILABLE, tried, "start the daemon: systemctl start docker");
    else if (says(r, "no such image") || says(r, "pull access denied") || says(r, "needs to be built") || says(r, "://registry"))
        exec_blame(&f, r, 0, tried, "build the images first: docker compose build");
    else
        exec_blame(&f, r, 0, tried, NULL);
    finish(c, &f);
}

static bool failed(struct compose *c, const struct exec_result *r, const char *tried)
{
    if (r->fault.err != 0)
        fail(c, r, tried);
    return r->fault.err != 0;
}

/* ---- commands ---- */

static void run(struct compose *c, const char *const *argv, struct str input, uint32_t timeout_ms, exec_done_fn *on_done)
{
    const char *env[] = {c->publish, "COMPOSE_PROJECT_NAME", "COMPOSE_FILE", NULL};
    c->exec = exec_start(c->base.loop, &(struct exec_config){.argv = argv, .env_add = env, .input = input, .timeout_ms = timeout_ms,
                                                             .slot = &c->exec, .on_done = on_done, .user_data = c});
}

/* Runs "docker compose -p CLUSTER -f FILE -f /dev/stdin" with the words appended; words end with
 * NULL. */
static void run_compose(struct compose *c, const char *const *words, uint32_t timeout_ms, exec_done_fn *on_done)
{
    const char *argv[ARGS_MAX];
    size_t n = 0;
    argv[n++] = c->command[0];
    if (c->command[1] != NULL)
        argv[n++] = c->command[1];
    /* Compose v2 would accept "-" */
    const char *const project[] = {"-p", c->base.cfg.cluster, "-f", option(c, "file"), "-f", "/dev/stdin"};
    memcpy(&argv[n], project, sizeof project);
    n += sizeof project / sizeof project[0];
    while (*words != NULL && n < ARGS_MAX - 1)
        argv[n++] = *words++;
    argv[n] = NULL;
    run(c, argv, str_of(c->override), timeout_ms, on_done);
}

/* ---- the containers ---- */

static void ask_containers(struct compose *c, const char *label, exec_done_fn *on_done)
{
    static const char format[] = "{{.ID}}\t{{.Label \"com.docker.compose.container-number\"}}\t{{.Label \"manta.cluster\"}}\t"
                                 "{{.Label \"com.docker.compose.service\"}}\t{{.State}}\t{{.Names}}\t{{.Status}}";
    const char *argv[] = {"docker", "ps", "-a", "--filter", label, "--format", format, NULL};
    run(c, argv, str_n("", 0), QUICK_MS, on_done);
}

static void on_ps(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    if (failed(c, r, "ask Docker for the workers"))
        return;
    struct container *all;
    size_t n = compose_read_containers(r->out.p, &all), workers_n = 0;
    struct launcher_worker *workers = xalloc_array(LAUNCHER_LISTED_MAX, sizeof *workers);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].service, option(c, "worker")) != 0)
            continue;
        struct launcher_worker *w = &workers[workers_n++];
        *w = (struct launcher_worker){.index = (uint32_t)workers_n, .state = compose_state_of(&all[i])};
        snprintf(w->id, sizeof w->id, "%s", all[i].name);
        if (w->state != LAUNCHER_RUNNING)
            snprintf(w->reason, sizeof w->reason, "%s: %s", all[i].name, all[i].status);
    }
    c->what = IDLE;
    c->listed = (uint32_t)workers_n;
    c->base.events.listed(c->ticket, workers, workers_n, c->base.user_data);
    free(workers);
    free(all);
}

/* ---- operations ---- */

static void begin(struct compose *c, enum what what, uint64_t ticket)
{
    c->what = what;
    c->ticket = ticket;
}

static void compose_list(struct launcher *a, uint64_t ticket)
{
    struct compose *c = (struct compose *)a;
    begin(c, LIST, ticket);
    ask_containers(c, c->labels[1], on_ps);
}

static void on_scaled(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    char tried[128];
    snprintf(tried, sizeof tried, "scale to %s", c->count);
    if (!failed(c, r, tried))
        finish(c, NULL);
}

static void scale(struct compose *c, uint32_t workers)
{
    const char *service = option(c, "worker");
    snprintf(c->count, sizeof c->count, "%s=%u", service, workers);
    const char *words[] = {"up", "-d", "--no-recreate", "--no-deps", "--no-build", "--scale", c->count, service, NULL};
    run_compose(c, words, LONG_MS, on_scaled);
}

/* The reconciler removes surplus workers first, so workers above the range are wanted, too. An
 * exited container counts, and is started. */
static void compose_start(struct launcher *a, uint64_t ticket, struct launcher_range r)
{
    struct compose *c = (struct compose *)a;
    begin(c, START, ticket);
    scale(c, r.last > c->listed ? r.last : c->listed);
}

/* Compose ends workers with SIGTERM and the service's stop_grace_period, whether `drain` is set or
 * not. */
static void compose_stop(struct launcher *a, uint64_t ticket, struct launcher_range r, bool drain)
{
    (void)drain;
    begin((struct compose *)a, STOP, ticket);
    scale((struct compose *)a, r.first - 1);
}

/* ---- the head ---- */

static struct str first_line(struct str text)
{
    size_t n = 0;
    while (n < text.n && !isspace((unsigned char)text.p[n]))
        n++;
    return str_n(text.p, n);
}

static void on_port(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    char address[128];
    struct str at = first_line(r->out);
    if (r->fault.err != 0 || at.n == 0) {
        fail(c, r, "find the head's published port (does its service publish 8470?)");
        return;
    }
    bool wildcard = at.n > 8 && memcmp(at.p, "0.0.0.0:", 8) == 0;
    snprintf(address, sizeof address, "%s%.*s", wildcard ? "127.0.0.1:" : "", (int)at.n - (wildcard ? 8 : 0), at.p + (wildcard ? 8 : 0));
    c->base.events.head_at(address, c->base.user_data);
    finish(c, NULL);
}

static void ask_port(struct compose *c)
{
    const char *words[] = {"port", option(c, "head"), "8470", NULL};
    run_compose(c, words, QUICK_MS, on_port);
}

static void on_key(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    char key[300];
    snprintf(key, sizeof key, "%.*s", STR_ARG(first_line(r->out)));
    if (r->fault.err == 0 && c->base.events.keys != NULL)
        c->base.events.keys(c->token, key, c->base.user_data);
    ask_port(c);
}

static void on_token(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *words[] = {"exec", "-T", option(c, "head"), "cat", option(c, "key-file"), NULL};
    if (failed(c, r, "read the join token in the head's container"))
        return;
    snprintf(c->token, sizeof c->token, "%.*s", STR_ARG(first_line(r->out)));
    run_compose(c, words, QUICK_MS, on_key);
}

static void on_raised(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *words[] = {"exec", "-T", option(c, "head"), "cat", option(c, "token-file"), NULL};
    if (!failed(c, r, "start the head"))
        run_compose(c, words, QUICK_MS, on_token);
}

static bool has_strangers(struct compose *c, const char *text, struct fault *f)
{
    struct container *all;
    size_t n = compose_read_containers(text, &all), i = 0;
    while (i < n && (all[i].ours || (strcmp(all[i].service, option(c, "head")) != 0 && strcmp(all[i].service, option(c, "worker")) != 0)))
        i++;
    if (i < n)
        fault_set(f, ERR_IN_USE, "the Compose project '%s' was not started by manta up (container %s): take another --cluster, or end that one first",
                  c->base.cfg.cluster, all[i].name);
    free(all);
    return i < n;
}

static void on_project(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *words[] = {"up", "-d", "--no-recreate", "--no-build", option(c, "head"), NULL};
    struct fault f;
    if (failed(c, r, "ask Docker for the project"))
        return;
    if (has_strangers(c, r->out.p, &f))
        finish(c, &f);
    else
        run_compose(c, words, LONG_MS, on_raised);
}

static void compose_raise(struct launcher *a, uint64_t ticket)
{
    struct compose *c = (struct compose *)a;
    begin(c, RAISE, ticket);
    ask_containers(c, c->labels[0], on_project);
}

/* ---- the end ---- */

static void on_down(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    if (!failed(c, r, "take the project away"))
        finish(c, NULL);
}

static void on_what_is_ours(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *words[] = {"down", NULL}; /* keep the volumes: models and keys */
    struct container *all;
    char what[160];
    if (failed(c, r, "ask Docker for the project"))
        return;
    size_t n = compose_read_containers(r->out.p, &all);
    for (size_t i = 0; i < n; i++) {
        snprintf(what, sizeof what, "container %s", all[i].name);
        c->base.events.took(what, c->base.user_data);
    }
    free(all);
    if (n == 0)
        finish(c, NULL);
    else
        run_compose(c, words, LONG_MS, on_down);
}

static void compose_down(struct launcher *a, uint64_t ticket)
{
    struct compose *c = (struct compose *)a;
    begin(c, DOWN, ticket);
    ask_containers(c, c->labels[1], on_what_is_ours);
}

/* ---- the start ---- */

static void on_old_compose(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    struct fault f = {0};
    if (r->fault.err != 0 && r->fault.err != ERR_NOT_FOUND) {
        fail(c, r, "use docker-compose");
        return;
    }
    if (r->fault.err != 0)
        fault_set(&f, ERR_NOT_FOUND, "neither `docker compose` nor `docker-compose` is here: install Docker's Compose plugin, or docker-compose");
    c->command[0] = "docker-compose";
    c->command[1] = NULL;
    finish(c, &f);
}

static void on_new_compose(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *argv[] = {"docker-compose", "version", "--short", NULL};
    if (r->fault.err == 0)
        finish(c, NULL);
    else
        run(c, argv, str_n("", 0), QUICK_MS, on_old_compose);
}

static void on_docker(const struct exec_result *r, void *user_data)
{
    struct compose *c = user_data;
    const char *argv[] = {"docker", "compose", "version", "--short", NULL};
    if (!failed(c, r, "use Docker"))
        run(c, argv, str_n("", 0), QUICK_MS, on_new_compose);
}

static struct launcher *compose_open(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                     struct fault *f)
{
    const char *argv[] = {"docker", "version", "--format", "{{.Server.Version}}", NULL};
    struct compose *c = xalloc(sizeof *c);
    if (launcher_init(&c->base, &launch_compose, l, cfg, events, user_data, f) != 0) {
        free(c);
        return NULL;
    }
    const char *port = cfg->head != NULL ? strrchr(cfg->head, ':') : NULL;
    c->command[0] = "docker";
    c->command[1] = "compose";
    snprintf(c->publish, sizeof c->publish, "MANTA_PUBLISH=%.10s", port != NULL ? port + 1 : "8470");
    snprintf(c->labels[0], sizeof c->labels[0], "label=com.docker.compose.project=%s", cfg->cluster);
    snprintf(c->labels[1], sizeof c->labels[1], "label=manta.cluster=%s", cfg->cluster);
    snprintf(c->override, sizeof c->override, "services:\n  %.60s: {labels: {manta.cluster: \"%s\"}}\n  %.60s: {labels: {manta.cluster: \"%s\"}}\n",
             option(c, "head"), cfg->cluster, option(c, "worker"), cfg->cluster);
    c->what = OPEN;
    run(c, argv, str_n("", 0), QUICK_MS, on_docker);
    return &c->base;
}

static void compose_free(struct launcher *a)
{
    struct compose *c = (struct compose *)a;
    if (c == NULL)
        return;
    exec_cancel(c->exec);
    free(c);
}

static const struct launcher_option options[] = {
    {"file", "docker-compose.laptop.yml", "the Compose file"},
    {"head", "head", "its service that runs the head"},
    {"worker", "worker", "its service that runs workers"},
    {"token-file", "/join/join_token", "where the head's container has the join token"},
    {"key-file", "/keys/api_key", "where it has the API key"},
    {NULL, NULL, NULL},
};

const struct launcher_ops launch_compose = {
    .engine = "compose",
    .about = "Docker Compose: head and workers in containers, described by a Compose file",
    .options = options,
    .open = compose_open,
    .start = compose_start,
    .stop = compose_stop,
    .list = compose_list,
    .raise = compose_raise,
    .down = compose_down,
    .free = compose_free,
};
