/* The engine "ray", used from outside the Ray cluster: one job, sent to the Jobs REST API of Ray's
 * dashboard, makes everything.
 *
 * The happy path is: open: GET /api/version -> raise: the Python package (with this program in it)
 * is packed and PUT under /api/packages/gcs/, then POST /api/jobs/ with "python -m manta.ray up
 * ..." -> GET /api/jobs/ID, and its log, until it has succeeded -> head_at(). The job leaves
 * detached actors that Ray keeps alive, in the namespace with the cluster's name, among them the
 * launcher that the head scales (python/manta/ray). down() is another job. It can fail by: no
 * dashboard, a token refused (opened reports both); a package that is missing here (raise); a job
 * that fails (the last line of its log that contains "error"), is stopped by somebody, or never
 * runs (its state at the deadline).
 *
 * 1. Either one call of the web is in flight, or the timer runs, never both. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "launch/engines.h"
#include "launch/ray_job.h"
#include "launch/web.h"
#include "launch/zip.h"

enum {
    LOOK_MS = 500,               /* between two looks at a job */
    JOB_MS = 110000,             /* for a whole job; less than LAUNCHER_PATIENCE_MS */
    UPLOAD_MS = 60000,
    PATH_BYTES = 4096,
};

static const struct launcher_option options[] = {
    {"address", "", "Ray's dashboard, http://HOST:8265; default: RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265"},
    {"package", "", "wheel or zip with the package manta to send along; default: this installation's own; none: the nodes have it"},
    {"label", "", "only nodes with that label, KEY=VALUE (ray start --labels)"},
    {0},
};

struct ray {
    struct launcher base;      /* first */
    struct web *web;           /* owned */
    struct net_timer *timer;   /* owned: the next look */
    struct zip zip;            /* owned; while it is sent */
    char package[RAY_PACKAGE_BYTES]; /* "manta-1a2b3c4d.zip"; empty: none is sent */
    char job[64];              /* submission id of the job in flight */
    uint64_t ticket;
    bool takes_down;           /* the job is of down() */
    char state[24];            /* of the job, in Ray's words */
    uint64_t until_us;
    size_t told;               /* bytes of the log already passed on */
    char error_line[400];      /* the last line that contains "error" */
    char head[300];            /* from the log */
};

/* ---- answers ---- */

static void finish(struct ray *a, const struct fault *f)
{
    net_timer_set(a->timer, UINT64_MAX);
    zip_fini(&a->zip);
    a->base.events.done(a->ticket, f, a->base.user_data);
}

static void fail(struct ray *a, int err, const char *words)
{
    struct fault f = {0};
    fault_set(&f, err, "%s", words);
    finish(a, &f);
}

/* True if the answer is an error; the operation has ended then. */
static bool refused(struct ray *a, const struct web_answer *answer, const char *action)
{
    struct fault f = {0};
    if (web_refused(answer, action, &f) == 0)
        return false;
    finish(a, &f);
    return true;
}

/* ---- the job's log ---- */

static void note_line(struct ray *a, struct str line)
{
    static const char ready[] = "head at http://", took[] = "took ";
    const char *at = memmem(line.p, line.n, ready, sizeof ready - 1);
    if (a->base.events.line != NULL && line.n > 0)
        a->base.events.line("ray", line, a->base.user_data);
    if (at != NULL) {
        at += sizeof ready - 1;
        size_t n = (size_t)(line.p + line.n - at);
        snprintf(a->head, sizeof a->head, "%.*s", (int)n, at);
        a->head[strcspn(a->head, " ;,")] = '\0';
    }
    if (str_holds(line, "error") || str_holds(line, "Error"))
        snprintf(a->error_line, sizeof a->error_line, "%.*s", STR_ARG(line));
    if (a->takes_down && line.n > sizeof took && str_begins(line, took) && a->base.events.took != NULL) {
        char what[200];
        snprintf(what, sizeof what, "%.*s", (int)(line.n - (sizeof took - 1)), line.p + sizeof took - 1);
        a->base.events.took(what, a->base.user_data);
    }
}

