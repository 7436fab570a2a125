/* The number of workers that a launcher should run: the command that sets it, and its place in
 * status and metrics. */
#include <stdio.h>

#include "head/state.h"
#include "json/write.h"

enum { SCALE_MODELS_SHOWN = 32 };

void on_scale(struct head_program *p, struct http_request *r)
{
    struct str query = http_query(r, "workers");
    struct api_error e = {0};
    struct api_scale what;
    char body[64];
    snprintf(body, sizeof body, "{\"workers\":%.*s}", query.n < 40 ? (int)query.n : 40, query.n > 0 ? query.p : "");
    if (api_parse_scale(query.n > 0 ? str_of(body) : http_body(r), &what, &e) == 0)
        call_begin_scale(p, r, &what);
    else
        reply_api_error(p, r, &e);
}

static void put_model(const struct head_scale_model *m, struct jout *j)
{
    jout_object(j);
    jout_put_str(j, "model", m->name);
    jout_put_fixed(j, "requests_per_s", m->rate, 3);
    jout_put_fixed(j, "service_s", m->service_s, 2);
    jout_put_fixed(j, "busy", m->busy, 1);
    jout_put_fixed(j, "waiting", m->waiting, 1);
    jout_put_fixed(j, "slots", m->slots, 0);
    jout_put_fixed(j, "workers_needed", m->workers, 2);
    jout_put_bool(j, "comes_with_workers", m->gains);
    jout_object_end(j);
}

static void put_policy(struct head_program *p, const struct head_scale_view *v, struct jout *j)
{
    struct head_scale_model models[SCALE_MODELS_SHOWN];
    uint32_t n = head_scale_models(p->brain, models, SCALE_MODELS_SHOWN);
    jout_put_uint(j, "min", v->limits.min);
    jout_put_uint(j, "max", v->limits.max);
    jout_put_fixed(j, "idle_s", v->hold_s, 0);
    jout_put_fixed(j, "queue_predicted_s", v->wait_s, 2);
    jout_key(j, "models");
    jout_array(j);
    for (uint32_t i = 0; i < n; i++)
        put_model(&models[i], j);
    jout_array_end(j);
}

void put_scale(struct head_program *p, struct jout *j)
{
    struct head_scale_view v;
    head_scale_view(p->brain, &v);
    jout_key(j, "scale");
    jout_object(j);
    jout_put_bool(j, "launcher", v.launcher);
    if (v.running_known || !v.launcher)
        jout_put_uint(j, "running", v.running);
    else
        jout_put_null(j, "running");
    jout_put_uint(j, "target", v.target);
    jout_put_cstr(j, "policy", scale_mode_name(v.limits.mode));
    if (v.known)
        jout_put_uint(j, "desired", v.desired);
    else
        jout_put_null(j, "desired");
    jout_put_uint(j, "starting", v.starting);
    jout_put_fixed(j, "start_s", v.start_s, 3);
    jout_put_cstr(j, "reason", scale_reason_name(v.reason));
    jout_put_str(j, "why", v.why);
    jout_put_str(j, "note", v.note);
    if (v.changed_us > 0)
        jout_put_uint(j, "changed_s_ago", (net_now_us(p->loop) - v.changed_us) / 1000000);
    if (v.limits.mode == SCALE_AUTO)
        put_policy(p, &v, j);
    jout_object_end(j);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.15g\n", name, help, name, name, value);
}

void write_scale_metrics(struct head_program *p)
{
    static const char *const changes = "manta_scale_changes_total", *const info = "manta_scale_info";
    struct buf *out = &p->json;
    struct head_scale_view v;
    head_scale_view(p->brain, &v);
    bool by_load = v.limits.mode == SCALE_AUTO;
    gauge(out, "manta_scale_desired", "workers the launcher is asked for", v.desired);
    if (v.running_known || !v.launcher)
        gauge(out, "manta_scale_running", "workers that run, as the launcher reports; absent until it has seen its engine", v.running);
    gauge(out, "manta_scale_min", "lower bound of automatic scaling; with a fixed number, that number", by_load ? v.limits.min : v.desired);
    gauge(out, "manta_scale_max", "upper bound of automatic scaling; with a fixed number, that number", by_load ? v.limits.max : v.desired);
    gauge(out, "manta_scale_starting", "workers asked for and not ready yet", v.starting);
    gauge(out, "manta_scale_start_seconds", "learned time from asking for a worker until it is ready; 0: unknown", v.start_s);
    gauge(out, "manta_scale_queue_predicted_seconds", "predicted queue wait of a request once a worker requested now is ready", v.wait_s);
    buf_printf(out, "# HELP %s changes of the desired number of workers, by reason\n# TYPE %s counter\n", changes, changes);
    for (int r = SCALE_ASKED; r < SCALE_REASONS; r++)
        buf_printf(out, "%s{reason=\"%s\"} %llu\n", changes, scale_reason_name((enum scale_reason)r), (unsigned long long)v.changes[r]);
    buf_printf(out, "# HELP %s scaling policy, and the reason of the last change\n# TYPE %s gauge\n%s{policy=\"%s\",reason=\"%s\"} 1\n", info, info, info,
               scale_mode_name(v.limits.mode), scale_reason_name(v.reason));
}
