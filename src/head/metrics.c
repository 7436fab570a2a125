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

/* ---- a line per tenant, worker, actor: the value of each row below 0 is not known and left out ---- */

/* clang-format off */
#define TENANT_METRICS(M) \
    M("gauge", "manta_tenant_jobs_queued", "jobs of the tenant waiting for a slot", v->queued) \
    M("gauge", "manta_tenant_jobs_running", "jobs of the tenant running on actors", v->running) \
    M("counter", "manta_tenant_calls_refused_total", "requests of the tenant there was no room for", v->calls_refused) \
    M("counter", "manta_tenant_prompt_tokens_total", "prompt tokens of its finished jobs", v->prompt_tokens) \
    M("counter", "manta_tenant_answer_tokens_total", "tokens generated for it", v->answer_tokens)

#define WORKER_METRICS(M) \
    M("gauge", "manta_worker_memory_bytes", "resident memory", v->rss_bytes) \
    M("gauge", "manta_worker_cpu_load", "processors in use", v->cpu_load) \
    M("gauge", "manta_worker_beat_age_seconds", "since its last heartbeat", (double)v->beat_age_us / 1e6) \
    M("gauge", "manta_worker_temperature_celsius", "the hottest sensor, where the machine tells", v->temperature_c > 0 ? v->temperature_c : -1) \
    M("gauge", "manta_worker_kept_bytes", "of its memory: streams kept for heads that take them over", v->kept_bytes) \
    M("gauge", "manta_worker_moving_bytes", "of its memory: KV caches of answers that leave and come", v->moving_bytes) \
    M("gauge", "manta_worker_memory_limit_bytes", "memory limit of the worker; 0: none", v->memory_bytes)

#define ACTOR_METRICS(M) \
    M("gauge", "manta_actor_weights_bytes", "weights mapped from the file, shared on one machine", v->weights_bytes) \
    M("gauge", "manta_actor_repacked_bytes", "weights in another layout, a copy of the worker's own", v->repack_bytes) \
    M("gauge", "manta_actor_kv_bytes", "KV cache", v->kv_bytes) \
    M("gauge", "manta_actor_compute_bytes", "compute buffers", v->compute_bytes) \
    M("gauge", "manta_actor_in_flight", "jobs running on the actor", v->in_flight) \
    M("gauge", "manta_actor_token_age_seconds", "since its last step, while busy", v->token_age_ms / 1e3) \
    M("gauge", "manta_actor_ejected", "1: it failed several jobs in a row, and gets none, or one to see", v->health == ACTOR_EJECTED || v->health == ACTOR_PROBED) \
    M("counter", "manta_actor_jobs_failed_total", "jobs that failed there", v->jobs_failed) \
    M("gauge", "manta_actor_slots", "jobs it can run at once", v->slots) \
    M("counter", "manta_actor_tokens_total", "tokens it generated", v->tokens) \
    M("gauge", "manta_actor_decode_tokens_per_second", "measured speed of one stream", v->decode_tps) \
    M("gauge", "manta_actor_prefill_tokens_per_second", "measured speed of a prompt", v->prefill_tps)
/* clang-format on */

struct series {
    const char *type, *name, *help;
};
#define M(type, name, help, value) {type, name, help},
static const struct series tenant_series[] = {TENANT_METRICS(M)}, worker_series[] = {WORKER_METRICS(M)}, actor_series[] = {ACTOR_METRICS(M)};
#undef M
enum { TENANT_SERIES = sizeof tenant_series / sizeof *tenant_series, WORKER_SERIES = sizeof worker_series / sizeof *worker_series,
       ACTOR_SERIES = sizeof actor_series / sizeof *actor_series };

#define M(type, name, help, value) (double)(value),
static double tenant_value(const struct head_tenant_view *v, size_t i)
{
    return (const double[]){TENANT_METRICS(M)}[i];
}
static double worker_value(const struct head_worker_view *v, size_t i)
{
    return (const double[]){WORKER_METRICS(M)}[i];
}
static double actor_value(const struct head_actor_view *v, size_t i)
{
    return (const double[]){ACTOR_METRICS(M)}[i];
}
#undef M

static void begin_series(struct buf *out, const struct series *s)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, s->type);
}

/* A line for each of the first HEAD_TENANT_LABELS tenants there were: anybody may make names up, but not series. */
static void write_tenants(struct head_program *p, const struct owner *who)
{
    struct head_tenant_view t;
    for (size_t i = 0; i < TENANT_SERIES; i++) {
        begin_series(&p->json, &tenant_series[i]);
        for (uint64_t from = 0; head_tenant_at(p->brain, from, &t); from = t.id + 1) {
            if (!t.labelled || !owner_sees_tenant(who, t.name))
                continue;
            buf_printf(&p->json, "%s{", tenant_series[i].name);
            put_label(&p->json, "tenant", t.name);
            buf_printf(&p->json, "} %.15g\n", tenant_value(&t, i));
        }
    }
}

static bool write_worker_metrics(struct page_writer *w)
{
    const struct series *s = &worker_series[w->index];
    struct buf *out = &w->p->json;
    struct head_worker_view v;
    if (w->from == 0)
        begin_series(out, s);
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (!head_worker_at(w->p->brain, w->from, net_now_us(w->p->loop), &v)) {
            w->from = 0;
            return ++w->index == WORKER_SERIES;
        }
        w->from = v.id + 1;
        double value = worker_value(&v, w->index);
        if (value < 0)
            continue;
        buf_printf(out, "%s{", s->name);
        put_label(out, "node", v.node);
        buf_printf(out, "} %.15g\n", value);
    }
    return false;
}

static bool write_actor_metrics(struct page_writer *w)
{
    const struct series *s = &actor_series[w->index];
    struct head_actor_view a;
    if (w->from == 0)
        begin_series(&w->p->json, s);
    for (int n = 0; n < PAGE_SLICE; n++) {
        if (!head_actor_at(w->p->brain, (uint32_t)w->from, &a)) {
            w->from = 0;
            return ++w->index == ACTOR_SERIES;
        }
        w->from = a.id + 1;
        if (a.state == WIRE_ACTOR_READY)
            actor_line(&w->p->json, s->name, &a, actor_value(&a, w->index));
    }
    return false;
}

/* How each exact actor computes: those with the same words, version and processor give equal bits. */
static bool write_setups(struct page_writer *w)
{
    struct buf *out = &w->p->json;
    struct head_actor_view a;
    if (w->from == 0)
        begin_series(out, &(struct series){"gauge", "manta_actor_exact_info", "how an exact actor computes, as it measured it"});
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
