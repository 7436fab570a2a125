/* `manta down`: ends the cluster of that name, and nothing else. It stops the process that runs it
 * here and waits; then, for engines other than local, it removes everything with the cluster's name
 * there. Running it twice is harmless. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/plain.h"
#include "json/write.h"
#include "launch/pilot.h"
#include "main/engine.h"
#include "main/running.h"

enum { END_MS = 30000, TOOK_BYTES_MAX = 64 << 10 };

struct down {
    const struct settings *s;
    bool json;
    struct buf took;         /* owned; JSON items */
    unsigned took_n;
    struct net_loop *loop;
    struct pilot *pilot;
    struct fault fault;
};

static void on_took(const char *what, void *user_data)
{
    struct down *d = user_data;
    d->took_n++;
    if (!d->json)
        plain_print(stdout, "down | %s", what);
    if (d->took_n > 1)
        buf_putc(&d->took, ',');
    jout_string(&d->took, str_of(what));
}

/* ---- the process that runs it here ---- */

static bool is_meant(const struct down *d, const struct running *r)
{
    bool port = d->s->values[SET_PORT].source != FROM_DEFAULT;
    return strcmp(r->engine, setting_text(d->s, SET_ON)) == 0 && strcmp(r->cluster, setting_text(d->s, SET_CLUSTER)) == 0 &&
           (!port || r->port == setting_number(d->s, SET_PORT));
}

static void describe(const struct running *r, char *out, size_t cap)
{
    if (r->port > 0)
        snprintf(out, cap, "manta %s, pid %d, head at %s", r->what, r->pid, net_place(r->host, r->port).text);
    else
        snprintf(out, cap, "manta %s, pid %d", r->what, r->pid);
}

/* Several clusters of one name on this machine differ in their ports: the user must choose. */
static int choose(const struct down *d, const struct running *all, size_t n, struct fault *f)
{
    char list[300] = "";
    unsigned ups = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_meant(d, &all[i]) || all[i].port == 0)
            continue;
        ups++;
        at += at < sizeof list ? (size_t)snprintf(list + at, sizeof list - at, "%s--port %u", ups > 1 ? ", " : "", all[i].port) : 0;
    }
    if (ups <= 1)
        return 0;
    return fault_set(f, ERR_USAGE, "%u clusters of the name '%s' run here: say which one, %s", ups, setting_text(d->s, SET_CLUSTER), list);
}

static int end_here(struct down *d, struct fault *f)
{
    static struct running all[RUNNING_MAX];
    size_t n;
    char what[400];
    int err = running_find(all, &n, f);
    if (err == 0)
        err = choose(d, all, n, f);
    for (size_t i = 0; err == 0 && i < n; i++) {
        if (!is_meant(d, &all[i]))
            continue;
        err = running_end(&all[i], END_MS + (uint32_t)setting_number(d->s, SET_DRAIN_GRACE) * 1000, f);
        describe(&all[i], what, sizeof what);
        if (err == 0)
            on_took(what, d);
    }
    return err;
}

/* ---- the engine's part ---- */

static void on_event(enum log_level level, const struct event_field *event, const char *text, void *user_data)
{
    (void)user_data;
    (void)event;
    if (level <= LOG_WARN)
        plain_print(stderr, "down | %s", text);
}

static void on_ended(const struct fault *f, void *user_data)
{
    struct down *d = user_data;
    d->fault = *f;
    net_loop_stop(d->loop);
}

static int end_there(struct down *d, struct engine *e, struct fault *f)
{
    d->loop = net_loop_new();
    d->pilot = pilot_start(d->loop, &(struct pilot_config){
        .engine = e->ops,
        .launcher = e->cfg,
        .mode = PILOT_DOWN,
        .version = MANTA_VERSION,
        .times = reconcile_times_default(),
        .on_took = on_took,
        .on_event = on_event,
        .on_ended = on_ended,
        .user_data = d,
    }, &d->fault);
    if (d->pilot != NULL)
        net_loop_run(d->loop);
    pilot_free(d->pilot);
    net_loop_free(d->loop);
    *f = d->fault;
    return f->err;
}

static void put_json(struct down *d)
{
    struct buf out = buf_max(2 * TOOK_BYTES_MAX);
    struct jout j = jout_to(&out);
    jout_object(&j);
    jout_put_cstr(&j, "engine", setting_text(d->s, SET_ON));
    jout_put_cstr(&j, "cluster", setting_text(d->s, SET_CLUSTER));
    jout_key(&j, "took");
    buf_printf(&out, "[%s]", buf_cstr(&d->took));
    jout_object_end(&j);
    plain_print(stdout, "%s", buf_cstr(&out));
    buf_fini(&out);
}

int down_main(const struct settings *s)
{
    struct down d = {.s = s, .json = setting_json(s), .took = buf_max(TOOK_BYTES_MAX)};
    struct engine e;
    struct fault f = {0};
    if (engine_help(s))
        return 0;
    int err = engine_init(&e, s, "", false, &f);
    err = err == 0 ? launcher_check_cluster(e.cfg.cluster, &f) : err;
    err = err == 0 ? end_here(&d, &f) : err;
    if (err == 0 && strcmp(e.ops->engine, "local") != 0)
        err = end_there(&d, &e, &f);
    if (d.json)
        put_json(&d);
    else if (err == 0 && d.took_n == 0)
        plain_print(stdout, "down | nothing of the cluster '%s' is there on %s", setting_text(s, SET_CLUSTER), setting_text(s, SET_ON));
    buf_fini(&d.took);
    engine_fini(&e);
    return err == 0 ? 0 : engine_fail(&f);
}