/* Handles whole new lines; at the end of the job also an unfinished last line. */
static void note_log(struct ray *a, const char *log, bool whole)
{
    size_t n = strlen(log);
    while (a->told < n) {
        const char *line = log + a->told, *end = memchr(line, '\n', n - a->told);
        if (end == NULL && !whole)
            return;
        size_t bytes = end != NULL ? (size_t)(end - line) : n - a->told;
        note_line(a, str_n(line, bytes));
        a->told += bytes + (end != NULL);
    }
}

/* ---- following a job ---- */

static void look(struct ray *a);

static bool is_over(const struct ray *a)
{
    return strcmp(a->state, "SUCCEEDED") == 0 || strcmp(a->state, "FAILED") == 0 || strcmp(a->state, "STOPPED") == 0;
}

static void conclude(struct ray *a, const char *message)
{
    char words[700];
    const char *doing = a->takes_down ? "take the cluster down" : "start the cluster";
    if (strcmp(a->state, "SUCCEEDED") == 0 && !a->takes_down && a->head[0] == '\0') {
        snprintf(words, sizeof words, "cannot start the cluster: Ray's job %s succeeded without a word of the head's address", a->job);
        fail(a, ERR_PROTOCOL, words);
    } else if (strcmp(a->state, "SUCCEEDED") == 0) {
        if (!a->takes_down)
            a->base.events.head_at(a->head, a->base.user_data);
        finish(a, &(struct fault){0});
    } else if (strcmp(a->state, "STOPPED") == 0) {
        snprintf(words, sizeof words, "cannot %s: somebody stopped Ray's job %s (%.200s)", doing, a->job, message);
        fail(a, ERR_CANCELLED, words);
    } else {
        snprintf(words, sizeof words, "cannot %s: %.300s (Ray's job %s)", doing, a->error_line[0] != '\0' ? a->error_line : message, a->job);
        fail(a, ERR_FAILED, words);
    }
}

static void on_log(const struct web_answer *answer, void *user_data)
{
    struct ray *a = user_data;
    json_t *body = json_loadb(answer->body.n > 0 ? answer->body.p : "", answer->body.n, 0, NULL);
    /* a log that cannot be read does not fail the job */
    const char *log = json_string_value(json_object_get(body, "logs"));
    if (log != NULL)
        note_log(a, log, is_over(a));
    json_decref(body);
    if (is_over(a))
        conclude(a, a->error_line);
    else
        net_timer_set(a->timer, net_now_us(a->base.loop) + LOOK_MS * 1000u);
}

static void ask_log(struct ray *a)
{
    char path[160];
    snprintf(path, sizeof path, "/api/jobs/%s/logs", a->job);
    web_send(a->web, &(struct web_request){.method = "GET", .path = path, .on_done = on_log, .user_data = a});
}

static void on_look(const struct web_answer *answer, void *user_data)
{
    struct ray *a = user_data;
    struct fault f = {0};
    if (web_refused(answer, "look at Ray's job", &f) != 0 && f.err != ERR_NET && f.err != ERR_TIMEOUT && f.err != ERR_UNAVAILABLE) {
        finish(a, &f);
        return;
    }
    json_t *job = json_loadb(answer->body.n > 0 ? answer->body.p : "", answer->body.n, 0, NULL);
    const char *state = json_string_value(json_object_get(job, "status")), *message = json_string_value(json_object_get(job, "message"));
    if (state != NULL)
        snprintf(a->state, sizeof a->state, "%s", state);
    if (is_over(a) && message != NULL && a->error_line[0] == '\0')
        snprintf(a->error_line, sizeof a->error_line, "%s", message);
    json_decref(job);
    if (!is_over(a) && net_now_us(a->base.loop) > a->until_us) {
        char words[300];
        snprintf(words, sizeof words, "Ray's job %s is still %s after %d s: `ray job logs %s` and `ray status` say what it waits for", a->job,
                 a->state[0] != '\0' ? a->state : "unknown", JOB_MS / 1000, a->job);
        fail(a, ERR_TIMEOUT, words);
        return;
    }
    ask_log(a);
}

