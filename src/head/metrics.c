#include <stdio.h>
#include <unistd.h>

#include "base/utf8.h"
#include "head/page.h"
#include "head/state.h"

/* Prometheus text. Where vLLM has a name that dashboards and gateways already read, it is used beside ours. */

static void metric(struct buf *out, const char *type, const char *name, const char *help, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    metric(out, "gauge", name, help, value);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metric(out, "counter", name, help, (double)value);
}

/* How long the loop's thread computes before it looks at its connections again. */
static void write_turns(struct head_program *p)
{
    const struct net_turns *t = net_turns(p->loop);
    struct buf *out = &p->json;
    double bounds_s[NET_TURN_BOUNDS];
    for (int i = 0; i < NET_TURN_BOUNDS; i++)
        bounds_s[i] = (double)t->bounds_us[i] / 1e6;
    struct histogram_counts c = {.bounds_s = bounds_s, .counts = t->counts, .bounds_n = NET_TURN_BOUNDS, .sum_s = (double)t->sum_us / 1e6, .n = t->n};
    histogram_write_counts(out, &c, "manta_loop_turn_cpu_seconds", "processor time of a turn of the head's loop");
    gauge(out, "manta_loop_turn_cpu_max_seconds", "the longest of them since the head started", (double)t->max_us / 1e6);
    counter(out, "manta_loop_turns_long_total", "turns of more than 50 ms of processor time", t->over);
}

/* Connections that were closed for others. */
static void write_gave_way(struct head_program *p)
{
    static const char *const name = "manta_connections_gave_way_total";
    struct http_gave_way g = http_server_gave_way(p->server);
    buf_printf(&p->json, "# HELP %s idle or unfinished ones that were closed for others\n# TYPE %s counter\n", name, name);
    buf_printf(&p->json, "%s{for=\"place\"} %llu\n%s{for=\"bytes\"} %llu\n", name, (unsigned long long)g.place, name,
               (unsigned long long)g.bytes);
}

static void write_totals(struct head_program *p)
{
    struct buf *out = &p->json;
    struct head_totals t;
    head_totals(p->brain, &t);
    gauge(out, "manta_workers", "worker nodes joined", t.workers);
    gauge(out, "manta_actors_ready", "actors whose model is loaded", t.actors_ready);
    gauge(out, "manta_actors_serving", "of those, the ones whose workers take new prompts", t.actors_serving);
    gauge(out, "manta_connections", "HTTP connections open", http_server_conns(p->server));
    gauge(out, "manta_jobs_queued", "jobs waiting for a slot", t.queued);
    gauge(out, "manta_jobs_running", "jobs running on actors", t.running);
    gauge(out, "manta_queue_bytes", "memory of prompts queued and running", (double)t.queue_bytes);
    counter(out, "manta_calls_total", "client requests accepted", t.calls_total);
    counter(out, "manta_calls_failed_total", "client requests that ended with an error", t.calls_failed);
    counter(out, "manta_jobs_rerouted_total", "jobs given to another actor after theirs was lost", t.jobs_rerouted);
    counter(out, "manta_jobs_moved_total", "jobs that went on elsewhere with what was computed of them", t.jobs_moved);
    counter(out, "manta_jobs_rebalanced_total", "jobs that left a slow or crowded actor for an idle one", t.jobs_rebalanced);
    counter(out, "manta_moved_bytes_total", "of what was computed of them", t.moved_bytes);
    counter(out, "manta_prompt_tokens_total", "prompt tokens of finished jobs", t.prompt_tokens);
    counter(out, "manta_cached_tokens_total", "of those, taken from a prefix cache", t.cached_tokens);
    counter(out, "manta_answer_tokens_total", "tokens generated", t.answer_tokens);
    gauge(out, "vllm:num_requests_running", "jobs running on actors", t.running);
    gauge(out, "vllm:num_requests_waiting", "jobs waiting for a slot", t.queued);
    counter(out, "vllm:prompt_tokens_total", "prompt tokens of finished jobs", t.prompt_tokens);
    counter(out, "vllm:generation_tokens_total", "tokens generated", t.answer_tokens);
    write_scale_metrics(p);
    write_turns(p);
    write_gave_way(p);
    gauge(out, "manta_uptime_seconds", "since the head started", (double)(net_now_us(p->loop) - p->started_us) / 1e6);
}

