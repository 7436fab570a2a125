#include "main/up.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/plain.h"
#include "client/client.h"
#include "launch/launch.h"
#include "main/children.h"
#include "main/detach.h"
#include "main/options.h"
#include "main/running.h"
#include "main/up_log.h"
#include "main/up_view.h"
#include "os/memory.h"

/* The embedded cluster. Happy path: the port is free -> the head starts and answers -> workers
 * start -> all actors are ready -> the prompt (a child that owns the terminal) -> the user quits ->
 * everything ends. It can fail by: a port in use (reported; nothing is started), a child that
 * cannot run at all (its reason, and the end), actors that do not become ready (reported; the
 * prompt comes anyway, and explains). A file has all lines of head and workers. A terminal shows
 * progress and then the next steps (up_view.h); with --verbose, or if the start fails, also those
 * lines. If stderr is no terminal, the lines are shown until the prompt starts. */

enum { READY_MS = 300000, ANSWER_MS = 5000 };

enum phase { STARTING, SERVING, ENDING };

struct up {
    const struct settings *s;
    const char *host;              /* address of the head from here */
    struct net_loop *loop;
    struct launch *launch;
    struct client_watch *watch;
    struct client_options client;
    struct net_timer *patience, *answer; /* until all is ready; until the head answers */
    struct net_child *prompt;
    enum phase phase;
    uint32_t workers, actors;      /* expected numbers */
    bool has_port;                 /* our head has answered: start the workers */
    struct client_news last;
    struct up_log *log;            /* NULL: it cannot be written */
    struct up_view view;
    bool quiet;                    /* the terminal belongs to the prompt */
    uint64_t given_up_status;      /* with which the last part ended that was given up, as shown; 0: none was */
    struct children children;      /* their command lines and environments */
    const char *head_address;      /* points into `children` */
    int exit_status;
};

/* On loopback only, a token may be made up: elsewhere the head refuses to start without a given
 * one. */
static bool needs_token(const struct up *u)
{
    const char *host = options_head(u->s).host;
    return net_is_loopback(str_of(host)) || strcmp(host, "localhost") == 0;
}

/* ---- lines ---- */

static void show_line(const char *who, struct str line, void *user_data)
{
    struct up *u = user_data;
    bool shown = !u->quiet && (!u->view.on || (u->phase == SERVING && up_log_matters(line)));
    up_log_child(u->log, shown, who, line);
}

/* On a terminal a reason is shown once, not for each worker: their commands are the same, and what
 * ends two of them with the same status is the same. */
static bool is_known(struct up *u, const struct event_field *event)
{
    if (u->quiet || !event_is(event, "child_given_up"))
        return false;
    bool known = u->view.on && u->given_up_status == event_get(event, "status");
    u->given_up_status = event_get(event, "status");
    return known;
}

static void show_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    struct up *u = user_data;
    bool shown = !u->quiet && !is_known(u, event);
    up_log_say(u->log, shown && up_view_lets(&u->view, level), level, event, "%s", text);
}

/* Reports our own events, also while children's lines are hidden; with the view only problems. */
#define SAY(u, level, ...) up_log_say((u)->log, up_view_lets(&(u)->view, level), level, __VA_ARGS__)

static void open_log(struct up *u)
{
    struct fault f = {0};
    u->log = up_log_open(u->host, (unsigned)setting_number(u->s, SET_PORT), setting_number(u->s, SET_LOG_BYTES),
                         (unsigned)setting_number(u->s, SET_LOG_FILES), &f);
    if (u->log == NULL)
        SAY(u, LOG_WARN, EVENT("no_log_file", KV("code", err_name(f.err))), "%s", f.text);
}

/* ---- the prompt ---- */

static void stop(struct up *u)
{
    if (u->phase != ENDING) {
        u->phase = ENDING;
        u->quiet = setting_on(u->s, SET_TEST) || u->prompt != NULL || u->quiet;
        client_watch_free(u->watch);
        u->watch = NULL;
        net_timer_set(u->patience, UINT64_MAX);
    }
    launch_stop(u->launch);
}

