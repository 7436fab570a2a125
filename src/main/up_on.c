/* `manta up --on ENGINE`: a cluster with its workers on an engine. If the engine runs no head
 * (Slurm), the head is our child.
 *
 * The happy path: the engine answers -> (it starts the head, or our child has started) -> the
 * launcher joins the head, workers come -> all are ready -> the prompt, or `--no-prompt` -> the
 * end: everything with the cluster's name is removed, then our head ends. It can fail by: the
 * engine's own reasons (one line, nothing is left), a head that cannot start (the same), workers
 * that do not come (their reasons are shown; the start continues). */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "client/client.h"
#include "launch/launch.h"
#include "launch/pilot.h"
#include "main/detach.h"
#include "main/engine.h"
#include "main/options.h"
#include "main/running.h"
#include "main/up_log.h"
#include "main/up_view.h"


struct up_on {
    const struct settings *s;
    struct engine e;
    struct net_loop *loop;
    struct launch *head;             /* our child; NULL: the engine runs it, or it has ended */
    struct pilot *pilot;             /* NULL: ended */
    struct client_watch *watch;
    struct client_options client;
    struct client_news last;
    struct up_view view;
    struct net_child *prompt;
    char address[300];               /* of the head, from here */
    char api_key[300];               /* for clients: the user's, or the one that the engine gave the head */
    uint32_t actors;                 /* expected number */
    bool has_port;                   /* our own head has answered */
    bool serving, ending, quiet;
    struct fault fault;              /* the reason for ending by itself */
    int exit_status;
};

#define SAY(u, level, ...) up_log_say(NULL, up_view_lets(&(u)->view, level), level, __VA_ARGS__)

static void on_line(const char *who, struct str line, void *user_data)
{
    struct up_on *u = user_data;
    bool shown = !u->quiet && (!u->view.on || (u->serving && up_log_matters(line)));
    if (!shown && !u->serving)
        up_view_keep(&u->view, who, line);
    up_log_child(NULL, shown, who, line);
}

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    struct up_on *u = user_data;
    up_log_say(NULL, !u->quiet && up_view_lets(&u->view, level), level, event, "%s", text);
}

/* ---- the end: the prompt, the engine, our head ---- */

static void stop(struct up_on *u)
{
    if (u->prompt != NULL && !u->ending)
        net_child_kill(u->prompt, SIGTERM);
    u->ending = true;
    client_watch_free(u->watch);
    u->watch = NULL;
    if (u->pilot != NULL)
        pilot_stop(u->pilot);
    else if (u->head != NULL)
        launch_stop(u->head);
    else
        net_loop_stop(u->loop);
}

static void on_pilot_ended(const struct fault *f, void *user_data)
{
    struct up_on *u = user_data;
    if (f->err != 0 && u->fault.err == 0)
        u->fault = *f;
    pilot_free(u->pilot);
    u->pilot = NULL;
    stop(u);
}

static void on_head_ended(const struct fault *f, void *user_data)
{
    struct up_on *u = user_data;
    if (f->err != 0 && u->fault.err == 0)
        u->fault = *f;
    launch_free(u->head);
    u->head = NULL;
    stop(u);
}

static void on_signal(int signum, void *user_data)
{
    struct up_on *u = user_data;
    if (signum == SIGINT && u->prompt != NULL && !u->ending && children_prompt_has_terminal())
        return;
    if (signum == SIGHUP && u->ending)
        return;
    u->exit_status = signum == SIGTERM || (signum == SIGINT && setting_on(u->s, SET_NO_PROMPT)) ? 0 : 128 + signum;
    if (!u->ending)
        SAY(u, LOG_INFO, EVENT("up_ending", KV("engine", u->e.ops->engine)), "ending: what this cluster has on %s is taken away", u->e.ops->engine);
    stop(u);
}

/* ---- ready ---- */

static void on_prompt_exit(struct net_child *c, int64_t status, int signum, void *user_data)
{
    struct up_on *u = user_data;
    (void)c;
    u->prompt = NULL;
    if (u->ending)
        return;
    u->exit_status = signum != 0 ? 1 : (int)status;
    stop(u);
}

static void start_prompt(struct up_on *u)
{
    struct fault f = {0};
    u->quiet = true;
    u->prompt = children_prompt(&u->e.children, u->loop, u->address, on_prompt_exit, u, &f);
    if (u->prompt != NULL)
        return;
    u->fault = f;
    stop(u);
}

static void serve(struct up_on *u)
{
    bool detach = setting_on(u->s, SET_DETACH), prompt = !setting_on(u->s, SET_NO_PROMPT) && !detach;
    struct up_facts facts = {.address = u->address, .news = &u->last, .prompt = prompt, .detached = detach, .key = u->api_key[0] != '\0'};
    up_view_box(&u->view, &facts);
    if (prompt) {
        start_prompt(u);
        return;
    }
    SAY(u, LOG_INFO, EVENT("up_ready", KV("address", u->address)), "ready: http://%s (%s)", u->address, running_how_to_stop(detach));
    if (detach)
        detach_done();
}

static void on_watch(const struct client_news *n, void *user_data)
{
    struct up_on *u = user_data;
    /* another head may hold our port: then ours is about to report it and end */
    if (u->serving || u->ending || (u->head != NULL && n->head_pid != launch_pid(u->head, "head")))
        return;
    if (!u->has_port && u->head != NULL && u->pilot != NULL)
        pilot_head_is_up(u->pilot);
    u->has_port = true;
    if (n->workers != u->last.workers || n->ready != u->last.ready)
        SAY(u, LOG_INFO, EVENT("up_joined", KV("workers", n->workers), KV("actors", n->ready)),
            "%u of %u workers joined, %u actors ready", n->workers, u->e.cfg.workers, n->ready);
    u->last = *n;
    up_view_progress(&u->view, n, u->e.cfg.workers, u->actors);
    if (n->ready + n->failed < u->actors || (n->ready == 0 && u->actors > 0) || !n->launcher)
        return;
    u->serving = true;
    client_watch_free(u->watch);
    u->watch = NULL;
    serve(u);
}