/* A label's value, whole: two that begin alike are two series. Prometheus drops a page with a byte that is no UTF-8. */
static void put_label(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0, len; i < value.n; i += len > 0 ? len : 1) {
        len = utf8_len(value.p + i, value.n - i);
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_putc(out, '\\');
        if (len == 0)
            buf_puts(out, "\xef\xbf\xbd");
        else if (value.p[i] == '\n')
            buf_puts(out, "\\n");
        else
            buf_add(out, value.p + i, len);
    }
    buf_putc(out, '"');
}

static void actor_line(struct buf *out, const char *name, const struct head_actor_view *a, double value)
{
    buf_printf(out, "%s{actor=\"%u\",", name, a->id);
    put_label(out, "node", a->node);
    buf_putc(out, ',');
    put_label(out, "model", a->model);
    buf_printf(out, "} %.15g\n", value);
}

/* One line per state, also of those nobody is in, so that an alarm need not know about gaps. */
static void write_worker_states(struct head_program *p)
{
    uint32_t n[WORKER_STATES] = {0};
    struct head_worker_view w;
    for (uint64_t from = 0; head_worker_at(p->brain, from, net_now_us(p->loop), &w); from = w.id + 1)
        n[w.state]++;
    buf_printf(&p->json, "# HELP manta_workers_in_state workers by how they are\n# TYPE manta_workers_in_state gauge\n");
    for (uint32_t s = 0; s < WORKER_STATES; s++)
        buf_printf(&p->json, "manta_workers_in_state{state=\"%s\"} %u\n", worker_state_name((enum worker_state)s), n[s]);
}

typedef double worker_value_fn(const struct head_worker_view *w);

static double rss_bytes(const struct head_worker_view *w)
{
    return (double)w->rss_bytes;
}
static double cpu_load(const struct head_worker_view *w)
{
    return (double)w->cpu_load;
}
static double beat_age_s(const struct head_worker_view *w)
{
    return (double)w->beat_age_us / 1e6;
}
static double temperature(const struct head_worker_view *w)
{
    return w->temperature_c > 0 ? (double)w->temperature_c : -1;
}

static double kept_bytes(const struct head_worker_view *w)
{
    return (double)w->kept.bytes;
}

static double moving_bytes(const struct head_worker_view *w)
{
    return (double)w->moving.bytes;
}

static double memory_limit(const struct head_worker_view *w)
{
    return (double)w->memory_bytes;
}


typedef double actor_value_fn(const struct head_actor_view *a);

static double in_flight(const struct head_actor_view *a)
{
    return a->in_flight;
}
static double slots(const struct head_actor_view *a)
{
    return a->slots;
}
static double tokens(const struct head_actor_view *a)
{
    return (double)a->tokens;
}
static double token_age_s(const struct head_actor_view *a)
{
    return a->token_age_ms / 1e3;
}
static double decode_tps(const struct head_actor_view *a)
{
    return (double)a->decode_tps;
}
static double prefill_tps(const struct head_actor_view *a)
{
    return (double)a->prefill_tps;
}

static double ejected(const struct head_actor_view *a)
{
    return a->health == ACTOR_EJECTED || a->health == ACTOR_PROBED;
}
static double jobs_failed(const struct head_actor_view *a)
{
    return (double)a->jobs_failed;
}