static void on_prompt_exit(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct up *u = user_data;
    (void)c;
    u->prompt = NULL;
    if (u->phase == ENDING)
        return;
    u->exit_status = signum != 0 ? 1 : (int)status;
    stop(u);
}

static void start_prompt(struct up *u)
{
    struct fault f = {0};
    u->phase = SERVING;
    u->quiet = true;
    if (u->log != NULL && !u->view.on)
        SAY(u, LOG_INFO, EVENT("log_file", KV("path", up_log_path(u->log))), "log of head and workers: %s", up_log_path(u->log));
    u->prompt = children_prompt(&u->children, u->loop, u->head_address, on_prompt_exit, u, &f);
    if (u->prompt == NULL) {
        SAY(u, LOG_ERROR, EVENT("no_prompt", KV("code", err_name(f.err))), "cannot start the prompt: %s", f.text);
        u->exit_status = 1;
        stop(u);
    }
}

static void show_box(struct up *u, bool prompt)
{
    struct up_facts facts = {
        .address = u->head_address,
        .log = u->log != NULL ? up_log_path(u->log) : NULL,
        .news = &u->last,
        .prompt = prompt,
        .detached = setting_on(u->s, SET_DETACH),
        .key = options_client(u->s).api_key[0] != '\0',
        .toy = u->s->values[SET_MODEL].source == FROM_DEFAULT && strcmp(setting_text(u->s, SET_ENGINE), "llama") == 0,
    };
    if (setting_on(u->s, SET_TEST))
        up_view_clear(&u->view);
    else
        up_view_box(&u->view, &facts);
}

/* All actors that can be ready are: start serving. */
static void serve(struct up *u)
{
    bool detach = setting_on(u->s, SET_DETACH), prompt = !setting_on(u->s, SET_NO_PROMPT) && !detach;
    client_watch_free(u->watch);
    u->watch = NULL;
    net_timer_set(u->patience, UINT64_MAX);
    u->phase = SERVING;
    show_box(u, prompt);
    if (prompt) {
        start_prompt(u);
        return;
    }
    SAY(u, LOG_INFO, EVENT("up_ready", KV("address", u->head_address)), "ready: http://%s (%s)", u->head_address,
        running_how_to_stop(detach));
    if (detach)
        detach_done();
}

static void on_news(const struct client_news *n, void *user_data)
{
    struct up *u = user_data;
    /* another head may hold our port: then ours is about to report it and end */
    if (u->phase != STARTING || n->head_pid != launch_pid(u->launch, "head"))
        return;
    if (!u->has_port)
        launch_begin(u->launch, u->workers);
    u->has_port = true;
    if (n->workers != u->last.workers || n->ready != u->last.ready)
        SAY(u, LOG_INFO, EVENT("up_joined", KV("workers", n->workers), KV("actors", n->ready)),
            "%u of %u workers joined, %u actors ready", n->workers, u->workers, n->ready);
    u->last = *n;
    up_view_progress(&u->view, n, u->workers, u->actors);
    /* A model that cannot be loaded does not hold up the others. Users who read "ready" may scale
     * at once, so the launcher must be there. */
    if (n->ready + n->failed >= u->actors && (n->ready > 0 || u->actors == 0) && n->launcher)
        serve(u);
}

/* The head has started, and cannot be reached from here. */
static void on_no_answer(struct net_timer *t, void *user_data)
{
    struct up *u = user_data;
    const char *why = u->watch != NULL ? client_watch_why(u->watch) : "";
    (void)t;
    if (u->phase == STARTING && !u->has_port)
        SAY(u, LOG_WARN, EVENT("head_not_reached", KV("ms", ANSWER_MS), KV("why", why)),
            "the head has not answered for %d s%s%s: is the loopback interface up (ip link set lo up), does a firewall let it through?", ANSWER_MS / 1000,
            why[0] != '\0' ? ": " : "", why);
}

static void on_patience(struct net_timer *t, void *user_data)
{
    struct up *u = user_data;
    (void)t;
    SAY(u, LOG_WARN, EVENT("up_incomplete", KV("actors", u->last.ready)),
        "only %u of %u actors became ready in %d s: starting with these", u->last.ready, u->actors, READY_MS / 1000);
    serve(u);
}

/* ---- start and end ---- */