static void on_key(const char *api_key, void *user_data)
{
    struct up_on *u = user_data;
    if (setting_text(u->s, SET_API_KEY)[0] != '\0')
        return; /* the user's key takes precedence */
    snprintf(u->api_key, sizeof u->api_key, "%s", api_key);
    snprintf(u->e.children.own_key_env, sizeof u->e.children.own_key_env, "MANTA_API_KEY=%s", api_key);
}

static void on_head(const char *address, void *user_data)
{
    struct up_on *u = user_data;
    struct fault f = {0};
    if (address != u->address)
        snprintf(u->address, sizeof u->address, "%s", address);
    if (u->api_key[0] == '\0')
        snprintf(u->api_key, sizeof u->api_key, "%s", options_client(u->s).api_key);
    u->client = (struct client_options){.head = u->address, .api_key = u->api_key, .model = ""};
    u->watch = client_watch_start(u->loop, &u->client, on_watch, u, &f);
    if (u->watch == NULL)
        SAY(u, LOG_WARN, EVENT("not_watched", KV("code", err_name(f.err))), "cannot watch the head at %s: %s", u->address, f.text);
}

/* ---- the start ---- */

static int start_head(struct up_on *u, struct fault *f)
{
    struct launch_config cfg = launch_config_default();
    cfg.head_args = u->e.children.head_args;
    cfg.worker_args = u->e.children.worker_args;
    cfg.head_env = u->e.children.head_env;
    cfg.worker_env = u->e.children.worker_env;
    cfg.head_only = true;
    cfg.version = MANTA_VERSION;
    cfg.on_line = on_line;
    cfg.on_event = on_event;
    cfg.on_ended = on_head_ended;
    cfg.user_data = u;
    u->head = launch_start(u->loop, &cfg, f);
    return u->head != NULL ? 0 : f->err;
}

/* The engine answers: starts the head, if it is our child. */
static void on_opened(void *user_data)
{
    struct up_on *u = user_data;
    if (u->e.ops->raise != NULL || u->ending)
        return;
    if (start_head(u, &u->fault) == 0)
        on_head(u->address, u);
    else
        stop(u);
}

static int start(struct up_on *u, struct fault *f)
{
    u->pilot = pilot_start(u->loop, &(struct pilot_config){
        .engine = u->e.ops,
        .launcher = u->e.cfg,
        .mode = PILOT_UP,
        .head = u->address,
        .waits = u->e.ops->raise == NULL, /* workers would join whatever head has the port */
        .join_token = children_token(&u->e.children),
        .version = MANTA_VERSION,
        .times = reconcile_times_default(),
        .on_opened = on_opened,
        .on_key = on_key,
        .on_head = on_head,
        .on_line = on_line,
        .on_event = on_event,
        .on_ended = on_pilot_ended,
        .user_data = u,
    }, f);
    return u->pilot != NULL ? 0 : f->err;
}

static void run(struct up_on *u)
{
    up_view_progress(&u->view, NULL, u->e.cfg.workers, u->actors);
    u->loop = net_loop_new();
    net_signal(u->loop, SIGINT, on_signal, u);
    net_signal(u->loop, SIGTERM, on_signal, u);
    net_signal(u->loop, SIGHUP, on_signal, u);
    if (start(u, &u->fault) == 0) {
        running_tell("up", u->e.ops->engine, u->e.cfg.cluster, net_reachable(options_head(u->s).host), (unsigned)setting_number(u->s, SET_PORT));
        net_loop_run(u->loop);
        running_forget();
    }
    log_flush();
    client_watch_free(u->watch);
    pilot_free(u->pilot);
    launch_free(u->head);
    net_loop_free(u->loop);
    if (u->fault.err != 0) {
        up_view_fail(&u->view);
        log_flush();
        u->exit_status = engine_fail(&u->fault);
    }
}

/* Finds the address at which workers on other machines reach a head that listens on a wildcard. */
static void worker_address(const char *host, unsigned port, char *out, size_t cap)
{
    char name[256] = "";
    bool wildcard = strcmp(net_reachable(host), host) != 0;
    if (wildcard)
        gethostname(name, sizeof name - 1);
    snprintf(out, cap, "%s", net_place(name[0] != '\0' ? name : host, port).text);
}

int up_on_main(const struct settings *s)
{
    struct up_on u = {.s = s};
    char head[300];
    const char *host = options_head(s).host;
    unsigned port = (unsigned)setting_number(s, SET_PORT);
    uint32_t models;
    if (engine_help(s))
        return 0;
    up_view_init(&u.view, s);
    snprintf(u.address, sizeof u.address, "%s", net_place(net_reachable(host), port).text);
    worker_address(host, port, head, sizeof head);
    setting_items(s, SET_MODEL, &models);
    bool loopback = net_is_loopback(str_of(host)) || strcmp(host, "localhost") == 0;
    int err = engine_init(&u.e, s, head, loopback, &u.fault);
    u.actors = models * u.e.cfg.workers;
    err = err == 0 ? engine_check_alone(&u.e, &u.fault) : err;
    if (err == 0)
        run(&u);
    else
        u.exit_status = engine_fail(&u.fault);
    engine_fini(&u.e);
    up_view_fini(&u.view);
    return u.exit_status;
}
