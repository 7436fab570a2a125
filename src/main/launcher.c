/* `manta launcher`: keeps as many workers running on an engine as its head wants. It may die at any
 * time: the next launcher finds the workers by the cluster's name. */
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "http/http.h"
#include "launch/launch.h"
#include "launch/pilot.h"
#include "main/engine.h"
#include "main/running.h"
#include "wire/wire.h"

#define TAG "LAUNCHER"

struct launcher_program {
    struct net_loop *loop;
    struct pilot *pilot;
    struct fault fault;
};

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)user_data;
    log_line(level, TAG, event, "%s", text);
}

static void on_line(const char *who, struct str line, void *user_data)
{
    struct buf out = buf_max(16384);
    (void)user_data;
    launch_prefix(&out, who, line);
    log_raw(out.p, out.n);
    buf_fini(&out);
}

static void on_news(uint32_t running, uint32_t target, const char *note, void *user_data)
{
    (void)user_data;
    if (running == WIRE_NOT_KNOWN)
        log_info(TAG, EVENT("workers_run", KV("running", -1), KV("target", target)),
                 "%u workers are wanted; how many run is not known yet: %s", target, note);
    else
        log_info(TAG, EVENT("workers_run", KV("running", running), KV("target", target)),
                 "%u of %u workers run", running, target); /* on_event logs the note */
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct launcher_program *p = user_data;
    p->fault = *f;
    net_loop_stop(p->loop);
}

static void on_signal(int signum, void *user_data)
{
    struct launcher_program *p = user_data;
    (void)signum;
    pilot_stop(p->pilot);
}

/* The user's own token is only for heads on this machine. */
static bool is_all_loopback(const char *heads)
{
    struct http_address at[8];
    uint32_t n = 0;
    bool all = http_parse_addresses(heads, 8470, at, 8, &n, NULL) == 0;
    for (uint32_t i = 0; i < n; i++)
        all = all && (net_is_loopback(str_of(at[i].host)) || strcmp(at[i].host, "localhost") == 0);
    return all;
}

static int run(const struct settings *s, struct engine *e)
{
    struct launcher_program p = {.loop = net_loop_new()};
    bool is_local = strcmp(e->ops->engine, "local") == 0; /* its workers end with this process: better in order */
    p.pilot = pilot_start(p.loop, &(struct pilot_config){
        .engine = e->ops,
        .launcher = e->cfg,
        .mode = is_local ? PILOT_UP : PILOT_KEEP,
        .adopt = e->ops->remembers && s->values[SET_WORKERS].source == FROM_DEFAULT,
        .head = setting_text(s, SET_HEAD),
        .join_token = children_token(&e->children),
        .version = MANTA_VERSION,
        .times = reconcile_times_default(),
        .on_news = on_news,
        .on_line = on_line,
        .on_event = on_event,
        .on_ended = on_ended,
        .user_data = &p,
    }, &p.fault);
    if (p.pilot != NULL) {
        net_signal(p.loop, SIGINT, on_signal, &p);
        net_signal(p.loop, SIGTERM, on_signal, &p);
        running_tell("launcher", e->ops->engine, e->cfg.cluster, "", 0);
        log_info(TAG, EVENT("launcher_starts", KV("engine", e->ops->engine), KV("cluster", e->cfg.cluster), KV("head", setting_text(s, SET_HEAD))),
                 "keeps the workers up that the head wants");
        net_loop_run(p.loop);
        running_forget();
    }
    pilot_free(p.pilot);
    net_loop_free(p.loop);
    return p.fault.err == 0 ? 0 : engine_fail(&p.fault);
}

int launcher_main(const struct settings *s)
{
    struct engine e;
    struct fault f = {0};
    if (engine_help(s))
        return 0;
    int err = engine_init(&e, s, setting_text(s, SET_HEAD), is_all_loopback(setting_text(s, SET_HEAD)), &f);
    if (err == 0 && e.ops->start == NULL)
        err = fault_set(&f, ERR_USAGE, "%s has a launcher of its own inside: `manta up --on %s` starts it", e.ops->engine, e.ops->engine);
    if (err == 0 && strcmp(e.ops->engine, "local") != 0) /* children belong to this process alone */
        err = engine_check_alone(&e, &f);
    int status = err == 0 ? run(s, &e) : engine_fail(&f);
    engine_fini(&e);
    return status;
}