static void on_signal(int signum, void *user_data)
{
    struct up *u = user_data;
    if (signum == SIGINT && u->prompt != NULL && u->phase == SERVING && children_prompt_has_terminal())
        return;
    if (signum == SIGHUP && u->phase == ENDING)
        return; /* one hang-up reaches us from the shell and from the kernel */
    u->exit_status = signum == SIGINT && setting_on(u->s, SET_NO_PROMPT) ? 0 : 128 + signum;
    if (signum == SIGTERM)
        u->exit_status = 0;
    if (u->prompt != NULL)
        net_child_kill(u->prompt, SIGTERM);
    stop(u);
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct up *u = user_data;
    u->phase = ENDING;
    if (f->err != 0) {
        bool shown = !u->view.on || u->given_up_status == 0;
        up_log_say(u->log, shown && up_view_lets(&u->view, LOG_ERROR), LOG_ERROR, EVENT("up_ended", KV("code", err_name(f->err))), "%s", f->text);
        u->exit_status = err_exit(f->err);
        if (u->prompt != NULL)
            net_child_kill(u->prompt, SIGTERM);
    }
    net_loop_stop(u->loop);
}

static int start(struct up *u, struct fault *f)
{
    struct launch_config cfg = launch_config_default();
    cfg.head_args = u->children.head_args;
    cfg.worker_args = u->children.worker_args;
    cfg.head_env = u->children.head_env;
    cfg.worker_env = u->children.worker_env;
    cfg.begins_later = true; /* after our head has the port: workers would join whatever head has it */
    cfg.worker_threads = (uint32_t)setting_number(u->s, SET_THREADS);
    cfg.host = u->host;
    cfg.port = (uint16_t)setting_number(u->s, SET_PORT);
    cfg.join_token = children_token(&u->children);
    cfg.version = MANTA_VERSION;
    cfg.times.drain_ms = (uint32_t)setting_number(u->s, SET_DRAIN_GRACE) * 1000;
    cfg.on_line = show_line;
    cfg.on_event = show_event;
    cfg.on_ended = on_ended;
    cfg.user_data = u;
    u->launch = launch_start(u->loop, &cfg, f);
    if (u->launch == NULL)
        return f->err;
    u->client = (struct client_options){.head = u->head_address, .api_key = options_client(u->s).api_key, .model = ""};
    u->watch = client_watch_start(u->loop, &u->client, on_news, u, f);
    return u->watch != NULL ? 0 : f->err;
}

/* Refuses a model whose weights alone exceed a worker's memory, before gigabytes are downloaded for
 * nothing. */
static int check_size(const struct settings *s, const char *model)
{
    uint64_t memory = setting_number(s, SET_MEMORY);
    for (const struct catalogue_entry *e = models_catalogue(); e->name != NULL; e++) {
        if (strcmp(e->name, model) != 0 || memory == 0 || e->bytes <= memory)
            continue;
        plain_error("'%s' needs about %.0f GiB of memory and a worker may have %.1f (nothing was downloaded): add --workers 1 --memory %.0fg",
                    model, mib(models_memory(e)) / 1024, mib(memory) / 1024, mib(models_memory(e)) / 1024);
        return ERR_MEMORY;
    }
    return 0;
}

/* Refuses an invalid file here: otherwise every worker would report it in turn. */
static int bring_model(const struct settings *s, const char *model, const struct models_pull *how)
{
    struct model_file m;
    struct fault f = {0};
    int err = models_resolve(model, &m, &f);
    if (err == ERR_NOT_FOUND)
        err = check_size(s, model) != 0 ? ERR_MEMORY : client_obtain(model, how, &m);
    else if (err != 0)
        plain_error("%s", f.text);
    return err;
}

/* Downloads missing models before anything starts: one bar instead of a line per worker, and
 * without a time limit. If only some of several models fail, the start continues. */
static int bring_models(const struct settings *s)
{
    struct models_pull how = options_pull(s);
    uint32_t n, missing = 0;
    int err = 0;
    const char *const *models = setting_items(s, SET_MODEL, &n);
    if (strcmp(setting_text(s, SET_ENGINE), "llama") != 0)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        int failed = bring_model(s, models[i], &how);
        err = failed != 0 ? failed : err;
        missing += failed != 0;
    }
    return missing < n ? 0 : err_exit(err == ERR_NOT_FOUND ? ERR_MODEL : err);
}