static void look(struct ray *a)
{
    char path[128];
    snprintf(path, sizeof path, "/api/jobs/%s", a->job);
    web_send(a->web, &(struct web_request){.method = "GET", .path = path, .on_done = on_look, .user_data = a});
}

static void on_timer(struct net_timer *t, void *user_data)
{
    (void)t;
    look(user_data);
}

/* ---- sending a job ---- */

static void on_submitted(const struct web_answer *answer, void *user_data)
{
    struct ray *a = user_data;
    if (!refused(a, answer, "submit a job to Ray"))
        net_timer_set(a->timer, net_now_us(a->base.loop) + LOOK_MS * 1000u);
}

static void submit(struct ray *a)
{
    zip_fini(&a->zip);
    a->zip.out = buf_max(RAY_JOB_BYTES_MAX); /* the body is borrowed until the answer */
    ray_job_write(&a->zip.out, &a->base, a->job, a->package, a->takes_down, JOB_MS / 1000 - 10);
    web_send(a->web, &(struct web_request){.method = "POST", .path = "/api/jobs/", .body = buf_str(&a->zip.out), .on_done = on_submitted, .user_data = a});
}

static void on_uploaded(const struct web_answer *answer, void *user_data)
{
    struct ray *a = user_data;
    if (!refused(a, answer, "send the package to Ray"))
        submit(a);
}

static void on_begin(struct net_timer *t, void *user_data);

static bool has_key(const struct launcher_config *cfg)
{
    for (size_t i = 0; cfg->head_env != NULL && cfg->head_env[i] != NULL; i++)
        if (strncmp(cfg->head_env[i], "MANTA_API_KEY=", 14) == 0)
            return cfg->head_env[i][14] != '\0';
    return false;
}

/* Ray forgets a package after ten minutes without use, so it is sent each time. */
static void begin_job(struct ray *a)
{
    struct fault f = {0};
    char path[96];
    if (!a->takes_down && !has_key(&a->base.cfg)) {
        fail(a, ERR_USAGE, "--on ray needs an API key, since the head in the Ray cluster is reached over the network: "
                           "MANTA_API_KEY, --api-key-file or --api-key");
        return;
    }
    if (ray_job_pack(&a->zip, &a->base, a->package, &f) != 0) {
        finish(a, &f);
        return;
    }
    if (a->package[0] == '\0') {
        submit(a);
        return;
    }
    snprintf(path, sizeof path, "/api/packages/gcs/%s", a->package);
    web_send(a->web, &(struct web_request){.method = "PUT", .path = path, .content_type = "application/octet-stream", .body = buf_str(&a->zip.out),
                                           .timeout_ms = UPLOAD_MS, .on_done = on_uploaded, .user_data = a});
}

static void begin(struct ray *a, uint64_t ticket, bool takes_down)
{
    a->ticket = ticket;
    a->takes_down = takes_down;
    a->told = 0;
    a->state[0] = a->error_line[0] = a->head[0] = '\0';
    a->until_us = net_now_us(a->base.loop) + JOB_MS * (uint64_t)1000;
    snprintf(a->job, sizeof a->job, "manta-%s-%08llx", takes_down ? "down" : "up",
             (unsigned long long)((net_now_us(a->base.loop) ^ (uint64_t)getpid() << 40) & 0xffffffffffffull));
    net_timer_free(a->timer);
    a->timer = net_timer_new(a->base.loop, on_begin, a);
    net_timer_set(a->timer, 0);
}

/* In the next turn: a missing package ends the operation at once, which raise() and down() must not
 * do themselves. */
static void on_begin(struct net_timer *t, void *user_data)
{
    struct ray *a = user_data;
    net_timer_free(t);
    a->timer = net_timer_new(a->base.loop, on_timer, a);
    begin_job(a);
}