static double weights_bytes(const struct head_actor_view *a)
{
    return (double)a->weights_bytes;
}
static double repack_bytes(const struct head_actor_view *a)
{
    return (double)a->repack_bytes;
}
static double kv_bytes(const struct head_actor_view *a)
{
    return (double)a->kv_bytes;
}
static double compute_bytes(const struct head_actor_view *a)
{
    return (double)a->compute_bytes;
}


typedef uint64_t tenant_value_fn(const struct head_tenant_view *t);

static uint64_t tenant_queued(const struct head_tenant_view *t)
{
    return t->queued;
}
static uint64_t tenant_running(const struct head_tenant_view *t)
{
    return t->running;
}
static uint64_t tenant_refused(const struct head_tenant_view *t)
{
    return t->calls_refused;
}
static uint64_t tenant_prompt_tokens(const struct head_tenant_view *t)
{
    return t->prompt_tokens;
}
static uint64_t tenant_answer_tokens(const struct head_tenant_view *t)
{
    return t->answer_tokens;
}

/* A line for each of the first HEAD_TENANT_LABELS tenants there were: anybody may make names up, but not series. */
static void write_tenant_metric(struct head_program *p, const struct owner *who, const char *type, const char *name, const char *help, tenant_value_fn *fn)
{
    struct head_tenant_view t;
    buf_printf(&p->json, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    for (uint64_t from = 0; head_tenant_at(p->brain, from, &t); from = t.id + 1) {
        if (!t.labelled || !owner_sees_tenant(who, t.name))
            continue;
        buf_printf(&p->json, "%s{", name);
        put_label(&p->json, "tenant", t.name);
        buf_printf(&p->json, "} %llu\n", (unsigned long long)fn(&t));
    }
}

static void write_tenants(struct head_program *p, const struct owner *who)
{
    write_tenant_metric(p, who, "gauge", "manta_tenant_jobs_queued", "jobs of the tenant waiting for a slot", tenant_queued);
    write_tenant_metric(p, who, "gauge", "manta_tenant_jobs_running", "jobs of the tenant running on actors", tenant_running);
    write_tenant_metric(p, who, "counter", "manta_tenant_calls_refused_total", "requests of the tenant there was no room for", tenant_refused);
    write_tenant_metric(p, who, "counter", "manta_tenant_prompt_tokens_total", "prompt tokens of its finished jobs", tenant_prompt_tokens);
    write_tenant_metric(p, who, "counter", "manta_tenant_answer_tokens_total", "tokens generated for it", tenant_answer_tokens);
}

/* ---- a line per worker, and one per actor ---- */

struct worker_metric {
    const char *name, *help;
    worker_value_fn *value; /* below 0: not known, left out */
};

static const struct worker_metric worker_metrics[] = {
    {"manta_worker_memory_bytes", "resident memory", rss_bytes},
    {"manta_worker_cpu_load", "processors in use", cpu_load},
    {"manta_worker_beat_age_seconds", "since its last heartbeat", beat_age_s},
    {"manta_worker_temperature_celsius", "the hottest sensor, where the machine tells", temperature},
    {"manta_worker_kept_bytes", "of its memory: streams kept for heads that take them over", kept_bytes},
    {"manta_worker_moving_bytes", "of its memory: what is computed of answers that leave and come", moving_bytes},
    {"manta_worker_memory_limit_bytes", "memory limit of the worker; 0: none", memory_limit},
};

struct actor_metric {
    const char *type, *name, *help;
    actor_value_fn *value;
};

static const struct actor_metric actor_metrics[] = {
    {"gauge", "manta_actor_weights_bytes", "weights mapped from the file, shared on one machine", weights_bytes},
    {"gauge", "manta_actor_repacked_bytes", "weights in another layout, a copy of the worker's own", repack_bytes},
    {"gauge", "manta_actor_kv_bytes", "KV cache", kv_bytes},
    {"gauge", "manta_actor_compute_bytes", "compute buffers", compute_bytes},
    {"gauge", "manta_actor_in_flight", "jobs running on the actor", in_flight},
    {"gauge", "manta_actor_token_age_seconds", "since its last step, while busy", token_age_s},
    {"gauge", "manta_actor_ejected", "1: it failed several jobs in a row, and gets none, or one to see", ejected},
    {"counter", "manta_actor_jobs_failed_total", "jobs that failed there", jobs_failed},
    {"gauge", "manta_actor_slots", "jobs it can run at once", slots},
    {"counter", "manta_actor_tokens_total", "tokens it generated", tokens},
    {"gauge", "manta_actor_decode_tokens_per_second", "measured speed of one stream", decode_tps},
    {"gauge", "manta_actor_prefill_tokens_per_second", "measured speed of a prompt", prefill_tps},
};

static void begin_series(struct buf *out, const char *type, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool write_worker_metrics(struct page_writer *w)
{
    const struct worker_metric *m = &worker_metrics[w->index];
    struct buf *out = &w->p->json;
    struct head_worker_view v;
    if (w->from == 0)
        begin_series(out, "gauge", m->name, m->help);
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (!head_worker_at(w->p->brain, w->from, net_now_us(w->p->loop), &v)) {
            w->from = 0;
            return ++w->index == sizeof worker_metrics / sizeof worker_metrics[0];
        }
        w->from = v.id + 1;
        if (m->value(&v) < 0)
            continue;
        buf_printf(out, "%s{", m->name);
        put_label(out, "node", v.node);
        buf_printf(out, "} %.15g\n", m->value(&v));
    }
    return false;
}

static bool write_actor_metrics(struct page_writer *w)
{
    const struct actor_metric *m = &actor_metrics[w->index];
    struct head_actor_view a;
    if (w->from == 0)
        begin_series(&w->p->json, m->type, m->name, m->help);
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (!head_actor_at(w->p->brain, (uint32_t)w->from, &a)) {
            w->from = 0;
            return ++w->index == sizeof actor_metrics / sizeof actor_metrics[0];
        }
        w->from = a.id + 1;
        if (a.state == WIRE_ACTOR_READY)
            actor_line(&w->p->json, m->name, &a, m->value(&a));
    }
    return false;
}