/* Checks the port first: the head would notice late, after workers had joined whatever head has
 * it. */
static int check_port(const struct up *u, struct fault *f)
{
    const char *host = options_head(u->s).host;
    unsigned port = (unsigned)setting_number(u->s, SET_PORT);
    struct net_listener *listener = NULL;
    if (port == 0)
        return fault_set(f, ERR_USAGE, "manta up needs a port that its workers can be told: --port 0 is for `manta head`");
    struct net_loop *loop = net_loop_new();
    int err = net_listen(loop, host, (uint16_t)port, NULL, NULL, &listener, f);
    net_listener_close(listener);
    net_loop_free(loop);
    if (err == ERR_IN_USE) {
        char who[200];
        struct client_options o = {.head = u->head_address, .api_key = options_client(u->s).api_key, .model = ""};
        bool manta = client_who(&o, who, sizeof who);
        if (manta && !running_at(port))
            fault_set(f, err, "%s already runs on %s, and no `manta up` of yours started it: `manta prompt --head %s` opens a prompt there; "
                              "or give another --port",
                      who, u->head_address, u->head_address);
        else if (manta)
            fault_set(f, err, "%s already runs on %s: `manta prompt --head %s` opens a prompt there, `manta down` stops it; or give another --port", who,
                      u->head_address, u->head_address);
        else
            fault_set(f, err, "port %u on %s is in use by %s: take another --port, or stop that first", port, host, who);
    }
    return err == ERR_IN_USE ? err : 0; /* the head reports other problems of the address, with the remedy */
}

static void run(struct up *u)
{
    struct fault f = {0};
    children_env(&u->children, needs_token(u));
    open_log(u);
    up_view_progress(&u->view, NULL, u->workers, u->actors);
    u->loop = net_loop_new();
    u->patience = net_timer_new(u->loop, on_patience, u);
    net_timer_set(u->patience, net_now_us(u->loop) + READY_MS * 1000ull);
    u->answer = net_timer_new(u->loop, on_no_answer, u);
    net_timer_set(u->answer, net_now_us(u->loop) + ANSWER_MS * 1000ull);
    net_signal(u->loop, SIGINT, on_signal, u);
    net_signal(u->loop, SIGTERM, on_signal, u);
    net_signal(u->loop, SIGHUP, on_signal, u);
    if (start(u, &f) == 0) {
        running_tell("up", "local", setting_text(u->s, SET_CLUSTER), u->host, (unsigned)setting_number(u->s, SET_PORT));
        net_loop_run(u->loop);
        running_forget();
    } else {
        SAY(u, LOG_ERROR, EVENT("up_not_started", KV("code", err_name(f.err))), "%s", f.text);
        u->exit_status = err_exit(f.err);
    }
    u->phase = ENDING;
    log_flush(); /* while signals are still handled: for the second of two kills */
    client_watch_free(u->watch);
    net_timer_free(u->patience);
    net_timer_free(u->answer);
    launch_free(u->launch);
    net_loop_free(u->loop);
    up_log_close(u->log);
}

int up_main(const struct settings *s)
{
    struct up u = {.s = s, .host = net_reachable(options_head(s).host), .workers = (uint32_t)setting_number(s, SET_WORKERS)};
    struct fault f = {0};
    up_view_init(&u.view, s);
    setting_items(s, SET_MODEL, &u.actors);
    u.actors *= u.workers;
    children_args(&u.children, s, net_place(u.host, (unsigned)setting_number(s, SET_PORT)).text);
    u.head_address = u.children.head;
    if (check_port(&u, &f) != 0) {
        SAY(&u, LOG_ERROR, EVENT("up_not_started", KV("code", err_name(f.err))), "%s", f.text);
        u.exit_status = err_exit(f.err);
    } else {
        u.exit_status = bring_models(s);
        if (u.exit_status == 0)
            run(&u);
    }
    children_fini(&u.children);
    up_view_fini(&u.view);
    return u.exit_status;
}