static void raise_cluster(struct launcher *l, uint64_t ticket)
{
    begin((struct ray *)l, ticket, false);
}

static void take_down(struct launcher *l, uint64_t ticket)
{
    begin((struct ray *)l, ticket, true);
}

/* ---- its life ---- */

static void on_version(const struct web_answer *answer, void *user_data)
{
    struct ray *a = user_data;
    struct fault f = {0};
    if (web_refused(answer, "use Ray's dashboard", &f) == 0) {
        json_t *body = json_loadb(answer->body.n > 0 ? answer->body.p : "", answer->body.n, 0, NULL);
        const char *version = json_string_value(json_object_get(body, "ray_version"));
        if (version == NULL)
            fault_set(&f, ERR_PROTOCOL, "what answers there is not Ray's dashboard: `--set address=http://HOST:8265` names it");
        else
            launcher_say(&a->base, LOG_INFO, EVENT("engine_version", KV("version", version)), "Ray %s", version);
        json_decref(body);
    } else if (f.err == ERR_AUTH || f.err == ERR_FORBIDDEN) {
        struct fault why = f;
        fault_set(&f, why.err, "%s: RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH must hold the token of this cluster, with RAY_AUTH_MODE=token", why.text);
    }
    a->base.events.opened(&f, a->base.user_data);
}

static const char *dashboard(const struct ray *a)
{
    const char *told = launcher_option_value(&a->base, "address"), *environment = getenv("RAY_API_SERVER_ADDRESS");
    if (told[0] != '\0')
        return told;
    return environment != NULL && environment[0] != '\0' ? environment : "http://127.0.0.1:8265";
}

/* Looks for the token where Ray's own tools do: the variable, the file named by a variable,
 * ~/.ray/auth_token. */
static struct web_config web_settings(const struct ray *a, char *path, size_t cap)
{
    const char *mode = getenv("RAY_AUTH_MODE"), *token = getenv("RAY_AUTH_TOKEN"), *file = getenv("RAY_AUTH_TOKEN_PATH"), *home = getenv("HOME");
    struct web_config cfg = {.base = dashboard(a)};
    if (mode == NULL || strcmp(mode, "token") != 0)
        return cfg;
    if (token != NULL && token[0] != '\0') {
        cfg.bearer = token;
    } else if (file != NULL && file[0] != '\0') {
        cfg.bearer_file = file;
    } else if (home != NULL) {
        snprintf(path, cap, "%s/.ray/auth_token", home);
        cfg.bearer_file = path;
    }
    return cfg;
}

static struct launcher *open_ray(struct net_loop *l, const struct launcher_config *cfg, const struct launcher_events *events, void *user_data,
                                 struct fault *f)
{
    char path[PATH_BYTES];
    struct ray *a = xalloc(sizeof *a);
    a->zip = zip_begin();
    if (launcher_init(&a->base, &launch_ray, l, cfg, events, user_data, f) != 0) {
        free(a);
        return NULL;
    }
    struct web_config web = web_settings(a, path, sizeof path);
    if (web_open(l, &web, &a->web, f) != 0) {
        free(a);
        return NULL;
    }
    a->timer = net_timer_new(l, on_timer, a);
    web_send(a->web, &(struct web_request){.method = "GET", .path = "/api/version", .on_done = on_version, .user_data = a});
    return &a->base;
}

static void free_ray(struct launcher *l)
{
    struct ray *a = (struct ray *)l;
    if (l == NULL)
        return;
    web_free(a->web);
    net_timer_free(a->timer);
    zip_fini(&a->zip);
    free(a);
}

/* The launcher that the head scales runs inside the Ray cluster, beside the head. */
const struct launcher_ops launch_ray = {
    .engine = "ray",
    .about = "detached actors in a Ray cluster: head, workers, 'prompt_coordinator'; asked for through its Jobs REST API",
    .options = options,
    .open = open_ray,
    .raise = raise_cluster,
    .down = take_down,
    .free = free_ray,
};