/* How each exact actor computes: those with the same words, version and processor give equal bits. */
static bool write_setups(struct page_writer *w)
{
    struct buf *out = &w->p->json;
    struct head_actor_view a;
    if (w->from == 0)
        begin_series(out, "gauge", "manta_actor_exact_info", "how an exact actor computes, as it measured it");
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (!head_actor_at(w->p->brain, (uint32_t)w->from, &a))
            return true;
        w->from = a.id + 1;
        if (a.state != WIRE_ACTOR_READY || !a.exact)
            continue;
        buf_printf(out, "manta_actor_exact_info{actor=\"%u\",", a.id);
        put_label(out, "node", a.node);
        buf_putc(out, ',');
        put_label(out, "model", a.model);
        buf_putc(out, ',');
        put_label(out, "setup", a.setup);
        buf_printf(out, "} 1\n");
    }
    return false;
}

static bool begin_metrics(struct page_writer *w)
{
    write_totals(w->p);
    write_tenants(w->p, w->who);
    write_worker_states(w->p);
    return true;
}

static bool end_metrics(struct page_writer *w)
{
    struct head_program *p = w->p;
    histogram_write(&p->json, &p->ttft, "vllm:time_to_first_token_seconds", "from the request to its first token");
    histogram_write(&p->json, &p->e2e, "vllm:e2e_request_latency_seconds", "from the request to its end");
    histogram_write(&p->json, &p->queue, "vllm:request_queue_time_seconds", "in the head's queue");
    return true;
}

void reply_metrics(struct head_program *p, struct http_request *r, const struct owner *who)
{
    static page_part_fn *const parts[] = {begin_metrics, write_worker_metrics, write_actor_metrics, write_setups, end_metrics, NULL};
    page_ask(p, r, who, parts, "text/plain; version=0.0.4; charset=utf-8");
}
